//! Lint: each rule with a conversation that breaks it and one that does not, in XML and in WBXML.
//!
//! `tests/data/lint/base.txt` is a conversation without a violation. A fixture is named after its rule and changes the
//! conversation: `s1 - OLD` and `s1 + NEW` replace a text in a message, `d3 = MESSAGE` sets a whole message, `d2 ^ POST
//! URL` and `d2 ^ NAME: VALUE` set how a message was sent; `OTHER` is the media type of the other encoding. In WBXML,
//! the text `OCTETS` becomes octets that are not text. `# blames: server` says on whose messages alone warnings and
//! errors stand. Another fixture of a rule has a word behind its name: `HDR-04.missing.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dmtap::flow::lint::{LintHead, LintMessage, Linter, Profile};
use dmtap::flow::{Note, Severity, Side};
use dmtap::markup::wbxml::{WbxmlOptions, encode};
use dmtap::markup::{Document, Hint, Limits, decode};

mod again;
mod anew;
mod content;
mod earlier;
mod printed;
mod renamed;
mod without_id;

use crate::support::peers::{corpus, messages};

type Messages = BTreeMap<String, String>;

/// What the fixture says of heads, by message.
type Heads = BTreeMap<String, Vec<String>>;

/// A fixture: what breaks the rule, and what comes near and does not.
struct Fixture {
    id: String,
    options: String,
    blames: Option<String>,
    breaks: (Messages, Heads),
    holds: (Messages, Heads),
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/lint")
}

fn base() -> Messages {
    let text = fs::read_to_string(folder().join("base.txt")).unwrap();
    let mut messages = Messages::new();
    let mut lines = text.lines();
    while let Some(name) = lines.next() {
        let name = name.strip_prefix("== ").unwrap();
        messages.insert(name.to_owned(), lines.next().unwrap().to_owned());
    }
    messages
}

fn fixtures() -> Vec<Fixture> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let id = name.split('.').next().unwrap().to_owned();
        if id != "base" {
            all.push(fixture(id, &fs::read_to_string(path).unwrap()));
        }
    }
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

fn fixture(id: String, text: &str) -> Fixture {
    let mut fixture = Fixture {
        id,
        options: String::new(),
        blames: None,
        breaks: (base(), Heads::new()),
        holds: (base(), Heads::new()),
    };
    let (mut is_holding, mut old) = (false, String::new());
    for line in text.lines() {
        if let Some(options) = line.strip_prefix("# options: ") {
            fixture.options = options.to_owned();
            continue;
        }
        if let Some(blames) = line.strip_prefix("# blames: ") {
            fixture.blames = Some(blames.to_owned());
            continue;
        }
        if let Some(section) = line.strip_prefix("== ") {
            is_holding = section == "holds";
            continue;
        }
        let (messages, heads) = if is_holding {
            &mut fixture.holds
        } else {
            &mut fixture.breaks
        };
        let (name, sign, value) = (&line[..2], &line[3..4], line.get(5..).unwrap_or_default());
        match sign {
            "-" => old = value.to_owned(),
            "+" => {
                let message = messages.get_mut(name).unwrap();
                let times = message.matches(&old).count();
                assert!(times >= 1, "{}: {name} has no {old}", fixture.id);
                *message = message.replacen(&old, value, 1);
            }
            "^" => heads
                .entry(name.to_owned())
                .or_default()
                .push(value.to_owned()),
            "=" => {
                messages.insert(name.to_owned(), value.to_owned());
            }
            other => panic!("{}: {other}", fixture.id),
        }
    }
    fixture
}

/// The messages in the order of the conversation: d1 s1 d2 s2 d3.
fn in_order(messages: &Messages) -> Vec<(&str, &str)> {
    let mut order: Vec<(&str, &str)> = messages
        .iter()
        .map(|(name, text)| (&**name, &**text))
        .collect();
    order.sort_by_key(|(name, _)| (name.as_bytes()[1], name.as_bytes()[0]));
    order
}

