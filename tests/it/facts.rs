//! The tables of facts: their names and numbers agree with other sources.

mod winerror;

use std::collections::BTreeMap;

use dmtap::builtin_rules;
use dmtap::dm::Hresult;
use dmtap::facts::{self, FactKind};

#[test]
fn results_of_windows_have_the_numbers_of_winresult() {
    let theirs: BTreeMap<&str, u32> = winerror::all().into_iter().collect();
    let mut compared = 0;
    for fact in facts::all() {
        if fact.kind != FactKind::Result {
            continue;
        }
        for name in fact.name.split('|') {
            let Some(code) = theirs.get(name) else {
                // Others are in headers that the crate does not cover.
                let others = ["winerror.h", "MDMRegistration.h"];
                let uncovered = [
                    "NTE_",
                    "RPC_E_",
                    "RPC_S_",
                    "EPT_S_",
                    "MREGISTER_",
                    "MENROLL_",
                ];
                let known = !others.contains(&fact.reference)
                    || uncovered.iter().any(|family| name.starts_with(family));
                assert!(known, "{name} is not in winresult");
                continue;
            };
            assert_eq!(fact.key, format!("0x{code:08X}"), "{name}");
            compared += 1;
        }
    }
    assert!(compared >= 290, "only {compared} names were compared");
}

#[test]
fn every_result_that_enrollment_shows_has_words() {
    for error in [
        "DeviceCapReached",
        "NotEligibleToRenew",
        "CustomServerError",
    ] {
        let result = Hresult::of_error_type(error).unwrap();
        assert!(facts::result(result.0).is_some(), "{error}");
    }
}

#[test]
fn every_rule_that_causes_something_is_built_in() {
    let table = include_str!("../../facts/rule.tsv");
    for row in table.lines().skip(2) {
        let (key, rules) = row.split_once('\t').unwrap();
        for rule in rules.split(' ') {
            assert!(builtin_rules::find(rule).is_some(), "{key}: {rule}");
        }
    }
}

/// Notes are documented where `explain` finds them.
#[test]
fn every_note_of_the_sources_is_a_fact() {
    let mut ids = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut text = std::fs::read_to_string(&path).unwrap();
            text.retain(|c| !c.is_whitespace());
            let names = ["id:\"", "note(\"", "Note::new(\""];
            let found = names.map(|name| text.match_indices(name).collect::<Vec<_>>());
            for (at, before) in found.concat() {
                let id = text[at + before.len()..].chars();
                let id: String = id.take_while(|c| *c != '"').collect();
                let is_note = id.split_once('-').is_some_and(|(family, number)| {
                    family.chars().all(|c| c.is_ascii_uppercase())
                        && number.len() == 2
                        && number.chars().all(|c| c.is_ascii_digit())
                });
                ids.extend(is_note.then_some(id));
            }
        }
    }
    assert!(ids.len() > 15, "{ids:?}");
    for id in ids {
        assert!(
            facts::id(&id).next().is_some(),
            "{id} is not in docs/notes.md"
        );
    }
}

/// What reports of enrollments name: each has an answer, and not a wrong one.
#[test]
fn what_reports_of_enrollment_name_is_known() {
    for (asked, words) in [
        ("0xCAA70004", "the server or proxy was not found"),
        ("0xCAA82EE2", "did not answer in time"),
        ("0xCAA90022", "AD FS"),
        ("0x8018002B", "MDM user scope"),
        ("0x80180001", "rejects the device's request"),
        ("0x2AB0003", "no failure"),
        ("0x801C03EA", "TPM attestation"),
        ("65001", "not applicable"),
        ("OnPremise", "UsernameToken"),
        ("firmwareupdate.devicerequest", "firmware update"),
        ("urn:oma:at:scomo:1.0:OperationComplete", "SCOMO"),
        ("urn:oma:at:lawmo:1.0:OperationComplete", "LAWMO"),
        ("LinkedEnrollment", "second enrollment"),
        ("./FUMO/X/Update", "firmware update"),
        ("syncml:auth-MAC", "x-syncml-hmac"),
    ] {
        let found = facts::find(asked);
        let is_known = found.iter().any(|fact| fact.meaning.contains(words));
        assert!(is_known, "{asked}: {found:?}");
        let is_nt = found.iter().any(|fact| fact.meaning.contains("NTSTATUS"));
        assert!(!is_nt, "{asked}: {found:?}");
    }
}
