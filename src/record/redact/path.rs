//! The paths of elements that hold secrets: a change is told by its path.

use std::collections::HashMap;

use super::SecretSpans;
use crate::markup::{Document, Element, NodeId};

/// Paths in order.
#[derive(Debug, Default)]
pub struct SecretPaths(Vec<String>);

impl SecretPaths {
    /// The paths of the secrets of these documents.
    pub fn of<'d>(found: impl IntoIterator<Item = (&'d Document, &'d SecretSpans)>) -> Self {
        let mut paths = Vec::new();
        for (document, spots) in found {
            let mut steps = Steps::default();
            let elements = spots.elements().iter();
            let elements = elements.filter_map(|id| document.element(*id));
            paths.extend(elements.map(|element| steps.path(element)));
        }
        paths.sort_unstable();
        paths.dedup();
        Self(paths)
    }

    /// Whether what stands at `path` holds a secret, or stands in one.
    pub fn touch(&self, path: &str) -> bool {
        if path.is_empty() || self.0.is_empty() {
            return false;
        }
        let is_known = |path: &str| self.0.binary_search_by(|known| (**known).cmp(path)).is_ok();
        let boundaries = path.match_indices(BOUNDARIES).map(|(at, _)| at);
        if is_known(path) || boundaries.into_iter().any(|at| is_known(&path[..at])) {
            return true;
        }
        BOUNDARIES.iter().any(|boundary| {
            let inside = format!("{path}{boundary}");
            let first = self.0.partition_point(|known| **known < *inside);
            let first = self.0.get(first);
            first.is_some_and(|known| known.starts_with(&inside))
        })
    }
}

/// What may follow the path of an element: a child, an attribute, the document that is its text.
const BOUNDARIES: [char; 3] = ['/', '@', '!'];

/// Steps of paths, for each element counted once: asking each element for its own path takes quadratic time.
#[derive(Default)]
struct Steps {
    /// Numbers among siblings of the same name, where there are several.
    numbers: HashMap<NodeId, usize>,
    counted: HashMap<NodeId, ()>,
}

impl Steps {
    fn path(&mut self, element: Element<'_>) -> String {
        let around = std::iter::successors(Some(element), |element| element.parent());
        let around: Vec<Element<'_>> = around.collect();
        let mut path = String::new();
        for element in around.into_iter().rev() {
            path.push('/');
            path.push_str(element.local());
            if let Some(number) = self.number(element) {
                path.push_str(&format!("[{number}]"));
            }
        }
        path
    }

    fn number(&mut self, element: Element<'_>) -> Option<usize> {
        let parent = element.parent()?;
        if self.counted.insert(parent.id(), ()).is_none() {
            let mut alike: HashMap<&str, (NodeId, usize)> = HashMap::new();
            for child in parent.elements() {
                let (first, count) = alike.entry(child.local()).or_insert((child.id(), 0));
                *count += 1;
                if *count > 1 {
                    self.numbers.insert(*first, 1);
                    self.numbers.insert(child.id(), *count);
                }
            }
        }
        self.numbers.get(&element.id()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::{Hint, Limits, decode};

    #[test]
    fn paths_are_those_of_the_document() {
        let source = "<a><b><c/><c/><d/></b><b/><e><c/></e></a>";
        let document = decode(source.into(), Hint::default(), &Limits::default()).unwrap();
        let mut steps = Steps::default();
        for element in document.elements() {
            assert_eq!(steps.path(element), element.path().as_str());
        }
    }

    #[test]
    fn a_secret_is_touched_from_around_and_from_inside() {
        let paths = SecretPaths(vec!["/a/b".into(), "/a/b-c/d".into(), "/a/e/f".into()]);
        for path in ["/a", "/a/b", "/a/b/c", "/a/b@c", "/a/b!/x/y", "/a/e"] {
            assert!(paths.touch(path), "{path}");
        }
        for path in ["", "/b", "/a/b[2]", "/a/c", "/a/e/g", "/a/b-"] {
            assert!(!paths.touch(path), "{path}");
        }
    }
}
