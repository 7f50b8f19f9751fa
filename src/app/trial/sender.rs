//! The sender of a message, concluded from its header and its commands.

use std::borrow::Cow;

use hashlink::LinkedHashMap;

use crate::dm::refs::{Refs, asked_kind};
use crate::dm::{
    Command, CommandKind, Dialect, EnrollmentMessage, Envelope, Item, Message, SyncHdr, locuri,
};
use crate::flow::Side;
use crate::markup::{Document, tag};

/// The evidence for the sender of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The header names the sender, or the message has commands that only this side sends.
    Message,
    /// The header does not show the sender, and the commands are usual ones of this side.
    Commands,
}

/// The senders of the messages of a conversation: if header and commands of a message disagree, the commands that it
/// answers show its sender.
#[derive(Debug, Default)]
pub struct Speakers {
    /// The senders of the last commands, by SessionID, MsgID, CmdID and name.
    asked: LinkedHashMap<[String; 4], Side>,
}

impl Speakers {
    /// Returns the sender of the next message; `known` is the sender, if something else shows it.
    pub fn of(&mut self, document: &Document, known: Option<Side>) -> (Side, Evidence) {
        let (alone, evidence) = speaker_of(document);
        let header = Message::of(document).and_then(Message::header);
        let is_disputed = header.and_then(by_header).is_some_and(|it| it != alone);
        let asker = || self.asker(document).map(Side::other);
        let side = known.or_else(|| is_disputed.then(asker).flatten());
        let side = side.unwrap_or(alone);
        self.enter(document, side);
        (side, evidence)
    }

    /// Returns the sender of the commands that a message answers, if all of them are of one side.
    fn asker(&self, document: &Document) -> Option<Side> {
        let session = Message::of(document)?.header()?.session_id()?;
        let askers = commands(document).filter_map(|answer| {
            let (message, command) = Refs::of(answer)?.or_empty();
            let kind = asked_kind(answer)?.name();
            let key = [&session, &message, &command, kind].map(str::to_owned);
            self.asked.get(&key).copied()
        });
        let askers: Vec<Side> = askers.collect();
        let first = *askers.first()?;
        askers.iter().all(|asker| *asker == first).then_some(first)
    }

    fn enter(&mut self, document: &Document, side: Side) {
        let header = Message::of(document).and_then(Message::header);
        let numbers = header.and_then(|it| Some((it.session_id()?, it.msg_id()?)));
        let Some((session, message)) = numbers else {
            return;
        };
        for command in commands(document).take(MOST_ASKED) {
            let id = command.cmd_id().unwrap_or_default();
            let key = [&session, &message, &id, command.kind().name()].map(str::to_owned);
            self.asked.insert(key, side);
            if self.asked.len() > MOST_ASKED {
                self.asked.pop_front();
            }
        }
    }
}

/// Returns the sender of a message, as far as the message shows it: devices address a server by its URL, and servers a
/// device by its name. Commands that only one side sends outweigh that: some peers swap Target and Source. Without a
/// header the commands decide: servers send commands, and devices answer.
pub fn speaker_of(document: &Document) -> (Side, Evidence) {
    if let Some(envelope) = Envelope::of(document) {
        use EnrollmentMessage::{DiscoverResponse, GetPoliciesResponse, Response};
        let answer = EnrollmentMessage::of(envelope);
        let is_answer = matches!(
            answer,
            Some(DiscoverResponse(_) | GetPoliciesResponse(_) | Response(_))
        );
        return match is_answer || envelope.fault().is_some() {
            true => (Side::Server, Evidence::Message),
            false => (Side::Device, Evidence::Message),
        };
    }
    if Dialect::of(document) == Dialect::Provisioning {
        return (Side::Server, Evidence::Message);
    }
    let header = Message::of(document).and_then(Message::header);
    let by_header = header.and_then(by_header);
    let mut by_commands = commands(document).filter_map(only_from);
    let first = by_commands.next();
    let by_commands = first.filter(|first| by_commands.all(|it| it == *first));
    // An answer to the first Alert of a device also answers its other commands, even those that a device may not send.
    let by_commands = by_commands.filter(|_| header.is_none() || !is_answer_to_alert(document));
    let proto = header.and_then(SyncHdr::ver_proto);
    // In data synchronization both sides send all commands.
    let is_sync = proto.is_some_and(|proto| proto.starts_with("SyncML/"));
    match (by_header, by_commands.filter(|_| !is_sync)) {
        (Some(_), Some(side)) | (Some(side), None) => (side, Evidence::Message),
        (None, Some(side)) => (side, Evidence::Commands),
        (None, None) => match commands(document).any(asks) {
            true => (Side::Server, Evidence::Commands),
            false => (Side::Device, Evidence::Commands),
        },
    }
}

