//! The arena of a document's nodes: 12 bytes each, in document order. Without packing, a node would have 20 bytes, and a
//! WBXML message would take more than the four bytes for each of its source that `tests/memory.rs` allows.
//!
//! The children of a node follow it directly. Lengths and counts seldom need more than 16 bits, and distances to the
//! parent seldom more than 13; larger values are stored outside the nodes. Large nodes are few, since each holds tens
//! of thousands of bytes or nodes. Nodes far from their parent may be many, but they come in runs:
//!
//! ```text
//! nodes   A  B  B  …  B  B  B  …         A is too many nodes before this B:
//! far                    (id of B, A)    from here on, A is the parent of nodes too far from theirs
//! ```

use std::collections::BTreeMap;

use super::{Kind, NameId};
use crate::patch::Span;

/// The nodes of one document.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arena {
    nodes: Vec<Packed>,
    /// The end and `next` of nodes too large for the 16-bit fields.
    large: BTreeMap<u32, (u32, u32)>,
    /// For each run of nodes too far from their parent: the first node, and the parent. Nodes within the run may have
    /// nearer parents.
    far: Vec<(u32, u32)>,
}

/// One node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    /// The first node after the subtree.
    pub(crate) next: u32,
    pub(crate) name: NameId,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug)]
struct Packed {
    start: u32,
    /// The length of the span in bytes; `LARGE` if `Arena::large` holds the end and the count.
    length: u16,
    /// The number of nodes in the subtree.
    count: u16,
    /// The distance to the parent in nodes (`FAR` if `Arena::far` holds the parent); the lowest bits hold the kind. For
    /// the root, the distance to `NO_PARENT` wraps around to 1.
    up_and_kind: u16,
    name: NameId,
}

impl Arena {
    pub(crate) fn with_capacity(nodes: usize) -> Self {
        Self {
            nodes: Vec::with_capacity(nodes),
            ..Self::default()
        }
    }

    /// Returns the number of nodes that fit before the arena has to grow.
    pub(crate) fn room(&self) -> usize {
        self.nodes.capacity()
    }

