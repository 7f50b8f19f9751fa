//! Lint and earlier messages: it keeps no secrets, takes linear time, and stays within bounds.

use dmtap::flow::lint::{LintHead, LintMessage, Linter, Profile};
use dmtap::flow::{Note, Severity, Side, Timestamp};

use super::{base, document, ids};
use crate::support::cpu_time::cpu_time;

fn say(linter: &mut Linter, (speaker, exchange): (Side, u64), text: &str, uri: &str) -> Vec<Note> {
    let document = document(text, false);
    let head = LintHead {
        method: Some("POST"),
        uri: Some(uri),
        fields: vec![("content-type", "application/vnd.syncml.dm+xml")],
    };
    linter.message(LintMessage {
        speaker,
        server: "s",
        exchange,
        document: &document,
        delivered: Some(&document),
        is_own: false,
        is_changed: false,
        head: (speaker == Side::Device).then_some(&head),
        links: None,
    })
}

#[test]
fn no_note_quotes_a_query() {
    let mut linter = Linter::new(Profile::Oma);
    let base = base();
    let s1 = base["s1"].replacen(
        "</Source>",
        "</Source><RespURI>https://user:SECRET@h/dm?sid=SECRET#SECRET</RespURI>",
        1,
    );
    let uri = "https://h/other";
    let mut notes = say(&mut linter, (Side::Device, 1), &base["d1"], uri);
    notes.extend(say(&mut linter, (Side::Server, 1), &s1, uri));
    notes.extend(say(&mut linter, (Side::Device, 2), &base["d2"], uri));
    let query = format!("./a//b?token={}", "SECRET".repeat(100));
    let s2 = base["s2"].replacen(
        "<Final/>",
        &format!(
            "<Delete><CmdID>90</CmdID><Item><Target><LocURI>{query}</LocURI></Target></Item></Delete><Final/>"
        ),
        1,
    );
    notes.extend(say(&mut linter, (Side::Server, 2), &s2, uri));
    let text = |id| {
        let mut of_id = notes.iter().filter(|note| note.id == id);
        of_id.next().map(|note| note.text.clone())
    };
    let moved = text("HDR-11").unwrap();
    assert_eq!(moved, "the message does not go to RespURI https://h/dm");
    assert!(
        text("URI-01").unwrap().starts_with("LocURI ./a//b has"),
        "{notes:?}"
    );
    assert!(text("URI-03").is_some(), "{notes:?}");
    assert!(
        notes.iter().all(|note| !note.text.contains("SECRET")),
        "{notes:?}"
    );
}

/// Work that grows with the square of these takes many minutes.
#[test]
fn very_many_items_are_judged_in_linear_time() {
    const MANY: usize = 100_000;
    let started = cpu_time();
    let base = base();
    let mut linter = Linter::new(Profile::Oma);
    let uri = "https://h/dm";
    let alert = format!(
        "<Alert><CmdID>90</CmdID><Data>1226</Data>{}</Alert><Final/>",
        "<Item/>".repeat(MANY)
    );
    let d1 = base["d1"].replacen("<Final/>", &alert, 1);
    let notes = say(&mut linter, (Side::Device, 1), &d1, uri);
    assert!(ids(&notes).contains(&"ALT-04"), "{notes:?}");
    let mut other = Linter::new(Profile::Oma);
    let values = format!(
        "<Alert><CmdID>91</CmdID><Data>1226</Data><Item>{}</Item></Alert><Final/>",
        "<Data><x/></Data>".repeat(MANY)
    );
    let d1 = base["d1"].replacen("<Final/>", &values, 1);
    let notes = say(&mut other, (Side::Device, 1), &d1, uri);
    assert!(ids(&notes).contains(&"XML-07"), "{notes:?}");
    // Results of a Get with many Items, one for each.
    let target = |number| format!("<Item><Target><LocURI>./a/{number}</LocURI></Target></Item>");
    let targets: String = (0..MANY / 2).map(target).collect();
    let get = format!("<Get><CmdID>90</CmdID>{targets}</Get><Final/>");
    let s1 = base["s1"].replacen("<Final/>", &get, 1);
    say(&mut linter, (Side::Server, 1), &s1, uri);
    let result = |number| {
        format!(
            "<Results><CmdID>{}</CmdID><MsgRef>1</MsgRef><CmdRef>90</CmdRef>\
             <Item><Source><LocURI>./a/{number}/b</LocURI></Source><Data>1</Data></Item></Results>",
            number + 100
        )
    };
    let results: String = (0..MANY / 2).map(result).collect();
    let other = result(MANY).replace("./a/", "./other/");
    let status = "<Status><CmdID>99</CmdID><MsgRef>1</MsgRef><CmdRef>90</CmdRef><Cmd>Get</Cmd>\
                  <Data>200</Data></Status>";
    let d2 = base["d2"].replacen("<Final/>", &format!("{status}{results}{other}<Final/>"), 1);
    let notes = say(&mut linter, (Side::Device, 2), &d2, uri);
    assert_eq!(
        notes.iter().filter(|note| note.id == "RES-04").count(),
        1,
        "{notes:?}"
    );
    assert!(!ids(&notes).contains(&"RES-01"), "{notes:?}");
    assert!(cpu_time() - started < std::time::Duration::from_secs(90));
}

