//! Tests of content codings and of media type sniffing.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::HeaderValue;

use super::coding::{CodingError, listed, note_no_coding, undo};
use super::*;
use crate::flow::note::LONGEST_TEXT;

const MESSAGE: &[u8] = b"<SyncML><SyncHdr/></SyncML>";

fn coded(coding: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    headers
}

fn uncoded(body: &Bytes, headers: &HeaderMap, limit: usize) -> Result<Bytes, CodingError> {
    undo(body, &listed(headers, &header::CONTENT_ENCODING), limit)
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut coded, 4096, 5, 22);
    encoder.write_all(bytes).unwrap();
    drop(encoder);
    coded
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read_plain(bytes: Bytes, headers: &HeaderMap, limit: usize) -> (ParsedBody, Vec<Note>) {
    let plain = Plain {
        kept: bytes.len(),
        bytes,
        utf16: None,
    };
    super::read_plain(&plain, headers, limit)
}

#[tokio::test]
async fn the_text_of_utf_16_is_counted_beside_it() {
    let limits = settings::Limits::default();
    let text = format!("<a>{}</a>", "\u{4e2d}".repeat(1000));
    let body: Bytes = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let check = async |bytes, is_read| {
        let budget = BodyBudget::new(bytes, Duration::ZERO);
        let bounds = Bounds {
            length: 16 << 20,
            limits: &limits,
            waits: false,
            budget: &budget,
        };
        let mut permit = BudgetPermit::default();
        let read = read(
            &mut body.clone(),
            &HeaderMap::new(),
            bounds,
            &mut permit,
            &|_| true,
        )
        .await;
        assert_eq!(read.parsed.document().is_some(), is_read, "{bytes}");
        let kept = body.len() + if is_read { text.len() } else { 0 };
        assert!(permit.bytes() <= kept + 100, "{} {kept}", permit.bytes());
        assert!(
            !is_read || permit.bytes() >= kept,
            "{} {kept}",
            permit.bytes()
        );
    };
    check(1 << 20, true).await;
    check(4000, false).await;
}

#[test]
fn content_codings_are_undone() {
    let check = |coding, body: Vec<u8>| {
        let plain = uncoded(&body.into(), &coded(coding), 1000);
        assert_eq!(plain.as_deref(), Ok(MESSAGE), "{coding}");
    };
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(MESSAGE).unwrap();
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
    deflate.write_all(MESSAGE).unwrap();
    check("identity", MESSAGE.to_vec());
    check("", MESSAGE.to_vec());
    check("gzip", gzip(MESSAGE));
    check("X-GZIP", gzip(MESSAGE));
    check("gzip, gzip", gzip(&gzip(MESSAGE)));
    check("deflate", zlib.finish().unwrap());
    check("deflate", deflate.finish().unwrap());
    check("br", brotli(MESSAGE));
    check("zstd", zstd::encode_all(MESSAGE, 1).unwrap());
    check("br, gzip", gzip(&brotli(MESSAGE)));
}

#[test]
fn a_content_coding_that_is_none_leaves_the_body_as_it_is() {
    let check = |field: &'static str, is_noted: bool| {
        let headers = coded(field);
        let plain = uncoded(&Bytes::from_static(MESSAGE), &headers, 1000);
        assert_eq!(plain.as_deref(), Ok(MESSAGE), "{field}");
        let note = note_no_coding(&headers);
        assert_eq!(note.is_some(), is_noted, "{field}");
        assert!(note.is_none_or(|it| it.id == "HTTP-09"));
    };
    check("identity", false);
    check("", false);
    for name in [
        "UTF-8",
        "utf8",
        "none",
        "ISO-8859-1",
        "windows-1252",
        "us-ascii",
        "text/xml; charset=utf-8",
        "application/vnd.syncml.dm+xml",
        "8bit",
    ] {
        check(name, true);
    }
    // The codings beside it are undone.
    let headers = coded("utf-8, gzip");
    let plain = uncoded(&gzip(MESSAGE).into(), &headers, 1000);
    assert_eq!(plain.as_deref(), Ok(MESSAGE));
    // A transfer coding must be known, because it ends here.
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_static("utf-8, chunked");
    headers.insert(header::TRANSFER_ENCODING, value);
    assert!(has_transfer_codings(&headers));
    assert_eq!(listed(&headers, &header::TRANSFER_ENCODING), ["utf-8"]);
}

#[test]
fn codings_that_cannot_be_undone_say_why() {
    let check = |coding, body: Vec<u8>, expected: &str| {
        let why = uncoded(&body.into(), &coded(coding), 1000).unwrap_err();
        let why = why.to_string();
        assert!(why.contains(expected), "{why}");
    };
    check("lzma", MESSAGE.to_vec(), "lzma is not known");
    check("br", MESSAGE.to_vec(), "br does not decode");
    check("zstd", MESSAGE.to_vec(), "zstd does not decode");
    let long = [b'x'; 100_000];
    check("br", brotli(&long), "more than 1000 bytes");
    let zstd = zstd::encode_all(&long[..], 1).unwrap();
    check("zstd", zstd, "more than 1000 bytes");
    check("gzip", MESSAGE.to_vec(), "gzip does not decode");
    check("gzip", gzip(&[b'x'; 100_000]), "more than 1000 bytes");
    check("gzip,gzip,gzip,gzip", MESSAGE.to_vec(), "4 codings");
}

