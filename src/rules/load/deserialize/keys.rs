//! Missing and unknown keys of tables.

use super::*;
use crate::rules::load::rule_table::KEYS;
use crate::rules::load::schema::{match_keys, step_named};
use crate::rules::mistake::{MOST_LISTED, list_first};

impl Node<'_, '_> {
    /// Returns the mistake of a missing key. A key that is there with a wrong value, or misspelt, is not missing.
    pub(super) fn missing(
        &self,
        field: &'static str,
        what: &str,
        verb: Option<&str>,
        hint: Option<&str>,
        known: &[&str],
    ) -> Option<Mistake> {
        let step = verb.and_then(step_named);
        let needed = step.into_iter().flat_map(|step| &step.required);
        let mut needed = [verb.filter(|_| field == "=").unwrap_or(field)]
            .into_iter()
            .chain(needed.map(String::as_str));
        let table = self.value.get_ref().as_table();
        let keys = table.into_iter().flat_map(DeTable::keys);
        let keys: Vec<&str> = keys.map(|key| &**key.get_ref()).collect();
        let means = |key: &str, field: &str| {
            key == field || !known.contains(&key) && closest(key, known) == Some(field)
        };
        let field = needed.find(|field| !keys.iter().any(|key| means(key, field)))?;
        let owner = verb.map_or_else(|| self.called(what), |verb| format!("`{verb}`"));
        let mut mistake = Mistake::new(format!("{owner} has no `{field}`"));
        if let Some(verb) = verb {
            mistake = mistake.at_key(verb);
        }
        Some(match (hint, step) {
            (Some(hint), _) => mistake.help(hint),
            (None, Some(step)) => mistake
                .help(format!("write {}", step.example()))
                .help(format!("`{field}`: {}", step.meaning(field))),
            (None, None) => mistake.help(format!("add {field} = …")),
        })
    }

    /// Returns the name of the table in messages: a table that is named after a key is called by the key that it stands
    /// under.
    fn called(&self, what: &str) -> String {
        match what.starts_with('`') {
            true => format!("`{}`", self.key),
            false => what.to_owned(),
        }
    }

    /// Refuses every key except for these.
    pub(super) fn refuse_other_keys(
        &self,
        what: &str,
        table: &DeTable<'_>,
        known: &[&str],
    ) -> Result<(), Failure> {
        let others = table.keys().map(|key| (&**key.get_ref(), key.span()));
        let mut others = others.filter(|(_, span)| !self.left_out.has(span));
        let Some((name, span)) = others.find(|(name, _)| !known.contains(name)) else {
            return Ok(());
        };
        let what = &*self.called(what);
        let verb = step_named(self.key).filter(|_| what != STEP);
        let verb = verb.filter(|verb| verb.options.iter().any(|key| key == name));
        let mistake = match verb {
            Some(verb) => Mistake::new(format!("{what} has no key `{name}`"))
                .label(format!("it stands beside `{}`", verb.name))
                .help(format!("write {}, {name} = …", verb.example())),
            None => unknown_key(what, name, known),
        };
        let start = span.start;
        Err(Failure::LeftOut(start, Some(mistake.in_key(name, span))))
    }
}

pub(in crate::rules::load) fn unknown_key(what: &str, key: &str, known: &[&str]) -> Mistake {
    let mut mistake = Mistake::new(format!("{what} has no key `{key}`")).suggest(key, known);
    if let Some(place) = place_of(key).filter(|_| closest(key, known).is_none()) {
        mistake = mistake.help(place);
    }
    let keys = list_first(known);
    mistake.help(match known.len() > MOST_LISTED {
        true => format!("its keys are {keys}: {REFERENCE}"),
        false => format!("its keys are {keys}"),
    })
}

/// Returns where to write a key that belongs in another table.
fn place_of(key: &str) -> Option<String> {
    match key {
        "name" | "stage" | "end" => Some(format!(
            "`{key}` is a key of the rule: write it right below [[rule]]"
        )),
        "step" => Some("`step` is a key of the rule: write [[rule.step]]".into()),
        _ if KEYS.contains(&key) => {
            Some(format!("`{key}` is a key of the rule: write [rule.{key}]"))
        }
        _ if match_keys().iter().any(|known| known == key) => Some(format!(
            "`{key}` belongs in `match`: match = {{ {key} = … }}"
        )),
        _ => step_named(key)
            .map(|step| format!("`{key}` is a step: step = {{ {} }}", step.example())),
    }
}
