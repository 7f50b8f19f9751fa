//! The list in `tests/data/record/secrets.txt`: what a record must hide and what it must keep.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dmtap::flow::Head;
use dmtap::record::Masking;

use crate::record::masking::pcapng;
use crate::record::stage::Stage;
use crate::record::transcript::{json_lines, transcript};

const SECRET: &str = "S3cr3t!x";
const JWT: &str =
    "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJqb2UiLCJleHAiOjF9.c2lnbmF0dXJlLW9mLWl0";
const PEM: &str =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAbcdefgh\n-----END PRIVATE KEY-----";
const RECOVERY: &str = "471669-123090-601337-129954-318450-540199-201245-612843";

/// An input with its placeholders replaced, and what must not appear of it.
fn unfolded(input: &str) -> (String, Vec<String>) {
    let mut text = input.replace("\\r\\n", "\r\n");
    let mut hidden = Vec::new();
    let mut hide = |text: &mut String, place: &str, secret: &str, shown: &str| {
        if text.contains(place) {
            *text = text.replace(place, secret);
            hidden.push(shown.to_owned());
        }
    };
    hide(&mut text, "SECRET", SECRET, SECRET);
    hide(&mut text, "JWT", JWT, "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ");
    hide(&mut text, "JWT", JWT, "c2lnbmF0dXJl");
    hide(&mut text, "PEM", PEM, "MC4CAQAw");
    hide(&mut text, "RECOVERY", RECOVERY, "318450-540199");
    if let Some(start) = text.find("LINES(") {
        let end = text.rfind(')').unwrap();
        let encoded = BASE64.encode(&text[start + 6..end]);
        let (first, rest) = encoded.split_at(64);
        hidden.extend([first.to_owned(), rest.to_owned()]);
        text.replace_range(start..=end, &format!("{first}\r\n{rest}\r\n"));
    }
    if let Some(start) = text.find("B64(") {
        let end = text.rfind(')').unwrap();
        let encoded = BASE64.encode(&text[start + 4..end]);
        text.replace_range(start..=end, &encoded);
        hidden.push(encoded);
    }
    (text, hidden)
}

fn message(commands: &str) -> String {
    format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><SessionID>5</SessionID>\
         <MsgID>1</MsgID><Source><LocURI>d</LocURI></Source></SyncHdr><SyncBody>{commands}<Final/></SyncBody></SyncML>"
    )
}

fn add(uri: &str, data: &str) -> String {
    message(&format!(
        "<Add><CmdID>1</CmdID><Item><Target><LocURI>{uri}</LocURI></Target><Data>{data}</Data></Item></Add>"
    ))
}

fn stage(kind: &str, input: &str) -> Stage {
    let mut stage = Stage::new();
    let plain = message("<Alert><CmdID>1</CmdID><Data>1201</Data></Alert>");
    let said = add("./a", &format!("it was {SECRET} there"));
    let at = |stage: &mut Stage, body: String, uri: &str| {
        let captured = stage.request(&[], body);
        let Head::Request(head) = &mut captured.head else {
            unreachable!()
        };
        std::sync::Arc::make_mut(head).uri = uri.parse().unwrap();
    };
    match kind {
        "field" | "repeated" => {
            let (name, value) = input.split_once(": ").unwrap();
            let body = if kind == "field" { plain } else { said };
            stage.request(&[(name, value)], body);
        }
        "uri" => at(&mut stage, plain, input),
        "repeated-uri" => at(&mut stage, said, input),
        "node" => drop(stage.request(&[], add(input, SECRET))),
        "open" => drop(stage.request(&[], add(input, "KEPT"))),
        "data" => drop(stage.request(&[], add("./a/b", input))),
        "syncml" => drop(stage.request(&[], message(input))),
        "xml" | "other" => drop(stage.request(&[], input.to_owned())),
        _ => panic!("{kind}"),
    }
    stage
}

#[test]
fn what_the_list_names_is_hidden_and_the_rest_is_kept() {
    let list = include_str!("../../data/record/secrets.txt");
    let mut wrong = Vec::new();
    let mut inputs = 0;
    for line in list.lines() {
        let Some((kind, input)) = line.split_once(" | ").filter(|_| !line.starts_with('#')) else {
            continue;
        };
        inputs += 1;
        let (text, mut hidden) = unfolded(input);
        if kind == "node" {
            hidden.push(SECRET.into());
        }
        let stage = stage(kind, &text);
        let json = json_lines(&stage.events, Masking::Masked);
        let records: [(&str, Vec<u8>); 3] = [
            ("text", transcript(&stage.events, Masking::Masked).into()),
            ("JSON", json.clone()),
            ("pcapng", pcapng(&stage.events, Masking::Masked)),
        ];
        for (form, record) in records {
            let holds = |part: &str| memchr::memmem::find(&record, part.as_bytes()).is_some();
            for secret in hidden.iter().filter(|secret| holds(secret)) {
                wrong.push(format!("{form} shows {secret}: {line}"));
            }
        }
        let kept = kind == "open" || input.contains("KEPT");
        if kept && memchr::memmem::find(&json, b"KEPT").is_none() {
            wrong.push(format!("KEPT is hidden: {line}"));
        }
    }
    assert!(inputs > 50, "{inputs}");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
