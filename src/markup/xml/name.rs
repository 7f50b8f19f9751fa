//! The namespaces in force, and the numbers of element names.

use std::{borrow::Cow, collections::HashMap};

use crate::markup::document::{self, CustomName};
use crate::markup::vocabulary::{self, FIRST_OWN};
use crate::markup::{NameId, Space, tag};

/// The names of one document during decoding.
#[derive(Default)]
pub(super) struct Names<'s> {
    own: Vec<CustomName>,
    numbers: HashMap<(u16, Cow<'s, str>), NameId>,
    /// The namespaces, numbered from 1, each with its space. They are few enough for a linear search.
    uris: Vec<(Box<str>, Option<Space>)>,
    bindings: Vec<Binding<'s>>,
    default: Scope,
    /// The space of the root, for names that neither a namespace nor the parent determines.
    family: Option<Space>,
}

/// A prefix and its namespace, declared in the element at `depth`.
struct Binding<'s> {
    prefix: &'s str,
    scope: Scope,
    depth: u32,
}

/// A namespace: its space, and its index in `uris` plus one.
#[derive(Clone, Copy, Default)]
struct Scope {
    space: Option<Space>,
    uri: u16,
}

/// The reason why a name has no number.
pub(super) enum NameError {
    /// The name is invalid by XML 1.0 §2.3.
    Malformed,
    /// The document has too many custom names.
    TooMany,
    /// The document has too many namespaces, or too many declarations in force.
    TooManyNamespaces,
}

/// The number of a name, and whether its prefix is declared.
pub(super) struct Resolved {
    pub(super) name: NameId,
    pub(super) prefix_declared: bool,
}

impl<'s> Names<'s> {
    /// Binds `prefix` (empty for the default) to `uri` in the element at `depth`.
    pub(super) fn bind(&mut self, prefix: &'s str, uri: &str, depth: u32) -> Result<(), NameError> {
        if self.bindings.len() >= MOST_NAMESPACES {
            return Err(NameError::TooManyNamespaces);
        }
        let scope = self.scope(uri)?;
        if prefix.is_empty() {
            self.default = scope;
        }
        self.bindings.push(Binding {
            prefix,
            scope,
            depth,
        });
        Ok(())
    }

    /// Removes the declarations of the element at `depth`, which is now closed.
    #[inline]
    pub(super) fn close(&mut self, depth: u32) {
        if self
            .bindings
            .last()
            .is_some_and(|binding| binding.depth == depth)
        {
            self.unbind(depth);
        }
    }

    /// Whether a prefix is declared at this place.
    pub(super) fn declares(&self, prefix: &str) -> bool {
        prefix == "xml" || prefix == "xmlns" || self.prefixed(prefix).is_some()
    }

    /// Returns the number of an element's name. `parent` is the number of its parent's name.
    #[inline]
    pub(super) fn resolve(
        &mut self,
        written: &'s str,
        parent: Option<NameId>,
        own_text: impl FnOnce(&str) -> Cow<'s, str>,
    ) -> Result<Resolved, NameError> {
        // No known name has a colon, so most names need no search for one.
        let known = |scope: Scope, local| vocabulary::find(scope.space?, local);
        if parent.is_some()
            && let Some(name) = known(self.default, written)
        {
            let prefix_declared = true;
            return Ok(Resolved {
                name,
                prefix_declared,
            });
        }
        let (mut scope, local, prefix_declared) =
            match written.bytes().position(|byte| byte == b':') {
                None => (self.default, written, true),
                Some(colon) => {
                    let (prefix, local) = (&written[..colon], &written[colon + 1..]);
                    if !is_name(prefix) {
                        return Err(NameError::Malformed);
                    }
                    let scope = self.prefixed(prefix);
                    (scope.unwrap_or_default(), local, scope.is_some())
                }
            };
        if parent.is_none() && is_message_in_foreign(scope, local) {
            scope = self.take_as_syncml(scope.uri);
        }
        let direct = known(scope, local);
        let name = match direct.or_else(|| self.lenient(scope, local, parent)) {
            Some(name) => name,
            None => self.own(scope, local, own_text)?,
        };
        if parent.is_none() {
            self.family = name.token().map(|(space, _)| space);
        }
        Ok(Resolved {
            name,
            prefix_declared,
        })
    }

    /// Returns the names outside the tables, in the order of their numbers.
    pub(super) fn into_own(self) -> document::Names {
        document::Names {
            own: self.own,
            namespaces: self.uris.into_iter().map(|(uri, _)| uri).collect(),
        }
    }

    fn unbind(&mut self, depth: u32) {
        while self
            .bindings
            .last()
            .is_some_and(|binding| binding.depth == depth)
        {
            self.bindings.pop();
        }
        self.default = self.prefixed("").unwrap_or_default();
    }