fn by_header(header: SyncHdr<'_>) -> Option<Side> {
    let is_url = |uri: Cow<'_, str>| uri.to_ascii_lowercase().starts_with("http");
    match (
        header.source().is_some_and(is_url),
        header.target().is_some_and(is_url),
    ) {
        (false, true) => Some(Side::Device),
        (true, false) => Some(Side::Server),
        // A device has no address of its own for answers.
        _ => header.resp_uri().map(|_| Side::Server),
    }
}

/// Returns the only side of OMA DM that sends such a command (DM Protocol 1.2 §8, DM Representation Protocol 1.2 §6).
fn only_from(command: Command<'_>) -> Option<Side> {
    use CommandKind::{Alert, Replace, Results};
    match command.kind() {
        Alert => match command.code()? {
            1100..=1104 => Some(Side::Server),
            1200 | 1201 | 1224 | 1226 => Some(Side::Device),
            _ => None,
        },
        kind if OF_SERVER.contains(&kind) => Some(Side::Server),
        Results => Some(Side::Device),
        Replace if is_about_itself(command, Item::source) => Some(Side::Device),
        _ => {
            let asked = command.as_status()?.cmd()?;
            match CommandKind::named(&asked)? {
                kind if OF_SERVER.contains(&kind) => Some(Side::Device),
                Results => Some(Side::Server),
                _ => None,
            }
        }
    }
}

/// Whether a message has only Statuses, one of them for an Alert.
fn is_answer_to_alert(document: &Document) -> bool {
    let is_answer = |it: Command<'_>| it.as_status().is_some();
    let is_of_alert = |it: Command<'_>| asked_kind(it) == Some(CommandKind::Alert);
    commands(document).all(is_answer) && commands(document).any(is_of_alert)
}

/// Returns the commands of a message, or of a part of one: its body, or a single command.
fn commands(document: &Document) -> impl Iterator<Item = Command<'_>> {
    let root = document.root();
    let body = match root.is(tag::SYNC_ML) {
        true => root.child(tag::SYNC_BODY),
        false => root.is(tag::SYNC_BODY).then_some(root),
    };
    let alone = (body.is_none() && !root.is(tag::SYNC_ML)).then(|| Command::of(root));
    let inside = body.into_iter().flat_map(|body| body.elements());
    inside.filter_map(Command::of).chain(alone.flatten())
}

/// Whether this is a command that usually a server sends.
fn asks(command: Command<'_>) -> bool {
    match command.kind() {
        kind if OF_SERVER.contains(&kind) => true,
        // A device begins a session with a description of itself.
        CommandKind::Replace => {
            !is_about_itself(command, |item| item.source().or_else(|| item.target()))
        }
        _ => false,
    }
}

/// Whether all nodes of a Replace are those with which a device describes itself.
fn is_about_itself<'d>(
    replace: Command<'d>,
    node: impl Fn(Item<'d>) -> Option<Cow<'d, str>>,
) -> bool {
    let uris = replace.items().filter_map(node);
    let mut uris = uris.map(|uri| locuri::canonical(&uri)).peekable();
    let is_own = |uri: String| uri == "devinfo" || uri.starts_with("devinfo/");
    uris.peek().is_some() && uris.all(is_own)
}

