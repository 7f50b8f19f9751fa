//! The `match` table of a rule: its keys, and the matcher that they make.

mod parts;
mod validate;

use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;

use self::parts::HEADER;
pub(in crate::rules) use self::parts::{AnswersTable, Comparison, HeaderTable, Where};
use self::validate::of_stage;
use super::loc_uri;
use super::place;
use super::report::{Report, Table, Value};
use crate::dm::{CommandKind, Dialect};
use crate::rules::Stage;
use crate::rules::glob::{Glob, UriGlob};
use crate::rules::matcher::{
    AnswersMatcher, ClientCertMatcher, CommandMatcher, DEPTH, HeaderMatcher, ItemMatcher, Kinds,
    Matcher, MessageMatcher, Net, SoapMatcher, TextTest, ValueTest,
};
use crate::rules::selector::Selector;
use crate::rules::value::{
    Alert, CmdId, CodeRange, HostName, Http, MediaType, NumberRange, OneOf, PathGlob, QueryGlob,
    SyncMl,
};

/// Where the rule acts: all keys must match; without a key that selects commands, the rule selects the whole message.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(
    rename = "`match`",
    rename_all = "kebab-case",
    deny_unknown_fields,
    default,
    expecting = "not = { any = [ … ] } holds where none of them does"
)]
#[schemars(rename = "match")]
pub(super) struct MatchTable {
    /// Commands of this name, including nested ones.
    command: Vec<OneOf<CommandKind>>,
    /// The command with this CmdID.
    #[schemars(extend("examples" = [5]))]
    cmd_id: Vec<CmdId>,
    /// Commands about this node: Target of an Item, otherwise its Source; a Status or Results is about the node of the command that it answers. `*` matches any characters in a segment, `**` any number of segments.
    #[schemars(extend("examples" = ["./Device/Vendor/MSFT/BitLocker/**"]))]
    loc_uri: Vec<UriGlob>,
    /// Meta Format of an Item or of its command; `*` matches any characters.
    #[schemars(extend("examples" = ["int"]))]
    format: Vec<Glob>,
    /// Meta Type of an Item or of its command; `*` matches any characters.
    #[schemars(extend("examples" = ["text/*"]))]
    r#type: Vec<Glob>,
    /// Data of an Item: a text must be equal, a table compares in other ways.
    #[schemars(extend("examples" = ["1", {"contains": "x"}, {"regex": "^\\d+$"}]))]
    data: Vec<TextTest>,
    /// A Status with this code or class of codes.
    #[schemars(extend("examples" = [404, "2xx"]))]
    status: Vec<CodeRange<SyncMl>>,
    /// An Alert with this code or class of codes.
    #[schemars(extend("examples" = [1226]))]
    alert: Vec<CodeRange<Alert>>,
    /// An Alert of this Meta Type; `*` matches any characters.
    #[schemars(extend("examples" = ["com.microsoft:mdm.unenrollment*"]))]
    alert_type: Vec<Glob>,
    /// A Status or Results that answers a command of this name (`"SyncHdr"` for the header), or the command that the table describes.
    #[schemars(extend("examples" = ["SyncHdr", {"command": "Exec", "loc-uri": "./Vendor/**"}]))]
    answers: Vec<AnswersMatcher>,
    /// The selection contains this element or attribute.
    #[schemars(extend("examples" = ["Item/Meta/Mark"]))]
    has: Vec<Selector>,
    /// Compares the text at a place in the selection.
    #[schemars(extend("examples" = [{"at": "Item/Data", "equals": "1"}]))]
    r#where: Vec<ValueTest>,
    /// The message with this MsgID, or within this range: `"2..4"` is 2, 3 and 4.
    #[schemars(extend("examples" = [2, "2.."]))]
    message: Vec<NumberRange<1>>,
    /// The package of the message: the device sends 1 (which opens the session) and 3, the server 2 and 4.
    #[schemars(extend("examples" = ["1..4"]))]
    package: Vec<NumberRange<1>>,
    /// The number of the exchange in its session, from 1.
    #[schemars(extend("examples" = [1, "..3"]))]
    exchange: Vec<NumberRange<1>>,
    /// The SessionID; `*` matches any characters.
    #[schemars(extend("examples" = ["1A"]))]
    session: Vec<Glob>,
    /// The number of the session among those of its device since dmtap started, from 1; of 10,000 devices at most.
    #[schemars(extend("examples" = [2, "2.."]))]
    device_session: Vec<NumberRange<1>>,
    /// The Source of the device's messages; `*` matches any characters.
    #[schemars(extend("examples" = ["urn:uuid:*"]))]
    device: Vec<Glob>,
    /// The LocName of the device's Source, otherwise the user of Basic credentials, as last sent in the session.
    #[schemars(extend("examples" = ["*@contoso.com"]))]
    user: Vec<Glob>,
    /// The device's address, or a network.
    #[schemars(extend("examples" = ["192.0.2.7", "10.0.0.0/8"]))]
    peer: Vec<Net>,
    /// The name in the device's TLS ClientHello; `*` matches any characters.
    #[schemars(extend("examples" = ["*.contoso.com"]))]
    sni: Vec<Glob>,
    /// The client certificate that the device presented.
    #[schemars(extend("examples" = [{"subject": "CN=*", "thumbprint": "5F3C*"}]))]
    client_cert: Vec<ClientCertMatcher>,
    /// The host that the device asked for (Host or :authority), without port; with `--mode reverse:` it is the name the device has for dmtap. `*` matches any characters.
    #[schemars(extend("examples" = ["mdm.contoso.com"]))]
    host: Vec<HostName>,
    /// The path of the HTTP request, without the query; `*` matches any characters.
    #[schemars(extend("examples" = ["/ManagementServer/*"]))]
    path: Vec<PathGlob>,
    /// The query of the HTTP request, without its question mark; `*` matches any characters.
    #[schemars(extend("examples" = ["mode=Maintenance*"]))]
    query: Vec<QueryGlob>,
    /// The method of the HTTP request.
    #[schemars(extend("examples" = ["POST"]))]
    method: Vec<Glob>,
    /// A header field of this message.
    #[schemars(extend("examples" = [{"name": "Content-Type", "value": "application/*"}]))]
    header: Vec<HeaderMatcher>,
    /// A header field of the request, at both stages.
    #[schemars(extend("examples" = [{"name": "User-Agent", "value": "MSFT*"}]))]
    request_header: Vec<HeaderMatcher>,
    /// The Content-Type of this message, without parameters; `*` matches any characters.
    #[schemars(extend("examples" = ["application/vnd.syncml.dm+*"]))]
    media_type: Vec<MediaType>,
    /// The HTTP status of the response, or its class; only at the stage `response`.
    #[schemars(extend("examples" = [200, "5xx"], "x-stages" = ["response"]))]
    http_status: Vec<CodeRange<Http>>,
    /// The encoding of the document, detected from its bytes.
    encoding: Vec<Form>,
    /// The language of the document, detected from its root element.
    dialect: Vec<OneOf<Dialect>>,
    /// The Action of a SOAP message, or its name: `Discover`, `GetPolicies` and `RST/wstep` of requests, `DiscoverResponse`, `GetPoliciesResponse` and `RSTRC/wstep` of responses; `*` matches any characters.
    #[schemars(extend("examples" = ["Discover", "*/RST/wstep"]))]
    soap_action: Vec<Glob>,
    /// A SOAP fault with this code, subcode or ErrorType, without a prefix; `*` matches any characters, and alone every fault. Only at the stage `response`.
    #[schemars(extend("examples" = ["Authorization", "DeviceCapReached"], "x-stages" = ["response"]))]
    soap_fault: Vec<Glob>,
    /// The length of the body in bytes, without content coding; for a body that is no document, its Content-Length.
    #[schemars(extend("examples" = ["4096.."]))]
    body_size: Vec<NumberRange<0>>,
    /// Matches if the keys in it do not all match.
    #[schemars(extend("examples" = [{"command": "Get"}]))]
    not: Option<Box<Self>>,
    /// Matches if one of the tables does.
    #[schemars(extend("examples" = [[{"command": "Get"}, {"alert": 1226}]]))]
    any: Vec<Self>,
    /// Matches if all of the tables do; two of them may have the same key.
    #[schemars(extend("examples" = [[{"command": "Get"}, {"loc-uri": "./DevInfo/**"}]]))]
    all: Vec<Self>,
}

