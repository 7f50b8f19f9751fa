//! What reading a body may cost in memory, before and after it is here.

use http::header::{self, HeaderMap};

use super::has_transfer_codings;
use crate::flow::media;
use crate::markup;

/// What reading a body may cost in memory.
#[derive(Clone, Copy)]
pub(in crate::proxy) struct Cost {
    is_coded: bool,
    /// Bytes of the tree for each byte of text.
    tree: usize,
}

impl Cost {
    /// That of what is coded, whatever it unfolds to.
    pub(super) const CODED: Self = Self {
        is_coded: true,
        tree: NODE,
    };

    /// That of what is only collected.
    pub(in crate::proxy) const UNREAD: Self = Self {
        is_coded: false,
        tree: 0,
    };

    pub(in crate::proxy) fn of(headers: &HeaderMap) -> Self {
        Self {
            is_coded: headers.contains_key(header::CONTENT_ENCODING)
                || has_transfer_codings(headers),
            // A tag of WBXML is one byte; `<a/>b` of XML is two nodes.
            tree: if media::mentions(headers, "wbxml") {
                NODE
            } else {
                NODE / 2
            },
        }
    }

    /// The most for so many bytes as received, and a text of `limit` at most.
    pub(super) fn at_most(self, received: usize, limit: usize) -> usize {
        match self.is_coded {
            true => received + limit + self.tree_of(limit),
            false => received + self.tree_of(received),
        }
    }

    fn tree_of(self, text: usize) -> usize {
        (text * self.tree).min(NODE * markup::Limits::default().nodes)
    }

    /// For so many more bytes of a small body; what they unfold to is counted when it is known.
    pub(super) fn of_small(self, received: usize) -> usize {
        match self.is_coded {
            true => received,
            false => received + received * self.tree,
        }
    }
}

/// The most that the tree of a text takes, in bytes.
pub(super) fn tree_of(text: &[u8]) -> usize {
    let nodes = match markup::wbxml::looks_like(text) {
        true => text.len(),
        // An element, and the text before it; an attribute.
        false => {
            let first = text.first().is_some_and(|byte| b"<=".contains(byte));
            let behind = text.get(1..).unwrap_or_default();
            // Blocks whose sum fits into a byte are counted many bytes at a time.
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

/// Bytes of a block, each of which counts for two nodes at most.
const BLOCK: usize = 127;

/// Bytes of one node of a tree.
const NODE: usize = 12;
