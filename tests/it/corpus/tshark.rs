//! The output of tshark for the WBXML messages.

use std::process::Command;

use dmtap::markup::{Document, Limits};

use super::{File, table};

pub(crate) const TITLE: &str = "## What tshark shows of the WBXML";

pub(crate) fn section(files: &[File]) -> String {
    let messages: Vec<(&File, &Document)> = files
        .iter()
        .filter_map(|file| Some((file, file.read.as_ref().ok()?)))
        .filter(|(_, document)| document.is_wbxml())
        .collect();
    let shown = dissect(&messages);
    assert_eq!(shown.len(), messages.len());
    let rows: Vec<Vec<String>> = messages
        .iter()
        .zip(&shown)
        .filter_map(|((file, document), theirs)| {
            let inside = inside(document);
            let mut said: Vec<String> = differences(theirs, &names(document)).into_iter().collect();
            if inside > 0 {
                said.push(format!(
                    "shows {inside} documents inside as a number of bytes"
                ));
            }
            let dmtap = match inside {
                0 => format!("{} elements by name", names(document).len()),
                _ => format!(
                    "{} elements by name, and {inside} documents inside",
                    names(document).len()
                ),
            };
            (!said.is_empty()).then(|| vec![file.label(), said.join("; "), dmtap])
        })
        .collect();
    let counts = format!(
        "{} of {} messages are shown as dmtap shows them; the others:\n\n",
        messages.len() - rows.len(),
        messages.len()
    );
    format!(
        "{TITLE}\n\n{WORDS}{counts}{}",
        table(&["file", "tshark", "dmtap"], rows.into_iter())
    )
}

/// The names of the elements, in document order.
fn names(document: &Document) -> Vec<String> {
    document
        .elements()
        .map(|element| element.local().to_owned())
        .collect()
}

fn inside(document: &Document) -> usize {
    document
        .elements()
        .filter(|element| element.embedded(&Limits::default()).is_some())
        .count()
}

/// The names of the elements that tshark renders, message by message.
fn dissect(messages: &[(&File, &Document)]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("messages.pcap");
    std::fs::write(&file, capture(messages)).unwrap();
    let preference = "uat:user_dlts:\"User 0 (DLT=147)\",\"wbxml\",\"0\",\"\",\"0\",\"\"";
    let output = Command::new("tshark")
        .arg("-V")
        .args(["-o", preference])
        .arg("-r")
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut shown = Vec::new();
    for line in text.lines() {
        if line.starts_with("Frame ") {
            shown.push(Vec::new());
        }
        let rendering = line.rsplit('|').next().unwrap_or_default().trim();
        if line.matches('|').count() >= 4
            && let Some(tag) = rendering
                .strip_prefix('<')
                .filter(|tag| !tag.starts_with('/'))
            && let Some(frame) = shown.last_mut()
        {
            let end = tag.find([' ', '>', '/']).unwrap_or(tag.len());
            frame.push(tag[..end].to_owned());
        }
    }
    shown
}

/// A capture file with a packet for each message, of a link type that has nothing around them.
fn capture(messages: &[(&File, &Document)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut field = |number: u32| out.extend(number.to_le_bytes());
    for number in [0xA1B2_C3D4, 4 << 16 | 2, 0, 0, 1 << 18, USER_0] {
        field(number);
    }
    for (_, document) in messages {
        let source = document.source();
        for number in [0, 0, source.len() as u32, source.len() as u32] {
            out.extend(number.to_le_bytes());
        }
        out.extend_from_slice(source);
    }
    out
}

fn differences(theirs: &[String], ours: &[String]) -> Option<String> {
    let unnamed = theirs
        .iter()
        .filter(|name| name.starts_with("Tag_"))
        .count();
    if theirs.is_empty() {
        return Some("shows no element".into());
    }
    if unnamed > 0 {
        return Some(format!(
            "has no names for {unnamed} of {} elements",
            theirs.len()
        ));
    }
    let differs = theirs
        .iter()
        .zip(ours)
        .position(|(one, other)| one != other);
    match differs {
        Some(at) => Some(format!(
            "shows {} for {}, element {}",
            theirs[at],
            ours[at],
            at + 1
        )),
        None if theirs.len() != ours.len() => {
            Some(format!("shows {} elements of {}", theirs.len(), ours.len()))
        }
        None => None,
    }
}

/// The first of the link types that are left to users.
const USER_0: u32 = 147;

const WORDS: &str = "\
tshark 4.0, each message as the body of a packet. Compared are the names of the elements, in their order.

";
