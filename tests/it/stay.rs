//! The rule `stay` on messages: it changes the places that hold URLs, and nothing else.

mod fields;
mod frame;
mod origins;
mod pages;
mod prefilter;

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dmtap::flow::Side;
use dmtap::flow::origin::{LearnedHosts, NamedHost, OriginMap, OriginPair, Origins, Reach};
use dmtap::markup::wbxml::encode::{WbxmlOptions, encode};
use dmtap::markup::{Document, Hint, Limits, decode};
use dmtap::stay::kind;
use dmtap::stay::{
    Extent, StayContext, StayInput, StayOutcome, rewrite_location, signing_fields, stay,
};

use frame::{Frame, frames};

/// A row of the data file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    kind: String,
    r#in: String,
    out: String,
    back: Option<String>,
    /// The address beside a port.
    address: Option<String>,
    note: Option<String>,
}

#[derive(serde::Deserialize)]
struct Rows {
    url: Vec<Row>,
}

fn rows() -> Vec<Row> {
    let rows: Rows = toml::from_str(include_str!("../data/stay.toml")).unwrap();
    rows.url
}

/// The map that the data file names.
fn map() -> OriginMap {
    map_with("https://dm.example.com:9443")
}

/// The same map with another server as the second.
fn map_with(second: &str) -> OriginMap {
    let origin = |text: &str| text.parse().unwrap();
    let origins = Origins {
        server: origin("https://mdm.example.com"),
        public: None,
        maps: vec![OriginPair {
            public: origin("https://dm.lab.test"),
            server: origin(second),
        }],
    };
    origins.seen_from(&origin("https://lab.test:8443")).0
}

fn document(source: impl Into<Bytes>) -> Document {
    decode(source.into(), Hint::default(), &Limits::default()).unwrap()
}

fn context(extent: Extent, learned: LearnedHosts) -> StayContext {
    StayContext {
        map: map(),
        learned: Arc::new(learned),
        extent,
        path: String::new(),
    }
}

fn input<'a>(to: Side, context: &'a StayContext, limits: &'a Limits) -> StayInput<'a> {
    StayInput {
        context,
        to,
        received: None,
        unrenewable_field: None,
        limits,
    }
}

/// What the rule makes of a message, and what it reports.
fn turned(source: &Bytes, to: Side, extent: Extent) -> (Bytes, StayOutcome) {
    turned_by(map(), source, to, extent)
}

fn turned_by(map: OriginMap, source: &Bytes, to: Side, extent: Extent) -> (Bytes, StayOutcome) {
    let limits = Limits::default();
    let context = StayContext {
        map,
        ..context(extent, LearnedHosts::default())
    };
    let document = document(source.clone());
    let stayed = stay(&document, &input(to, &context, &limits));
    let bytes = match &stayed.effect {
        Some(effect) => effect.patch.apply(source),
        None => source.clone(),
    };
    (bytes, stayed)
}

/// The message as it is, and as WBXML where that can be.
fn encodings(frame: &Frame, text: String) -> Vec<Bytes> {
    let xml = Bytes::from(text);
    match frame.has_wbxml {
        true => {
            let wbxml = encode(&document(xml.clone()), &WbxmlOptions::default()).unwrap();
            vec![xml, wbxml.into()]
        }
        false => vec![xml],
    }
}

