//! `dmtap explain` with the queries of users.

use serde_json::Value;

use super::{dmtap, run, stdout};

fn explain(words: &[&str]) -> (i32, String, String) {
    let output = run(dmtap().arg("explain").args(words));
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    (output.status.code().unwrap(), stdout(&output), errors)
}

#[test]
fn a_number_of_intune_the_status_and_the_result_are_the_same_thing() {
    let first = |words: &[&str]| {
        let (code, text, _) = explain(words);
        assert_eq!(code, 0, "{words:?}");
        text.lines().next().unwrap().to_owned()
    };
    let same = "404 Not found (SyncML Status)";
    assert_eq!(first(&["--", "-2016345708"]), same);
    assert_eq!(first(&["-2016345708"]), same);
    assert_eq!(first(&["0x87D10194"]), same);
    assert_eq!(first(&["404"]), same);
    let (_, text, _) = explain(&["-2016345708"]);
    for expected in [
        "-2016345708 is the way Intune shows the Status 404 (0x87D10194).",
        "Replace creates no node",
        "dmtap demo --rule not-found",
        "SyncML RepPro 1.2.2 §10",
    ] {
        assert!(text.contains(expected), "{expected} in:\n{text}");
    }
}

#[test]
fn results_alerts_elements_nodes_and_ids_are_explained() {
    let check = |word: &str, expected: &[&str]| {
        let (code, text, errors) = explain(&["--", word]);
        assert_eq!(code, 0, "{word}: {errors}");
        for expected in expected {
            assert!(text.contains(expected), "{word}: {expected} in:\n{text}");
        }
    };
    check(
        "0x86000011",
        &["CFGMGR_E_COMMANDNOTALLOWED", "= -2046820335"],
    );
    check("0x86000022", &["CFGMGR_E_NOIMPERSONATIONTARGET"]);
    check(
        "2147942405",
        &["0x80070005", "E_ACCESSDENIED", "--rule original-error"],
    );
    check(
        "MENROLL_E_DEVICECAPREACHED",
        &["0x80180013", "--rule device-cap"],
    );
    check("DeviceCapReached", &["0x80180013"]);
    check("1603", &["ERROR_INSTALL_FAILURE", "Win32 error 1603"]);
    check(
        "65000",
        &["0x87D1FDE8", "Error code 65000", "remediation failed"],
    );
    check(
        "LoginStatus",
        &["com.microsoft/MDM/LoginStatus", "Alert 1224"],
    );
    check("WHY-06", &["Atomic failed", "--rule atomic-fails"]);
    check("STA-03", &["What to do:", "docs/notes.md"]);
    check("RespURI", &["--rule elsewhere"]);
    check("1223", &["Session abort", "--rule aborted"]);
    check("NumberOfChanges", &["Data synchronization"]);
    check(
        "./User/Vendor/MSFT/Policy/Config/Camera/AllowCamera",
        &[
            "Policy",
            "a node of the user",
            "policy AllowCamera of the area Camera",
        ],
    );
    check("0x801901F7", &["HTTP 503", "--rule busy"]);
    check("./User/Vendor/MSFT/LAPS/Policies", &["below ./Device only"]);
    check("./Device/Vendor/MSFT/PDE/X", &["below ./User only"]);
    check("0x82d00007", &["WinDC", "one or more of its CSPs failed"]);
    check("0x82d00001", &["an error of declared configuration"]);
    check("0x8031005B", &["FVE_E_INVALID_STARTUP_OPTIONS"]);
    check("2245", &["NERR_PasswordTooShort"]);
    check(
        "ServerHasFinishedProvisioning",
        &["DMClient", "status page"],
    );
    check("ResetPasswordStatus", &["LAPS", "HRESULT"]);
}

#[test]
fn what_is_not_known_ends_with_1_and_names_what_comes_near() {
    let (code, text, errors) = explain(&["0x12345678"]);
    assert_eq!((code, text.as_str()), (1, ""));
    assert!(errors.contains("`0x12345678` is not known"), "{errors}");
    let (code, text, errors) = explain(&["404", "LogonStatus"]);
    assert_eq!(code, 1);
    assert!(text.starts_with("404 Not found"), "{text}");
    assert!(errors.contains("near it is LoginStatus"), "{errors}");
}

#[test]
fn a_note_is_named_by_its_id_and_rules_stand_with_its_error() {
    let (_, text, _) = explain(&["STA-03", "--output", "json"]);
    let notes: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let parts = |note: &serde_json::Value| {
        let has_rules = !note["rules"].as_array().unwrap().is_empty();
        (note["name"].clone(), note["severity"].clone(), has_rules)
    };
    let parts: Vec<_> = notes.iter().map(parts).collect();
    let expected = [("error", true), ("info", false)];
    let expected = expected.map(|(severity, has)| ("STA-03".into(), severity.into(), has));
    assert_eq!(parts, expected);
}

#[test]
fn what_is_not_known_is_an_object_in_json() {
    let (code, text, _) = explain(&["404", "LogonStatus", "--output", "json"]);
    assert_eq!(code, 1);
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["key"], "404");
    assert_eq!(lines[1]["asked"], "LogonStatus");
    assert!(lines[1]["kind"].is_null());
    assert_eq!(lines[1]["near"][0], "LoginStatus");
}

#[test]
fn json_has_the_parts() {
    let (code, text, _) = explain(&["404", "0x86000002", "--output", "json"]);
    assert_eq!(code, 0);
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["kind"], "status");
    assert_eq!(lines[0]["hresult"], "0x87D10194");
    assert_eq!(lines[0]["signed"], -2_016_345_708);
    assert_eq!(lines[0]["rules"][0], "not-found");
    assert_eq!(lines[1]["name"], "CFGMGR_E_NODENOTFOUND");
    assert_eq!(lines[1]["meaning"], "there is no such node");
}

#[test]
fn success_and_numbers_that_no_table_has_are_explained_too() {
    let (code, text, _) = explain(&["0x0"]);
    assert_eq!(code, 0);
    assert!(
        text.starts_with("0x00000000 = 0 S_OK (result of Windows)"),
        "{text}"
    );
    let check = |word: &str, expected: &[&str]| {
        let (code, _, errors) = explain(&["--", word]);
        assert_eq!(code, 1, "{word}");
        assert!(!errors.contains("near it are"), "{word}: {errors}");
        for expected in expected {
            assert!(
                errors.contains(expected),
                "{word}: {expected} in:\n{errors}"
            );
        }
    };
    check(
        "999",
        &[
            "Statuses are 101 to 517, Alerts 1100 to 1299",
            "net helpmsg",
        ],
    );
    check("0x81230011", &["a failure of the facility 291 (0x123)"]);
    check("0xC0000022", &["NTSTATUS"]);
    check(
        "0x12345678",
        &["none of a result of Windows", "success"][1..],
    );
}

#[test]
fn built_in_rules_and_steps_are_explained_too() {
    let (code, text, errors) = explain(&["atomic-fails", "set-status"]);
    assert_eq!(code, 0, "{errors}");
    for expected in [
        "atomic-fails (built-in rule)",
        "dmtap demo --rule atomic-fails",
        "set-status (step of rules)",
        "Example: step = { set-status = ",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    for (word, meant) in [("atomic-fail", "atomic-fails"), ("set-statu", "set-status")] {
        let (code, _, errors) = explain(&[word]);
        assert!(code == 1 && errors.contains(meant), "{errors}");
    }
}
