//! The keys that ask about the message as a whole.

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE, HOST, REFERER, USER_AGENT};

use super::value::{numbers, wilds};
use crate::dm::Dialect;
use crate::rules::Stage;
use crate::rules::glob::Glob;
use crate::rules::load::code::HTTP;
use crate::rules::load::connection::net;
use crate::rules::load::read::{self, Report, Table, each};
use crate::rules::matcher::{Codes, HeaderMatcher, MessageMatcher, Numbers};

pub(super) fn read(table: Table<'_>, stage: Option<Stage>, report: &mut Report) -> MessageMatcher {
    MessageMatcher {
        peer: each(table, "peer", report, net),
        sni: wilds(table, "sni", report),
        client_cert: super::client_cert::read(table, report),
        host: hosts(table, report),
        path: paths(table, report),
        query: queries(table, report),
        method: wilds(table, "method", report),
        header: own_headers(table, stage, report),
        request_header: headers(table, "request-header", report),
        media_type: media_types(table, report),
        http_status: http_status(table, stage, report),
        body_size: numbers(table, "body-size", 0, report),
        wbxml: each(table, "encoding", report, |value, report| {
            read::one_of(value, "encoding", &ENCODINGS, report)
        }),
        dialect: each(table, "dialect", report, |value, report| {
            let named = DIALECTS.map(|dialect| (dialect.name(), dialect));
            read::one_of(value, "dialect", &named, report)
        }),
        soap: super::soap::read(table, stage, report),
        device: wilds(table, "device", report),
        user: wilds(table, "user", report),
        session: wilds(table, "session", report),
        message: from_one(table, "message", "the first message has MsgID 1", report),
        package: packages(table, stage, report),
        exchange: from_one(
            table,
            "exchange",
            "the first exchange of a session is 1",
            report,
        ),
        device_session: from_one(
            table,
            "device-session",
            "the first session of a device is 1",
            report,
        ),
    }
}

pub(super) const ENCODINGS: [(&str, bool); 2] = [("xml", false), ("wbxml", true)];

pub(super) const DIALECTS: [Dialect; 4] = [
    Dialect::SyncMl,
    Dialect::Soap,
    Dialect::Provisioning,
    Dialect::Other,
];

fn hosts(table: Table<'_>, report: &mut Report) -> Vec<Glob> {
    each(table, "host", report, |value, report| {
        let text = read::text(value, "host", report)?;
        let brackets = text.starts_with('[') && text.ends_with(']');
        if text.contains('/') || text.contains(':') && !brackets {
            let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
            let bare = bare.split(['/', ':']).next().unwrap_or_default();
            report
                .wrong(value.span(), format!("`{text}` is no name of a host"))
                .label("a host is matched without scheme, port and path")
                .help(format!("write host = \"{bare}\"; `path` matches the path"));
            return None;
        }
        Some(Glob::new(text))
    })
}

fn paths(table: Table<'_>, report: &mut Report) -> Vec<Glob> {
    each(table, "path", report, |value, report| {
        let text = read::text(value, "path", report)?;
        if let Some((path, query)) = text.split_once('?') {
            report
                .wrong(value.span(), format!("no path has a query: `{text}`"))
                .label("a path is matched without it")
                .help(format!("write path = \"{path}\", query = \"{query}\""));
            return None;
        }
        if !text.starts_with(['/', '*']) {
            report
                .wrong(value.span(), format!("no path begins as `{text}` does"))
                .help(format!("write path = \"/{text}\" or \"*/{text}\""));
            return None;
        }
        Some(Glob::new(text))
    })
}

fn queries(table: Table<'_>, report: &mut Report) -> Vec<Glob> {
    each(table, "query", report, |value, report| {
        let text = read::text(value, "query", report)?;
        if let Some(rest) = text.strip_prefix('?') {
            report
                .wrong(value.span(), "a query is matched without its question mark")
                .help(format!("write query = \"{rest}\""));
            return None;
        }
        Some(Glob::new(text))
    })
}

