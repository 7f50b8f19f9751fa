//! The lines of an event log: what dmtap says of their results.

use super::pasted::printed;

#[track_caller]
fn check(text: &str, has: &[&str], lacks: &[&str]) {
    let (code, _, error) = printed("why", text);
    assert_eq!(code, Some(2), "{error}");
    for words in has {
        assert!(error.contains(words), "{words}: {error}");
    }
    for words in lacks {
        assert!(!error.contains(words), "{words}: {error}");
    }
}

#[test]
fn a_result_with_brackets_is_read_to_its_end() {
    let blocked = "Auto MDM Enroll: Device Credential (0x0), Failed (Mobile Device Management (MDM) was blocked, possibly by \
                   Group Policy or the SetManagedExternally function.)\n";
    check(blocked, &["0x80180026"], &["0x80180031"]);
    // Where the closing bracket is missing, the result ends before the next event.
    let cut = "Auto MDM Enroll: Failed (Bad request (400).\nMDM Session: OMA-DM failed: (0x1), Result: (0x80072EE7).\n";
    check(cut, &["0x80190190", "0x80072EE7"], &[]);
}

#[test]
fn a_result_in_words_is_the_code_of_windows_or_stands_there_as_it_is() {
    let hash = "SCEP: Certificate enroll failed. Result: (The hash value is not correct.).\n";
    check(hash, &["0x80091007 CRYPT_E_HASH_VALUE"], &[]);
    let enrolled = "MDM Enroll: Failed (The device is already enrolled.)\n";
    check(enrolled, &["0x8018000A"], &[]);
    let unknown = "SCEP: Certificate enroll failed. Result: (The moon is full.).\n";
    check(unknown, &["reports The moon is full."], &[]);
    let prose = "Event ID 404 Windows was unable to parse the requested XML data\n";
    check(prose, &["0x800705B9"], &[]);
}

#[test]
fn the_reason_of_a_fault_is_repeated_and_comes_first() {
    let event = "MDM Enroll: Server Returned Fault/Code/Subcode/Value=(DeviceNotSupported) Fault/Reason/Text=(Device based token \
                 is not supported for enrollment type OnPremiseGroupPolicyCoManaged).\nMDM Enroll: Failed (Mobile Device \
                 Management (MDM) is not configured.)\n";
    let (_, _, error) = printed("why", event);
    let places = [
        "the server's own words: Device based token",
        "User Credential",
        "0x80180031",
    ];
    let places = places.map(|words| {
        error
            .find(words)
            .unwrap_or_else(|| panic!("{words}: {error}"))
    });
    assert!(places.is_sorted(), "{error}");
}

#[test]
fn a_code_in_a_row_with_one_node_is_about_that_node() {
    let row = "2026-02-01,PC-2,./Device/Vendor/MSFT/BitLocker/RequireDeviceEncryption,-2016281112,0x87D1FDE8\n";
    check(
        row,
        &[
            "0x87D1FDE8",
            "at ./Device/Vendor/MSFT/BitLocker/RequireDeviceEncryption",
        ],
        &[],
    );
    let json = "{\"message\": \"MDM PolicyManager: Set policy string, Result:(0x80070002), CSP URI: ./Device/A/B\"}\n";
    check(json, &["0x80070002", "at ./Device/A/B\n"], &[]);
    let wipe = "MDM ConfigurationManager: Command failure status. CSP URI: (./Vendor/MSFT/RemoteWipe/doWipe), Result: (The \
                request is not supported.).\n";
    check(wipe, &["0x80070032", "reagentc"], &[]);
}

#[test]
fn a_probe_of_intune_is_no_failure_in_an_event_log() {
    let probe = "MDM ConfigurationManager: Command failure status. CSP URI: (./Device/Vendor/MSFT/Policy/ConfigOperations/\
                 ADMXInstall/Receiver/Properties/Policy/FakePolicy/Version), Result: (The system cannot find the file \
                 specified.).\n";
    check(
        probe,
        &["probe of Intune", "no failure"],
        &["ERROR_FILE_NOT_FOUND", "dmtap explain"],
    );
    let denied = probe.replace(
        "The system cannot find the file specified.",
        "Access is denied.",
    );
    check(&denied, &["0x80070005"], &["probe of Intune"]);
}

#[test]
fn errors_of_entra_id_are_named() {
    check(
        "AADSTS50076: Due to a configuration change …\n",
        &["AADSTS50076 UserStrongAuth"],
        &[],
    );
    check("AADSTS500769: something else\n", &[], &["reports AADSTS"]);
}

#[test]
fn results_of_wmi_are_named() {
    check(
        "Get-CimInstance : Not found\n + FullyQualifiedErrorId : MI RESULT 6,Microsoft.Management.Infrastructure.\
         CimCmdlets.GetCimInstanceCommand\n",
        &["MI RESULT 6 MI_RESULT_NOT_FOUND, WMI: the object was not found"],
        &[],
    );
    check("MI RESULT 99\n", &[], &["reports MI"]);
}

#[test]
fn a_blank_in_a_node_is_named() {
    let event = "MDM ConfigurationManager: Command failure status. Provider Name: (Policy), Command Type: (Add: from Replace or \
                 Add), CSP URI: (./Vendor/MSFT/Policy/Config/ApplicationManagement/ RequirePrivateStoreOnly), Result: (The \
                 system cannot find the file specified.).\n";
    check(event, &["begins with a blank"], &[]);
    check(&event.replace("/ ", "/"), &["0x80070002"], &["blank"]);
}
