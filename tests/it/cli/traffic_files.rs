//! Files of traffic: missing parts, the order of messages, and their senders.

use serde_json::{Value, json};

use super::log::shown;
use super::saved_traffic::printed;

/// A session of a device and a server as text: device, server, device, server.
pub(super) fn session() -> [String; 4] {
    let (device, server) = ("PHONE-7", "https://mdm.example/dm");
    let message = |number: u32, target: &str, source: &str, commands: &str| {
        format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
             <SessionID>7</SessionID><MsgID>{number}</MsgID><Target><LocURI>{target}</LocURI></Target>\
             <Source><LocURI>{source}</LocURI></Source></SyncHdr><SyncBody>{commands}<Final/></SyncBody></SyncML>"
        )
    };
    let status = |id: u32, message: u32, command: &str, name: &str, code: u16| {
        format!(
            "<Status><CmdID>{id}</CmdID><MsgRef>{message}</MsgRef><CmdRef>{command}</CmdRef><Cmd>{name}</Cmd>\
             <Data>{code}</Data></Status>"
        )
    };
    let alert = "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert>";
    let info = ["DevId", "Man", "Mod", "DmV", "Lang"].map(|node| {
        format!("<Item><Source><LocURI>./DevInfo/{node}</LocURI></Source><Data>en</Data></Item>")
    });
    let info = format!("<Replace><CmdID>9</CmdID>{}</Replace>", info.concat());
    let replace = "<Replace><CmdID>3</CmdID><Item><Target><LocURI>./Vendor/MSFT/Node</LocURI></Target>\
                   <Data>1</Data></Item></Replace>";
    [
        message(1, server, device, &(alert.to_owned() + &info)),
        message(
            1,
            device,
            server,
            &(status(1, 1, "0", "SyncHdr", 200)
                + &status(2, 1, "1", "Alert", 200)
                + &status(4, 1, "9", "Replace", 200)
                + replace),
        ),
        message(
            2,
            server,
            device,
            &(status(1, 1, "0", "SyncHdr", 200) + &status(2, 1, "3", "Replace", 405)),
        ),
        message(2, device, server, &status(1, 2, "0", "SyncHdr", 200)),
    ]
}

/// The HAR of exchanges: when, the request, and what the browser has of the response.
pub(super) fn archive(entries: &[(&str, &str, Value)]) -> String {
    let fields = json!([{"name": "Content-Type", "value": "application/vnd.syncml.dm+xml"}]);
    let entries = entries.iter().map(|(at, asked, response)| {
        json!({
            "startedDateTime": format!("2024-03-01T10:00:{at}Z"),
            "time": 10,
            "request": {"method": "POST", "url": "https://mdm.example/dm", "headers": fields, "postData": {"text": asked}},
            "response": response,
        })
    });
    json!({"log": {"version": "1.2", "entries": entries.collect::<Vec<_>>()}}).to_string()
}

pub(super) fn answer(text: &str) -> Value {
    json!({"status": 200, "headers": [], "content": {"size": text.len(), "text": text}})
}

#[test]
fn a_har_entry_without_an_answer_is_an_exchange_that_failed_in_the_browsers_words() {
    let [one, ..] = session();
    let check = |response: Value, expected: &[&str]| {
        let text = archive(&[("00", &one, response)]);
        let (code, why) = printed("why", &text);
        assert_eq!(code, Some(1), "{why}");
        for expected in expected.iter().chain(&["WHY-03"]) {
            assert!(why.contains(expected), "{expected}: {why}");
        }
        let (_, shown) = printed("show", &text);
        for text in [why, shown] {
            assert!(
                !text.contains("502") && !text.contains("dmtap stopped"),
                "{text}"
            );
        }
    };
    check(
        json!({"status": 0, "_error": "net::ERR_CONNECTION_RESET", "content": {"size": 0}}),
        &[
            "the server broke it: no answer came (net::ERR_CONNECTION_RESET)",
            "look at the server's log",
        ],
    );
    check(
        json!({"status": 0, "_error": "net::ERR_ABORTED", "content": {"size": 0}}),
        &["the device broke it: no answer came (net::ERR_ABORTED)"],
    );
    check(
        json!({"status": -1, "_failureText": "net::ERR_NAME_NOT_RESOLVED"}),
        &[
            "no answer came (net::ERR_NAME_NOT_RESOLVED)",
            "see whether the server is reachable",
        ],
    );
    check(
        json!({"status": 0, "content": {}}),
        &["no answer came (the file does not say why)"],
    );
    check(Value::Null, &["no answer came"]);
}

