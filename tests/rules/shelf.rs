//! The shelf: every file loads, says what it shows, and does it.

use std::path::{Path, PathBuf};

use dmtap::dm::{Command, Message};
use dmtap::flow::{Op, Side};
use dmtap::markup::Document;
use dmtap::rules::{RuleSet, Stage, Verdict, load};

use super::support::{Talk, message, on, status};

fn shelf() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")
}

/// Every rule file with its text.
fn files() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for theme in std::fs::read_dir(shelf()).unwrap() {
        let theme = theme.unwrap().path();
        for file in std::fs::read_dir(&theme).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
    files.sort();
    files
}

fn story(name: &str) -> RuleSet {
    let path = shelf().join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    load::parse_all([(name, &*text)]).unwrap()
}

#[test]
fn every_story_loads_and_says_what_it_shows_and_what_is_right() {
    let files = files();
    assert!(files.len() >= 8, "{} stories", files.len());
    for (path, text) in &files {
        let name = path.display().to_string();
        if let Err(errors) = load::parse(&name, text) {
            panic!("{errors}");
        }
        let lines: Vec<&str> = text.lines().take(3).collect();
        assert!(lines[0].starts_with("# "), "{name}: what it shows");
        assert!(
            lines[1].starts_with("# A correct "),
            "{name}: what a peer should do"
        );
        assert!(
            lines[2].is_empty(),
            "{name}: two lines of comment, then an empty one"
        );
    }
    let all = files
        .iter()
        .map(|(path, text)| (path.to_str().unwrap(), &**text));
    assert!(
        load::parse_all(all).is_ok(),
        "all stories can be on at once"
    );
}

/// The code of each Status, in order.
fn codes(document: &Document) -> Vec<u16> {
    let commands = Message::of(document).unwrap().all_commands();
    commands
        .filter_map(|c| Some(c.as_status()?.code()?.0))
        .collect()
}

fn names(document: &Document) -> Vec<String> {
    let commands = Message::of(document).unwrap().all_commands();
    commands
        .map(|c: Command<'_>| c.kind().to_string())
        .collect()
}

fn server_message() -> Document {
    let commands = [
        on("Get", 2, "./DevDetail/SwV"),
        on("Add", 3, "./Device/Vendor/MSFT/DMTap/Greeting"),
        on("Replace", 4, "./Device/Vendor/MSFT/DMTap/Colour"),
        on("Exec", 5, "./Device/Vendor/MSFT/DMTap/Restart"),
    ];
    message(1, &commands.concat())
}

fn device_message() -> Document {
    let results = |id, uri: &str| {
        format!(
            "<Results><CmdID>{id}</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Item><Source><LocURI>{uri}</LocURI>\
             </Source><Data>1.0</Data></Item></Results>"
        )
    };
    let commands = [
        status(1, 1, 0, "SyncHdr", 212),
        status(2, 1, 2, "Get", 200),
        results(3, "./DevDetail/SwV"),
        results(4, "./DevInfo/Lang"),
        status(5, 1, 3, "Add", 201),
        status(6, 1, 4, "Replace", 200),
        status(7, 1, 5, "Exec", 202),
    ];
    message(2, &commands.concat())
}

/// A story played twice on the same message of a session.
fn play(name: &str, stage: Stage, body: &Document) -> [Verdict; 2] {
    let book = story(name);
    let mut talk = Talk::new(1, "d").said(Side::Server, &server_message());
    [(); 2].map(|()| talk.decide(&book, stage, body))
}

#[test]
fn command_fails_fails_one_command_once() {
    let [first, second] = play(
        "status/command-fails.toml",
        Stage::Request,
        &device_message(),
    );
    assert_eq!(codes(&first.document.unwrap()), [212, 200, 500, 200, 202]);
    // One per session, and the session has had it.
    assert!(second.body.is_none());
}

#[test]
fn not_found_changes_the_status_and_takes_the_results() {
    let [first, _] = play("status/not-found.toml", Stage::Request, &device_message());
    let document = first.document.unwrap();
    assert_eq!(codes(&document), [212, 404, 201, 200, 202]);
    let left = names(&document);
    assert_eq!(left.iter().filter(|name| *name == "Results").count(), 1);
}

#[test]
fn login_refused_refuses_the_header_of_the_first_message() {
    let body = message(
        1,
        &[
            status(1, 1, 0, "SyncHdr", 212),
            status(2, 1, 1, "Alert", 200),
        ]
        .concat(),
    );
    let [first, _] = play("status/login-refused.toml", Stage::Response, &body);
    assert_eq!(codes(&first.document.unwrap()), [401, 200]);
}

#[test]
fn hide_command_keeps_exec_from_the_device() {
    let [first, second] = play(
        "command/hide-command.toml",
        Stage::Response,
        &server_message(),
    );
    assert_eq!(names(&first.document.unwrap()), ["Get", "Add", "Replace"]);
    assert!(second.body.is_some());
}

#[test]
fn wrong_language_speaks_none() {
    let [first, _] = play(
        "data/wrong-language.toml",
        Stage::Request,
        &device_message(),
    );
    let body = String::from_utf8(first.body.unwrap().to_vec()).unwrap();
    assert_eq!(body.matches("xx-XX").count(), 1);
}

#[test]
fn busy_slow_and_reset_say_how_the_message_leaves() {
    let [first, second] = play("http/busy.toml", Stage::Request, &device_message());
    assert_eq!(first.answer.unwrap().status, 503);
    assert!(second.answer.is_none());

    let [first, second] = play("http/slow.toml", Stage::Response, &server_message());
    assert_eq!(first.delivery, second.delivery);
    assert_eq!(
        first.delivery.ops,
        [Op::Wait(std::time::Duration::from_secs(2))]
    );

    let [first, second] = play(
        "connection/reset-once.toml",
        Stage::Response,
        &server_message(),
    );
    assert_eq!(first.delivery.ops, [Op::Reset]);
    assert!(second.delivery.is_plain());
}
