//! Steps: tables with one verb, and other keys that belong to it.

use super::*;
use crate::nearest::nearest;
use crate::rules::load::schema::{StepKeys, step_keys, step_named};

pub(super) struct Verb<'r, 't> {
    node: Node<'r, 't>,
    table: &'t DeTable<'t>,
    name: &'t str,
    value: &'t Value<'t>,
}

impl<'r, 't> Verb<'r, 't> {
    /// Finds the only verb of a table.
    pub(super) fn find(node: Node<'r, 't>, verbs: &[&str]) -> Result<Self, Failure> {
        let DeValue::Table(table) = node.value.get_ref() else {
            return Err(Failure::Mistake(no_table(node.value.get_ref(), verbs)));
        };
        let mut keys: Vec<(&'t str, Range<usize>, &'t Value<'t>)> = table
            .iter()
            .map(|(key, value)| (&**key.get_ref(), key.span(), value))
            .collect();
        keys.sort_by_key(|(_, span, _)| span.start);
        let mut named = keys.iter().filter(|(key, ..)| verbs.contains(key));
        let Some((name, span, value)) = named.next() else {
            return Err(Failure::Mistake(no_verb(&keys, verbs)));
        };
        if let Some((second, at, _)) = named.next() {
            let is_inline = node.value.span().contains(&at.start);
            let remedy = match is_inline {
                true => format!(
                    "write a list, which runs in order: step = [{{ {name} = … }}, {{ {second} = … }}]"
                ),
                false => "write another [[rule.step]] in front of it: steps run in order".into(),
            };
            let title = format!("`{second}` stands in the step of `{name}`");
            let mistake = Mistake::new(title).at(at.clone()).label("a second verb");
            return Err(Failure::Mistake(
                mistake.also(span.clone(), "the first").help(remedy),
            ));
        }
        Ok(Self {
            node,
            table,
            name,
            value,
        })
    }

    /// Checks that the verb is written `verb = true`; such a verb has no other value.
    fn switch(&self) -> Result<(), Failure> {
        if self.value.get_ref().as_bool() == Some(true) {
            return Ok(());
        }
        let mistake = Mistake::only_true("leave the step out if it is not to run");
        Err(self.wrong(Failure::Mistake(mistake)))
    }

    /// Points a mistake at the value of the verb.
    fn wrong(&self, error: Failure) -> Failure {
        let place = |mistake: Mistake| mistake.under(self.name, self.value, Some(self.table));
        match error {
            Failure::Mistake(mistake) => Failure::Mistake(place(mistake)),
            Failure::Certain(mistake) => Failure::Certain(mistake.map(place)),
            other => other,
        }
    }
}

impl<'t> EnumAccess<'t> for Verb<'_, 't> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'t>>(self, seed: S) -> Result<(S::Value, Self), Failure> {
        let name: BorrowedStrDeserializer<'t, Failure> = BorrowedStrDeserializer::new(self.name);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'t> VariantAccess<'t> for Verb<'_, 't> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        self.node
            .refuse_other_keys(STEP, self.table, &[self.name])?;
        self.switch()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'t>>(self, seed: S) -> Result<S::Value, Failure> {
        let read = seed.deserialize(Node {
            value: self.value,
            key: self.name,
            step: Some(self.node.value),
            ..self.node
        });
        read.map_err(|error| self.wrong(error))
    }

    fn tuple_variant<V: Visitor<'t>>(self, _: usize, _: V) -> Result<V::Value, Failure> {
        Err(Failure::custom("no step is a tuple"))
    }

    fn struct_variant<V: Visitor<'t>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if !fields.contains(&"=") {
            self.switch()?;
        }
        let name = Some(self.name);
        self.node.table(STEP, self.table, fields, name, visitor)
    }
}

/// Returns the mistake of a step that is not a table. If it is a text that begins with a verb, shows how that step is
/// written.
fn no_table(found: &DeValue<'_>, verbs: &[&str]) -> Mistake {
    let word = found.as_str().unwrap_or_default();
    let word = word.split([' ', '=', ':']).next().unwrap_or_default();
    Mistake::new("a step is a table".into())
        .label(format!("this is {}", kind(found)))
        .help(written(closest(word, verbs).unwrap_or(verbs[0])))
}

/// Returns the remedy with an example of a step.
fn written(verb: &str) -> String {
    let example = step_named(verb).map(StepKeys::example).unwrap_or_default();
    format!("write step = {{ {example} }}")
}

const MAX_SUGGESTIONS: usize = 5;

fn no_verb(keys: &[(&str, Range<usize>, &Value<'_>)], verbs: &[&str]) -> Mistake {
    let with = |key: &str| -> Vec<&str> {
        let has = |options: &[String]| options.iter().any(|option| option == key);
        let verbs = step_keys().iter().filter(|verb| has(&verb.options));
        verbs.map(|verb| &*verb.name).collect()
    };
    if let Some((word, span, value)) = keys.iter().find(|(key, ..)| with(key).is_empty()) {
        let named = value.get_ref().as_str().filter(|text| verbs.contains(text));
        let mistake = unknown(word, span.clone(), verbs);
        return match named {
            Some(verb) => mistake.help(written(verb)),
            None => mistake,
        };
    }
    let mut mistake = Mistake::new("this step has no verb".into());
    if let Some((option, ..)) = keys.first() {
        let verbs = with(option);
        let shown = list(&verbs[..verbs.len().min(MAX_SUGGESTIONS)]);
        mistake = mistake.label(match verbs.len() > MAX_SUGGESTIONS {
            true => format!("`{option}` belongs to {shown} and others"),
            false if verbs.len() == 1 => format!("`{option}` belongs to {shown}"),
            false => format!("`{option}` belongs to one of {shown}"),
        });
    }
    mistake.help(format!("every step stands in {REFERENCE}"))
}

/// The remedy for `fail`, which looks like a verb.
const FAIL: &str = "`set-status` changes the Status of a command that was run, `refuse` keeps the command back and answers it";

fn unknown(word: &str, span: Range<usize>, verbs: &[&str]) -> Mistake {
    let title = format!("there is no step `{word}`");
    let mut mistake = Mistake::new(title).at(span).suggest(word, verbs);
    let near = nearest(word, verbs, MAX_SUGGESTIONS);
    if word == "fail" {
        mistake = mistake.help(FAIL);
    } else if near.len() > 1 {
        mistake = mistake.help(format!("the nearest are {}", list(&near)));
    }
    mistake.help(format!("every step stands in {REFERENCE}"))
}
