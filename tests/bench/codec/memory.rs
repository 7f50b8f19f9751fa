//! What decoding and converting take from the heap.

use bytes::Bytes;
use dmtap::markup::convert::{XmlOptions, to_xml};
use dmtap::markup::wbxml;

use super::{KILOBYTES, decode};
use crate::heap::{Taken, taken};
use crate::message::device_answers;

/// Prints the table: a row for each size and encoding.
pub(crate) fn table() {
    println!(
        "\n### Memory: bytes for each byte of the source, and the number of allocations\n\n\
         | message | source | decoding: bytes | allocations | kept | peak with the source | converting: bytes | \
         allocations |\n|---|---|--:|--:|--:|--:|--:|--:|"
    );
    for kilobytes in KILOBYTES {
        let xml = Bytes::from(device_answers(kilobytes << 10));
        let document = decode(&xml).expect("the bench writes XML");
        let options = wbxml::WbxmlOptions::default();
        let encode = || wbxml::encode(&document, &options).expect("SyncML has tokens");
        row(kilobytes, "XML", &xml, taken(encode));
        let source = Bytes::from(encode());
        let document = decode(&source).expect("what was encoded decodes");
        let converted = taken(|| to_xml(&document, &XmlOptions::compact()));
        row(kilobytes, "WBXML", &source, converted);
    }
}

fn row(kilobytes: usize, encoding: &str, source: &Bytes, converted: Taken) {
    let decoded = taken(|| decode(source));
    let share = |bytes: usize| bytes as f64 / source.len() as f64;
    println!(
        "| {kilobytes} KB | {encoding}, {} bytes | {:.2} | {} | {:.2} | {:.2} | {:.2} | {} |",
        source.len(),
        share(decoded.bytes),
        decoded.allocations,
        share(decoded.kept),
        share(source.len() + decoded.bytes),
        share(converted.bytes),
        converted.allocations,
    );
}
