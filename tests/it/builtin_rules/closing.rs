//! The closing summary of the demo.

use std::process::{Command, Output};

#[test]
fn the_demo_ends_with_what_its_rules_did() {
    let same = "both sides saw the same statuses";
    let changed =
        "no command's status differs between the two sides; what the rules changed stands below";
    for (arguments, expected) in [
        (
            &["--rule", "permission-denied"][..],
            &["what the rules did:", "the server received"][..],
        ),
        (
            &["--rule", "value-changed"],
            &["what the rules did:", changed, "acted on "],
        ),
        (&["--fail", "./Nowhere/X=500"], &[same, "  nothing\n"]),
        (
            &["--rule", "user-license"],
            &[
                "user-license is about enrollment, which these sessions do not have: dmtap demo --enroll --rule user-license",
            ],
        ),
        (&[], &["command-fails"]),
    ] {
        let output = demo(arguments);
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        for words in expected {
            assert!(shown.contains(words), "{arguments:?}: {words}\n{shown}");
        }
    }
}

#[test]
fn the_closing_page_says_what_the_device_reports() {
    let changed = "no command's status differs between the two sides";
    for (arguments, expected) in [
        (
            &["--rule", "busy"][..],
            &["the device reports: the server answered HTTP 503"][..],
        ),
        (
            &["--rule", "answer-lost"],
            &["the device reports: the server answered HTTP 504"],
        ),
        (
            &["--rule", "aborted"],
            &["the device reports: the server aborted the session"],
        ),
        (&["--rule", "expired"], &["server certificate expired"]),
        (
            &["--rule", "reset-once"],
            &["the server ended the HTTP/2 stream"],
        ),
        (
            &["--rule", "elsewhere"],
            &["no response from https://localhost:1/elsewhere: "],
        ),
        (
            &["--rule", "flipped-bits"],
            &["the device reports: the server's message is broken"],
        ),
        (&["--rule", "answers-reversed"], &[changed]),
        (&["--rule", "answer-twice"], &["200 OK, once more"]),
        (&["--rule", "no-final"], &[changed]),
        (&["--rule", "login-refused"], &[changed]),
        (
            &["--rule", "left-alone"],
            &[
                "dmtap passed the connections on unread",
                "TLS, tunnelled without decryption",
            ],
        ),
        (
            &["--enroll", "--rule", "device-cap"],
            &[
                "the device reports: the server answered RequestSecurityToken with the fault",
                "what the rules did:\n  device-cap  acted on 2 messages\n      request: answered with s:Authorization",
                "fault s:Authorization DeviceCapReached (0x80180013)",
                "Try:     dmtap show",
            ],
        ),
    ] {
        let output = demo(arguments);
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        for words in expected {
            assert!(shown.contains(words), "{arguments:?}: {words}\n{shown}");
        }
    }
}

#[test]
fn the_demo_takes_rule_files() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/rules/status/permission-denied.toml"
    );
    let output = demo(&["--rules", file]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("425 Permission denied"), "{shown}");
    assert_eq!(
        demo(&["--rules", "no-such-file.toml"]).status.code(),
        Some(2)
    );
}

#[test]
fn the_demo_does_not_wait_as_long_as_a_busy_server_says() {
    let output = demo(&["--rule", "retry-later"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = "the server asks to come back in 120 s: the demo does not wait that long";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn the_error_for_a_wrong_name_does_not_list_every_rule() {
    let output = demo(&["--rule", "forbiden"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("dmtap rules list prints all"), "{said}");
    assert!(said.len() < 400, "{said}");
}

#[test]
fn what_a_rule_closed_and_dmtaps_own_answers_are_reported_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cut.toml");
    let rule = "[[rule]]\nname = 'cut'\nstage = 'request'\nstep = { limit-data = 10 }\n";
    std::fs::write(&file, rule).unwrap();
    let output = demo(&["--rules", file.to_str().unwrap()]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        shown.contains("no response, the device's connection was closed by a rule"),
        "{shown}"
    );
    let output = demo(&["--rule", "busy"]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("own answer, 19 B text/plain"), "{shown}");
}

fn demo(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dmtap"));
    command.arg("demo").args(arguments).current_dir(&folder);
    command.output().unwrap()
}