#[test]
fn what_is_remembered_of_earlier_messages_is_bounded() {
    let base = base();
    let large = "x".repeat(1 << 20);
    let value = format!("<Vendor>{large}</Vendor><Final/>");
    let d1 = base["d1"].replacen("<Final/>", &value, 1);
    let mut linter = Linter::new(Profile::Oma);
    let uri = "https://h/dm";
    let of_device =
        |text: &str, device: u64| text.replace("urn:dev:1", &format!("urn:dev:{device}"));
    for device in 1..=60 {
        say(
            &mut linter,
            (Side::Device, device),
            &of_device(&d1, device),
            uri,
        );
        say(
            &mut linter,
            (Side::Server, device),
            &of_device(&base["s1"], device),
            uri,
        );
        assert!(linter.bytes() <= 64 << 20, "{device}: {}", linter.bytes());
    }
    assert!(linter.bytes() > 32 << 20, "{}", linter.bytes());
    // A session that lost its memory blames nobody for what it does not know.
    let silent = base["d2"].replacen("<CmdRef>6</CmdRef>", "<CmdRef>77</CmdRef>", 1);
    let notes = say(
        &mut linter,
        (Side::Device, 100),
        &of_device(&silent, 1),
        uri,
    );
    assert!(
        notes.iter().all(|note| note.severity == Severity::Info),
        "{notes:?}"
    );
    // One that is remembered does.
    let notes = say(
        &mut linter,
        (Side::Device, 101),
        &of_device(&silent, 60),
        uri,
    );
    assert!(ids(&notes).contains(&"STA-03"), "{notes:?}");
}

#[test]
fn sessions_that_are_over_or_silent_for_an_hour_are_forgotten() {
    let base = base();
    let mut linter = Linter::new(Profile::Oma);
    let uri = "https://h/dm";
    linter.at(Timestamp(1));
    say(&mut linter, (Side::Device, 1), &base["d1"], uri);
    let of_one = linter.bytes();
    assert!(of_one > 0);
    let next = base["d1"].replace("<SessionID>A1<", "<SessionID>A2<");
    let notes = say(&mut linter, (Side::Device, 2), &next, uri);
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(linter.bytes(), of_one);
    linter.at(Timestamp(3_600_000_001));
    assert_eq!(linter.bytes(), of_one);
    linter.at(Timestamp(3_600_000_002));
    assert_eq!(linter.bytes(), 0);
}

