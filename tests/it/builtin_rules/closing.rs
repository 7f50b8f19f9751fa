//! What the demo says at its end.

use std::process::{Command, Output};

#[test]
fn the_demo_ends_with_what_its_rules_did() {
    let same = "both sides saw the same statuses";
    for (arguments, expected) in [
        (
            &["--rule", "permission-denied"][..],
            &["what the rules did:", "the server received"][..],
        ),
        (
            &["--rule", "value-changed"],
            &["what the rules did:", same, "acted on "],
        ),
        (&["--fail", "./Nowhere/X=500"], &[same, "  nothing\n"]),
        (
            &["--rule", "user-license"],
            &[
                "user-license is about enrollment, which the demo does not play: use it with dmtap proxy --rule user-license",
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