/// Whatever SessionID or Source the device writes in its second message, the answer of the entry answers it.
#[test]
fn an_entry_of_a_har_is_one_exchange_and_only_the_device_is_to_blame() {
    let [one, two, three, four] = session();
    for (old, new, id) in [
        ("<SessionID>7<", "<SessionID>8<", "error HDR-02 · device"),
        ("<SessionID>7</SessionID>", "", "error HDR-02 · device"),
        (
            "<Source><LocURI>PHONE-7</LocURI></Source>",
            "",
            "error HDR-07 · device",
        ),
        ("PHONE-7", "Phone-7", "info HDR-08 · device"),
    ] {
        let changed = three.replace(old, new);
        assert_ne!(changed, three);
        let entries = [("00", &*one, answer(&two)), ("01", &changed, answer(&four))];
        let lines = [&one, &two, &changed, &four].map(|it| format!("{it}\n"));
        for text in [archive(&entries), lines.concat()] {
            let (_, lint) = printed("lint", &text);
            assert!(lint.contains(id), "{new}: {lint}");
            let is_blamed = lint.contains("error STA-03") || lint.contains("error HDR-02 · server");
            assert!(!is_blamed, "{new}: {lint}");
            let exchanges = shown(&text, &[]).into_iter().map(|event| event.exchange);
            let expected = [1, 1, 2, 2].map(Some);
            assert_eq!(exchanges.collect::<Vec<_>>(), expected, "{new}");
            let (code, why) = printed("why", &text);
            assert_eq!(code, Some(1), "{new}: {why}");
        }
    }
}

#[test]
fn a_status_that_is_none_of_http_is_no_answer_and_its_request_stays() {
    let [one, ..] = session();
    for status in [1200, 65_700] {
        let text = archive(&[("00", &one, json!({"status": status, "content": {}}))]);
        let (code, why) = printed("why", &text);
        assert_eq!(code, Some(1), "{why}");
        let expected = format!("no answer came (its status {status} is not one of HTTP)");
        assert!(why.contains(&expected), "{why}");
    }
}

#[test]
fn a_comment_blames_a_peer_only_with_a_word_of_its_own() {
    let [one, ..] = session();
    let why = |comment: &str| {
        let response = json!({"status": 0, "content": {}, "comment": comment});
        printed("why", &archive(&[("00", &one, response)])).1
    };
    for comment in ["the preset of Tuesday", "undisclosed", "unblocked later"] {
        let why = why(comment);
        assert!(why.contains(comment) && !why.contains("broke it"), "{why}");
    }
    for (comment, peer) in [
        ("Connection reset by peer", "server"),
        ("read ECONNRESET", "server"),
        ("net::ERR_CONNECTION_TIMED_OUT", "server"),
        ("the request timed out", "server"),
        ("net::ERR_EMPTY_RESPONSE", "server"),
        ("canceled", "device"),
        ("net::ERR_BLOCKED_BY_CLIENT", "device"),
        ("NS_BINDING_ABORTED", "device"),
    ] {
        let why = why(comment);
        assert!(why.contains(&format!("the {peer} broke it")), "{why}");
    }
}

