//! A management tree in memory (OMA-TS-DM_TND-V1_2_1).

use std::collections::{BTreeMap, HashSet};

use crate::dm::{StatusCode, locuri};

/// The leaves by their canonical LocURI. An interior node exists as long as something is below it.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<String, Leaf>,
}

/// A leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The LocURI as it was spelled.
    pub uri: String,
    /// The format, such as `chr`.
    pub format: String,
    /// The value; binary formats are in base64.
    pub value: String,
    /// The allowed access.
    pub access: Access,
}

/// The access that a leaf allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Everything but Exec.
    Write,
    /// Only Exec.
    Execute,
}

/// The result of a Get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A leaf: format and value.
    Leaf(String, String),
    /// An interior node: the names of its children.
    Interior(Vec<String>),
}

impl Tree {
    /// Returns the tree with a leaf added or replaced.
    pub fn with(mut self, uri: &str, format: &str, value: &str, access: Access) -> Self {
        self.put(uri, format, value, access);
        self
    }

    /// Reads a leaf, or the names of the children of an interior node.
    ///
    /// # Errors
    /// Returns 404 if there is no such node, and 405 for a node that only allows Exec.
    pub fn get(&self, uri: &str) -> Result<Found, StatusCode> {
        let key = locuri::canonical(uri);
        match self.nodes.get(&key) {
            Some(leaf) if leaf.access == Access::Execute => Err(NOT_ALLOWED),
            Some(leaf) => Ok(Found::Leaf(leaf.format.clone(), leaf.value.clone())),
            None => self.children(&key).map(Found::Interior),
        }
    }

    /// Adds a leaf, and the missing interior nodes above it (implicit Add).
    ///
    /// # Errors
    /// Returns 418 if the node already exists.
    pub fn add(&mut self, uri: &str, format: &str, value: &str) -> Result<(), StatusCode> {
        let key = locuri::canonical(uri);
        if self.nodes.contains_key(&key) || self.is_interior(&key) {
            return Err(EXISTS);
        }
        self.put(uri, format, value, Access::Write);
        Ok(())
    }

    /// Overwrites a leaf.
    ///
    /// # Errors
    /// Returns 404 if there is no such node (there is no implicit Add), and 405 if it is not writable or is interior.
    pub fn replace(&mut self, uri: &str, value: &str) -> Result<(), StatusCode> {
        let key = locuri::canonical(uri);
        let interior = self.is_interior(&key);
        match self.nodes.get_mut(&key) {
            Some(leaf) if leaf.access == Access::Write => {
                leaf.value = value.into();
                Ok(())
            }
            Some(_) => Err(NOT_ALLOWED),
            None if interior => Err(NOT_ALLOWED),
            None => Err(NOT_FOUND),
        }
    }

    /// Deletes a node with everything below it.
    ///
    /// # Errors
    /// Returns 404 if there is no such node, and 405 for the root or if a leaf to delete is read-only.
    pub fn delete(&mut self, uri: &str) -> Result<(), StatusCode> {
        let key = locuri::canonical(uri);
        if key.is_empty() || key == "." {
            return Err(NOT_ALLOWED);
        }
        let own = self.nodes.get_key_value(&key);
        let doomed: Vec<String> = own
            .into_iter()
            .chain(self.below(&key))
            .map(|(path, _)| path.clone())
            .collect();
        if doomed.is_empty() {
            return Err(NOT_FOUND);
        }
        if doomed.iter().any(|k| self.nodes[k].access == Access::Read) {
            return Err(NOT_ALLOWED);
        }
        for key in doomed {
            self.nodes.remove(&key);
        }
        Ok(())
    }

    /// Executes a node.
    ///
    /// # Errors
    /// Returns 404 if there is no such leaf, and 405 if it does not allow Exec.
    pub fn exec(&mut self, uri: &str) -> Result<(), StatusCode> {
        match self.nodes.get(&locuri::canonical(uri)) {
            Some(leaf) if leaf.access == Access::Execute => Ok(()),
            Some(_) => Err(NOT_ALLOWED),
            None => Err(NOT_FOUND),
        }
    }

    fn put(&mut self, uri: &str, format: &str, value: &str, access: Access) {
        let leaf = Leaf {
            uri: uri.into(),
            format: format.into(),
            value: value.into(),
            access,
        };
        self.nodes.insert(locuri::canonical(uri), leaf);
    }

    /// Returns the leaves below a node, by their LocURIs.
    fn below<'a>(&'a self, key: &str) -> impl Iterator<Item = (&'a String, &'a Leaf)> + use<'a> {
        let below = match key {
            "" | "." => String::new(),
            key => format!("{key}/"),
        };
        let from = self.nodes.range(below.clone()..);
        from.take_while(move |(path, _)| path.starts_with(&below))
    }

    fn is_interior(&self, key: &str) -> bool {
        self.below(key).next().is_some()
    }

    /// Returns the names of the direct children of an interior node, as they were spelled.
    fn children(&self, key: &str) -> Result<Vec<String>, StatusCode> {
        let depth = match key {
            "" | "." => 0,
            key => key.split('/').count(),
        };
        let mut names: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
        for (path, leaf) in self.below(key) {
            let from_end = path.split('/').count() - depth;
            let spelled = leaf.uri.trim_matches('/').rsplit('/').nth(from_end - 1);
            let name = spelled.unwrap_or_default().to_owned();
            if seen.insert(name.to_ascii_lowercase()) {
                names.push(name);
            }
        }
        if names.is_empty() {
            Err(NOT_FOUND)
        } else {
            Ok(names)
        }
    }
}

const NOT_FOUND: StatusCode = StatusCode(404);
const NOT_ALLOWED: StatusCode = StatusCode(405);
const EXISTS: StatusCode = StatusCode(418);

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        Tree::default()
            .with("./DevInfo/Man", "chr", "dmtap", Access::Read)
            .with(
                "./Device/Vendor/MSFT/Thing/Colour",
                "chr",
                "red",
                Access::Write,
            )
            .with(
                "./Device/Vendor/MSFT/Thing/Restart",
                "null",
                "",
                Access::Execute,
            )
    }

    #[test]
    fn an_interior_node_names_its_children_as_they_were_spelled() {
        let names = |uri: &str| match tree().get(uri) {
            Ok(Found::Interior(names)) => names.join("/"),
            other => format!("{other:?}"),
        };
        assert_eq!(names("./Vendor/MSFT/thing"), "Colour/Restart");
        assert_eq!(names("./DevInfo"), "Man");
        assert_eq!(names("."), "DevInfo/Vendor");
    }

    #[test]
    fn refusals_carry_the_code_of_the_standard() {
        let mut tree = tree();
        assert_eq!(
            tree.replace("./Vendor/MSFT/Thing/Size", "1"),
            Err(StatusCode(404))
        );
        assert_eq!(tree.replace("./DevInfo/Man", "x"), Err(StatusCode(405)));
        assert_eq!(
            tree.add("./Vendor/MSFT/Thing/COLOUR", "chr", "x"),
            Err(StatusCode(418))
        );
        assert_eq!(tree.add("./Vendor/MSFT/Thing/New/Deep", "chr", "x"), Ok(()));
        assert_eq!(tree.delete("./Vendor/MSFT/Thing/New"), Ok(()));
        assert_eq!(tree.delete("."), Err(StatusCode(405)));
        assert_eq!(
            tree.exec("./Vendor/MSFT/Thing/Colour"),
            Err(StatusCode(405))
        );
        assert_eq!(
            tree.get("./Vendor/MSFT/Thing/Restart"),
            Err(StatusCode(405))
        );
    }
}
