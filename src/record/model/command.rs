//! A command as plain data.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smol_str::{SmolStr, SmolStrBuilder, format_smolstr};

use crate::dm::{Command, Item, Meta, Refs, Status, trimmed};
use crate::facts;
use crate::flow::{AnswerLink, AnswerTarget};
use crate::markup::Element;
use crate::record::redact::{MASK, SecretSpans};

/// A command; a Status or Results is one, too.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandRecord {
    /// The name of the element.
    pub kind: SmolStr,
    /// `CmdID`.
    pub id: Option<SmolStr>,
    /// The number of commands around this one.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub depth: u32,
    /// The path of the command in the document.
    pub path: SmolStr,
    /// The offsets of the first byte and of the end of the command in the decoded body as received.
    pub span: (u32, u32),
    /// The node that the command is about.
    pub loc_uri: Option<SmolStr>,
    /// For Status and Results: the command that is answered.
    pub answers: Option<AnswerTargetRecord>,
    /// For Status: the result.
    pub status: Option<StatusRecord>,
    /// For Alert: the code.
    pub alert: Option<AlertRecord>,
    /// For Exec and Alert: `Correlator`, by which an Alert names the Exec whose end it reports.
    pub correlator: Option<SmolStr>,
    /// The items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemRecord>,
}

/// The command that a Status or Results answers, by its references and as dmtap found it.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerTargetRecord {
    /// The message that is referred to.
    pub msg: SmolStr,
    /// The CmdID that is referred to; `0` is the header.
    pub id: SmolStr,
    /// The name of the command that was found, otherwise the name in the answer.
    pub cmd: Option<SmolStr>,
    /// The node that the answer is about; the first if there are several.
    pub loc_uri: Option<SmolStr>,
    /// All nodes if there are several, up to 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loc_uris: Vec<SmolStr>,
    /// Whether the answer is about more than 16 nodes.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub more: bool,
    /// Whether the answering peer received that command; absent if that is not known.
    pub found: Option<bool>,
}

/// The result that a Status reports.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusRecord {
    /// The code; absent if Data is not a number.
    pub code: Option<u16>,
    /// The content of Data if it is not a code; masked unless it looks like a number of at most 64 bytes.
    pub data: Option<SmolStr>,
    /// The name of the code.
    pub name: Option<SmolStr>,
    /// The native error of Windows, such as `0x80070002`.
    pub original_error: Option<SmolStr>,
    /// The meaning of that error, if dmtap knows it.
    pub original_error_means: Option<SmolStr>,
    /// The challenge.
    pub chal: Option<ChalRecord>,
}

/// A challenge, without its nonce.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChalRecord {
    /// The requested scheme.
    pub scheme: Option<SmolStr>,
    /// Whether the challenge has a nonce.
    pub nonce: bool,
}

/// The subject of an Alert.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertRecord {
    /// The code; absent if Data is not a number.
    pub code: Option<u16>,
    /// The name of the code.
    pub name: Option<SmolStr>,
}

/// One item of a command.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ItemRecord {
    /// `Target/LocURI`.
    pub target: Option<SmolStr>,
    /// `Source/LocURI`.
    pub source: Option<SmolStr>,
    /// `Meta/Format` of the item or of its command.
    pub format: Option<SmolStr>,
    /// `Meta/Type` of the item or of its command.
    #[serde(rename = "type")]
    pub media_type: Option<SmolStr>,
    /// `Meta/Mark` of the item or of its command: the severity of an Alert.
    pub mark: Option<SmolStr>,
    /// `Meta/Size` of the item, or of its command if the item has no Meta: the bytes of a large object in chunks.
    pub size: Option<u64>,
    /// The value.
    pub data: Option<DataRecord>,
    /// Whether more chunks follow.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub more: bool,
}

/// The beginning of a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataRecord {
    /// The first characters of the value; for markup, the name of the first element.
    pub text: SmolStr,
    /// The length of the value, in bytes.
    pub bytes: u64,
    /// Whether the value is longer than `text`.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub cut: bool,
    /// Whether the value is not text, so that `text` shows octets in hex.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub hex: bool,
    /// Whether the value is a masked secret.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub masked: bool,
    /// Whether the value consists of elements instead of text.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub markup: bool,
}