#[test]
fn a_body_without_coding_is_not_copied() {
    let body = Bytes::from_static(MESSAGE);
    let plain = uncoded(&body, &HeaderMap::new(), 1000).unwrap();
    assert_eq!(plain.as_ptr(), body.as_ptr());
}

#[test]
fn pictures_are_left_alone_and_markup_is_sniffed() {
    let check = |body: &[u8], expected| assert_eq!(looks_like_markup(body), expected, "{body:?}");
    check(b"\x89PNG", false);
    check(b"{}", false);
    check(b" \n<a/>", true);
    check(b"\xef\xbb\xbf<a/>", true);
    check(b"\xff\xfe<\0a\0", true);
    check(b"\x02\x9f\x53\x6a\x00", true);
}

#[test]
fn a_media_type_of_the_other_encoding_is_noted() {
    let check = |media_type, is_wbxml, expected| {
        let note = note_media_type(Some(media_type), is_wbxml);
        assert_eq!(note.is_some(), expected, "{media_type}");
    };
    check("application/vnd.syncml.dm+xml", true, true);
    check("application/vnd.syncml.dm+wbxml", false, true);
    check("application/vnd.syncml.dm+xml", false, false);
    check("application/vnd.syncml.dm+wbxml", true, false);
    check("application/octet-stream", true, false);
}

#[test]
fn broken_bodies_are_told_apart() {
    let check = |body: &'static [u8], id| {
        let (reading, notes) = read_plain(body.into(), &HeaderMap::new(), 1000);
        assert!(matches!(reading, ParsedBody::Broken(_)), "{body:?}");
        assert_eq!(notes[0].id, id);
    };
    check(b"<a><b></a>", "XML-01");
    check(b"\x02\x9f\x53\x6a\x00\x6d\x6c", "WBXML-01");
}

#[test]
fn wbxml_of_another_vocabulary_is_no_broken_message() {
    let check = |media_type: &'static str, is_foreign: bool| {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        // A Ping request of ActiveSync.
        let body = Bytes::from_static(b"\x03\x01\x6a\x00\x00\x0d\x45\x48\x03240\x00\x01\x01");
        let (reading, notes) = read_plain(body, &headers, 1000);
        let by_type = matches!(reading, ParsedBody::Unread(NotParsed::MediaType(_)));
        assert_eq!(
            (by_type, notes.is_empty()),
            (is_foreign, is_foreign),
            "{media_type}"
        );
    };
    check("application/vnd.ms-sync.wbxml", true);
    check("application/vnd.ms-sync", true);
    check("application/vnd.wap.wbxml", true);
    check("application/octet-stream", true);
    check("application/vnd.syncml.dm+wbxml", false);
}

#[test]
fn a_text_for_people_is_not_called_broken_markup() {
    let check = |media_type: &'static str, body: &'static [u8], is_broken: bool| {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        let (reading, notes) = read_plain(body.into(), &headers, 1000);
        assert_eq!(
            matches!(reading, ParsedBody::Broken(_)),
            is_broken,
            "{body:?}"
        );
        assert_eq!(!notes.is_empty(), is_broken, "{body:?}");
    };
    check("text/plain", b"come back later", false);
    check("application/octet-stream", b"\x89PNG", false);
    check("text/html", b"<html><p></html>", false);
    check("text/plain", b"<a><b></a>", true);
    check("application/vnd.syncml.dm+xml", b"come back later", true);
    let (reading, notes) = read_plain(Bytes::from_static(b"later"), &HeaderMap::new(), 1000);
    assert!(matches!(reading, ParsedBody::Unread(_)) && notes.is_empty());
}

#[test]
fn leniencies_become_notes_so_many_of_them() {
    let mut body = String::from("<!DOCTYPE a><a>");
    for _ in 0..30 {
        body += "<x:b/>";
    }
    let (_, notes) = read_plain((body + "</a>").into(), &HeaderMap::new(), 1000);
    assert_eq!(notes[0].id, "XML-06");
    assert_eq!(notes.len(), FLAGS_NOTED);
    let last = &notes[FLAGS_NOTED - 1].text;
    assert!(last.ends_with("more deviations"), "{last}");
}

#[test]
fn names_in_notes_are_clipped() {
    let body = format!("<a></{}>", "é".repeat(5000));
    let (_, notes) = read_plain(body.into(), &HeaderMap::new(), 20_000);
    assert!(notes[0].text.chars().count() <= LONGEST_TEXT + 1);
}

#[test]
fn heavy_work_holds_no_other_task_up() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    let task = runtime.spawn(async move {
        tokio::spawn(async move { send.send(()) });
        heavy(HEAVY + 1, || {
            receive.recv_timeout(Duration::from_secs(20)).unwrap();
        });
    });
    runtime.block_on(task).unwrap();
}
