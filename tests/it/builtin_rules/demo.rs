//! One command for each row of the response-code table: the transcript shows that code, on that command only.

use std::process::Command;
use std::sync::Mutex;

use dmtap::builtin_rules;
use dmtap::dm::StatusCode;

/// The codes of the table of Windows' OMA DM protocol support, then others that are certain to be seen; each with
/// its built-in rule and the command whose Status it is.
const ROWS: &[(u16, &str, &str)] = &[
    (
        200,
        "false-success",
        "Replace 3 ./Device/Vendor/MSFT/DMTap/Missing",
    ),
    (202, "accepted", "Exec 8 ./Device/Vendor/MSFT/DMTap/Restart"),
    (212, "authenticated", "SyncHdr of message 1"),
    (
        214,
        "cancelled",
        "Exec 8 ./Device/Vendor/MSFT/DMTap/Restart",
    ),
    (
        215,
        "user-cancelled",
        "Replace 7 ./Device/Vendor/MSFT/DMTap/Colour",
    ),
    (
        400,
        "bad-request",
        "Exec 8 ./Device/Vendor/MSFT/DMTap/Restart",
    ),
    (401, "login-refused", "SyncHdr of message 1"),
    (
        403,
        "forbidden",
        "Replace 7 ./Device/Vendor/MSFT/DMTap/Colour",
    ),
    (404, "not-found", "Get 5 ./DevDetail/SwV"),
    (
        405,
        "not-allowed",
        "Replace 7 ./Device/Vendor/MSFT/DMTap/Colour",
    ),
    (406, "unsupported", "Get 5 ./DevDetail/SwV"),
    (
        415,
        "unsupported-format",
        "Replace 7 ./Device/Vendor/MSFT/DMTap/Colour",
    ),
    (
        418,
        "already-exists",
        "Add 6 ./Device/Vendor/MSFT/DMTap/Greeting",
    ),
    (
        425,
        "permission-denied",
        "Replace 7 ./Device/Vendor/MSFT/DMTap/Colour",
    ),
    (
        500,
        "command-fails",
        "Add 6 ./Device/Vendor/MSFT/DMTap/Greeting",
    ),
    (
        213,
        "chunk-accepted",
        "Replace 7 ./Device/Vendor/MSFT/DMTap/Colour",
    ),
    (407, "credentials-missing", "SyncHdr of message 1"),
    (
        408,
        "request-timeout",
        "Exec 8 ./Device/Vendor/MSFT/DMTap/Restart",
    ),
    (
        412,
        "incomplete-command",
        "Add 6 ./Device/Vendor/MSFT/DMTap/Greeting",
    ),
    (
        413,
        "too-large",
        "Add 6 ./Device/Vendor/MSFT/DMTap/Greeting",
    ),
    (
        414,
        "uri-too-long",
        "Add 6 ./Device/Vendor/MSFT/DMTap/Greeting",
    ),
    (
        420,
        "device-full",
        "Add 6 ./Device/Vendor/MSFT/DMTap/Greeting",
    ),
    (
        424,
        "size-mismatch",
        "Replace 7 ./Device/Vendor/MSFT/DMTap/Colour",
    ),
    (216, "rolled-back", WIDTH),
    (507, "atomic-fails", "Atomic 2"),
    (516, "rollback-fails", WIDTH),
    (517, "atomic-too-large", "Atomic 2"),
];

/// What else such a built-in rule says, because the code alone would not be the truth: an Atomic fails as a whole.
const BESIDE: &[(&str, u16, &str)] = &[
    ("atomic-fails", 500, WIDTH),
    ("atomic-fails", 215, HEIGHT),
    ("rolled-back", 507, "Atomic 2"),
    ("rolled-back", 425, HEIGHT),
    ("rollback-fails", 507, "Atomic 2"),
    ("rollback-fails", 500, HEIGHT),
    ("atomic-too-large", 507, "Atomic 2"),
    ("atomic-too-large", 216, WIDTH),
    ("atomic-too-large", 216, HEIGHT),
];

const WIDTH: &str = "Replace 3 ./Device/Vendor/MSFT/DMTap/Width";
const HEIGHT: &str = "Replace 4 ./Device/Vendor/MSFT/DMTap/Height";

