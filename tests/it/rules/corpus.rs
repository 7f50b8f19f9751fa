//! Messages of real peers: one code changes, and nothing else.

use std::path::{Path, PathBuf};

use dmtap::dm::Message;
use dmtap::markup::{self, Document, Hint, Limits};
use dmtap::rules::Stage;

use super::conversations::only_splices_differ;
use super::support::{Talk, book, tree};

/// Every decodable document of the public corpus; none where it is not at hand.
fn corpus() -> Vec<(PathBuf, Document)> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus")];
    let mut documents = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let decoded = markup::decode(bytes.into(), Hint::default(), &Limits::default());
            documents.extend(decoded.ok().map(|document| (path, document)));
        }
    }
    documents
}

#[test]
fn every_code_of_a_real_message_can_be_changed_and_nothing_else_changes() {
    let rules = "[[rule]]\nname = \"r\"\nstage = \"request\"\nmatch = { command = \"Status\" }\nstep = { set-status = 418 }";
    let rules = book(rules);
    for (path, document) in corpus() {
        let name = path.display();
        let statuses: Vec<String> = Message::of(&document)
            .into_iter()
            .flat_map(Message::all_commands)
            .filter_map(|command| command.as_status()?.data())
            .map(|data| data.path().to_string())
            .collect();
        let verdict = Talk::new(1, "d").decide(&rules, Stage::Request, &document);
        assert_eq!(verdict.body.is_some(), !statuses.is_empty(), "{name}");
        if statuses.is_empty() {
            continue;
        }
        let mut expected = tree(&document);
        for (path, text) in &mut expected {
            if statuses.contains(path) {
                *text = "418".into();
            }
        }
        assert_eq!(tree(verdict.document.as_ref().unwrap()), expected, "{name}");
        only_splices_differ(&document, &verdict);
    }
}
