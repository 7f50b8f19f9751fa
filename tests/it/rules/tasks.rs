//! The tasks of docs/rules.md: each row of its tables is a rule, which is played in XML and in WBXML.

use std::fs;
use std::path::Path;

use dmtap::conversation::InMemoryState;
use dmtap::flow::{RuleEffect, Side};
use dmtap::markup::Document;
use dmtap::rules::{ConnectionInput, ReceivedUnit, Stage, load};

use super::support::{Talk, book, message, on, status, wbxml};

/// A row of the tables with one of its steps.
struct Task {
    row: String,
    stages: Vec<Stage>,
    /// The keys `match` and `limit`.
    keys: String,
    step: String,
}

/// A row without `stage` is for either; one that says `the same` means the match and step of the one above; one that
/// shows no step is tried with a reset.
fn tasks() -> Vec<Task> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    let text = fs::read_to_string(path).unwrap();
    let tables = text.split("| to | write |").skip(1);
    let tables = tables.filter_map(|rest| rest.split("\n\n").next());
    let mut previous = String::new();
    let mut tasks = Vec::new();
    for row in tables.flat_map(str::lines).filter(|row| row.contains('`')) {
        let spans: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let of = |key: &str| -> Vec<&str> {
            let begin = format!("{key} = ");
            let own = spans.iter().filter(|span| span.starts_with(&begin));
            own.copied().collect()
        };
        let mut keys = [of("match"), of("limit")].concat().join("\n");
        let mut steps = of("step");
        if row.contains("the same at") {
            keys.clone_from(&previous);
            steps.push("step = { set-status = 404 }");
        }
        previous.clone_from(&keys);
        if steps.is_empty() && !keys.is_empty() {
            steps.push("step = { reset = true }");
        }
        let stages = match spans.iter().find_map(|span| span.strip_prefix("stage = ")) {
            Some("\"connection\"") => vec![Stage::Connection],
            Some("\"request\"") => vec![Stage::Request],
            Some("\"response\"") => vec![Stage::Response],
            Some(other) => panic!("{other}"),
            None => vec![Stage::Request, Stage::Response],
        };
        tasks.extend(steps.into_iter().map(|step| Task {
            row: row.to_owned(),
            stages: stages.clone(),
            keys: keys.replace("loc-uri = \"…\"", "loc-uri = \"./**\""),
            step: step.replace("<Get>…</Get>", &on("Get", 1, "./DevDetail/SwV")),
        }));
    }
    tasks
}

#[test]
fn each_row_of_the_tables_of_tasks_is_a_rule_that_acts_in_both_encodings() {
    let tasks = tasks();
    assert!(tasks.len() >= 40, "{}", tasks.len());
    let mut idle = Vec::new();
    for task in &tasks {
        let files = task.stages.iter().map(|stage| {
            let (name, keys, step) = (stage.name(), &task.keys, &task.step);
            let file = format!("[[rule]]\nname = \"a\"\nstage = \"{name}\"\n{keys}\n{step}\n");
            (*stage, file)
        });
        let files: Vec<_> = files
            .filter(|(_, file)| load::parse("a.toml", file).is_ok())
            .collect();
        assert!(!files.is_empty(), "no rule: {}", task.row);
        for encoded in [Document::clone, wbxml] {
            if !files
                .iter()
                .any(|(stage, file)| acts(*stage, file, encoded))
            {
                idle.push(format!("{} {}", task.step, task.row));
            }
        }
    }
    assert!(idle.is_empty(), "these do nothing:\n{}", idle.join("\n"));
}

/// Whether the rule acts on one of three messages of two sessions, or on a connection.
fn acts(stage: Stage, file: &str, encoded: fn(&Document) -> Document) -> bool {
    let book = book(file);
    if stage == Stage::Connection {
        let input = ConnectionInput {
            peer: ([127, 0, 0, 1], 40_000).into(),
            listener: ([127, 0, 0, 1], 8443).into(),
            host: None,
            sni: Some("download.windowsupdate.com"),
            tls: Some(true),
            arrival: ReceivedUnit::Connection,
        };
        let decision = book.decide_connection(&input, &mut InMemoryState::default());
        return acted(&decision.applied);
    }
    [1, 2].into_iter().any(|session| {
        let mut talk = Talk::new(session, "b").said(Side::Device, &encoded(&opening()));
        talk.session.of_device = session;
        if stage == Stage::Request {
            talk = talk.said(Side::Server, &encoded(&commands()));
        }
        let body = match stage {
            Stage::Request => encoded(&answers()),
            _ => encoded(&commands()),
        };
        (0..3).any(|_| acted(&talk.decide(&book, stage, &body).applied))
    })
}

fn acted(applied: &[RuleEffect]) -> bool {
    let mut changes = applied
        .iter()
        .filter(|effect| effect.rule == "a")
        .flat_map(|effect| &effect.changes);
    changes.any(|change| change.is_done())
}

/// The device begins.
fn opening() -> Document {
    let alert = "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert>";
    message(1, &format!("{alert}{}", on("Replace", 2, "./DevInfo/Lang")))
}

/// The server answers, and sends commands.
fn commands() -> Document {
    let set = |id: u32, uri: &str, meta: &str, data: &str| {
        format!(
            "<Replace><CmdID>{id}</CmdID><Item><Target><LocURI>{uri}</LocURI></Target>{meta}\
             <Data>{data}</Data></Item></Replace>"
        )
    };
    let profile = "&lt;wap-provisioningdoc&gt;&lt;characteristic&gt;old&lt;/characteristic&gt;&lt;/wap-provisioningdoc&gt;";
    let policy = "&lt;data id=\"EncryptionMethod\" value=\"6\"/&gt;";
    let parts = [
        status(1, 1, 0, "SyncHdr", 212),
        status(2, 1, 1, "Alert", 200),
        status(3, 1, 2, "Replace", 200),
        on("Get", 4, "./DevInfo/Lang"),
        set(5, "./Vendor/MSFT/Profile", "", profile),
        set(6, "./Vendor/MSFT/Policy", "", policy),
        set(
            7,
            "./Vendor/MSFT/Blob",
            "<Meta><Size xmlns=\"syncml:metinf\">4</Size></Meta>",
            "Blob",
        ),
        set(8, "./Vendor/MSFT/Name", "", "Contoso"),
        on("Exec", 9, "./Vendor/MSFT/Reboot"),
        format!(
            "<Atomic><CmdID>10</CmdID>{}{}</Atomic>",
            on("Add", 11, "./Vendor/MSFT/A"),
            on("Add", 12, "./Vendor/MSFT/B")
        ),
    ];
    message(1, &parts.concat())
}

/// The device answers.
fn answers() -> Document {
    let names = [
        "Get", "Replace", "Replace", "Replace", "Replace", "Exec", "Atomic", "Add", "Add",
    ];
    let statuses = (4..)
        .zip(names)
        .map(|(id, name)| status(id, 1, id, name, 200));
    let results = "<Results><CmdID>20</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Item><Source>\
                   <LocURI>./DevInfo/Lang</LocURI></Source><Data>Contoso</Data></Item></Results>";
    let all: String = statuses.collect();
    message(
        2,
        &[&*status(1, 1, 0, "SyncHdr", 200), &all, results].concat(),
    )
}