#[test]
fn one_command_shows_each_code_on_the_intended_command_only_in_xml_and_in_wbxml() {
    let (rows, wrong) = (Mutex::new(ROWS.iter()), Mutex::new(Vec::new()));
    let next = || rows.lock().unwrap().next();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((code, builtin, command)) = next() {
                    if let Err(why) = shows(StatusCode(*code), builtin, command) {
                        wrong.lock().unwrap().push(why);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn shows(code: StatusCode, builtin: &str, command: &str) -> Result<(), String> {
    let transcript = demo(builtin)?;
    let lines: Vec<&str> = transcript.lines().collect();
    let others = BESIDE.iter().filter(|(name, ..)| *name == builtin);
    let mut encodings = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if !line.contains("✎ rule ") || !line.contains(" → ") {
            continue;
        }
        // Built-in rules of DM tell the text they write, and `set-status` tells its meaning as well.
        let sets = |code: u16| {
            let ends = [format!("→ {}", StatusCode(code)), format!("→ {code}")];
            ends.iter().any(|end| line.ends_with(end))
        };
        let is_status = |line: &&&str| !line.contains("✎ rule ");
        let status = lines[..at].iter().rev().find(is_status).unwrap();
        let of = |command: &str| status.ends_with(&format!("← {command}"));
        let mut beside = others.clone();
        if beside.any(|(_, code, command)| sets(*code) && of(command)) {
            continue;
        }
        if !sets(code.0) || !of(command) {
            return Err(format!(
                "{builtin}: not {code} of {command}:\n{status}\n{line}"
            ));
        }
        let about = lines[..at]
            .iter()
            .rev()
            .find(|line| line.contains("│ session "));
        let wbxml = about.is_some_and(|line| line.contains(" WBXML "));
        encodings.push(if wbxml { "WBXML" } else { "XML" });
    }
    match *encodings == ["XML", "WBXML"] {
        true => Ok(()),
        false => Err(format!("{builtin}: {code} is shown in {encodings:?}")),
    }
}

/// The transcript of `dmtap demo --rule NAME`.
fn demo(builtin: &str) -> Result<String, String> {
    demo_with(&["--rule", builtin])
}

fn demo_with(arguments: &[&str]) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dmtap"));
    command.arg("demo").args(arguments).current_dir(&folder);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(said),
        false => Err(format!("{arguments:?}: {output:?}")),
    }
}

/// Built-in rules that do something else than change a Status, each with what the end of the demo says of it.
const EFFECTS: &[(&str, &str)] = &[
    (
        "value-changed",
        "response: Add ./Device/Vendor/MSFT/DMTap/Greeting, changed Item/Data: Hello & welcome → changed on the way (2 times)",
    ),
    (
        "wrong-language",
        "request: Replace ./DevInfo/DevId, changed Item[4]/Data: en-US → xx-XX (2 times)",
    ),
    (
        "results-lost",
        "request: removed Results of Get ./DevDetail/SwV (2 times)",
    ),
    (
        "hide-command",
        "response: removed Exec ./Device/Vendor/MSFT/DMTap/Restart (2 times)",
    ),
    (
        "refused",
        "response: refused Exec ./Device/Vendor/MSFT/DMTap/Restart with 403 Forbidden (2 times)",
    ),
    (
        "command-injected",
        "response: added Get ./DevDetail/SwV (2 times)",
    ),
    (
        "login-refused",
        "response: Status of SyncHdr: 200 OK → 401 Invalid credentials (2 times)",
    ),
    (
        "challenge",
        "request: MsgID and MsgRef renumbered by 1 (8 times)",
    ),
    (
        "challenge",
        "request: removed the answer to what dmtap sent (2 times)",
    ),
    (
        "challenge",
        "request: restored the credentials from before the challenge",
    ),
    (
        "busy",
        "request: answered with 503 Service Unavailable in the server's place (2 times)",
    ),
    ("reset-once", "response: reset the connection"),
    ("jitter", "response: delayed by "),
    (
        "old-version",
        "response: changed SyncHdr/VerProto: DM/1.2 → DM/1.1 (6 times)",
    ),
    (
        "wrong-media-type",
        "response: changed header content-type: application/vnd.syncml.dm+xml → content-type: text/html, … (2 times)",
    ),
    (
        "only-old-tls",
        "connection: offered TLS 1.2 or older (2 times)",
    ),
    (
        "device-cap",
        "device-cap is about enrollment, which these sessions do not have: dmtap demo --enroll --rule",
    ),
];

#[test]
fn the_end_of_the_demo_says_what_each_rule_did() {
    for (builtin, expected) in EFFECTS {
        let shown = demo(builtin).unwrap();
        let (_, end) = shown.split_once("what the rules did:\n").unwrap();
        let says = |line: &str| line.trim_start().starts_with(expected);
        assert!(
            end.lines().any(says),
            "{builtin}: {expected} is missing in:\n{end}"
        );
    }
}

