//! The layouts that consoles and chats give to messages, and the forms in which programs print their bytes.

use bytes::Bytes;
use dmtap::markup::wbxml::{WbxmlOptions, encode};
use dmtap::markup::{Hint, Limits, decode};

use super::saved_traffic::printed;
use super::traffic_files::session;

/// The session of a file in which one command failed, and nothing else is wrong.
fn is_whole(what: &str, text: &str) {
    let (code, why) = printed("why", text);
    let is_failed = why.contains("✖ Replace ./Vendor/MSFT/Node: 405");
    assert!(
        code == Some(1) && is_failed && !why.contains("WHY-15"),
        "{what}: {why}\n{text}"
    );
    let (code, lint) = printed("lint", text);
    assert!(
        code == Some(0) && lint.contains("in 4 messages"),
        "{what}: {lint}"
    );
}

/// Pieces of a text of so many characters.
fn pieces(text: &str, width: usize) -> Vec<&str> {
    let pieces = text.as_bytes().chunks(width);
    pieces.map(|it| str::from_utf8(it).unwrap()).collect()
}

#[test]
fn messages_are_read_in_the_layouts_of_consoles_and_chats() {
    let messages = session();
    let listed = messages.iter().enumerate().map(|(at, it)| {
        let margin = format!("\r\n{}", " ".repeat(15));
        let value = pieces(it, 64).join(&margin);
        format!("TimeCreated  : 30.11.2026 10:00:0{at}\r\nMessage      : {value}\r\n\r\n\r\n")
    });
    is_whole("Format-List", &listed.collect::<String>());
    let trace = |text: &String| {
        let rows = text.as_bytes().chunks(16).enumerate().map(|(row, octets)| {
            let hex: Vec<_> = octets.iter().map(|it| format!("{it:02X}")).collect();
            let (left, right) = hex.split_at(hex.len().min(8));
            let hex = [left.join(" "), right.join(" ")].join("-");
            let hex = hex.trim_end_matches('-');
            let shown = String::from_utf8_lossy(octets);
            format!(
                "System.Net Verbose: 0 : [4321] {:08X} : {hex:<47} : {shown}\n    DateTime=2026-11-30T10:00:00.0000000Z\n",
                row * 16
            )
        });
        let rows = rows.collect::<String>();
        format!("System.Net Verbose: 0 : [4321] Data from ConnectStream#1::Write\n{rows}")
    };
    is_whole("System.Net", &messages.each_ref().map(trace).concat());
    let power_shell = messages.each_ref().map(|it| {
        let body = it.replace('"', "`\"").replace("<SyncBody>", "`n<SyncBody>");
        format!("Invoke-WebRequest -Uri \"https://mdm.example/dm\" `\n-Body \"{body}\"\n")
    });
    is_whole("PowerShell", &power_shell.concat());
    let chat = messages
        .each_ref()
        .map(|it| it.replace(' ', "\u{a0}") + "\n");
    is_whole("no-break spaces", &chat.concat());
    let coloured = messages.each_ref().map(|it| {
        let names = it
            .replace('<', "\u{1b}[38;5;4m<")
            .replace('>', "\u{1b}[0m>");
        names + "\n"
    });
    is_whole("colours", &coloured.concat());
}

#[test]
fn messages_are_read_in_the_byte_arrays_of_languages() {
    let bodies = session().map(|text| {
        let document = decode(Bytes::from(text), Hint::default(), &Limits::default()).unwrap();
        encode(&document, &WbxmlOptions::default()).unwrap()
    });
    let joined = |separator: &str, octet: fn(&u8) -> String| {
        let lines = bodies.each_ref().map(|body| {
            let octets: Vec<_> = body.iter().map(octet).collect();
            octets.join(separator)
        });
        lines.map(|line| ["2026-11-30 10:00:00 body: ", "\n"].join(&format!("@{line}@")))
    };
    let hex = |byte: &u8| format!("{byte:02x}");
    let number = |byte: &u8| byte.to_string();
    let form = |lines: [String; 4], begin: &str, end: &str| {
        let lines = lines.concat();
        lines.replace(" @", &format!(" {begin}")).replace('@', end)
    };
    is_whole("Node.js", &form(joined(" ", hex), "<Buffer ", ">"));
    is_whole("Erlang", &form(joined(",", number), "<<", ">>"));
    is_whole(
        "BitConverter",
        &form(joined("-", hex), "", "").to_uppercase(),
    );
}

#[test]
fn messages_are_read_from_json_that_has_a_character_for_each_byte() {
    let in_json = |body: &[u8]| {
        let text: String = body.iter().map(|byte| char::from(*byte)).collect();
        let line = serde_json::json!({"time": "2026-11-30 10:00:00", "body": text});
        line.to_string() + "\n"
    };
    let of_wbxml = session().map(|text| {
        let document = decode(Bytes::from(text), Hint::default(), &Limits::default()).unwrap();
        in_json(&encode(&document, &WbxmlOptions::default()).unwrap())
    });
    is_whole("WBXML", &of_wbxml.concat());
    let of_text =
        session().map(|text| in_json(text.replace("<Final/>", "<Final/><!-- ü -->").as_bytes()));
    is_whole("UTF-8", &of_text.concat());
}

/// A layout that dmtap does not know may be that of the tool, and the sender of a message is not known before it names itself.
#[test]
fn a_layout_that_breaks_all_messages_accuses_nobody() {
    let lines = session().map(|it| {
        let pieces = pieces(&it, 70)
            .into_iter()
            .map(|piece| format!("{piece} |\n"));
        pieces.collect::<String>()
    });
    let (code, why) = printed("why", &lines.concat());
    assert_eq!(code, Some(1), "{why}");
    assert!(why.contains("4 messages could not be read"), "{why}");
    assert!(why.contains("if a tool wrapped"), "{why}");
    let (_, lint) = printed("lint", &lines.concat());
    assert!(lint.contains("XML-01 · sender · 4 notes"), "{lint}");
}
