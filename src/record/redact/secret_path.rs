//! The paths of elements with secrets: the record of a change names its place by path.

use std::collections::{HashMap, HashSet};

use super::SecretSpans;
use super::spans::Secrecy;
use crate::markup::{Document, Element, Limits, NodeId, Path};

/// Paths in order, each with how much of the text there is a secret.
#[derive(Debug, Default)]
pub struct SecretPaths(Vec<(String, Secrecy)>);

/// How a place relates to secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// The place has no secret.
    None,
    /// A child element has a secret, the place's own text has none.
    Around,
    /// A part of the text is a secret.
    Holds,
    /// The place is a secret, is inside one, or its text is a document with a secret.
    Secret,
}

impl SecretPaths {
    /// Returns the paths of the secrets of these documents.
    pub fn of<'d>(found: impl IntoIterator<Item = (&'d Document, &'d SecretSpans)>) -> Self {
        let mut paths = Self::default();
        for (document, spans) in found {
            paths.add("", document, spans, &Limits::default());
        }
        let known = &mut paths.0;
        known.sort_unstable_by(|(a, most), (b, least)| a.cmp(b).then(least.cmp(most)));
        known.dedup_by(|(next, _), (last, _)| next == last);
        paths
    }

    fn add(&mut self, front: &str, document: &Document, spans: &SecretSpans, limits: &Limits) {
        let mut steps = Steps::default();
        for (id, extent) in &spans.elements {
            // The paths inside the embedded document are more exact.
            let inside = spans.inside.binary_search_by_key(id, |(holder, _)| *holder);
            if inside.is_ok() {
                continue;
            }
            if let Some(element) = document.element(*id) {
                self.0.push((steps.path(front, element), *extent));
            }
        }
        for (id, extent) in &spans.attributes {
            let element = document.element(document.parent(*id));
            let attribute = element.and_then(|e| e.attributes().find(|a| a.id() == *id));
            if let (Some(element), Some(attribute)) = (element, attribute) {
                let path = steps.path(front, element);
                self.0
                    .push((format!("{path}@{}", attribute.name()), *extent));
            }
        }
        for (id, spans) in &spans.inside {
            let Some(element) = document.element(*id) else {
                continue;
            };
            let path = steps.path(front, element) + Path::INTO;
            match element.embedded(limits) {
                Some(embedded) => {
                    self.add(&path, embedded.document(), spans, embedded.limits());
                }
                None => self.0.push((steps.path(front, element), Secrecy::Whole)),
            }
        }
    }

    /// Returns how the place at `path` relates to secrets.
    pub fn touch(&self, path: &str) -> Touch {
        if path.is_empty() || self.0.is_empty() {
            return Touch::None;
        }
        let known = |path: &str| {
            let at = self.0.binary_search_by(|(known, _)| (**known).cmp(path));
            at.ok().map(|at| self.0[at].1)
        };
        let mut around = path.match_indices(BOUNDARIES).map(|(at, _)| at);
        if around.any(|at| known(&path[..at]) == Some(Secrecy::Whole)) {
            return Touch::Secret;
        }
        let within = |boundary: char| {
            let inside = format!("{path}{boundary}");
            let first = self.0.partition_point(|(known, _)| **known < *inside);
            let first = self.0.get(first);
            first.is_some_and(|(known, _)| known.starts_with(&inside))
        };
        match known(path) {
            Some(Secrecy::Whole) => Touch::Secret,
            Some(Secrecy::Part) => Touch::Holds,
            None if within('!') => Touch::Secret,
            None if within('/') || within('@') => Touch::Around,
            None => Touch::None,
        }
    }
}

/// The characters that may follow the path of an element: for a child, an attribute, and the document that is its text.
const BOUNDARIES: [char; 3] = ['/', '@', '!'];

/// The steps of paths. Counts the siblings of each element once: asking each element for its own path takes quadratic
/// time.
#[derive(Default)]
struct Steps {
    /// Positions among siblings of the same name, if there are several.
    numbers: HashMap<NodeId, usize>,
    /// The parents whose children are counted.
    counted: HashSet<Option<NodeId>>,
}

impl Steps {
    fn path(&mut self, front: &str, element: Element<'_>) -> String {
        let around = std::iter::successors(Some(element), |element| element.parent());
        let around: Vec<Element<'_>> = around.collect();
        let mut path = front.to_owned();
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
        let parent = element.parent();
        if self.counted.insert(parent.map(Element::id)) {
            let mut alike: HashMap<&str, (NodeId, usize)> = HashMap::new();
            let siblings: Box<dyn Iterator<Item = Element<'_>>> = match parent {
                Some(parent) => Box::new(parent.elements()),
                None => Box::new(element.document().roots()),
            };
            for child in siblings {
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
            assert_eq!(steps.path("", element), element.path().as_str());
        }
    }

    #[test]
    fn a_place_has_to_do_with_secrets_around_it_in_it_and_inside_it() {
        let paths = ["/a/b", "/a/b-c/d", "/a/e/f", "/a/g!/h@i", "/a/g!/k"];
        let mut paths: Vec<_> = paths.map(|path| (path.to_owned(), Secrecy::Whole)).into();
        paths.push(("/a/l".into(), Secrecy::Part));
        let paths = SecretPaths(paths);
        let check = |touch: Touch, places: &[&str]| {
            for place in places {
                assert_eq!(paths.touch(place), touch, "{place}");
            }
        };
        check(
            Touch::Secret,
            &[
                "/a/b",
                "/a/g",
                "/a/b/c",
                "/a/b@c",
                "/a/b!/x/y",
                "/a/g!/h@i",
                "/a/g!/k/x",
            ],
        );
        check(Touch::Holds, &["/a/l"]);
        check(Touch::Around, &["/a", "/a/e", "/a/g!/h", "/a/b-c"]);
        check(
            Touch::None,
            &[
                "",
                "/b",
                "/a/b[2]",
                "/a/c",
                "/a/e/g",
                "/a/b-",
                "/a/g!/h@x",
                "/a/g!/l",
                "/a/l/m",
            ],
        );
    }

    #[test]
    fn roots_of_a_fragment_are_counted() {
        let source = "<a><b>&lt;c/&gt;&lt;c password=\"secret\"/&gt;</b></a>";
        let document = decode(source.into(), Hint::default(), &Limits::default()).unwrap();
        let spans = super::super::Redactor::default().find(&document, &[]);
        assert_eq!(
            SecretPaths::of([(&document, &spans)]).touch("/a/b!/c[2]@password"),
            Touch::Secret
        );
    }
}
