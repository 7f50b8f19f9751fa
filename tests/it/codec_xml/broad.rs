//! Properties of every input: the public corpus, and random pieces put together.

use std::path::{Path, PathBuf};

use dmtap::markup::Element;

use super::{parse, spans_hold};

fn corpus() -> Vec<PathBuf> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");
    let folders = [
        "msdocs",
        "openspecs",
        "pim-sessions",
        "fleet-poc",
        "libwbxml",
        "device-wbxml",
    ];
    let mut files = Vec::new();
    for folder in folders {
        walk(&Path::new(root).join(folder), &mut files);
    }
    files.sort();
    files
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            walk(&path, files);
        } else if path
            .extension()
            .is_some_and(|ext| ext == "xml" || ext == "ddf")
        {
            files.push(path);
        }
    }
}

#[test]
fn every_public_message_that_another_reader_accepts_has_the_same_tree_here() {
    for path in corpus() {
        let source = std::fs::read(&path).unwrap();
        let ours = parse(source.clone());
        let text = String::from_utf8_lossy(&source);
        let options = roxmltree::ParsingOptions {
            allow_dtd: true,
            ..Default::default()
        };
        let theirs =
            roxmltree::Document::parse_with_options(text.trim_start_matches('\u{feff}'), options);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                spans_hold(&ours);
                same(ours.root(), theirs.root_element(), &path);
            }
            (Err(error), Ok(_)) => panic!("{}: {error}", path.display()),
            (Ok(ours), Err(error)) => {
                println!("{}: {:?} but {error}", path.display(), ours.flags());
                spans_hold(&ours);
            }
            (Err(error), Err(_)) => println!("{}: {error}", path.display()),
        }
    }
}

fn same(ours: Element<'_>, theirs: roxmltree::Node<'_, '_>, path: &Path) {
    let shown = || format!("{} {}", path.display(), ours.path());
    assert_eq!(ours.local(), theirs.tag_name().name(), "{}", shown());
    let attributes = ours.attributes().filter(|a| !a.name().starts_with("xmlns"));
    let values: Vec<_> = attributes.map(|a| a.value().into_owned()).collect();
    let their_values: Vec<_> = theirs.attributes().map(|a| a.value().to_owned()).collect();
    assert_eq!(values, their_values, "{}", shown());
    let mut elements = theirs.children().filter(roxmltree::Node::is_element);
    for element in ours.elements() {
        same(element, elements.next().expect("as many elements"), path);
    }
    assert!(elements.next().is_none(), "{}", shown());
    let has_elements = ours.elements().next().is_some();
    let text: String = theirs
        .children()
        .filter(|n| n.is_text())
        .filter_map(|n| n.text())
        .collect();
    let mine = ours.text().replace("\r\n", "\n");
    if has_elements {
        let squeeze = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(squeeze(&mine), squeeze(&text), "{}", shown());
    } else {
        assert_eq!(mine, text, "{}", shown());
    }
}

/// Pieces that, put together at random, are often almost XML.
const PIECES: &[&str] = &[
    "<a>",
    "</a>",
    "<Data>",
    "</Data>",
    "<a",
    "/>",
    ">",
    "<b x='1'",
    " y=\"&lt;\"",
    " xmlns='u'",
    " xmlns:p='v'",
    "<p:c",
    "</p:c>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?p",
    "?>",
    "&amp;",
    "&#65;",
    "&",
    ";",
    "é",
    " ",
    "\n",
    "text",
    "<!",
    "'",
    "\"",
    "=",
    "/",
    "<",
    "\u{feff}",
    "<?xml version='1.0'?>",
    "<Data/>",
    "\r",
    "\0",
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 4000,
        failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..proptest::prelude::ProptestConfig::default()
    })]

    #[test]
    fn whatever_comes_there_is_a_sound_tree_or_an_offset(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..14),
        wrapped: bool,
    ) {
        let mut text = pieces.concat();
        if wrapped {
            text = format!("<a>{text}</a>");
        }
        match parse(text.clone()) {
            Ok(document) => spans_hold(&document),
            Err(error) => {
                assert!(error.at as usize <= text.len(), "{error}");
                // Theirs lets a namespace be declared twice in one tag.
                let is_twice = error.to_string().contains("the attribute xmlns is given twice");
                if let (Ok(theirs), false) = (roxmltree::Document::parse(&text), is_twice) {
                    panic!("{text}: {error}, yet {:?}", theirs.root_element());
                }
            }
        }
    }
}