#[test]
fn list_and_show_give_the_built_in_rules_and_a_wrong_name_gets_the_right_one() {
    let dmtap = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dmtap"));
        let output = command.args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, list, _) = dmtap(&["rules", "list"]);
    assert_eq!(code, Some(0));
    // The rule `stay` is in the program, and no file.
    assert_eq!(list.lines().count(), builtin_rules::BUILTIN_RULES.len() + 1);
    let (_, json, _) = dmtap(&["rules", "list", "--output", "json"]);
    for (line, builtin) in json.lines().zip(builtin_rules::BUILTIN_RULES.iter()) {
        let reported: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(reported["name"], builtin.name);
        assert_eq!(reported["theme"], builtin.theme);
        assert_eq!(reported["right"], builtin.right());
    }
    let names = |arguments: &[&str]| {
        let (code, list, _) = dmtap(&[&["rules", "list"], arguments].concat());
        let name = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
        (code.unwrap(), list.lines().map(name).collect::<Vec<_>>())
    };
    assert!(names(&["TLS"]).1.contains(&"weak".into()));
    let of_theme = |theme| {
        builtin_rules::BUILTIN_RULES
            .iter()
            .filter(|s| s.theme == theme)
            .count()
    };
    assert!(names(&["atomic", "507"]).1.len() < of_theme("atomic"));
    assert_eq!(
        names(&["http", "429"]),
        (0, vec!["too-many-requests".into()])
    );
    assert_eq!(names(&["nothing-like-this"]), (1, Vec::new()));
    assert_eq!(names(&["stay", "reverse"]).1.last().unwrap(), "stay");
    assert!(names(&["enrollment"]).1.contains(&"stay".into()));
    let (_, json, _) = dmtap(&["rules", "list", "429", "--output", "json"]);
    assert_eq!(json.lines().count(), 1, "{json}");
    let forbidden = builtin_rules::find("forbidden").unwrap();
    assert_eq!(dmtap(&["rules", "show", "forbidden"]).1, forbidden.text);
    for arguments in [
        &["rules", "show", "forbiden"][..],
        &["demo", "--rule", "forbiden"],
        &["proxy", "--mode", "regular", "--rule", "forbiden"],
    ] {
        let (code, _, said) = dmtap(arguments);
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(said.contains("exists: 'forbidden'"), "{said}");
    }
}

#[test]
fn rules_of_one_line_act_and_what_is_wrong_is_reported_in_the_argument() {
    let fail = demo_with(&["--fail", "./Device/Vendor/MSFT/BitLocker/**=500"]).unwrap();
    let failed = "Replace ./Device/Vendor/MSFT/BitLocker/RequireDeviceEncryption";
    for encoding in ["XML", "WBXML"] {
        let reported = fail
            .lines()
            .find(|line| line.contains(&format!("  {encoding}: {failed}")));
        assert!(
            reported.is_some_and(|line| line.ends_with("500 Command failed")),
            "{fail}"
        );
    }
    assert_eq!(
        fail.matches(": Status 200 OK → 500 Command failed").count(),
        2
    );

    let get = demo_with(&["--fail", "./DevDetail/**=404"]).unwrap();
    assert_eq!(
        get.matches("(Results): removed Results").count(),
        2,
        "{get}"
    );

    let headers = demo_with(&["-H", "/~s/X-Seen-By/{{message-id}}"]).unwrap();
    assert_eq!(
        headers.matches("✎ rule modify-headers ").count(),
        8,
        "{headers}"
    );
    let body = demo_with(&["-B", "/~q/10\\.0\\.(\\d+)/11.0.\\1"]).unwrap();
    assert_eq!(body.matches("✎ rule modify-body ").count(), 2, "{body}");
    assert!(!body.contains("(?s)"), "{body}");
    let bare = demo_with(&["--fail", "./Device/Vendor/MSFT/DMTap/Colour=500"]).unwrap();
    assert!(!bare.contains("(Results)"), "{bare}");
    let gone = demo_with(&["-H", "/X-Nowhere/", "-H", "/~q/User-Agent/"]).unwrap();
    assert!(!gone.contains("not applied"), "{gone}");
    assert!(
        gone.contains("modify-headers /X-Nowhere/ (request)   nothing"),
        "{gone}"
    );
    assert_eq!(gone.matches("✎ rule modify-headers ").count(), 8, "{gone}");

    for (arguments, place, words) in [
        (["--fail", "./A=599"], "--fail:1:5", "no status code 599"),
        (["-H", "/~z/A/b"], "-H:1:2", "is not a word of a filter"),
        (
            ["-H", "/~q ~why WHY-01/A/b"],
            "-H:1:5",
            "not known while a message passes",
        ),
        (["-B", "/(/b"], "-B:1:2", "not a regular expression"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dmtap"));
        let output = command.arg("demo").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(place) && said.contains(words), "{said}");
    }
}

#[test]
fn shifted_numbers_are_reported_once_for_each_message() {
    let shown = demo("challenge").unwrap();
    let (transcript, _) = shown.split_once("what the rules did:").unwrap();
    let messages = transcript.split("\n\n");
    let reported =
        messages.map(|message| message.matches("MsgID and MsgRef renumbered by 1").count());
    let reported: Vec<usize> = reported.collect();
    assert!(reported.iter().all(|count| *count <= 1), "{transcript}");
    assert!(reported.iter().sum::<usize>() > 4, "{transcript}");
}