    /// Makes room for `more` nodes, and hardly more than that.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.nodes.reserve_exact(more);
    }

    /// Frees unused room if that is more than half.
    pub(crate) fn trim(&mut self) {
        if self.nodes.capacity() / 2 > self.nodes.len() {
            self.nodes.shrink_to_fit();
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the memory of the nodes in bytes, without what large nodes and runs take.
    pub(crate) fn bytes(&self) -> usize {
        self.nodes.len() * size_of::<Packed>()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns the node with this number, which must exist.
    #[inline]
    pub(crate) fn node(&self, id: u32) -> Node {
        let packed = self.nodes[id as usize];
        let (end, next) = match packed.length {
            LARGE => self.large(id),
            length => (
                packed.start + u32::from(length),
                id + u32::from(packed.count),
            ),
        };
        Node {
            span: Span::new(packed.start, end),
            next,
            name: packed.name,
            kind: packed.kind(),
        }
    }

    /// Returns the name of a node without unpacking the rest.
    #[inline]
    pub(crate) fn name(&self, id: u32) -> NameId {
        self.nodes[id as usize].name
    }

    /// Returns the kind of a node without unpacking the rest.
    #[inline]
    pub(crate) fn kind(&self, id: u32) -> Kind {
        self.nodes[id as usize].kind()
    }

    /// Returns the offset at which a node begins.
    #[inline]
    pub(crate) fn start(&self, id: u32) -> u32 {
        self.nodes[id as usize].start
    }

    /// Returns the first node after a node's subtree.
    #[inline]
    pub(crate) fn next(&self, id: u32) -> u32 {
        let packed = self.nodes[id as usize];
        match packed.length {
            LARGE => self.large(id).1,
            _ => id + u32::from(packed.count),
        }
    }

    /// Returns the first child element of a node that has this name.
    #[inline]
    pub(crate) fn child(&self, id: u32, name: NameId) -> Option<u32> {
        let (mut at, behind) = (id + 1, self.next(id));
        while at < behind {
            let packed = self.nodes[at as usize];
            if packed.name == name && packed.kind() == Kind::Element {
                return Some(at);
            }
            at = self.next(at);
        }
        None
    }

    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<Node> {
        ((id as usize) < self.nodes.len()).then(|| self.node(id))
    }

    /// Iterates over the nodes from this number on.
    pub(crate) fn from(&self, first: u32) -> impl Iterator<Item = Node> {
        (first..self.nodes.len() as u32).map(|id| self.node(id))
    }

    /// Returns the first node that begins at or after `offset`.
    pub(crate) fn first_from(&self, offset: u32) -> u32 {
        self.nodes.partition_point(|node| node.start < offset) as u32
    }

    /// Returns the parent of a node; `NO_PARENT` for the root.
    #[inline]
    pub(crate) fn parent(&self, id: u32) -> u32 {
        match self.nodes[id as usize].up_and_kind >> KIND_BITS {
            FAR => self.far_parent(id),
            up => id.wrapping_sub(u32::from(up)),
        }
    }

    /// Appends a node without children.
    #[inline]
    pub(crate) fn push(&mut self, kind: Kind, span: Span, name: NameId, parent: u32) -> u32 {
        let id = self.nodes.len() as u32;
        let up = match id.wrapping_sub(parent) {
            near if near < u32::from(FAR) => near as u16,
            _ => self.push_far(id, parent),
        };
        let length = match span.end - span.start {
            small if small < u32::from(LARGE) => small as u16,
            _ => self.enlarge(id, span.end, id + 1),
        };
        self.nodes.push(Packed {
            start: span.start,
            length,
            count: 1,
            up_and_kind: up << KIND_BITS | kind as u16,
            name,
        });
        id
    }

    /// Ends the element at this offset: later nodes are outside. Returns the parent.
    #[inline]
    pub(crate) fn close(&mut self, id: u32, end: u32) -> u32 {
        let next = self.nodes.len() as u32;
        self.resize(id, end, next);
        self.parent(id)
    }

    /// Extends a node without children up to this offset.
    pub(crate) fn extend(&mut self, id: u32, end: u32) {
        self.resize(id, end, id + 1);
    }

    pub(crate) fn set_name(&mut self, id: u32, name: NameId) {
        self.nodes[id as usize].name = name;
    }

    /// Keeps the first `length` nodes and drops the rest.
    #[inline]
    pub(crate) fn truncate(&mut self, length: usize) {
        if length < self.nodes.len() {
            self.nodes.truncate(length);
            drop(self.large.split_off(&(length as u32)));
        }
    }

    #[inline]
    fn resize(&mut self, id: u32, end: u32, next: u32) {
        let node = &mut self.nodes[id as usize];
        let (length, count) = (end - node.start, next - id);
        if length < u32::from(LARGE) && count <= u32::from(u16::MAX) {
            (node.length, node.count) = (length as u16, count as u16);
        } else {
            node.length = LARGE;
            self.enlarge(id, end, next);
        }
    }

    #[cold]
    fn enlarge(&mut self, id: u32, end: u32, next: u32) -> u16 {
        self.large.insert(id, (end, next));
        LARGE
    }

    #[cold]
    fn large(&self, id: u32) -> (u32, u32) {
        self.large.get(&id).copied().unwrap_or_default()
    }

    #[cold]
    fn push_far(&mut self, id: u32, parent: u32) -> u16 {
        // Dropped nodes may have left runs here.
        while self.far.last().is_some_and(|run| run.0 >= id) {
            self.far.pop();
        }
        if self.far.last().is_none_or(|run| run.1 != parent) {
            self.far.push((id, parent));
        }
        FAR
    }

    #[cold]
    fn far_parent(&self, id: u32) -> u32 {
        let behind = self.far.partition_point(|run| run.0 <= id);
        self.far[behind - 1].1
    }
}

impl Packed {
    #[inline]
    fn kind(self) -> Kind {
        KINDS[usize::from(self.up_and_kind & ((1 << KIND_BITS) - 1))]
    }
}

/// The parent of the root.
pub(crate) const NO_PARENT: u32 = u32::MAX;

/// The kinds by their number. The last three entries are unused.
const KINDS: [Kind; 1 << KIND_BITS] = [
    Kind::Element,
    Kind::Attribute,
    Kind::Text,
    Kind::Cdata,
    Kind::Opaque,
    Kind::Opaque,
    Kind::Opaque,
    Kind::Opaque,
];

const LARGE: u16 = u16::MAX;

const KIND_BITS: u32 = 3;

const FAR: u16 = u16::MAX >> KIND_BITS;

#[cfg(test)]
mod tests {
    use super::*;

    fn push(arena: &mut Arena, parents: &mut Vec<u32>, parent: u32) -> u32 {
        parents.push(parent);
        let at = arena.len() as u32;
        arena.push(Kind::Element, Span::new(at, at + 1), NameId(0), parent)
    }

    #[test]
    fn a_node_is_12_bytes_and_keeps_its_kind() {
        assert_eq!(size_of::<Packed>(), 12);
        let mut arena = Arena::default();
        for kind in [
            Kind::Element,
            Kind::Attribute,
            Kind::Text,
            Kind::Cdata,
            Kind::Opaque,
        ] {
            let id = arena.push(kind, Span::default(), NameId(7), 0);
            assert_eq!(
                (arena.node(id).kind, arena.node(id).name),
                (kind, NameId(7))
            );
        }
    }

    #[test]
    fn parents_near_and_far_are_found() {
        let (mut arena, mut parents) = (Arena::default(), Vec::new());
        let root = push(&mut arena, &mut parents, NO_PARENT);
        let mut child = root;
        for _ in 0..70_000 {
            child = push(&mut arena, &mut parents, root);
            push(&mut arena, &mut parents, child);
        }
        for _ in 0..70_000 {
            push(&mut arena, &mut parents, child);
        }
        arena.close(child, 500_000);
        for _ in 0..10 {
            let last = push(&mut arena, &mut parents, root);
            push(&mut arena, &mut parents, last);
        }
        for (id, parent) in parents.iter().enumerate() {
            assert_eq!(arena.parent(id as u32), *parent, "{id}");
        }
        assert_eq!((arena.far.len(), arena.large.len()), (3, 1));
        assert_eq!(arena.node(child).next, child + 70_002);
        assert_eq!(arena.node(child).span.end, 500_000);
    }

    #[test]
    fn lengths_and_counts_are_kept_whatever_their_size() {
        for length in [0, 1, 65_534, 65_535, 65_536, 1 << 30] {
            let mut arena = Arena::default();
            let id = arena.push(Kind::Text, Span::new(5, 5 + length), NameId(0), NO_PARENT);
            assert_eq!(arena.node(id).span, Span::new(5, 5 + length));
        }
        for count in [1, 65_534, 65_535, 65_536] {
            let (mut arena, mut parents) = (Arena::default(), Vec::new());
            let root = push(&mut arena, &mut parents, NO_PARENT);
            for _ in 0..count {
                push(&mut arena, &mut parents, root);
            }
            arena.close(root, 9);
            let node = arena.node(root);
            assert_eq!((node.next, node.span.end), (count + 1, 9));
        }
    }

    #[test]
    fn what_dropped_nodes_left_behind_is_forgotten() {
        let (mut arena, mut parents) = (Arena::default(), Vec::new());
        let root = push(&mut arena, &mut parents, NO_PARENT);
        let child = push(&mut arena, &mut parents, root);
        for _ in 0..70_000 {
            push(&mut arena, &mut parents, child);
        }
        let length = arena.len();
        arena.push(Kind::Text, Span::new(0, 1 << 20), NameId(0), child);
        arena.truncate(length);
        let last = push(&mut arena, &mut parents, root);
        assert_eq!((arena.parent(last), arena.parent(last - 1)), (root, child));
        assert!(arena.large.is_empty());
    }
}