/// The commands that only a server sends.
const OF_SERVER: [CommandKind; 7] = [
    CommandKind::Add,
    CommandKind::Atomic,
    CommandKind::Copy,
    CommandKind::Delete,
    CommandKind::Exec,
    CommandKind::Get,
    CommandKind::Sequence,
];
/// The limit of commands whose sender is remembered.
const MOST_ASKED: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::{Hint, Limits, decode};

    #[test]
    fn commands_that_only_one_side_sends_outweigh_the_header() {
        let check = |proto: &str, uris: [&str; 2], commands: &str, expected: Side| {
            let [target, source] = uris.map(|uri| format!("<LocURI>{uri}</LocURI>"));
            let text = format!(
                "<SyncML><SyncHdr><VerProto>{proto}</VerProto><Target>{target}</Target><Source>{source}</Source>\
                 </SyncHdr><SyncBody>{commands}</SyncBody></SyncML>"
            );
            let document = decode(text.clone().into(), Hint::default(), &Limits::default());
            let speaker = speaker_of(&document.unwrap());
            assert_eq!(speaker, (expected, Evidence::Message), "{text}");
        };
        let to_device = ["IMEI:1", "https://mdm.example/dm"];
        let to_server = ["https://mdm.example/dm", "IMEI:1"];
        let alert = |code: u16| format!("<Alert><Data>{code}</Data></Alert>");
        let dev_info =
            "<Replace><Item><Source><LocURI>./DevInfo/Man</LocURI></Source></Item></Replace>";
        for commands in [
            alert(1201),
            alert(1226),
            dev_info.to_owned(),
            "<Results/>".to_owned(),
            "<Status><Cmd>Exec</Cmd></Status>".to_owned(),
        ] {
            check("DM/1.2", to_device, &commands, Side::Device);
        }
        for commands in [alert(1100), "<Get/>".to_owned(), "<Atomic/>".to_owned()] {
            check("DM/1.2", to_server, &commands, Side::Server);
        }
        // Where commands are of both or of none, the header counts.
        for commands in ["", "<Get/><Results/>", "<Status><Cmd>Alert</Cmd></Status>"] {
            check("DM/1.2", to_device, commands, Side::Server);
            check("DM/1.2", to_server, commands, Side::Device);
        }
        // In data synchronization a device sends Get, too.
        check("SyncML/1.2", to_server, "<Get/><Add/>", Side::Device);
    }

    #[test]
    fn without_a_header_the_commands_show_the_sender() {
        let check = |text: &str, expected: Side| {
            let bytes = text.as_bytes().to_vec().into();
            let document = decode(bytes, Hint::default(), &Limits::default()).unwrap();
            assert_eq!(
                speaker_of(&document),
                (expected, Evidence::Commands),
                "{text}"
            );
        };
        let replace = |uri: &str| {
            format!(
                "<Replace><CmdID>1</CmdID><Item><Target><LocURI>{uri}</LocURI></Target></Item></Replace>"
            )
        };
        check(&replace("./Vendor/MSFT/Node"), Side::Server);
        check(&replace("./DevInfo/Lang"), Side::Device);
        check(&replace("./DevInformation"), Side::Server);
        check("<Replace><CmdID>1</CmdID></Replace>", Side::Server);
        check("<Add><CmdID>1</CmdID></Add>", Side::Server);
        check(
            &format!("<Atomic>{}</Atomic>", replace("./A")),
            Side::Server,
        );
        let bodies = [
            (replace("./A"), Side::Server),
            (replace("./DevInfo/Man"), Side::Device),
            (replace("./DevInfo/Man") + &replace("./A"), Side::Server),
            ("<Status/><Alert/>".into(), Side::Device),
            ("<Alert><Data>1101</Data></Alert>".into(), Side::Server),
            ("<Status><Cmd>Results</Cmd></Status>".into(), Side::Server),
            ("<Status><Cmd>Get</Cmd></Status>".into(), Side::Device),
        ];
        for (commands, expected) in bodies {
            let body = format!("<SyncBody>{commands}<Final/></SyncBody>");
            check(&body, expected);
            check(&format!("<SyncML>{body}</SyncML>"), expected);
        }
        check("<Status><CmdID>1</CmdID></Status>", Side::Device);
    }
}
