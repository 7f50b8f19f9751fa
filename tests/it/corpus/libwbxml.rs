//! The results of `wbxml2xml` and `xml2wbxml` for the messages.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use dmtap::markup::convert::{XmlLayout, to_xml};
use dmtap::markup::wbxml::{WbxmlOptions, encode};
use dmtap::markup::{Document, Hint, Limits, decode};

use super::shape::lines;
use super::{File, grouped, table};

pub(crate) const TITLE: &str = "## What libwbxml makes of them";

/// What came of one message.
enum Made {
    Same,
    Refused(String),
    Different(String),
}

pub(crate) fn section(files: &[File]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut rows = Vec::new();
    for file in files {
        let Ok(document) = &file.read else { continue };
        let (program, made) = match document.is_wbxml() {
            true => ("wbxml2xml", to_text(&file.path, document, folder.path())),
            false => ("xml2wbxml", to_binary(&file.path, document, folder.path())),
        };
        let count = counts.entry(program).or_default();
        match made {
            Made::Same => count[0] += 1,
            Made::Refused(why) => {
                count[1] += 1;
                rows.push((why, file));
            }
            Made::Different(what) => {
                count[2] += 1;
                rows.push((what, file));
            }
        }
    }
    let counts = counts.into_iter().map(|(program, counts)| {
        let counts = counts.iter().map(usize::to_string);
        [program.to_owned()].into_iter().chain(counts).collect()
    });
    let counts = table(
        &["program", "the same tree as dmtap", "refused", "different"],
        counts,
    );
    format!(
        "{TITLE}\n\n{WORDS}{counts}\n{}",
        table(&["libwbxml", "files"], grouped(rows).into_iter())
    )
}

/// WBXML through `wbxml2xml`, against dmtap's XML.
fn to_text(path: &Path, document: &Document, folder: &Path) -> Made {
    let out = folder.join("out.xml");
    if let Err(why) = run("wbxml2xml", &["-m", "0", "-k", "-o"], &out, path) {
        return Made::Refused(why);
    }
    match read(std::fs::read(&out).unwrap()) {
        Ok(theirs) => compare(&theirs, document),
        Err(why) => Made::Different(format!("writes XML that is not well-formed: {why}")),
    }
}

/// XML through `xml2wbxml`, against dmtap's WBXML.
fn to_binary(path: &Path, document: &Document, folder: &Path) -> Made {
    let out = folder.join("out.wbxml");
    if let Err(why) = run("xml2wbxml", &["-k", "-o"], &out, path) {
        return Made::Refused(why);
    }
    match (
        read(std::fs::read(&out).unwrap()),
        encode(document, &WbxmlOptions::default()),
    ) {
        (Ok(theirs), Ok(ours)) => compare(&theirs, &read(ours).unwrap()),
        (Err(why), _) => Made::Different(format!("writes WBXML that is refused: {why}")),
        (_, Err(why)) => Made::Different(format!("dmtap refuses: {why}")),
    }
}

fn read(source: Vec<u8>) -> Result<Document, String> {
    decode(source.into(), Hint::default(), &Limits::default())
        .map_err(|error| error.kind.to_string())
}

fn run(program: &str, arguments: &[&str], out: &Path, source: &Path) -> Result<(), String> {
    let _ = std::fs::remove_file(out);
    let mut command = Command::new("timeout");
    let output = command
        .args(["20", program])
        .args(arguments)
        .arg(out)
        .arg(source)
        .output()
        .unwrap();
    if output.status.success() && out.exists() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said)
        .lines()
        .rfind(|line| !line.is_empty())
        .unwrap_or("ends without a word")
        .to_owned();
    Err(format!(
        "refuses: {}",
        said.trim()
            .trim_start_matches(&format!("{program} failed: "))
    ))
}

fn compare(theirs: &Document, ours: &Document) -> Made {
    let shape = |document: &Document| {
        let xml = to_xml(document, XmlLayout::Compact).xml;
        lines(&read(xml.into_bytes()).unwrap())
    };
    let (theirs, ours) = (shape(theirs), shape(ours));
    let differs = |at: &usize| theirs.get(*at) != ours.get(*at);
    let Some(at) = (0..theirs.len().max(ours.len())).find(differs) else {
        return Made::Same;
    };
    Made::Different(describe(theirs.get(at), ours.get(at)))
}

/// The first difference, without what the message says.
fn describe(theirs: Option<&String>, ours: Option<&String>) -> String {
    let text = |line: Option<&String>| {
        line.filter(|line| line.starts_with("    "))
            .map(|line| line.trim().to_owned())
    };
    let (Some(own), other) = (ours, text(theirs)) else {
        return "adds something at the end".into();
    };
    match (other, text(ours)) {
        (Some(theirs), Some(ours)) if theirs.replace("\\r", "") == ours.replace("\\r", "") => {
            "changes line ends in a text".into()
        }
        (Some(theirs), Some(ours))
            if theirs.replace("+wbxml", "+xml") == ours.replace("+wbxml", "+xml") =>
        {
            "changes +xml and +wbxml in Type".into()
        }
        (Some(theirs), Some(ours)) if squeezed(&theirs) == squeezed(&ours) => {
            "changes white space in a text".into()
        }
        (Some(_), Some(_)) => "changes a text".into(),
        (None, Some(_)) => "loses a text".into(),
        (Some(_), None) => "adds a text".into(),
        (None, None) => {
            let name = |line: &str| {
                line.split(" {")
                    .next()
                    .unwrap_or_default()
                    .rsplit('/')
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            };
            match theirs.map(|line| (name(line), name(own))) {
                Some((one, other)) if one == other && own.contains('=') => {
                    format!("loses an attribute of {other}")
                }
                Some((one, other)) if one == other => format!("has {other} in another namespace"),
                Some((_, other)) => format!("loses {other}"),
                None => format!("loses what comes from {} on", name(own)),
            }
        }
    }
}

fn squeezed(text: &str) -> String {
    text.replace("\\n", "")
        .replace("\\r", "")
        .replace("\\t", "")
        .replace(' ', "")
}

const WORDS: &str = "\
libwbxml 0.11.8, with white space kept (`-k`). XML goes through `xml2wbxml` and WBXML through `wbxml2xml`; the trees
are compared with those of dmtap, whose own way from XML through WBXML to XML keeps the tree and every text of each
of these files (`tests/it/roundtrip.rs`): where libwbxml differs, dmtap shows what the file says. Listed is the first
difference of each file. Many samples of documentation are fragments, whose root libwbxml does not know.

";