    fn prefixed(&self, prefix: &str) -> Option<Scope> {
        self.bindings
            .iter()
            .rev()
            .find(|b| b.prefix == prefix)
            .map(|b| b.scope)
    }

    fn scope(&mut self, uri: &str) -> Result<Scope, NameError> {
        if uri.is_empty() {
            return Ok(Scope::default());
        }
        if let Some(place) = self.uris.iter().position(|(known, _)| **known == *uri) {
            let (space, uri) = (self.uris[place].1, place as u16 + 1);
            return Ok(Scope { space, uri });
        }
        if self.uris.len() >= MOST_NAMESPACES {
            return Err(NameError::TooManyNamespaces);
        }
        let space = Space::of_namespace(uri);
        self.uris.push((uri.into(), space));
        let uri = self.uris.len() as u16;
        Ok(Scope { space, uri })
    }

    /// Takes the namespace with this number as SyncML in all of the document.
    #[cold]
    fn take_as_syncml(&mut self, uri: u16) -> Scope {
        let taken = Scope {
            space: Some(Space::SyncMl),
            uri,
        };
        self.uris[usize::from(uri) - 1].1 = taken.space;
        let scopes = self.bindings.iter_mut().map(|binding| &mut binding.scope);
        let of_it = scopes.chain([&mut self.default]).filter(|it| it.uri == uri);
        of_it.for_each(|scope| *scope = taken);
        taken
    }

    /// Returns the number of a known name although its namespace does not determine it: many documents omit
    /// `syncml:metinf`, and fragments have no namespaces at all. A name in a foreign namespace stays foreign.
    fn lenient(&self, scope: Scope, local: &str, parent: Option<NameId>) -> Option<NameId> {
        if scope.space.is_none() && scope.uri != 0 {
            return None;
        }
        let Some(parent) = parent else {
            let mut spaces = scope.space.into_iter().chain(Space::ALL);
            return spaces.find_map(|space| vocabulary::find(space, local));
        };
        let around = parent.token().map(|(space, _)| space);
        let nearest = scope.space.or(around).or(self.family);
        let spaces: &[Space] = match nearest {
            Some(Space::SyncMl) => &[Space::SyncMl, Space::MetInf],
            Some(Space::MetInf) => &[Space::MetInf, Space::SyncMl],
            Some(Space::DmDdf) => &[Space::DmDdf],
            Some(Space::DevInf) => &[Space::DevInf],
            Some(Space::Prov) => &[Space::Prov],
            None => &[],
        };
        let found = spaces
            .iter()
            .find_map(|&space| vocabulary::find(space, local));
        found.or_else(|| {
            let embedded = [tag::MGMT_TREE, tag::DEV_INF, tag::WAP_PROVISIONINGDOC];
            embedded.into_iter().find(|name| name.text() == Some(local))
        })
    }

    #[cold]
    fn own(
        &mut self,
        scope: Scope,
        local: &str,
        own_text: impl FnOnce(&str) -> Cow<'s, str>,
    ) -> Result<NameId, NameError> {
        if !is_name(local) || local.contains(':') {
            return Err(NameError::Malformed);
        }
        let key = (scope.uri, own_text(local));
        if let Some(&name) = self.numbers.get(&key) {
            return Ok(name);
        }
        if self.own.len() >= MOST_OWN_NAMES {
            return Err(NameError::TooMany);
        }
        let name = NameId(FIRST_OWN + self.own.len() as u16);
        self.own.push(CustomName {
            local: key.1.as_ref().into(),
            namespace: scope.uri,
        });
        self.numbers.insert(key, name);
        Ok(name)
    }
}

/// Whether a root is a message although its namespace is not that of SyncML: some servers write a wrong one, and some
/// devices read such messages all the same.
fn is_message_in_foreign(scope: Scope, local: &str) -> bool {
    let is_foreign = scope.uri != 0 && scope.space != Some(Space::SyncMl);
    is_foreign && tag::SYNC_ML.text() == Some(local)
}

/// Whether this is a Name (XML 1.0 §2.3); all characters beyond ASCII are accepted.
pub(super) fn is_name(text: &str) -> bool {
    let first = |b: u8| b.is_ascii_alphabetic() || b == b'_' || b == b':' || b >= 0x80;
    let later = |b: u8| first(b) || b.is_ascii_digit() || b == b'-' || b == b'.';
    match text.as_bytes() {
        [head, tail @ ..] => first(*head) && tail.iter().all(|&byte| later(byte)),
        [] => false,
    }
}

/// The most custom names of a document. They are numbered from `FIRST_OWN`; the last few numbers stay unused.
pub(super) const MOST_OWN_NAMES: usize = 49_000;

/// The most namespaces of a document, and the most declarations in force at one place: look-ups are linear.
pub(super) const MOST_NAMESPACES: usize = 256;
