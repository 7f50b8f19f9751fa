//! Messages of a log that cannot be read, and messages whose header contradicts their content.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::log::shown;
use super::peers::dmtap;
use super::{run, stdout};

const SERVER: &str = "https://mdm.example/dm";
const DEVICE: &str = "IMEI:493005100592800";

/// A message from the second address to the first.
fn message(number: u32, [target, source]: [&str; 2], commands: &str) -> String {
    format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID>\
         <MsgID>{number}</MsgID><Target><LocURI>{target}</LocURI></Target><Source><LocURI>{source}</LocURI></Source></SyncHdr>\
         <SyncBody>{commands}<Final/></SyncBody></SyncML>"
    )
}

fn device(number: u32, commands: &str) -> String {
    message(number, [SERVER, DEVICE], commands)
}

fn server(number: u32, commands: &str) -> String {
    message(number, [DEVICE, SERVER], commands)
}

fn status(id: u32, [message, command]: [u32; 2], name: &str, code: u16) -> String {
    format!(
        "<Status><CmdID>{id}</CmdID><MsgRef>{message}</MsgRef><CmdRef>{command}</CmdRef><Cmd>{name}</Cmd><Data>{code}</Data></Status>"
    )
}

const GET: &str =
    "<Get><CmdID>2</CmdID><Item><Target><LocURI>./DevDetail/SwV</LocURI></Target></Item></Get>";

/// A session of two exchanges; the second message of the device has a quotation mark of a word processor.
fn conversation() -> [String; 4] {
    let about = |name: &str| {
        format!(
            "<Item><Source><LocURI>./DevInfo/{name}</LocURI></Source><Data>{DEVICE}</Data></Item>"
        )
    };
    let about: String = ["DevId", "Man", "Mod", "DmV", "Lang"].map(about).concat();
    let first = format!(
        "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Replace><CmdID>2</CmdID>{about}</Replace>"
    );
    let first_answers = [
        status(1, [1, 0], "SyncHdr", 200),
        status(3, [1, 1], "Alert", 200),
        status(4, [1, 2], "Replace", 200),
        GET.to_owned(),
    ];
    let broken = "<Alert><CmdID>3</CmdID><Data>1226</Data><Item><Meta><Type xmlns=\u{2019}syncml:metinf\u{2019}>x</Type>\
                  </Meta></Item></Alert>";
    [
        device(1, &first),
        server(1, &first_answers.concat()),
        device(
            2,
            &(status(1, [1, 0], "SyncHdr", 200) + &status(2, [1, 2], "Get", 404) + broken),
        ),
        server(
            2,
            &(status(1, [2, 0], "SyncHdr", 200) + &status(2, [2, 3], "Alert", 200)),
        ),
    ]
}

fn pasted(messages: &[String]) -> String {
    let blocks = messages.iter().map(|it| format!("```\n{it}\n```\n"));
    blocks.collect()
}

fn printed(verb: &str, text: &str) -> (Option<i32>, String) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("report.txt"), text).unwrap();
    let output = run(dmtap().current_dir(&folder).args([verb, "report.txt"]));
    (output.status.code(), stdout(&output))
}

#[test]
fn why_counts_a_message_that_could_not_be_read() {
    let (code, why) = printed("why", &pasted(&conversation()));
    assert_eq!(code, Some(1), "{why}");
    for expected in [
        "✖ 1 message could not be read    WHY-15",
        "x2, from the device:",
    ] {
        assert!(why.contains(expected), "{expected}: {why}");
    }
    // A message whose header is broken, too, is of no session.
    let torn = "10:00 body: <SyncML><SyncHdr><VerDTD>1.2<... (truncated)\n10:01 done\n";
    let (code, why) = printed("why", torn);
    assert_eq!(code, Some(1), "{why}");
    let expected = "1 message could not be read: what it says is not known";
    assert!(
        why.contains(expected) && why.contains("something pending"),
        "{why}"
    );
}

