//! Real messages, if the shared corpus is available.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use dmtap::markup::wbxml::{self, PublicIdForm, Version, WbxmlOptions};
use dmtap::markup::{Document, Element, tag};

use crate::codec_wbxml::support::{decode, outline, shape, shape_with, shape_without_attributes};

/// The files of a corpus folder, in order; none where the corpus is not at hand.
pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus"));
    let Ok(entries) = std::fs::read_dir(corpus.join(folder)) else {
        println!("skipped: no corpus folder {folder}");
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn what_devices_sent_is_read() {
    for file in files("device-wbxml")
        .iter()
        .filter(|file| file.extension().unwrap() == "wbxml")
    {
        let document = decode(&std::fs::read(file).unwrap())
            .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        println!(
            "{} {:?}\n{}",
            file.display(),
            document.flags(),
            outline(&document)
        );
    }
}

/// A text as libwbxml leaves it, so that its output and its input can be compared:
/// * it trims the white space around every text that is no CDATA,
/// * it turns LF into CRLF in `Data`,
/// * it rewrites `+xml` at the end of a `Type` to `+wbxml`,
/// * a `DevInf` or `MgmtTree` in `Data` becomes an OPAQUE document of its own, whatever the `Type` was.
fn as_libwbxml_leaves_it(element: Element<'_>) -> String {
    let octets = element.octets();
    if wbxml::embedded_candidate(&octets) {
        return shape_with(&decode(&octets).unwrap(), as_libwbxml_leaves_it);
    }
    let text = element.text().replace("\r\n", "\n");
    match text.trim().replace("+wbxml", "+xml") {
        none if none.is_empty() => none,
        text => format!("{text:?}"),
    }
}

#[test]
fn what_libwbxml_wrote_is_the_tree_of_its_xml() {
    for file in files("libwbxml")
        .iter()
        .filter(|file| file.extension().unwrap() == "wbxml")
    {
        let binary = decode(&std::fs::read(file).unwrap())
            .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let xml = decode(&std::fs::read(file.with_extension("")).unwrap()).unwrap();
        assert_eq!(binary.flags(), &[], "{}", file.display());
        let [binary, xml] =
            [binary, xml].map(|document| shape_with(&document, as_libwbxml_leaves_it));
        assert_eq!(binary, xml, "{}", file.display());
    }
}

/// Every XML and WBXML message of the corpus that is well-formed.
fn documents() -> Vec<(PathBuf, Document)> {
    let folders = [
        "libwbxml",
        "device-wbxml",
        "msdocs",
        "openspecs",
        "pim-sessions",
        "fleet-poc",
    ];
    let files = folders.iter().flat_map(|folder| files(folder));
    files
        .filter_map(|file| Some((decode(&std::fs::read(&file).ok()?).ok()?, file)))
        .map(|(d, f)| (f, d))
        .collect()
}

#[test]
fn what_is_written_is_the_tree_that_was_read() {
    let versions = [Version::V1_1, Version::V1_2, Version::V1_3];
    let forms = [PublicIdForm::Numeric, PublicIdForm::Text];
    let mut written = 0;
    for (file, document) in documents() {
        for (version, public_id) in versions
            .iter()
            .flat_map(|v| forms.iter().map(move |f| (*v, *f)))
        {
            let options = WbxmlOptions { version, public_id };
            let Ok(bytes) = wbxml::encode(&document, &options) else {
                continue;
            };
            let again = decode(&bytes).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            if !shape(&document).contains("+wbxml") {
                assert_eq!(shape(&again), shape(&document), "{}", file.display());
            }
            assert_eq!(
                wbxml::encode(&again, &options).unwrap(),
                bytes,
                "{}",
                file.display()
            );
            written += 1;
        }
    }
    println!("{written} documents written and read again");
}

/// libwbxml's own reader, where it is installed, shows the same tree. It has two gaps: it drops attributes
/// that are LITERALs, and it does not know page 2 in a SyncML message.
#[test]
fn wbxml2xml_reads_what_is_written() {
    let tool = |arguments: &[&OsStr]| Command::new("wbxml2xml").args(arguments).output();
    if tool(&[]).is_err() {
        return println!("skipped: wbxml2xml not found");
    }
    let folder = tempfile::tempdir().unwrap();
    let [binary, text] = ["a.wbxml", "a.xml"].map(|name| folder.path().join(name));
    let inline_description = |document: &Document| {
        document.root().is(tag::SYNC_ML)
            && document
                .elements()
                .any(|element| element.is(tag::MGMT_TREE))
    };
    for (file, document) in documents() {
        let Ok(bytes) = wbxml::encode(&document, &WbxmlOptions::default()) else {
            continue;
        };
        std::fs::write(&binary, &bytes).unwrap();
        let _ = std::fs::remove_file(&text);
        let output = tool(&["-o".as_ref(), text.as_ref(), binary.as_ref()]).unwrap();
        let theirs =
            std::fs::read(&text).unwrap_or_else(|_| panic!("{}: {output:?}", file.display()));
        let [ours, theirs] = [bytes, theirs].map(|bytes| decode(&bytes).unwrap());
        if inline_description(&ours) {
            continue;
        }
        let view = match ours.root().is(tag::WAP_PROVISIONINGDOC) {
            true => shape_with,
            false => shape_without_attributes,
        };
        let [ours, theirs] = [ours, theirs].map(|document| view(&document, as_libwbxml_leaves_it));
        assert_eq!(ours, theirs, "{}", file.display());
    }
}
