//! XML to WBXML and back: the same elements, attributes and texts, for real messages and for small handmade ones.
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

use crate::support::shape;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use dmtap::markup::convert::{XmlLayout, to_xml};
use dmtap::markup::wbxml::{EncodeError, PublicIdForm, Version, WbxmlOptions, encode};
use dmtap::markup::{Document, Hint, Limits, decode};
use shape::lines;

fn parse(source: impl Into<Bytes>) -> Result<Document, dmtap::markup::DecodeError> {
    decode(source.into(), Hint::default(), &Limits::default())
}

/// XML as WBXML, and that as XML.
fn there_and_back(document: &Document, options: &WbxmlOptions) -> Result<Document, EncodeError> {
    let binary = parse(encode(document, options)?).unwrap();
    assert!(binary.is_wbxml());
    Ok(parse(to_xml(&binary, XmlLayout::Compact).xml).unwrap())
}

/// Every XML message below a folder of the corpus.
fn messages(folder: &str) -> Vec<PathBuf> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");
    let (mut files, mut folders) = (Vec::new(), vec![Path::new(root).join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|e| e.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some("xml" | "ddf") => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

#[test]
fn every_well_formed_message_comes_back_with_its_tree_and_texts() {
    let (mut counts, mut wrong) = (BTreeMap::<_, [usize; 2]>::new(), Vec::new());
    for folder in ["msdocs", "openspecs", "libwbxml", "pim-sessions"] {
        for path in messages(folder) {
            let name = path.display();
            let count = counts.entry(folder).or_default();
            let Ok(document) = parse(std::fs::read(&path).unwrap()) else {
                count[1] += 1;
                continue;
            };
            count[0] += 1;
            match there_and_back(&document, &WbxmlOptions::default()) {
                Err(error) => wrong.push(format!("{name}: {error}")),
                Ok(again) => {
                    let (mut one, mut other) = (lines(&document), lines(&again));
                    if let Some(declared) = document.root().attribute("xmlns") {
                        let regenerated = again.root().attribute("xmlns");
                        one.push(declared.value().to_lowercase());
                        other.extend(regenerated.map(|a| a.value().to_lowercase()));
                    }
                    if let Some(at) =
                        (0..one.len().max(other.len())).find(|&at| one.get(at) != other.get(at))
                    {
                        wrong.push(format!(
                            "{name}:\n  {:?}\n  {:?}",
                            one.get(at),
                            other.get(at)
                        ));
                    }
                }
            }
        }
    }
    eprintln!("well-formed, malformed: {counts:?}");
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

/// Nothing of the corpus is an exception by now. What the comparison leaves out, since WBXML has no place for
/// it or both encodings say it differently: comments and processing instructions; which prefix stands for a
/// namespace; declarations that only repeat what is in force; indentation; where a text is divided into CDATA,
/// references and plain characters; the case of the namespaces of the tables; the namespace of elements of the tables that XML has left out (a fragment
/// from documentation), which the code page brings back.
#[test]
fn small_messages_of_each_trap_come_back_in_every_form_of_header() {
    let message = |data: &str| {
        format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.1\" xmlns:msft=\"http://schemas.microsoft.com/MobileDevice/MDM\">\
             <SyncBody><Replace><Item><Meta><Format xmlns=\"syncml:metinf\">b64</Format>\
             <Size xmlns=\"syncml:metinf\">4</Size><Type xmlns=\"syncml:metinf\">text/xml+xml</Type></Meta>\
             {data}</Item></Replace><Final/></SyncBody></SyncML>"
        )
    };
    for data in [
        "<Data/>",
        "<Data></Data>",
        "<Data> </Data>",
        "<Data>&#10;</Data>",
        "<Data>a\nb\rc\r\nd\te</Data>",
        "<Data>a&#13;&#10;b</Data>",
        "<Data>]]&gt;</Data>",
        "<Data><![CDATA[]]]]><![CDATA[>]]></Data>",
        "<Data>\n   <![CDATA[<a>&amp;</a>]]>\n  </Data>",
        "<Data>\u{20ac} \u{1f600} &#xA0; &lt;&amp;&gt;&quot;&apos; &nbsp;</Data>",
        "<Data msft:originalerror=\"0x80070002 &lt; &quot;\u{e4}&quot;\">500</Data>",
        "<Data msft:originalerror=''/>",
        "<Data>aGVsbG8=</Data>",
        "<Data><enabled/><data id='a' value='1 &amp; 2'/></Data>",
        "<Data><wap-provisioningdoc><characteristic type='X'><parm name='a' value='b'/></characteristic></wap-provisioningdoc></Data>",
        "<Data>one <b xmlns='urn:b'>two<i/> three</b> four<b/> </Data>",
        "<Data><p:Policy xmlns:p='urn:p' p:a='1' b='2'><p:Item><Item/></p:Item></p:Policy></Data>",
        "<Data><x xmlns='urn:x'><SyncML xmlns='SYNCML:SYNCML1.1'><y xmlns=''/></SyncML></x></Data>",
        "<Data><MgmtTree xmlns='syncml:dmddf1.2'><VerDTD>1.2</VerDTD></MgmtTree></Data>",
        "<Data><DevInf xmlns='syncml:devinf'><Man>m</Man><Ext><XNam>x</XNam></Ext></DevInf></Data>",
        "<data>lower case</data><Unknown><unknown_00_3F>1</unknown_00_3F></Unknown>",
    ] {
        check(message(data).into());
    }
    // An announced document of its own, and a namespace of another version than VerDTD says.
    check(
        message("<Data><DevInf xmlns='syncml:devinf'/></Data>")
            .replace("text/xml+xml", "application/vnd.syncml-devinf+wbxml")
            .into(),
    );
    check(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.1</VerDTD></SyncHdr></SyncML>".into(),
    );
    let latin = message("<Data>\u{e4}\u{ff}\u{a0}</Data>");
    let latin: Vec<u8> = latin.chars().map(|c| u32::from(c) as u8).collect();
    check(
        [
            b"<?xml version='1.0' encoding='ISO-8859-1'?>\n".as_slice(),
            &latin,
        ]
        .concat(),
    );
    check(
        [
            "\u{feff}<?xml version='1.0' encoding='US-ASCII'?>",
            &message("<Data>&#xE4;</Data>"),
        ]
        .concat()
        .into(),
    );
}

#[track_caller]
fn check(source: Vec<u8>) {
    let document = parse(source).unwrap();
    for version in [Version::V1_1, Version::V1_2, Version::V1_3] {
        for public_id in [PublicIdForm::Numeric, PublicIdForm::Text] {
            let again = there_and_back(&document, &WbxmlOptions { version, public_id }).unwrap();
            assert_eq!(lines(&again), lines(&document));
            let root = |document: &Document| {
                document
                    .root()
                    .attribute("xmlns")
                    .map(|a| a.value().into_owned())
            };
            assert_eq!(root(&again), root(&document));
        }
    }
}