fn document(text: &str, as_wbxml: bool) -> Arc<Document> {
    let read = |bytes: bytes::Bytes| decode(bytes, Hint::default(), &Limits::default()).unwrap();
    let document = read(text.to_owned().into());
    match as_wbxml {
        true => {
            let mut bytes = encode(&document, &WbxmlOptions::default()).unwrap();
            // A string becomes OPAQUE of the same length.
            if let Some(at) = memchr::memmem::find(&bytes, b"\x03OCTETS\0") {
                bytes[at..at + 8].copy_from_slice(b"\xc3\x06\xff\xfe\xff\xfe\xff\xfe");
            }
            Arc::new(read(bytes.into()))
        }
        false => Arc::new(document),
    }
}

/// A head as a fixture writes it.
fn head<'l>(lines: &'l [String], media_type: &'l str) -> LintHead<'l> {
    let mut head = LintHead {
        method: None,
        uri: None,
        fields: vec![("content-type", media_type)],
    };
    for line in lines {
        match (line.split_once(": "), line.split_once(' ')) {
            (Some((name, value)), _) => {
                let value = match (value, media_type.ends_with("wbxml")) {
                    ("OTHER", true) => "application/vnd.syncml.dm+xml",
                    ("OTHER", false) => "application/vnd.syncml.dm+wbxml",
                    (value, _) => value,
                };
                head.fields.retain(|(known, _)| *known != name);
                head.fields.push((name, value));
            }
            (None, Some((method, uri))) => (head.method, head.uri) = (Some(method), Some(uri)),
            (None, None) => panic!("{line}"),
        }
    }
    head
}

/// The ids that files with these messages break, which the decoder judges as well.
fn ids_of_files(messages: &Messages, profile: Profile) -> Vec<String> {
    let files = in_order(messages).into_iter();
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned().into()));
    let lint = dmtap::app::lint::Lint::messages(files, profile).unwrap();
    let notes = lint.messages.into_iter().flat_map(|message| message.notes);
    let ids: std::collections::BTreeSet<String> = notes.map(|note| note.id).collect();
    ids.into_iter().collect()
}

fn lint(conversation: &(Messages, Heads), profile: Profile, as_wbxml: bool) -> Vec<Note> {
    let notes = lint_by_side(conversation, profile, as_wbxml).into_iter();
    notes.map(|(_, note)| note).collect()
}

/// The notes, each with the sender of its message.
fn lint_by_side(
    (messages, heads): &(Messages, Heads),
    profile: Profile,
    as_wbxml: bool,
) -> Vec<(Side, Note)> {
    let media_type = match as_wbxml {
        true => "application/vnd.syncml.dm+wbxml",
        false => "application/vnd.syncml.dm+xml",
    };
    let mut linter = Linter::new(profile);
    let mut notes = Vec::new();
    for (name, text) in in_order(messages) {
        let speaker = speaker(name);
        let document = document(text, as_wbxml);
        let head = heads.get(name).map(|lines| head(lines, media_type));
        let found = linter.message(LintMessage {
            speaker,
            server: "mdm.example.com:443",
            exchange: name[1..].parse().unwrap(),
            document: &document,
            delivered: Some(&document),
            is_own: false,
            is_changed: false,
            head: head.as_ref(),
            links: None,
        });
        notes.extend(found.into_iter().map(|note| (speaker, note)));
    }
    notes
}

/// Who writes the message of this name.
fn speaker(name: &str) -> Side {
    match name.starts_with('d') {
        true => Side::Device,
        false => Side::Server,
    }
}

