//! The notes of `dmtap lint` for real messages, each on its own.

use std::collections::{BTreeMap, BTreeSet};

use dmtap::app::lint::Lint;
use dmtap::flow::Severity;
use dmtap::flow::lint::Profile;

use super::{File, table};

/// Why what is found in a group is right.
const REASONS: [(&str, &str); 6] = [
    (
        "device-wbxml",
        "a string table without NUL and a DOCTYPE: so the files are",
    ),
    (
        "fleet-poc",
        "each file is the middle of a session; Type stands in Meta without its namespace",
    ),
    (
        "libwbxml",
        "test documents of a codec, with commands of data synchronization under a DM header or none",
    ),
    (
        "msdocs",
        "snippets of documentation without a SyncHdr, some cut or not well-formed, with bare profiles in Data",
    ),
    (
        "openspecs",
        "the samples leave out SyncHdr or Alert 1201, have a blank in a LocURI, and placeholders",
    ),
    (
        "pim-sessions",
        "data synchronization is not judged by the rules of DM",
    ),
];

/// The ids of notes, each with the gravest severity and the number of messages that have it.
type Notes = BTreeMap<String, (Severity, usize)>;

/// For each group the notes with the number of messages that have them.
pub(super) fn section(files: &[File]) -> String {
    let mut groups: BTreeMap<&str, (usize, Notes)> = BTreeMap::new();
    for file in files {
        let bytes = std::fs::read(&file.path).unwrap().into();
        let name = file.name.clone();
        let found = Lint::messages([(name, bytes)], Profile::Auto).unwrap_or_default();
        let (judged, ids) = groups.entry(&file.group).or_default();
        *judged += found.messages.len();
        let notes = found.messages.iter().flat_map(|message| &message.notes);
        let mut seen = BTreeSet::new();
        for note in notes {
            let known = ids.entry(note.id.clone()).or_insert((note.severity, 0));
            known.0 = known.0.max(note.severity);
            known.1 += usize::from(seen.insert(&note.id));
        }
    }
    let rows = groups.into_iter().map(|(group, (judged, ids))| {
        let mut ids: Vec<_> = ids.into_iter().collect();
        ids.sort_by_key(|(_, (severity, count))| std::cmp::Reverse((*severity, *count)));
        let ids = ids
            .iter()
            .map(|(id, (severity, count))| format!("{id} ({}) {count}", severity.name()));
        let reason = REASONS.iter().find(|(known, _)| *known == group);
        let (_, reason) = reason.unwrap_or_else(|| panic!("say why {group} is right"));
        vec![
            group.to_owned(),
            judged.to_string(),
            ids.collect::<Vec<_>>().join(", "),
            (*reason).to_owned(),
        ]
    });
    let head = [
        "group",
        "judged",
        "notes, with the messages that have them",
        "why that is right",
    ];
    "## What lint finds\n\n`dmtap lint` over each message on its own; of an id the gravest severity.\n\n".to_owned()
        + &table(&head, rows)
}