#[test]
fn a_body_that_a_har_has_not_got_is_not_an_empty_one() {
    let [one, two, three, four] = session();
    let without = |text: &str| {
        let mut answer = answer(text);
        answer["content"].as_object_mut().unwrap().remove("text");
        answer
    };
    let text = archive(&[("00", &one, without(&two)), ("01", &three, without(&four))]);
    let (code, why) = printed("why", &text);
    assert_eq!(code, Some(1), "{why}");
    for expected in [
        "WHY-15",
        "2 messages could not be read",
        "not in the file, which says that it had",
        "405 Command not allowed for Replace (message 1, CmdID 3), which is not in the record",
        "HAR with content",
    ] {
        assert!(why.contains(expected), "{expected}: {why}");
    }
    assert!(!why.contains("WHY-02"), "{why}");
    let (_, shown) = printed("show", &text);
    assert!(!shown.contains("never sent"), "{shown}");
    let (code, lint) = printed("lint", &text);
    assert_eq!(code, Some(0), "{lint}");
    assert!(lint.contains("in 2 messages"), "{lint}");
    // One that is empty ends a session.
    let text = archive(&[("00", &one, answer(&two)), ("01", &three, answer(""))]);
    let (_, why) = printed("why", &text);
    assert!(!why.contains("WHY-15"), "{why}");
}

#[test]
fn a_har_shows_by_any_of_its_sizes_that_a_body_is_missing() {
    let [one, two, three, four] = session();
    let length = json!([{"name": "Content-Length", "value": "435"}]);
    for missing in [
        json!({"status": 200, "headers": [], "content": {"size": 435, "text": ""}}),
        json!({"status": 200, "headers": length, "content": {}}),
        json!({"status": 200, "headers": [], "bodySize": -1, "content": {"size": -1}}),
        json!({"status": 200, "headers": [], "bodySize": -1, "content": {"size": -1, "text": ""}}),
    ] {
        let text = archive(&[("00", &one, missing.clone()), ("01", &three, answer(&four))]);
        let (code, why) = printed("why", &text);
        assert_eq!(code, Some(1), "{missing}: {why}");
        assert!(
            why.contains("WHY-15") && why.contains("not in the file"),
            "{missing}: {why}"
        );
        let (_, shown) = printed("show", &text);
        assert!(!shown.contains("never sent"), "{missing}: {shown}");
    }
    // A request that was left out.
    let text = archive(&[("00", &one, answer(&two)), ("01", "", answer(&four))]);
    let mut archive: Value = serde_json::from_str(&text).unwrap();
    archive["log"]["entries"][1]["request"]["bodySize"] = json!(three.len());
    let text = archive.to_string();
    let (code, why) = printed("why", &text);
    assert_eq!(code, Some(1), "{why}");
    assert!(
        why.contains("WHY-15") && why.contains("x2: not in the file"),
        "{why}"
    );
    let (_, shown) = printed("show", &text);
    assert!(!shown.contains("never sent"), "{shown}");
}

#[test]
fn a_failure_of_a_command_that_nobody_knows_is_pending() {
    let [one, two, three, four] = session();
    let stray = "<Status><CmdID>9</CmdID><MsgRef>1</MsgRef><CmdRef>99</CmdRef><Cmd>Add</Cmd><Data>500</Data></Status>";
    let three = three
        .replace("405", "200")
        .replace("<Final/>", &format!("{stray}<Final/>"));
    let text = archive(&[("00", &one, answer(&two)), ("01", &three, answer(&four))]);
    let (code, why) = printed("why", &text);
    assert_eq!(code, Some(1), "{why}");
    assert!(
        why.contains("500 Command failed for Add (message 1, CmdID 99)"),
        "{why}"
    );
    assert!(!why.contains("nothing pending"), "{why}");
}

#[test]
fn a_record_without_a_message_is_no_record_in_which_nothing_is_pending() {
    let (code, why) = printed("why", "");
    assert_eq!(code, Some(2), "{why}");
    assert!(!why.contains("nothing pending"), "{why}");
    let tunnelled = r#"{"v":1,"seq":1,"event":"admitted","at":"2026-11-30T09:00:00Z","at_us":1796029200000000,"connection":{"id":1},"applied":[{"rule":"left-alone","changes":[{"path":"","step":"tunnel","kind":"tunnelled","before":"","after":""}]}]}"#;
    let (code, why) = printed("why", tunnelled);
    assert_eq!(code, Some(2), "{why}");
    assert!(why.contains("dmtap show lists its connections"), "{why}");
}

