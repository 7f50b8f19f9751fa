//! Every word that rule files may hold, out of the tables the readers themselves use: what describes the language
//! elsewhere (the JSON Schema, the reference) is held against this.

use super::code::{self, ALERT, HTTP, SYNCML};
use super::{connection, limit, matcher, scenario, step};
use crate::rules::Per;
use crate::rules::Stage;
use crate::rules::matcher::PerConnection;

/// The name of a table and its keys, or of a key (`table.key`) and its words.
pub type Keys = (&'static str, Vec<&'static str>);

/// The words of rule files.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    /// The verbs of steps, kind by kind, in the order in which errors list them.
    pub verbs: Vec<StepName>,
    /// Every kind of table with its keys.
    pub tables: Vec<Keys>,
    /// Keys that take one of a few words.
    pub words: Vec<Keys>,
    /// Keys that take one of a few codes.
    pub codes: Vec<(&'static str, Vec<u16>)>,
    /// Codes that are known by name: of SyncML, of HTTP, and of an Alert.
    pub named: Vec<(&'static str, Vec<(u16, &'static str)>)>,
}

/// A verb of steps.
#[derive(Clone, Debug)]
pub struct StepName {
    /// Its kind: `edit`, `head`, `raw`, `leave`, `soap`, `protocol` or `admit`.
    pub kind: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The stages of rules it may stand in.
    pub stages: &'static [Stage],
    /// Its other keys.
    pub options: &'static [&'static str],
}

/// The words of rule files, as the readers know them.
pub fn vocabulary() -> Vocabulary {
    Vocabulary {
        verbs: verbs(),
        tables: tables(),
        words: words(),
        codes: step::codes(),
        named: vec![
            ("status-code", SYNCML.assigned().collect()),
            ("http-status-code", HTTP.assigned().collect()),
            ("alert-code", ALERT.assigned().collect()),
        ],
    }
}

fn verbs() -> Vec<StepName> {
    let of_kind = |(kind, verbs): (&'static str, &'static [step::StepReader])| {
        verbs.iter().map(move |verb| StepName {
            kind,
            name: verb.name,
            stages: verb.stages,
            options: verb.options,
        })
    };
    step::KINDS.into_iter().flat_map(of_kind).collect()
}

fn tables() -> Vec<Keys> {
    let mut tables = vec![
        ("file", super::FILE_KEYS.to_vec()),
        ("rule", super::KEYS.to_vec()),
        ("limit", limit::KEYS.to_vec()),
        ("scenario", scenario::KEYS.to_vec()),
        ("code", code::KEYS.to_vec()),
        ("connection-match", connection::KEYS.to_vec()),
        ("connection-limit", connection::LIMIT_KEYS.to_vec()),
    ];
    tables.extend(matcher::tables());
    tables.extend(step::tables());
    tables
}

fn words() -> Vec<Keys> {
    let mut words = vec![
        ("rule.stage", names(&super::STAGES)),
        ("limit.per", names(&Per::ALL)),
        ("scenario.per", names(&Per::ALL)),
        ("connection-limit.per", names(&PerConnection::ALL)),
    ];
    words.extend(matcher::words());
    words.extend(step::words());
    words
}

/// The words of a table of words.
pub(super) fn names<T>(choices: &[(&'static str, T)]) -> Vec<&'static str> {
    choices.iter().map(|(name, _)| *name).collect()
}
