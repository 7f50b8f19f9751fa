//! The rules for Results: RES-02 to RES-05.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::lint_session::{Place, Turn};
use super::{Findings, uri};
use crate::dm::{Command, Meta, locuri};

/// The nodes that Gets asked for, read once for each Get.
#[derive(Default)]
pub(super) struct Gets(HashMap<Place, Nodes>);

/// A set of nodes that finds the node that another node equals or lies under.
#[derive(Default)]
pub(super) struct Nodes {
    uris: HashSet<String>,
    lengths: BTreeSet<usize>,
}

impl Gets {
    /// Whether a Get asks for a node.
    fn ask(&mut self, place: Place, get: Command<'_>, uri: &str) -> bool {
        let mut items = get.items();
        match (items.next(), items.next()) {
            // Almost every Get has one Item, so nothing needs to be remembered.
            (Some(only), None) => only
                .target()
                .is_some_and(|target| locuri::is_within(uri, &target)),
            _ => { self.0.entry(place) }
                .or_insert_with(|| Nodes::of(get))
                .hold(&locuri::canonical(uri)),
        }
    }
}

impl Nodes {
    pub(super) fn of(get: Command<'_>) -> Self {
        let targets = get.items().filter_map(|item| item.target());
        let uris: HashSet<String> = targets.map(|uri| locuri::canonical(&uri)).collect();
        let lengths = uris.iter().map(String::len).collect();
        Self { uris, lengths }
    }

    fn hold(&self, uri: &str) -> bool {
        self.around(uri).next().is_some()
    }

    /// Returns those that a node equals or lies under.
    pub(super) fn around(&self, uri: &str) -> impl Iterator<Item = &str> {
        let fitting = self.lengths.range(..=uri.len());
        fitting.filter_map(|length| {
            let is_end = matches!(uri.as_bytes().get(*length), None | Some(b'/'));
            let path = is_end.then(|| &uri[..*length])?;
            self.uris.get(path).map(String::as_str)
        })
    }
}

/// Checks the Items of Results.
pub(super) fn check(found: &mut Findings, turn: &Turn<'_>, gets: &mut Gets, command: Command<'_>) {
    let get = turn.answered(command.element());
    let common_format = command.meta().and_then(Meta::format);
    for item in command.items() {
        let at = Some(item.element());
        let Some(source) = item.source().filter(|source| !source.is_empty()) else {
            found.add("RES-02", at, "an Item of Results has no Source");
            continue;
        };
        let is_asked = get.is_none_or(|(place, get)| gets.ask(place, get, &source));
        if !is_asked && !source.contains("***") {
            let source = uri::without_query(&source);
            found.add(
                "RES-04",
                at,
                format!("Results name {source}, which the Get did not ask for"),
            );
        }
        let Some(data) = item.data() else {
            continue;
        };
        let format = match item.meta() {
            Some(meta) => meta.format(),
            None => common_format.clone(),
        };
        if format.is_none() && std::str::from_utf8(&data.octets()).is_err() {
            found.add(
                "RES-03",
                at,
                "Results without Format hold a value that is not text",
            );
        }
        if format.as_deref() == Some("node") {
            let text = data.text();
            let mut names = text.trim().split('/');
            if !text.trim().is_empty() && names.any(|name| name.is_empty() || name == "*") {
                found.add("RES-05", at, "a child has the name * or none");
            }
        }
    }
}
