//! Who says a message.

use crate::dm::{Command, CommandKind, Message, locuri};
use crate::flow::Side;
use crate::markup::{Document, tag};

/// How it is known who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The header says so.
    Header,
    /// The message has what this side usually sends.
    Commands,
}

/// Who says a message, as far as it tells: devices address a server by its URL, and servers a device by its name.
/// Where no header tells, the commands do: servers ask, and devices answer.
pub fn speaker_of(document: &Document) -> (Side, Evidence) {
    let header = Message::of(document).and_then(Message::header);
    let is_url = |uri: &str| uri.to_ascii_lowercase().starts_with("http");
    if let Some(header) = header {
        let source = header.source().is_some_and(|uri| is_url(&uri));
        let target = header.target().is_some_and(|uri| is_url(&uri));
        if source != target {
            let side = if target { Side::Device } else { Side::Server };
            return (side, Evidence::Header);
        }
    }
    let side = match commands(document).any(asks) {
        true => Side::Server,
        false => Side::Device,
    };
    (side, Evidence::Commands)
}

/// The commands of a message, or of a part of one: its body, or a single command.
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

/// Whether only a server says this.
fn asks(command: Command<'_>) -> bool {
    use CommandKind::{Add, Atomic, Copy, Delete, Exec, Get, Replace, Sequence};
    match command.kind() {
        Add | Atomic | Copy | Delete | Exec | Get | Sequence => true,
        // A device begins a session with what it is.
        Replace => !is_about_itself(command),
        _ => false,
    }
}

fn is_about_itself(replace: Command<'_>) -> bool {
    let uris = replace
        .items()
        .filter_map(|item| item.source().or_else(|| item.target()));
    let mut uris = uris.map(|uri| locuri::canonical(&uri)).peekable();
    let is_own = |uri: String| uri == "devinfo" || uri.starts_with("devinfo/");
    uris.peek().is_some() && uris.all(is_own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::{Hint, Limits, decode};

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
        ];
        for (commands, expected) in bodies {
            let body = format!("<SyncBody>{commands}<Final/></SyncBody>");
            check(&body, expected);
            check(&format!("<SyncML>{body}</SyncML>"), expected);
        }
        check("<Status><CmdID>1</CmdID></Status>", Side::Device);
    }
}
