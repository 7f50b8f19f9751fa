//! Rules of the stage `connection`: their matcher and their limit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::read::{self, Report, Table, Value, each};
use super::step;
use crate::rules::glob::Glob;
use crate::rules::matcher::{
    BadNet, ConnectionLimit, ConnectionMatcher, Matcher, Net, PerConnection,
};
use crate::rules::{ConnectionStep, Rule, Stage, Step};

/// A rule of that stage, as far as it can be read.
pub(super) fn rule(table: Table<'_>, name: Option<String>, report: &mut Report) -> Option<Rule> {
    refuse_parts(table, report);
    let matcher = matcher(table, report);
    let steps = step::steps(table, Some(Stage::Connection), None, report);
    agree_on_versions(table, steps.as_deref().unwrap_or_default(), report);
    Some(Rule {
        warnings: Vec::new(),
        name: name?,
        file: report.file().clone(),
        line: report.line(table.span().start),
        stage: Stage::Connection,
        matcher: Matcher::default(),
        limit: None,
        scenario: None,
        end: false,
        steps: steps?,
        connection: matcher?,
    })
}

/// Parts of a rule that are about messages.
fn refuse_parts(rule: Table<'_>, report: &mut Report) {
    let parts = [
        ("scenario", "its acts are those of a session"),
        ("end", "no message has passed yet"),
    ];
    for (key, why) in parts {
        if rule.value(key).is_none() {
            continue;
        }
        let title = format!("`{key}` has no place at the stage `connection`");
        report
            .wrong(rule.key_span(key), title)
            .label(why)
            .help("leave it out; `limit` says how often a connection is acted on");
    }
}

/// No version is left between a floor and a ceiling that lies under it.
fn agree_on_versions(rule: Table<'_>, steps: &[Step], report: &mut Report) {
    let min = steps.iter().find_map(|step| match step {
        Step::Connection(ConnectionStep::TlsMin(version)) => Some(*version),
        _ => None,
    });
    let max = steps.iter().find_map(|step| match step {
        Step::Connection(ConnectionStep::TlsMax(version)) => Some(*version),
        _ => None,
    });
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        report
            .wrong(rule.key_span("step"), "no version of TLS is left")
            .label("`tls-min` is newer than `tls-max`")
            .help("to end the handshake so: handshake-alert = \"protocol_version\"");
    }
}

fn matcher(rule: Table<'_>, report: &mut Report) -> Option<ConnectionMatcher> {
    let before = report.count();
    let mut matcher = ConnectionMatcher {
        limit: limit(rule, report),
        ..ConnectionMatcher::default()
    };
    if let Ok(Some(table)) = rule.table("match", "`match`", report) {
        refuse_other_keys(table, report);
        matcher.peers = each(table, "peer", report, net);
        matcher.listener = each(table, "listener", report, listener);
        matcher.sni = each(table, "sni", report, |value, report| {
            name_of_host(value, "sni", report)
        });
        matcher.host = each(table, "host", report, |value, report| {
            name_of_host(value, "host", report)
        });
    }
    (report.count() == before).then_some(matcher)
}

pub(super) const KEYS: [&str; 4] = ["peer", "listener", "sni", "host"];

/// What a message tells is not known when a device connects.
fn refuse_other_keys(table: Table<'_>, report: &mut Report) {
    let slip = |key: &str| super::suggest::closest(key, &KEYS).is_some();
    let others: Vec<_> = table.keys();
    let others = others.into_iter().filter(|(key, _)| !KEYS.contains(key));
    let (slips, unknown): (Vec<_>, Vec<_>) = others.partition(|(key, _)| slip(key));
    if !slips.is_empty() {
        return table.refuse_other_keys(&KEYS, report);
    }
    for (key, span) in unknown {
        report
            .wrong(span, format!("`{key}` is not known when a device connects"))
            .label("the first message comes later")
            .help(format!(
                "a connection is matched by {}",
                super::suggest::list(&KEYS)
            ))
            .help("or write the rule for stage = \"request\": `empty-response` and `reset` end the connection there");
    }
}