/// The keys of which one makes a rule select commands: the first ones of the table.
pub(super) const COMMAND_KEYS: [&str; 10] = [
    "command",
    "cmd-id",
    "loc-uri",
    "format",
    "type",
    "data",
    "status",
    "alert",
    "alert-type",
    "answers",
];

/// An encoding of documents.
#[derive(Clone, Copy, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Form {
    Xml,
    Wbxml,
}

/// A matcher, with the places steps point at when they do not go with it.
#[derive(Default)]
pub(super) struct LoadedMatcher {
    pub(super) matcher: Matcher,
    /// Where the commands are named.
    pub(super) command_span: Option<Range<usize>>,
}

/// The matcher that the keys of a table make.
pub(super) fn matcher(
    keys: MatchTable,
    table: Table<'_>,
    stage: Stage,
    report: &mut Report<'_>,
) -> LoadedMatcher {
    let before = report.count();
    let mut matcher = one(keys, table, stage, 0, report);
    if report.count() == before {
        if matcher.selects_commands() {
            let kinds = matcher.kinds();
            if kinds == Kinds::NONE {
                report
                    .wrong(table.span(), "no command can match all of this")
                    .help("each key narrows what the others leave; `any` holds alternatives");
            }
            // Steps ask what a rule selects: it stands in one place, wherever it was written.
            let command = matcher.command.get_or_insert_default();
            command.kinds = command.kinds.and(kinds);
        }
        validate::places(&matcher, table, report);
    }
    LoadedMatcher {
        matcher,
        command_span: table.value("command").map(Value::span),
    }
}