#[test]
fn every_kind_of_url_leads_to_dmtap_and_back_to_the_server() {
    for row in rows() {
        let address = row
            .address
            .as_deref()
            .map(|address| (address, public(address)));
        let mut seen = 0;
        for frame in frames(&row.kind) {
            seen += 1;
            let before = address.as_ref().map_or("", |(before, _)| before);
            let after = address.as_ref().map_or("", |(_, after)| after.as_str());
            if let Some(to_device) = &frame.to_device {
                let sent = encodings(&frame, to_device(&row.r#in, before));
                let gets = encodings(&frame, to_device(&row.out, after));
                for (sent, gets) in sent.into_iter().zip(gets) {
                    gets_from(&row, &sent, &gets, frame.extent);
                }
            }
            let Some(to_server) = &frame.to_server else {
                continue;
            };
            let back = row.back.as_ref().unwrap_or(&row.r#in);
            let repeated = encodings(&frame, to_server(&row.out, after));
            let received = encodings(&frame, to_server(back, before));
            for (repeated, received) in repeated.into_iter().zip(received) {
                let (bytes, stayed) = turned(&repeated, Side::Server, frame.extent);
                assert_eq!(
                    shown(&bytes),
                    shown(&received),
                    "{} back in {}",
                    row.out,
                    row.kind
                );
                assert_eq!(stayed.notes, []);
            }
        }
        assert!(seen > 0, "{} has no frame", row.kind);
    }
}

fn gets_from(row: &Row, sent: &Bytes, gets: &Bytes, extent: Extent) {
    let (bytes, stayed) = turned(sent, Side::Device, extent);
    assert_eq!(shown(&bytes), shown(gets), "{} in {}", row.r#in, row.kind);
    let ids: Vec<&str> = stayed.notes.iter().map(|note| note.id).collect();
    assert_eq!(ids, Vec::from_iter(row.note.as_deref()), "{}", row.r#in);
    assert_eq!(stayed.effect.is_some(), row.r#in != row.out, "{}", row.kind);
}

#[test]
fn the_map_that_a_note_names_keeps_the_device() {
    for url in [
        "http://mdm.example.com/x",
        "http://mdm.example.com:8080/x",
        "https://192.0.2.7/x",
    ] {
        let source = (frames("APPLICATION/ADDR")[0].to_device.as_ref().unwrap())(url, "");
        let source = Bytes::from(source);
        let (_, stayed) = turned(&source, Side::Device, Extent::Followed);
        let note = &stayed.notes[0].text;
        let (_, server) = note.split_once("--map PUBLIC=").unwrap();
        let map = map_with(server);
        let (bytes, stayed) = turned_by(map, &source, Side::Device, Extent::Followed);
        assert!(stayed.notes.is_empty(), "{note}");
        assert!(shown(&bytes).contains("https://dm.lab.test/x"), "{note}");
        assert_eq!(
            note.contains("https:// there"),
            url.starts_with("http:"),
            "{note}"
        );
    }
}

#[test]
fn the_data_file_has_a_row_for_every_kind() {
    let rows = rows();
    let rows: BTreeSet<&str> = rows
        .iter()
        .filter(|row| row.r#in != row.out)
        .map(|row| row.kind.as_str())
        .collect();
    let kinds: BTreeSet<&str> = kind::all().map(|kind| kind.name).collect();
    assert_eq!(rows, kinds);
}

/// The public address of one of the servers in the data file.
fn public(address: &str) -> String {
    address
        .replace("https://mdm.example.com", "https://lab.test:8443")
        .replace("https://dm.example.com", "https://dm.lab.test")
}

fn shown(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn nothing_else_of_an_enrollment_changes() {
    let token = |document: &str| {
        let line = STANDARD.encode(document);
        let lines: Vec<&str> = line
            .as_bytes()
            .chunks(64)
            .map(|l| std::str::from_utf8(l).unwrap())
            .collect();
        lines.join("\n")
    };
    let answer = |token: &str| include_str!("stay/answer.xml").replace("{token}", token);
    let sent = include_str!("stay/provisioning.xml");
    let gets = sent
        .replace(
            "value='https://mdm.example.com/omadm/cimhandler.ashx?a=1&#38;b=2'",
            "value='https://lab.test:8443/omadm/cimhandler.ashx?a=1&#38;b=2'",
        )
        .replace(
            "\"&#x3c;https://mdm.example.com/a&gt;&lt;https://dm.example.com:9443&gt;\"",
            "\"&#x3c;https://lab.test:8443/a&gt;&lt;https://dm.lab.test&gt;\"",
        )
        .replace(
            "name=\"CRLCheck\" value=\"1\"",
            "name=\"CRLCheck\" value=\"0\"",
        )
        .replace(
            "https://mdm.example.com/renew",
            "https://lab.test:8443/renew",
        );
    let (bytes, stayed) = turned(&answer(&token(sent)).into(), Side::Device, Extent::Full);
    let expected = answer(&token(&gets));
    assert_eq!(shown(&bytes), expected);
    let notes: Vec<&str> = stayed.notes.iter().map(|note| note.id).collect();
    assert_eq!(notes, ["STAY-03"]);
    let effect = stayed.effect.unwrap();
    assert_eq!(effect.rule, "stay");
    let paths: Vec<&str> = effect.changes.iter().map(|change| &*change.path).collect();
    assert!(
        paths[0].contains("/BinarySecurityToken!/wap-provisioningdoc/characteristic"),
        "{paths:?}"
    );
    assert_eq!(effect.changes.len(), 4, "{paths:?}");
}

#[test]
fn identifiers_push_channels_and_downloads_stay() {
    let source = Bytes::from(include_str!("stay/left.xml"));
    let (bytes, stayed) = turned(&source, Side::Device, Extent::Followed);
    assert_eq!(shown(&bytes), shown(&source));
    let notes: Vec<String> = stayed.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "info STAY-05: the device downloads from mdm.example.com itself (./Vendor/MSFT/EnterpriseDesktopAppManagement/MSI/x/DownloadInstall)",
            "warning STAY-01: this leads the device to mdm.example.com (./Vendor/MSFT/Policy/Config/X/ServerUrl), past dmtap, \
             which rewrites no URL in this place; a rule can (replace-text, or -B)",
        ]
    );
}

#[test]
fn a_message_that_is_signed_as_a_whole_stays() {
    let request = Bytes::from(include_str!("stay/signed.xml"));
    let (bytes, stayed) = turned(&request, Side::Server, Extent::Followed);
    assert_eq!(bytes, request);
    let notes: Vec<String> = stayed.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "warning STAY-02: the message is signed (XML-DSig) and passes unchanged: the server sees dmtap's address \
          lab.test:8443 (/Envelope/Header/To)"
        ]
    );
    let answer = Bytes::from((frames("RespURI")[0].to_device.as_ref().unwrap())(
        "https://mdm.example.com/s",
        "",
    ));
    let context = context(Extent::Followed, LearnedHosts::default());
    let limits = Limits::default();
    let mut headers = http::HeaderMap::new();
    headers.insert("X-SyncML-HMAC", http::HeaderValue::from_static("mac=x"));
    let sealed = StayInput {
        unrenewable_field: signing_fields(&headers).next(),
        ..input(Side::Device, &context, &limits)
    };
    let stayed = stay(&document(answer), &sealed);
    assert!(stayed.effect.is_none());
    assert!(
        stayed.notes[0].text.contains("signed (x-syncml-hmac)"),
        "{}",
        stayed.notes[0]
    );
}

#[test]
fn what_a_rule_of_the_user_wrote_is_left_alone() {
    let frame = &frames("RespURI")[0];
    let to_device = frame.to_device.as_ref().unwrap();
    let received = document(to_device("https://mdm.example.com/a", ""));
    let written = Bytes::from(to_device("https://dm.example.com:9443/b", ""));
    let context = context(Extent::Followed, LearnedHosts::default());
    let limits = Limits::default();
    let input = StayInput {
        received: Some(&received),
        ..input(Side::Device, &context, &limits)
    };
    let stayed = stay(&document(written), &input);
    assert!(stayed.effect.is_none());
    let same = stay(&received, &input);
    assert_eq!(same.effect.unwrap().changes.len(), 1);
}

#[test]
fn a_size_beside_the_data_fits_it_again() {
    let message = |url: &str, size: usize| {
        let item = format!(
            "<Item><Target><LocURI>./Vendor/MSFT/DMClient/Provider/P/ManagementServiceAddress</LocURI></Target>\
             <Meta><Size xmlns=\"syncml:metinf\">{size}</Size></Meta><Data>{url}</Data></Item>"
        );
        format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr/><SyncBody><Add><CmdID>1</CmdID>{item}</Add></SyncBody></SyncML>"
        )
    };
    let check = |before: usize, after: usize| {
        let sent = Bytes::from(message("https://mdm.example.com/a", before));
        let (bytes, _) = turned(&sent, Side::Device, Extent::Followed);
        assert_eq!(shown(&bytes), message("https://lab.test:8443/a", after));
    };
    check(
        "https://mdm.example.com/a".len(),
        "https://lab.test:8443/a".len(),
    );
    check(4711, 4711);
}

#[test]
fn the_65th_host_gets_no_path() {
    let mut learned = LearnedHosts::default();
    for n in 0..64 {
        learned.add(NamedHost::parse(&format!("h{n}.example.org")).unwrap());
    }
    let (context, limits) = (context(Extent::Followed, learned), Limits::default());
    let input = input(Side::Device, &context, &limits);
    let frame = &frames("RespURI")[0];
    let to_device = frame.to_device.as_ref().unwrap();
    let known = stay(
        &document(to_device("https://h63.example.org/a", "")),
        &input,
    );
    assert!(known.effect.is_some() && known.learned.is_empty());
    let other = stay(
        &document(to_device("https://other.example.org/a", "")),
        &input,
    );
    assert!(other.effect.is_none());
    assert_eq!(other.notes[0].id, "STAY-01");
}

#[test]
fn header_fields_lead_to_dmtap() {
    let (map, learned) = (map(), LearnedHosts::default());
    let check = |value: &str, path: &str, expected: &str| {
        let turned = rewrite_location(value, path, &map, Reach::Learned, &learned);
        let after = turned.apply(value);
        assert_eq!(after.as_deref().unwrap_or(value), expected);
    };
    check(
        "https://mdm.example.com/x?y",
        "/a",
        "https://lab.test:8443/x?y",
    );
    check(
        "https://other.example.net/x",
        "/a",
        "https://lab.test:8443/.dmtap/at/other.example.net/x",
    );
    check("//mdm.example.com/x", "/a", "https://lab.test:8443/x");
    check("/x", "/a", "/x");
    check("x", "/.dmtap/at/other.example.net/a/b", "x");
    check(
        "/x",
        "/.dmtap/at/other.example.net:444/a/b",
        "/.dmtap/at/other.example.net:444/x",
    );
    check("https://10.0.0.1/x", "/a", "https://10.0.0.1/x");
    check("ms-app://s-1-2", "/a", "ms-app://s-1-2");
    let mapped = rewrite_location(
        "https://login.example.net/",
        "/a",
        &map,
        Reach::Mapped,
        &learned,
    );
    assert_eq!(mapped.apply("https://login.example.net/"), None);
}

#[test]
fn the_place_behind_the_last_one_that_is_examined_stays_as_it_is() {
    let item = |url: &str| {
        format!(
            "<Item><Target><LocURI>./Vendor/MSFT/DMClient/Provider/P/ManagementServiceAddress</LocURI></Target>\
             <Meta><Size xmlns=\"syncml:metinf\">{}</Size></Meta><Data>{url}</Data></Item>",
            url.len()
        )
    };
    let message = |items: &str| {
        format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr/><SyncBody><Add><CmdID>1</CmdID>{items}</Add></SyncBody></SyncML>"
        )
    };
    let (before, after) = (
        item("https://mdm.example.com/a"),
        item("https://lab.test:8443/a"),
    );
    let sent = message(&before.repeat(1_001));
    let (bytes, stayed) = turned(&sent.into(), Side::Device, Extent::Followed);
    assert_eq!(shown(&bytes), message(&(after.repeat(1_000) + &before)));
    assert!(stayed.notes[0].text.contains("more than 1000 places"));
}

#[test]
fn a_provisioning_document_that_does_not_decode_is_noted() {
    let check = |token: &str, expected: &[&str]| {
        let answer = include_str!("stay/answer.xml").replace("{token}", token);
        let (_, stayed) = turned(&answer.into(), Side::Device, Extent::Followed);
        let ids: Vec<&str> = stayed.notes.iter().map(|note| note.id).collect();
        assert_eq!(ids, expected, "{token}");
    };
    let whole = "<wap-provisioningdoc><characteristic type=\"APPLICATION\"/></wap-provisioningdoc>";
    check(&STANDARD.encode(whole), &[]);
    check(&STANDARD.encode(&whole[..whole.len() - 3]), &["STAY-01"]);
    check(&STANDARD.encode(whole)[3..], &["STAY-01"]);
    check("", &["STAY-01"]);
}