impl CommandRecord {
    /// Makes the record of a command; `secret_spans` are the secrets to mask.
    pub(super) fn of(
        command: Command<'_>,
        depth: u32,
        path: SmolStr,
        links: &[AnswerLink],
        secret_spans: &SecretSpans,
    ) -> Self {
        let span = command.element().span();
        let status = command.as_status();
        let alert = command.as_alert();
        // Looked up once: in a command with many items it may be far back, or missing.
        let meta = command.meta();
        let items = items(command, meta, secret_spans);
        let answers = AnswerTargetRecord::of(command, links, secret_spans);
        let first = items.first();
        let node = first.and_then(|item| item.target.as_ref().or(item.source.as_ref()));
        let node = node.or_else(|| answers.as_ref()?.loc_uri.as_ref()).cloned();
        let kind: SmolStr = command.element().local().into();
        let may_correlate = alert.is_some() || kind == "Exec";
        let correlator = may_correlate.then(|| command.correlator()).flatten();
        Self {
            kind,
            id: command.cmd_id().map(SmolStr::from),
            depth,
            path,
            span: (span.start, span.end),
            loc_uri: node,
            answers,
            status: status.map(StatusRecord::of),
            alert: alert.map(|alert| AlertRecord {
                code: alert.code().map(|code| code.0),
                name: alert.code().and_then(|c| c.name()).map(SmolStr::new_static),
            }),
            correlator: correlator.filter(|it| !it.is_empty()).map(SmolStr::from),
            items,
        }
    }
}

/// Makes the records of a command's items. Most commands have one, so no room is reserved for more.
fn items(
    command: Command<'_>,
    meta: Option<Meta<'_>>,
    secret_spans: &SecretSpans,
) -> Vec<ItemRecord> {
    let mut items = command
        .items()
        .map(|item| ItemRecord::of(item, meta, secret_spans));
    let Some(first) = items.next() else {
        return Vec::new();
    };
    let mut record = Vec::with_capacity(1);
    record.push(first);
    record.extend(items);
    record
}

impl AnswerTargetRecord {
    /// Returns whether the answer is about the header: CmdRef 0, if that is not the CmdID of a command, or no CmdRef
    /// and Cmd SyncHdr.
    pub fn is_of_header(&self) -> bool {
        let names = (&*self.id, self.cmd.as_deref());
        matches!(names, ("0", None) | ("0" | "", Some("SyncHdr")))
    }

    fn of(command: Command<'_>, links: &[AnswerLink], secret_spans: &SecretSpans) -> Option<Self> {
        let (msg, id) = Refs::of(command)?.or_empty();
        let from = command.element().id();
        let link = links.binary_search_by_key(&from, |link| link.from);
        let link = link.ok().map(|at| &links[at]);
        let answered = link.and_then(|link| link.to.command());
        let mut cmd = command.as_status().and_then(Status::cmd);
        if let Some(answered) = answered {
            cmd = Some(answered.element().local().into());
        }
        let address = |node| SmolStr::from(secret_spans.address(node));
        let (mut loc_uris, mut more) = (Vec::new(), false);
        let mut loc_uri = answered.and_then(only_node).map(address);
        if loc_uri.is_none() {
            let mut nodes = answered_nodes(command, answered);
            more = nodes.len() > MOST_NODES;
            nodes.truncate(MOST_NODES);
            loc_uris.extend(nodes.into_iter().map(address));
            loc_uri = loc_uris.first().cloned();
            if loc_uris.len() == 1 {
                loc_uris.clear();
            }
        }
        Some(Self {
            msg: msg.into(),
            id: id.into(),
            cmd: cmd.map(SmolStr::from),
            loc_uri,
            loc_uris,
            more,
            found: link.and_then(|link| match link.to {
                AnswerTarget::Unseen => None,
                AnswerTarget::Nothing => Some(false),
                AnswerTarget::Header | AnswerTarget::Command { .. } | AnswerTarget::WithoutId => {
                    Some(true)
                }
            }),
        })
    }
}

/// Returns the node of a command if it has exactly one, as most do.
fn only_node(command: Command<'_>) -> Option<Cow<'_, str>> {
    let mut nodes = command.items().filter_map(Item::loc_uri_element);
    let node = nodes.next()?;
    nodes.next().is_none().then(|| trimmed(node))
}

/// Returns the nodes of an answer whose command does not have exactly one: the nodes that the answer names, or all
/// nodes of the command if it names none.
fn answered_nodes<'a>(answer: Command<'a>, answered: Option<Command<'a>>) -> Vec<Cow<'a, str>> {
    let most = MOST_NODES + 1;
    let items = |command: Command<'a>| -> Vec<_> {
        let nodes = command.items().filter_map(Item::loc_uri_element);
        nodes.take(most).map(trimmed).collect()
    };
    let named = match answer.as_status() {
        Some(status) => {
            let targets: Vec<_> = status.target_refs().take(most).collect();
            match targets.is_empty() {
                true => status.source_refs().take(most).collect(),
                false => targets,
            }
        }
        // Results name their own nodes.
        None if answered.is_some() => items(answer),
        None => Vec::new(),
    };
    match answered.filter(|_| named.is_empty()) {
        Some(command) => items(command),
        None => named,
    }
}

/// The longest Data of a Status that is recorded unmasked although it is not a code, in bytes.
const MOST_NO_CODE: usize = 64;

/// The most nodes that are listed for one answer.
const MOST_NODES: usize = 16;