/// One table of keys: `match` itself, or one inside `not`, `any` or `all`.
fn one(
    keys: MatchTable,
    table: Table<'_>,
    stage: Stage,
    depth: usize,
    report: &mut Report<'_>,
) -> Matcher {
    let before = report.count();
    of_stage(&keys, table, stage, report);
    warn(table, report);
    let mut inner = |key, tables: Vec<MatchTable>| -> Vec<Matcher> {
        let values = table.values(key).into_iter().zip(tables);
        values
            .filter_map(|(value, keys)| self::inner(key, keys, value, stage, depth, report))
            .collect()
    };
    let not = keys
        .not
        .map(|not| inner("not", vec![*not]))
        .unwrap_or_default()
        .pop();
    let (any, all) = (inner("any", keys.any), inner("all", keys.all));
    let is_about_commands = COMMAND_KEYS.iter().any(|key| table.value(key).is_some());
    let kinds = keys
        .command
        .iter()
        .map(|kind| Kinds::of(kind.0))
        .reduce(Kinds::or);
    let mut command = is_about_commands.then(|| CommandMatcher {
        kinds: kinds.unwrap_or_default(),
        cmd_ids: keys.cmd_id.into_iter().map(|id| id.0).collect(),
        status: keys.status.into_iter().map(|code| code.0).collect(),
        alert: keys.alert.into_iter().map(|code| code.0).collect(),
        answers: keys.answers,
        uris: keys.loc_uri,
        item: ItemMatcher {
            format: keys.format,
            media_type: keys.r#type,
            alert_type: keys.alert_type,
            data: keys.data,
        },
    });
    if let Some(command) = command.as_mut().filter(|_| report.count() == before) {
        validate::narrow(command, table, report);
    }
    let matcher = Matcher {
        command,
        passage: MessageMatcher {
            peer: keys.peer,
            sni: keys.sni,
            client_cert: keys.client_cert,
            host: keys.host.into_iter().map(Glob::from).collect(),
            path: keys.path.into_iter().map(Glob::from).collect(),
            query: keys.query.into_iter().map(Glob::from).collect(),
            method: keys.method,
            header: keys.header,
            request_header: keys.request_header,
            media_type: keys.media_type.into_iter().map(Glob::from).collect(),
            http_status: keys.http_status.into_iter().map(|code| code.0).collect(),
            body_size: keys.body_size.into_iter().map(|range| range.0).collect(),
            wbxml: keys
                .encoding
                .iter()
                .map(|form| *form == Form::Wbxml)
                .collect(),
            dialect: keys.dialect.iter().map(|dialect| dialect.0).collect(),
            soap: SoapMatcher {
                action: keys.soap_action.iter().map(Glob::trimmed).collect(),
                fault: keys.soap_fault.iter().map(validate::local).collect(),
            },
            device: keys.device,
            user: keys.user,
            session: keys.session,
            message: keys.message.into_iter().map(|range| range.0).collect(),
            package: keys.package.into_iter().map(|range| range.0).collect(),
            exchange: keys.exchange.into_iter().map(|range| range.0).collect(),
            device_session: keys
                .device_session
                .into_iter()
                .map(|range| range.0)
                .collect(),
        },
        has: keys.has,
        wheres: keys.r#where,
        not: not.map(Box::new),
        any,
        all,
    };
    if report.count() == before {
        validate::documents(&matcher, table, report);
    }
    matcher
}

/// A table of keys inside another one.
fn inner<'t>(
    key: &'static str,
    keys: MatchTable,
    value: &'t Value<'t>,
    stage: Stage,
    depth: usize,
    report: &mut Report<'_>,
) -> Option<Matcher> {
    let table = Table::of(value)?;
    if depth == DEPTH {
        report
            .wrong(
                value.span(),
                format!("`{key}` stands deeper than {DEPTH} tables"),
            )
            .help("write a rule for each case: dmtap evaluates every rule");
        return None;
    }
    if table.is_empty() {
        report
            .wrong(value.span(), format!("an empty table in `{key}`"))
            .label("this matches everything")
            .help("write keys as in `match`: { command = \"Get\" }");
        return None;
    }
    Some(one(keys, table, stage, depth + 1, report))
}

/// Warns of patterns and places that load, and probably match nothing.
fn warn(table: Table<'_>, report: &mut Report<'_>) {
    let answers = table.values("answers").into_iter().filter_map(Table::of);
    for table in answers.chain([table]) {
        for value in table.values("loc-uri") {
            if let Some(warning) = value.get_ref().as_str().and_then(loc_uri::warning_about) {
                report.warn(value.span(), warning.title, warning.help);
            }
        }
    }
    let wheres = table.values("where").into_iter().filter_map(Table::of);
    let wheres = wheres.filter_map(|table| table.value("at"));
    for value in table.values("has").into_iter().chain(wheres) {
        place::warn(value, report);
    }
}