#[test]
fn a_command_without_syncbody_around_it_is_read() {
    let excerpt = "<SyncML xmlns=\"SYNCML:SYNCML1.2\">\n ...\n <Status>\n<CmdID>5</CmdID><MsgRef>1</MsgRef>\
                   <CmdRef>a3</CmdRef><Cmd>Replace</Cmd><Data>500</Data></Status>\n ...\n</SyncML>\n";
    let (code, why) = printed("why", excerpt);
    assert_eq!(code, Some(1), "{why}");
    assert!(
        why.contains("500") && why.contains("Replace (message 1, CmdID a3)"),
        "{why}"
    );
    let (_, shown) = printed("show", excerpt);
    assert!(shown.contains("500"), "{shown}");
}

#[test]
fn messages_of_a_file_are_read_in_the_order_of_their_times() {
    let [one, two, three, four] = session();
    let all = [&one, &two, &three, &four];
    let expected = printed("why", &all.map(|it| it.clone() + "\n").concat()).1;
    assert!(
        expected.contains("405 Command not allowed") && !expected.contains("WHY-15"),
        "{expected}"
    );
    let at = |second: usize| format!("2024-03-01T10:00:0{second}.000Z");
    let dated = all.iter().enumerate().rev();
    let log: String = dated
        .map(|(second, text)| format!("{} {text}\n", at(second)))
        .collect();
    let rows = all.iter().enumerate().rev();
    let rows = rows.map(|(second, text)| json!({"@timestamp": at(second), "@message": text}));
    let rows = json!(rows.collect::<Vec<_>>()).to_string();
    // A log that writes whole seconds.
    let of_one_time = all.iter().rev();
    let of_one_time: String = of_one_time
        .map(|text| format!("{} {text}\n", at(1)))
        .collect();
    let (first, second) = (
        ("00", one.as_str(), answer(&two)),
        ("01", three.as_str(), answer(&four)),
    );
    let reversed = archive(&[second.clone(), first.clone()]);
    // Both messages of an exchange in one line.
    let pair = |at: &str, asked: &str, answered: &str| {
        json!({"time": format!("2024-03-01T10:00:{at}Z"), "request": asked, "response": answered})
            .to_string()
    };
    let pairs = format!(
        "{}\n{}\n",
        pair("01", &three, &four),
        pair("00", &one, &two)
    );
    // Without times the numbers of the messages show it.
    let bare: String = all.iter().rev().map(|text| format!("{text}\n")).collect();
    let bare_pairs = [&three, &four, &one, &two]
        .map(|text| format!("{text}\n"))
        .concat();
    for text in [log, of_one_time, rows, reversed, pairs, bare, bare_pairs] {
        let (code, why) = printed("why", &text);
        assert_eq!(code, Some(1), "{why}");
        assert!(
            why.contains("405 Command not allowed") && why.contains("1 session,"),
            "{why}\n{text}"
        );
        assert!(
            !why.contains("WHY-15") && !why.contains("WHY-02"),
            "{why}\n{text}"
        );
        let events = shown(&text, &[]);
        let order: Vec<_> = events
            .iter()
            .map(|it| (it.from.as_deref().unwrap(), it.exchange.unwrap()))
            .collect();
        assert_eq!(
            order,
            [("device", 1), ("server", 1), ("device", 2), ("server", 2)],
            "{text}"
        );
    }
}