fn ids(notes: &[Note]) -> Vec<&'static str> {
    let mut ids: Vec<&str> = notes.iter().map(|note| note.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[test]
fn the_base_conversation_breaks_nothing() {
    for as_wbxml in [false, true] {
        for profile in [Profile::Oma, Profile::Windows, Profile::Auto] {
            let notes = lint(&(base(), Heads::new()), profile, as_wbxml);
            assert!(notes.is_empty(), "{profile:?} {as_wbxml}: {notes:#?}");
        }
    }
}

#[test]
fn each_fixture_breaks_exactly_its_rule_in_xml_and_in_wbxml() {
    let mut wrong = Vec::new();
    for fixture in fixtures() {
        let options: Vec<&str> = fixture.options.split(' ').collect();
        let profile = if options.contains(&"oma") {
            Profile::Oma
        } else {
            Profile::Auto
        };
        // Rules that one breach cannot be kept from breaking, too.
        let also = options
            .iter()
            .skip_while(|option| **option != "also")
            .skip(1);
        let mut expected: Vec<&str> = also.copied().chain([&*fixture.id]).collect();
        expected.sort_unstable();
        if ["XML-01", "XML-06"].contains(&&*fixture.id) {
            let found = ids_of_files(&fixture.breaks.0, profile);
            assert_eq!(found, [&*fixture.id]);
            let found = ids_of_files(&fixture.holds.0, profile);
            assert!(found.is_empty(), "{}: {found:?}", fixture.id);
            continue;
        }
        for as_wbxml in [false, true] {
            let other = if as_wbxml { "xml" } else { "wbxml" };
            if options.contains(&other) {
                continue;
            }
            let found = lint(&fixture.breaks, profile, as_wbxml);
            if ids(&found) != expected {
                wrong.push(format!(
                    "{} wbxml={as_wbxml} breaks {:?}: {found:?}",
                    fixture.id,
                    ids(&found)
                ));
            }
            let found = lint_by_side(&fixture.breaks, profile, as_wbxml);
            let blamed = fixture.blames.iter().flat_map(|side| {
                let accuses = move |(by, note): &&(Side, Note)| {
                    by.name() != side && note.severity != Severity::Info
                };
                found.iter().filter(accuses)
            });
            let blamed: Vec<_> = blamed.collect();
            if !blamed.is_empty() {
                wrong.push(format!("{} wbxml={as_wbxml} blames {blamed:?}", fixture.id));
            }
            let found = lint(&fixture.holds, profile, as_wbxml);
            if !found.is_empty() {
                wrong.push(format!(
                    "{} wbxml={as_wbxml} holds, and breaks {found:?}",
                    fixture.id
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_rule_has_a_fixture_and_is_documented() {
    let known: Vec<String> = fixtures().into_iter().map(|fixture| fixture.id).collect();
    for id in ids_in_source() {
        let is_tested = known.contains(&id);
        assert!(is_tested, "{id} has no fixture");
        assert!(
            dmtap::facts::id(&id).next().is_some(),
            "{id} is not in docs/notes.md"
        );
    }
}

/// The ids of all rules, as the source of lint has them.
fn ids_in_source() -> BTreeSet<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/flow/lint");
    let files = fs::read_dir(folder).unwrap();
    let source = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let source: String = source.collect();
    let id = regex::Regex::new("\"[A-Z]+-[0-9]{2}\"").unwrap();
    let ids: BTreeSet<_> = id
        .find_iter(&source)
        .map(|it| it.as_str().trim_matches('"').to_owned())
        .collect();
    assert!(ids.len() > 90, "{ids:?}");
    ids
}

/// Real messages, each on its own and all as one conversation.
#[test]
fn real_messages_are_judged_without_a_panic() {
    let Some(corpus) = corpus() else {
        return;
    };
    let mut together = Linter::default();
    for (number, file) in (1..).zip(messages(&corpus)) {
        let bytes = fs::read(&file).unwrap();
        let Ok(document) = decode(bytes.into(), Hint::default(), &Limits::default()) else {
            continue;
        };
        let document = Arc::new(document);
        for speaker in [Side::Device, Side::Server] {
            for linter in [&mut together, &mut Linter::new(Profile::Windows)] {
                linter.message(LintMessage {
                    speaker,
                    server: "",
                    exchange: number,
                    document: &document,
                    delivered: Some(&document),
                    is_own: false,
                    is_changed: false,
                    head: None,
                    links: None,
                });
            }
        }
    }
}

/// The conversation with something that dmtap did or missed.
fn disturbed(change: impl Fn(&str, &mut LintMessage<'_>)) -> Vec<&'static str> {
    let mut linter = Linter::new(Profile::Oma);
    let mut notes = Vec::new();
    let mut messages = base();
    // The device leaves a Status out and skips a number.
    let d2 = messages.get_mut("d2").unwrap();
    *d2 = d2.replace(
        "<CmdRef>7</CmdRef><Cmd>Replace</Cmd>",
        "<CmdRef>6</CmdRef><Cmd>Get</Cmd>",
    );
    for (name, text) in in_order(&messages) {
        let document = document(text, false);
        let mut message = LintMessage {
            speaker: speaker(name),
            server: "s",
            exchange: name[1..].parse().unwrap(),
            document: &document,
            delivered: Some(&document),
            is_own: false,
            is_changed: false,
            head: None,
            links: None,
        };
        change(name, &mut message);
        notes.extend(linter.message(message));
    }
    ids(&notes)
}

#[test]
fn nobody_is_blamed_for_what_dmtap_did_or_did_not_see() {
    let blamed = disturbed(|_, _| {});
    assert!(blamed.contains(&"STA-01"), "{blamed:?}");
    let check = |what: &str, change: fn(&str, &mut LintMessage<'_>)| {
        let blamed = disturbed(change);
        assert!(!blamed.contains(&"STA-01"), "{what}: {blamed:?}");
    };
    check("a rule changed the commands", |name, message| {
        message.is_changed = name == "s1"
    });
    check("dmtap wrote the commands", |name, message| {
        message.is_own = name == "s1"
    });
    check("the commands did not arrive", |name, message| {
        if name == "s1" {
            message.delivered = None;
        }
    });
}

#[test]
fn a_message_that_comes_again_is_not_judged_again() {
    let mut linter = Linter::new(Profile::Oma);
    let mut notes = Vec::new();
    for name in ["d1", "s1", "d2", "d2", "s2"] {
        let document = document(&base()[name], false);
        notes.extend(linter.message(LintMessage {
            speaker: speaker(name),
            server: "s",
            exchange: 1,
            document: &document,
            delivered: Some(&document),
            is_own: false,
            is_changed: false,
            head: None,
            links: None,
        }));
    }
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn what_windows_and_some_devices_do_is_no_error() {
    let fixture = |id: &str| fixtures().into_iter().find(|it| it.id == id).unwrap();
    // Microsoft allows Exec inside Atomic.
    let exec = fixture("CMD-10").breaks;
    assert_eq!(ids(&lint(&exec, Profile::Oma, false)), ["CMD-10"]);
    assert!(lint(&exec, Profile::Auto, false).is_empty());
    assert!(lint(&exec, Profile::Windows, false).is_empty());
    // A node beside those of DevInfo is named, and no error.
    let (mut messages, heads) = (base(), Heads::new());
    let first = messages.get_mut("d1").unwrap();
    let lang = "<Item><Source><LocURI>./DevInfo/Lang";
    let own = "<Item><Source><LocURI>./Vendor/MSFT/DMClient/HWDevID</LocURI></Source><Data>X</Data></Item>";
    *first = first.replace(lang, &format!("{own}{lang}"));
    let found = lint(&(messages, heads), Profile::Auto, false);
    let noted: Vec<_> = found.iter().map(|note| (note.id, note.severity)).collect();
    assert_eq!(noted, [("CMD-04", Severity::Warning)]);
    assert!(
        found[0]
            .text
            .ends_with("this command also has ./Vendor/MSFT/DMClient/HWDevID")
    );
}