impl StatusRecord {
    fn of(status: Status<'_>) -> Self {
        let code = status.code();
        let original_error = status.original_error();
        let means = original_error.as_deref().and_then(facts::result_in_text);
        Self {
            code: code.map(|code| code.0),
            data: match code {
                Some(_) => None,
                None => Some(status.data().map_or(SmolStr::default(), |data| {
                    let text = trimmed(data);
                    // Anything but a number and these words may be a secret.
                    let is_number =
                        |it: char| it.is_ascii_hexdigit() || matches!(it, 'x' | 'X' | '-' | '+');
                    let is_word = WORDS.iter().any(|it| it.eq_ignore_ascii_case(&text));
                    let is_number = text.len() <= MOST_NO_CODE && text.chars().all(is_number);
                    match is_number || is_word {
                        true => SmolStr::new(&text),
                        false => SmolStr::new_static(MASK),
                    }
                })),
            },
            name: code.and_then(|code| code.name()).map(SmolStr::new_static),
            original_error_means: means.map(|fact| fact.words().into()),
            original_error: original_error.map(SmolStr::from),
            chal: status.chal().map(|chal| ChalRecord {
                scheme: chal.scheme().map(SmolStr::from),
                nonce: chal.next_nonce().is_some(),
            }),
        }
    }
}

impl ItemRecord {
    /// Returns whether the item names a node.
    pub fn is_named(&self) -> bool {
        self.target.is_some() || self.source.is_some()
    }

    fn of<'d>(item: Item<'d>, meta: Option<Meta<'d>>, secret_spans: &SecretSpans) -> Self {
        let own = item.meta();
        let field = |read: fn(Meta<'d>) -> Option<Cow<'d, str>>| {
            let own = own.and_then(read);
            own.or_else(|| meta.and_then(read)).map(SmolStr::from)
        };
        Self {
            target: item.target().map(|uri| secret_spans.address(uri).into()),
            source: item.source().map(|uri| secret_spans.address(uri).into()),
            format: field(Meta::format),
            media_type: field(Meta::media_type),
            mark: field(Meta::mark),
            size: own.or(meta).and_then(Meta::size),
            data: item.data().map(|data| DataRecord::of(data, secret_spans)),
            more: item.more_data(),
        }
    }
}

impl DataRecord {
    /// Returns whether the value is entirely masked.
    pub fn is_hidden(&self) -> bool {
        self.masked && (self.markup || self.text == MASK)
    }

    fn of(data: Element<'_>, secret_spans: &SecretSpans) -> Self {
        let masked = secret_spans.hold(data.id());
        let record = Self {
            text: SmolStr::new_static(MASK),
            bytes: data.span().len() as u64,
            cut: false,
            hex: false,
            masked,
            markup: false,
        };
        if let Some(inside) = data.elements().next() {
            return Self {
                text: inside.local().into(),
                markup: true,
                ..record
            };
        }
        let octets = data.octets();
        let bytes = octets.len() as u64;
        if masked {
            let text = secret_spans.text(data);
            let text = match text.trim_ascii() {
                "" => MASK,
                text => text,
            };
            let len = text.floor_char_boundary(SHORT);
            return Self {
                text: SmolStr::new(&text[..len]),
                cut: len < text.len(),
                bytes,
                ..record
            };
        }
        let len = beginning(&octets);
        let hex = len.is_none();
        Self {
            cut: octets.len() > len.unwrap_or(HEX),
            text: match len {
                None => in_hex(&octets),
                // `beginning` found that these bytes are text.
                Some(len) => std::str::from_utf8(&octets[..len])
                    .unwrap_or_default()
                    .into(),
            },
            bytes,
            hex,
            ..record
        }
    }
}

/// Returns how many octets are shown as text; `None` if the value must be shown in hex.
fn beginning(octets: &[u8]) -> Option<usize> {
    let len = octets.len().min(SHORT);
    match std::str::from_utf8(&octets[..len]) {
        Ok(_) => Some(len),
        // Leaves out a character that is cut in the middle; other invalid octets are not text.
        Err(error) if len < octets.len() && error.error_len().is_none() => {
            Some(error.valid_up_to())
        }
        Err(_) => None,
    }
}

fn in_hex(octets: &[u8]) -> SmolStr {
    let mut hex = SmolStrBuilder::new();
    for (number, byte) in octets.iter().take(HEX).enumerate() {
        let space = if number > 0 { " " } else { "" };
        hex.push_str(&format_smolstr!("{space}{byte:02x}"));
    }
    hex.finish()
}

/// The words that peers write in place of the code of a Status.
const WORDS: [&str; 12] = [
    "OK",
    "Success",
    "Succeeded",
    "Successful",
    "Done",
    "Completed",
    "Accepted",
    "Error",
    "Fail",
    "Failed",
    "Failure",
    "Not found",
];

/// The most bytes of a value that are shown as text.
const SHORT: usize = 120;

/// The most octets of a value that are shown in hex.
const HEX: usize = 16;