#[test]
fn an_answer_belongs_to_the_side_that_did_not_ask() {
    let commands = [
        (
            "Add",
            "<Add><CmdID>2</CmdID><Item><Target><LocURI>./A</LocURI></Target></Item></Add>",
        ),
        ("Atomic", "<Atomic><CmdID>2</CmdID></Atomic>"),
        ("Copy", "<Copy><CmdID>2</CmdID></Copy>"),
        ("Delete", "<Delete><CmdID>2</CmdID></Delete>"),
        ("Exec", "<Exec><CmdID>2</CmdID></Exec>"),
        ("Get", "<Get><CmdID>2</CmdID></Get>"),
    ];
    let [first, second, ..] = session();
    for (name, command) in commands {
        for alert in ["", "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert>"] {
            let asked = first.replace(
                "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert>",
                &(alert.to_owned() + command),
            );
            let status = format!(
                "<Status><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Cmd>{name}</Cmd><Data>406</Data></Status>"
            );
            let start = second.find("<Replace>").unwrap();
            let end = second.find("</Replace>").unwrap() + "</Replace>".len();
            let mut answer = format!("{}{status}{}", &second[..start], &second[end..]);
            if alert.is_empty() {
                let start = answer.find("<Status><CmdID>2").unwrap();
                let end = start + answer[start..].find("</Status>").unwrap() + "</Status>".len();
                answer.replace_range(start..end, "");
            }
            let sides: Vec<_> = shown(format!("{asked}\n{answer}\n"), &[])
                .iter()
                .map(|it| it.from.clone().unwrap())
                .collect();
            // A lone Get of a device looks like one of a server that swaps the addresses.
            if alert.is_empty() {
                assert_ne!(sides[0], sides[1], "{name}");
            } else {
                assert_eq!(sides, ["device", "server"], "{name}");
            }
        }
    }
}

/// A value as mitmproxy writes it in its files of flows.
fn tnetstring(value: &Value) -> Vec<u8> {
    let joined = |values: Vec<Vec<u8>>| values.concat();
    let (content, kind) = match value {
        Value::Null => (Vec::new(), '~'),
        Value::Bool(is_true) => (is_true.to_string().into_bytes(), '!'),
        Value::Number(number) if number.is_i64() => (number.to_string().into_bytes(), '#'),
        Value::Number(number) => (number.to_string().into_bytes(), '^'),
        Value::String(text) => (text.clone().into_bytes(), ','),
        Value::Array(values) => (joined(values.iter().map(tnetstring).collect()), ']'),
        Value::Object(map) => {
            let pair = |(name, value): (&String, &Value)| {
                [tnetstring(&json!(name)), tnetstring(value)].concat()
            };
            (joined(map.iter().map(pair).collect()), '}')
        }
    };
    let mut written = format!("{}:", content.len()).into_bytes();
    written.extend(content);
    written.push(kind as u8);
    written
}

#[test]
fn flows_that_mitmproxy_saved_are_read_with_the_request_before_its_response() {
    let [one, two, three, four] = session();
    let flow = |second: f64, asked: &str, answered: Value, error: Value| {
        let headers = json!([["Content-Type", "application/vnd.syncml.dm+xml"]]);
        tnetstring(&json!({
            "error": error, "type": "http", "version": 21,
            "response": answered.as_str().map(|text| json!({
                "status_code": 200, "http_version": "HTTP/1.1", "headers": headers, "content": text,
                "timestamp_start": second + 0.25, "timestamp_end": second + 0.5,
            })),
            "request": {
                "method": "POST", "scheme": "https", "host": "mdm.example", "port": 443, "path": "/dm",
                "http_version": "HTTP/1.1", "headers": headers, "content": asked, "timestamp_start": second,
            },
        }))
    };
    let first = flow(1_700_000_000.5, &one, json!(two), Value::Null);
    let second = flow(1_700_000_002.5, &three, json!(four), Value::Null);
    let file = String::from_utf8([first.clone(), second].concat()).unwrap();
    let speakers: Vec<_> = shown(file.clone(), &[])
        .iter()
        .map(|event| (event.at_us, event.exchange))
        .collect();
    let [a, b, c, d] = speakers[..] else {
        panic!("{speakers:?}");
    };
    assert_eq!(
        (b.0 - a.0, d.0 - c.0, c.0 - a.0),
        (500_000, 500_000, 2_000_000)
    );
    assert!(a.1 == b.1 && c.1 == d.1 && a.1 != c.1);
    let har = archive(&[("00", &one, answer(&two)), ("02", &three, answer(&four))]);
    assert_eq!(printed("why", &file).0, printed("why", &har).0);
    let failed = flow(
        1_700_000_002.5,
        &three,
        Value::Null,
        json!({"msg": "server disconnected"}),
    );
    let (code, why) = printed("why", &String::from_utf8([first, failed].concat()).unwrap());
    assert_eq!(code, Some(1), "{why}");
    assert!(
        why.contains("no answer came (server disconnected)"),
        "{why}"
    );
}
