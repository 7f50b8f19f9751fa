//! The table of real messages in `docs/corpus.md`: the results of dmtap, libwbxml and tshark for them.
//!
//! The test compares the file with the actual results; `DMTAP_BLESS=1 cargo test --test it corpus` writes it. Sections
//! on other programs stay as they are if those programs are absent.
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod libwbxml;
mod lint;
use crate::support::peers;
use crate::support::shape;
mod tshark;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use dmtap::markup::{DecodeError, Document, EmbeddedResult, Hint, Limits, decode};

/// A file of the corpus, with what dmtap reads in it.
struct File {
    group: String,
    name: String,
    path: PathBuf,
    read: Result<Document, DecodeError>,
}

/// A row of a table: cells without bars.
type Row = Vec<String>;

#[test]
fn the_table_of_real_messages_is_up_to_date() {
    let Some(corpus) = peers::corpus() else {
        return;
    };
    let files = files(&corpus);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/corpus.md");
    let before = std::fs::read_to_string(&page).unwrap_or_default();
    let mut sections = vec![
        INTRODUCTION.to_owned() + &groups(&files),
        refused(&files),
        flagged(&files),
        lint::section(&files),
    ];
    let have = ["wbxml2xml", "tshark"].map(|program| peers::have(program).then_some(()));
    let others = [libwbxml::TITLE, tshark::TITLE];
    let [made, dissected] = [
        have[0].map(|()| libwbxml::section(&files)),
        have[1].map(|()| tshark::section(&files)),
    ];
    for (title, section) in others.into_iter().zip([made, dissected]) {
        sections.push(section.unwrap_or_else(|| present(&before, title)));
    }
    let now = sections.join("\n").trim_end().to_owned() + "\n";
    if std::env::var_os("DMTAP_BLESS").is_some() {
        std::fs::write(&page, now).unwrap();
        return;
    }
    let differs = before
        .lines()
        .zip(now.lines())
        .position(|(one, other)| one != other);
    assert!(
        before == now,
        "docs/corpus.md is not what is found, from line {:?}: DMTAP_BLESS=1 writes it",
        differs.map(|at| at + 1)
    );
}

fn files(corpus: &Path) -> Vec<File> {
    let mut files = Vec::new();
    for path in peers::messages(corpus) {
        let inside = path
            .strip_prefix(corpus)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let (group, name) = inside.split_once('/').unwrap();
        let source = Bytes::from(std::fs::read(&path).unwrap());
        let read = decode(source, Hint::default(), &Limits::default());
        files.push(File {
            group: group.into(),
            name: name.into(),
            path: path.clone(),
            read,
        });
    }
    files
}

fn groups(files: &[File]) -> String {
    let mut rows: BTreeMap<&str, [usize; 8]> = BTreeMap::new();
    for file in files {
        let row = rows.entry(&file.group).or_default();
        row[0] += 1;
        let Ok(document) = &file.read else {
            row[3] += 1;
            continue;
        };
        row[1] += 1;
        row[2] += usize::from(!document.flags().is_empty());
        for element in document.elements() {
            if let EmbeddedResult::Document(embedded) = element.open(&Limits::default()) {
                let column = match embedded.wrapping().name() {
                    "escaped" | "string" => 4,
                    "CDATA" => 5,
                    "OPAQUE" => 6,
                    _ => 7,
                };
                row[column] += 1;
            }
        }
    }
    let head = [
        "group",
        "files",
        "decoded",
        "of these flagged",
        "refused",
        "inside: escaped",
        "in CDATA",
        "in OPAQUE",
        "in base64",
    ];
    let rows = rows.into_iter().map(|(group, counts)| {
        let counts = counts.iter().map(usize::to_string);
        [group.to_owned()].into_iter().chain(counts).collect()
    });
    table(&head, rows)
}

fn refused(files: &[File]) -> String {
    let rows = files.iter().filter_map(|file| {
        let error = file.read.as_ref().err()?;
        Some(vec![
            file.label(),
            error.at.to_string(),
            error.kind.to_string(),
        ])
    });
    "## Refused\n\nNot well-formed as published; nothing is guessed.\n\n".to_owned()
        + &table(&["file", "at byte", "why"], rows)
}

fn flagged(files: &[File]) -> String {
    let mut rows = Vec::new();
    for file in files {
        let flags = file.read.as_ref().map_or(&[][..], Document::flags);
        let mut kinds: Vec<String> = flags
            .iter()
            .map(|flag| match flag.kind.id() {
                Some(id) => format!("{id}: {}", flag.kind),
                None => flag.kind.to_string(),
            })
            .collect();
        kinds.sort();
        kinds.dedup();
        rows.extend(kinds.into_iter().map(|kind| (kind, file)));
    }
    "## Let pass with a flag\n\n`dmtap decode --strict` refuses these.\n\n".to_owned()
        + &table(&["what", "files"], grouped(rows).into_iter())
}

/// One row for each remark, with the files it is about: each group's number, then their names.
fn grouped(rows: Vec<(String, &File)>) -> Vec<Row> {
    let mut kinds: BTreeMap<String, BTreeMap<&str, Vec<String>>> = BTreeMap::new();
    for (what, file) in rows {
        let groups = kinds.entry(what).or_default();
        groups.entry(&file.group).or_default().push(file.short());
    }
    let row = |(what, groups): (String, BTreeMap<&str, Vec<String>>)| {
        let groups = groups
            .into_iter()
            .map(|(group, names)| format!("**{group}, {}:** {}", names.len(), names.join(", ")));
        vec![what, groups.collect::<Vec<_>>().join(" ")]
    };
    kinds.into_iter().map(row).collect()
}

impl File {
    fn label(&self) -> String {
        format!("{}/{}", self.group, self.short())
    }

    /// Its name without what many names have in common.
    fn short(&self) -> String {
        let mut name = self.name.clone();
        for common in COMMON {
            name = name.replace(common, "…");
        }
        name
    }
}

fn table(head: &[&str], rows: impl Iterator<Item = Row>) -> String {
    let mut out = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .map(|cell| cell.replace('|', "\\|").replace('<', "&lt;"))
            .collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}

/// The section of this title in the page as it is.
fn present(page: &str, title: &str) -> String {
    let start = page.find(title).unwrap_or(page.len());
    let rest = &page[start..];
    let end = rest
        .get(3..)
        .and_then(|rest| rest.find("\n## "))
        .map_or(rest.len(), |end| end + 4);
    rest[..end].to_owned()
}

const INTRODUCTION: &str = "\
# Real messages, and who reads them

Public messages that nobody here wrote: of phones and servers, from the documentation of Windows, from the
specifications, and the test files of libwbxml. They are not part of this repository. This page is written by
`DMTAP_BLESS=1 cargo test --test it corpus`, and compared with what is found by `cargo test --test it corpus`.
`…` in a file name stands for the beginning that it shares with its neighbours.

";

/// What many names of files begin with.
const COMMON: [&str; 3] = [
    "windows_client-management_mdm_",
    "windows_security_information-protection_windows-information-protection_",
    "testcase_",
];