/// An address or a network of devices.
pub(super) fn net(value: &Value<'_>, report: &mut Report) -> Option<Net> {
    let text = read::text(value, "peer", report)?;
    let bad = match text.parse::<Net>() {
        Ok(net) => return Some(net),
        Err(bad) => bad,
    };
    let error = report.wrong(value.span(), format!("`{text}` is no address of a device"));
    error.label(bad.to_string());
    error.help(match bad {
        BadNet::Beyond { meant } => format!("write the network: peer = \"{meant}\""),
        BadNet::Unreadable => {
            "write peer = \"192.0.2.7\", \"10.0.0.0/8\" or \"2001:db8::/32\"".into()
        }
    });
    None
}

/// The name of a host, alone: what else an address has is not compared.
fn name_of_host(value: &Value<'_>, key: &str, report: &mut Report) -> Option<Glob> {
    let text = read::text(value, key, report)?;
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    let bare = bare.split('/').next().unwrap_or_default();
    let bare = match bare.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None if bare.parse::<Ipv6Addr>().is_ok() => bare,
        None => bare.split(':').next().unwrap_or_default(),
    };
    if bare == text && !text.is_empty() {
        return Some(Glob::new(text));
    }
    let error = report.wrong(value.span(), format!("`{text}` is no name of a host"));
    error.label("a name stands alone, without scheme, port, path and brackets");
    error.help(match bare {
        "" => format!("write {key} = \"mdm.example.com\", or \"*.example.com\""),
        bare => format!("write {key} = \"{bare}\""),
    });
    if key == "host" {
        error.help("`listener` tells the port that devices connect to");
    }
    None
}

/// A port, or `ip:port` with stars.
fn listener(value: &Value<'_>, report: &mut Report) -> Option<Glob> {
    if read::integer(value).is_some() {
        let port = read::number(value, "listener", 1..=u64::from(u16::MAX), report)?;
        return Some(Glob::new(&format!("*:{port}")));
    }
    let text = read::text(value, "listener", report)?;
    if is_socket(text) {
        return Some(Glob::new(text));
    }
    let error = report.wrong(
        value.span(),
        format!("`{text}` is no address that dmtap listens at"),
    );
    error.label("neither a port nor an IP address with its port");
    error.help(match (text.parse::<u16>(), text.parse::<IpAddr>()) {
        (Ok(port), _) => format!("write the port as a number: listener = {port}"),
        (_, Ok(IpAddr::V6(ip))) => format!("write listener = \"[{ip}]:*\" for all of its ports"),
        (_, Ok(ip)) => format!("write listener = \"{ip}:*\" for all of its ports"),
        _ => "write listener = 8080, \"127.0.0.1:8080\", \"127.0.0.1:*\" or \"[::1]:8080\"".into(),
    });
    None
}

/// Whether a pattern can match an address with its port.
fn is_socket(pattern: &str) -> bool {
    let Some((address, port)) = pattern.rsplit_once(':') else {
        return pattern.contains('*');
    };
    let starred = |text: &str| text.contains('*');
    let is_port = port.parse::<u16>().is_ok()
        || starred(port) && port.chars().all(|c| c == '*' || c.is_ascii_digit());
    let fits = |c: char| c.is_ascii_hexdigit() || "*.:[]".contains(c);
    let is_address = match address.strip_prefix('[').and_then(|a| a.strip_suffix(']')) {
        Some(inner) if !starred(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None if !starred(address) => address.parse::<Ipv4Addr>().is_ok(),
        _ => address.chars().all(fits),
    };
    is_port && is_address
}

pub(super) const LIMIT_KEYS: [&str; 4] = ["times", "skip", "every", "per"];

fn limit(rule: Table<'_>, report: &mut Report) -> Option<ConnectionLimit> {
    let table = rule.table("limit", "a limit", report).ok()??;
    let before = report.count();
    table.refuse_other_keys(&LIMIT_KEYS, report);
    let mut number = |key, least| {
        let value = table.value(key)?;
        read::number(value, key, least..=u64::from(u32::MAX), report)
    };
    let (times, skip) = (number("times", 1), number("skip", 0).unwrap_or(0));
    let every = number("every", 1).unwrap_or(1);
    let per = match table.value("per") {
        Some(value) => read::one_of(value, "per", &PerConnection::ALL, report)?,
        None => PerConnection::Run,
    };
    if times.is_none() && skip == 0 && every == 1 && report.count() == before {
        report
            .wrong(table.span(), "this limit limits nothing")
            .help("times = 1 acts once, skip = 1 lets the first one pass, every = 3 acts on each third one");
        return None;
    }
    Some(ConnectionLimit {
        skip,
        times,
        every,
        per,
    })
}