#[test]
fn why_counts_a_broken_message_in_every_form() {
    let whole = conversation();
    let escaped = |text: &str| text.replace('<', "&lt;").replace('>', "&gt;");
    let packed = |text: &str| STANDARD.encode(text);
    let forms: [&dyn Fn(&str) -> String; 4] = [
        &packed,
        // The log has cut the line.
        &|text| packed(text).trim_end_matches('=').to_owned(),
        &escaped,
        &|text| text.to_owned(),
    ];
    for (number, form) in forms.iter().enumerate() {
        for length in [500, 501, 502, 503] {
            let mut lines: Vec<String> = [0, 1, 3].map(|it| form(&whole[it])).to_vec();
            match number {
                1 => {
                    let middle: String = packed(&whole[2]).chars().take(length).collect();
                    lines.insert(2, middle);
                }
                _ => lines.insert(2, form(&whole[2][..length])),
            }
            let log: String = lines
                .iter()
                .map(|it| format!("10:00 body={it}\n"))
                .collect();
            let (code, why) = printed("why", &log);
            assert_eq!(code, Some(1), "{number}: {why}");
            let expected = "✖ 1 message could not be read    WHY-15";
            assert!(why.contains(expected), "{number}, {length}: {why}\n{log}");
        }
    }
}

#[test]
fn the_answer_to_a_message_that_could_not_be_read_belongs_to_it() {
    let events = shown(pasted(&conversation()), &[]);
    let known = |it: &dmtap::record::EventRecord| {
        let session = it.session.as_ref().unwrap();
        (it.exchange, it.from.clone().unwrap(), session.number)
    };
    let halves: Vec<_> = events.iter().map(known).collect();
    let half = |exchange, from: &str| (Some(exchange), from.into(), 1);
    assert_eq!(
        halves,
        [
            half(1, "device"),
            half(1, "server"),
            half(2, "device"),
            half(2, "server")
        ]
    );
}

#[test]
fn lint_names_a_message_that_could_not_be_read_and_blames_nobody_for_what_stands_in_it() {
    let (code, text) = printed("lint", &pasted(&conversation()));
    assert_eq!(code, Some(1), "{text}");
    for expected in [
        "error XML-01 · device",
        "x2 request",
        "1 error, 0 warnings",
        "in 4 messages",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    for wrong in ["STA-01", "never sent"] {
        assert!(!text.contains(wrong), "{wrong}: {text}");
    }
    // One in a text is counted, too, and a page without any is none.
    let (code, text) = printed("lint", &pasted(&conversation()[2..3]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("in 1 message"), "{text}");
    let (code, text) = printed("lint", "<html><body><br>a & b</html>");
    assert_eq!(code, Some(2), "{text}");
    assert!(!text.contains("XML-01"), "{text}");
}

#[test]
fn lint_over_files_pairs_around_one_that_could_not_be_read() {
    let folder = TempDir::new().unwrap();
    let mut command = dmtap();
    command.current_dir(&folder).arg("lint");
    for (number, message) in conversation().iter().enumerate() {
        let name = format!("{number}.xml");
        fs::write(folder.path().join(&name), message).unwrap();
        command.arg(name);
    }
    let output = run(&mut command);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text.contains("error XML-01 · device"), "{text}");
    assert!(
        text.contains("1 error,") && !text.contains("never sent"),
        "{text}"
    );
    assert!(
        text.contains("message 2 of the device was not seen or could not be read"),
        "{text}"
    );
}

#[test]
fn rules_try_names_a_message_of_a_log_that_it_could_not_read() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("log.md"), pasted(&conversation())).unwrap();
    let output = run(dmtap()
        .current_dir(&folder)
        .args(["rules", "try", "not-found", "log.md"]));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("log.md: a message could not be read"),
        "{error}"
    );
}

#[test]
fn the_commands_show_the_sender_where_source_and_target_are_swapped() {
    let unenrollment = "<Alert><CmdID>2</CmdID><Data>1226</Data><Item><Meta><Type xmlns='syncml:metinf'>com.microsoft:\
                        mdm.unenrollment.userrequest</Type><Format xmlns='syncml:metinf'>int</Format></Meta><Data>1</Data>\
                        </Item></Alert><Replace><CmdID>3</CmdID><Item><Source><LocURI>./DevInfo/Lang</LocURI></Source>\
                        <Data>en-US</Data></Item></Replace>";
    let swapped = server(1, unenrollment);
    let events = shown(&swapped, &[]);
    assert_eq!(events[0].from.as_deref(), Some("device"));
    let (_, text) = printed("lint", &swapped);
    assert!(
        text.contains("HDR-13 · device") && text.contains("Target and Source are swapped"),
        "{text}"
    );
    assert!(!text.contains("does not send"), "{text}");
    let right = device(1, unenrollment);
    assert!(!printed("lint", &right).1.contains("HDR-13"), "{right}");
}
