//! A command that breaks the standard, and is refused for this reason.

use dmtap::flow::lint::Linter;
use dmtap::record::EventRecord;
use dmtap::record::lint::of_record;
use dmtap::record::model::NoteRecord;

use super::{analysed, script};

#[test]
fn what_lint_noted_about_a_refused_command_is_named_as_its_cause() {
    let script = "session 1 09:12:00\n> 1\n  2 Alert 1201\n< 1\n  5 Atomic\n  6   Get ./DevDetail/SwV\n  7 Get ./A\n\
        > 2\n  2 Status 1/5 Atomic 507\n  3 Status 1/6 Get 500\n  4 Status 1/7 Get CODE\n< -\n";
    let found = |code: &str, at_command: usize| {
        let mut records = script::records(&script.replace("CODE", code));
        let of_server = |it: &&mut EventRecord| it.commands.len() == 3;
        let message = records.iter_mut().find(of_server).unwrap();
        let at = message.commands[at_command].span.0;
        message.notes.push(NoteRecord {
            id: "ATM-02".into(),
            severity: "error".into(),
            at: Some(at),
            text: "Get inside Atomic".into(),
        });
        let sessions = analysed(&records);
        let findings = sessions.iter().flat_map(|it| &it.summary.findings);
        let lines: Vec<String> = findings.flat_map(|it| it.why.clone()).collect();
        lines
            .iter()
            .any(|line| line.contains("Get inside Atomic (ATM-02)"))
    };
    // The Atomic, the Get in it, the other Get.
    assert!(found("200", 1));
    assert!(found("405", 2));
    assert!(!found("200", 2));
    assert!(!found("404", 2));
}

#[test]
fn an_object_that_is_refused_for_its_size_names_both_sizes() {
    let script = "session 1 09:00:00\n> 1\n  2 Alert 1201\n< 1 not-final\n  1 Status 1/0 SyncHdr 200\n  \
         3 Replace ./Ring + size=8 = blue\n> 2\n  1 Status 1/0 SyncHdr 200\n  2 Status 1/3 Replace 213\n  \
         3 Alert 1222\n< 2\n  1 Status 2/0 SyncHdr 200\n  4 Replace ./Ring = gray!\n> 3\n  \
         1 Status 2/0 SyncHdr 200\n  2 Status 2/4 Replace CODE\n< 3\n  1 Status 3/0 SyncHdr 200\n";
    let lines = |code: &str| {
        let mut records = script::records(&script.replace("CODE", code));
        let mut linter = Linter::default();
        for record in &mut records {
            let notes = of_record(&mut linter, record);
            record.notes.extend(notes.iter().map(NoteRecord::from));
        }
        let findings = &analysed(&records)[0].summary.findings;
        findings[0].why.join("\n")
    };
    let shown = lines("424");
    assert!(
        shown.contains("Size is 8, and the chunks have 9 bytes (LOB-07)"),
        "{shown}"
    );
    let shown = lines("404");
    assert!(!shown.contains("LOB-07"), "{shown}");
}

#[test]
fn a_device_that_did_not_take_an_answer_is_not_blamed_for_commands_in_it() {
    let script = "session 1 09:00:00
> 1
  2 Alert 1201
< 1
  1 Status 1/0 SyncHdr 200
  2 Status 1/2 Alert 200
  4 Replace ./Vendor/MSFT/X/Y = 1
fail device cause=not-taken the device left before it took the response
session 2 09:10:00
> 1
  2 Alert 1201
< 1
  1 Status 1/0 SyncHdr 200
  2 Status 1/2 Alert 200
";
    let records = script::records(script);
    let sessions = analysed(&records);
    let finding = &sessions[0].summary.findings[0];
    assert_eq!(finding.id, "WHY-03");
    assert!(
        finding.what.ends_with("in the server's answer"),
        "{finding:?}"
    );
    assert!(
        finding.why[0].ends_with("before it took the response"),
        "{finding:?}"
    );
    let mut linter = Linter::default();
    let notes = records.iter().flat_map(|it| of_record(&mut linter, it));
    let ids: Vec<_> = notes.map(|note| note.id).collect();
    assert!(!ids.contains(&"PKG-09"), "{ids:?}");
    // The same without that failure.
    let mut linter = Linter::default();
    let mut arrived = script::records(script);
    arrived.retain(|it| it.cause.is_none());
    let notes = arrived.iter().flat_map(|it| of_record(&mut linter, it));
    let ids: Vec<_> = notes.map(|note| note.id).collect();
    assert!(ids.contains(&"PKG-09"), "{ids:?}");
}