#[test]
fn an_answer_to_a_message_that_was_not_seen_blames_nobody() {
    let base = base();
    for seen in [&["s1", "d2"][..], &["d2", "s2"], &["d1", "d2", "s2"]] {
        let mut linter = Linter::new(Profile::Oma);
        for name in seen {
            let side = match name.starts_with('d') {
                true => Side::Device,
                false => Side::Server,
            };
            let exchange = name[1..].parse().unwrap();
            let notes = say(&mut linter, (side, exchange), &base[*name], "https://h/dm");
            assert!(
                notes.iter().all(|note| note.severity == Severity::Info),
                "{seen:?} {name}: {notes:?}"
            );
        }
    }
}

#[test]
fn a_server_behind_a_proxy_of_another_name_may_say_its_own() {
    let message = |target: &str, source: &str| {
        let text = format!(
            "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
             <SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI>{target}</LocURI></Target>\
             <Source><LocURI>{source}</LocURI></Source></SyncHdr><SyncBody><Final/></SyncBody></SyncML>"
        );
        document(&text, false)
    };
    let is_noted = |source: &str| {
        let mut linter = Linter::new(Profile::Oma);
        let mut notes = Vec::new();
        let request = message("https://proxy.lab/dm", "device");
        let response = message("device", source);
        for (speaker, document) in [(Side::Device, &request), (Side::Server, &response)] {
            notes = linter.message(LintMessage {
                speaker,
                server: "mdm.example.com:443",
                exchange: 1,
                document,
                delivered: Some(document),
                is_own: false,
                is_changed: false,
                head: None,
                links: None,
            });
        }
        notes.iter().any(|note| note.id == "HDR-08")
    };
    assert!(!is_noted("https://mdm.example.com/dm"));
    assert!(!is_noted("https://proxy.lab/dm"));
    assert!(is_noted("https://other.example.com/dm"));
}

#[test]
fn each_answer_that_is_missing_or_too_much_is_laid_at_the_right_door() {
    let base = base();
    let mut linter = Linter::new(Profile::Oma);
    let mut notes = Vec::new();
    let uri = "https://h/dm";
    let of_alert = base["s1"]
        .find("<Cmd>Alert</Cmd>")
        .expect("the Status of the Alert");
    let start = base["s1"][..of_alert].rfind("<Status>").unwrap();
    let end = start + base["s1"][start..].find("</Status>").unwrap() + "</Status>".len();
    let s1 = format!("{}{}", &base["s1"][..start], &base["s1"][end..]);
    notes.extend(say(&mut linter, (Side::Device, 1), &base["d1"], uri));
    notes.extend(say(&mut linter, (Side::Server, 1), &s1, uri));
    let missing = notes.iter().find(|note| note.id == "STA-01").unwrap();
    assert!(
        missing.text.contains("of the device has no Status"),
        "{missing:?}"
    );

    // A Status of a Status is no answer to something that was never sent.
    let status = "<Status><CmdID>99</CmdID><MsgRef>1</MsgRef><CmdRef>1</CmdRef><Cmd>Status</Cmd><Data>200</Data></Status><Final/>";
    let d2 = base["d2"].replacen("<Final/>", status, 1);
    let notes = say(&mut linter, (Side::Device, 2), &d2, uri);
    let texts: Vec<&str> = notes
        .iter()
        .filter(|note| note.id == "STA-03")
        .map(|note| &*note.text)
        .collect();
    assert_eq!(
        texts,
        ["this Status answers Status \"1\" of message \"1\": a Status is not answered"]
    );

    // A bootstrap answers nothing.
    let bootstrap = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
        <SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI>urn:uuid:9</LocURI></Target><Source><LocURI>https://h/dm\
        </LocURI></Source></SyncHdr><SyncBody><Add><CmdID>1</CmdID><Item><Target><LocURI>./SyncML/DMAcc/x</LocURI></Target>\
        </Item></Add><Final/></SyncBody></SyncML>";
    let notes = say(
        &mut Linter::new(Profile::Oma),
        (Side::Server, 1),
        bootstrap,
        uri,
    );
    assert!(!ids(&notes).contains(&"STA-02"), "{notes:?}");
}