fn media_types(table: Table<'_>, report: &mut Report) -> Vec<Glob> {
    each(table, "media-type", report, |value, report| {
        let text = read::text(value, "media-type", report)?;
        if let Some((bare, _)) = text.split_once(';') {
            report
                .wrong(value.span(), "a media type is matched without parameters")
                .help(format!("write media-type = \"{}\"", bare.trim()))
                .help("or header = { name = \"Content-Type\", value = \"…\" }");
            return None;
        }
        Some(Glob::new(text))
    })
}

/// The keys of a header that is asked for.
pub(super) const HEADER_KEYS: [&str; 2] = ["name", "value"];

fn headers(table: Table<'_>, key: &str, report: &mut Report) -> Vec<HeaderMatcher> {
    each(table, key, report, |value, report| {
        let table = Table::of("a header", value, report)?;
        table.refuse_other_keys(&HEADER_KEYS, report);
        let values = wilds(table, "value", report);
        let Some(name) = table.value("name") else {
            if !table.means("name", &HEADER_KEYS) {
                report
                    .wrong(value.span(), format!("`{key}` names no header"))
                    .help(format!(
                        "{key} = {{ name = \"User-Agent\", value = \"MSFT*\" }}"
                    ));
            }
            return None;
        };
        let text = read::text(name, "name", report)?;
        let Ok(header) = HeaderName::try_from(text) else {
            report.wrong(name.span(), format!("`{text}` is no name of a header"));
            return None;
        };
        Some(HeaderMatcher {
            name: header,
            value: values,
        })
    })
}

/// Those of the message at hand: a response never has what only a request has.
fn own_headers(table: Table<'_>, stage: Option<Stage>, report: &mut Report) -> Vec<HeaderMatcher> {
    let headers = headers(table, "header", report);
    let of_requests = [USER_AGENT, HOST, AUTHORIZATION, COOKIE, REFERER];
    let asked = headers
        .iter()
        .find(|header| of_requests.contains(&header.name));
    if let Some(asked) = asked.filter(|_| stage == Some(Stage::Response)) {
        let title = format!("a response has no header `{}`", asked.name);
        report
            .wrong(table.key_span("header"), title)
            .label("`header` looks at the response here")
            .help("write `request-header` for the request it answers");
    }
    headers
}

fn http_status(table: Table<'_>, stage: Option<Stage>, report: &mut Report) -> Codes {
    let Some(value) = table.value("http-status") else {
        return Codes::new();
    };
    if stage == Some(Stage::Request) {
        report
            .wrong(
                table.key_span("http-status"),
                "a request has no HTTP status",
            )
            .label("known at the stage `response`")
            .help("write stage = \"response\", or leave `http-status` out");
    }
    HTTP.matched(value, "http-status", report)
        .unwrap_or_default()
}

/// Numbers that are counted from 1.
fn from_one(table: Table<'_>, key: &str, why: &str, report: &mut Report) -> Numbers {
    let zero = table
        .value(key)
        .filter(|value| read::integer(value) == Some(0));
    if let Some(value) = zero {
        report
            .wrong(value.span(), format!("no {key} has the number 0"))
            .label(why)
            .help(format!("write {key} = 1, or a range such as \"2..\""));
        return Numbers::new();
    }
    numbers(table, key, 1, report)
}

fn packages(table: Table<'_>, stage: Option<Stage>, report: &mut Report) -> Numbers {
    let packages = from_one(
        table,
        "package",
        "package 0 is the notification that wakes the device, and passes elsewhere",
        report,
    );
    let (possible, help) = match stage {
        Some(Stage::Request) => (
            [1, 3],
            "the device sends package 1 (it opens the session) and 3",
        ),
        Some(Stage::Response) => (
            [2, 4],
            "the server sends package 2 (it answers the opening) and 4",
        ),
        _ => return packages,
    };
    let can = packages
        .iter()
        .any(|range| possible.iter().any(|package| range.contains(package)));
    if let Some(value) = table
        .value("package")
        .filter(|_| !can && !packages.is_empty())
    {
        report
            .wrong(value.span(), "no message of this stage is of that package")
            .help(help);
    }
    packages
}
