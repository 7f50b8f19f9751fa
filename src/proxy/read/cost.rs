//! The memory cost of reading a body, estimated before and after it arrives.

use http::header::{self, HeaderMap};

use super::has_transfer_codings;
use crate::flow::media;
use crate::markup;

/// The memory cost of reading a body.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    is_coded: bool,
    /// The bytes of the tree for each byte of text.
    tree: usize,
}

impl Cost {
    /// The cost of a coded body, whatever its decoded length.
    pub(super) const CODED: Self = Self {
        is_coded: true,
        tree: NODE,
    };

    /// The cost of a body that is only collected.
    pub(super) const UNREAD: Self = Self {
        is_coded: false,
        tree: 0,
    };

    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self {
            is_coded: headers.contains_key(header::CONTENT_ENCODING)
                || has_transfer_codings(headers),
            // A WBXML tag is one byte; `<a/>b` in XML is two nodes.
            tree: if media::mentions(headers, "wbxml") {
                NODE
            } else {
                NODE / 2
            },
        }
    }

    /// Returns the most bytes for a body of `received` bytes whose text has at most `limit` bytes.
    pub(super) fn at_most(self, received: usize, limit: usize) -> usize {
        match self.is_coded {
            true => received + limit + self.tree_of(limit),
            false => received + self.tree_of(received),
        }
    }

    fn tree_of(self, text: usize) -> usize {
        (text * self.tree).min(NODE * markup::Limits::default().nodes)
    }
}

/// Returns the most bytes that the tree of a text takes.
pub(super) fn tree_of(text: &[u8]) -> usize {
    let nodes = match markup::wbxml::looks_like(text) {
        true => text.len(),
        // An element counts, and the text before it, and an attribute.
        false => {
            let first = text.first().is_some_and(|byte| b"<=".contains(byte));
            let behind = text.get(1..).unwrap_or_default();
            // The sum of a block fits into a byte, so that many bytes are counted at a time: 23,000 instructions for an
            // exchange instead of 88,000 (`cargo bench --bench proxy -- decoding`).
            let blocks = text.chunks(BLOCK).zip(behind.chunks(BLOCK));
            let nodes = blocks.map(|(before, block)| {
                let pairs = before.iter().zip(block);
                let nodes = pairs.fold(0, |nodes, (before, byte)| {
                    let begins = u8::from(*byte == b'<');
                    let text = begins & u8::from(*before != b'>');
                    nodes + begins + text + u8::from(*byte == b'=')
                });
                usize::from(nodes)
            });
            usize::from(first) + nodes.sum::<usize>()
        }
    };
    NODE * nodes.min(markup::Limits::default().nodes)
}

/// The bytes of a block. Each counts for at most two nodes.
const BLOCK: usize = 127;

/// The bytes of one node of a tree.
const NODE: usize = 12;
