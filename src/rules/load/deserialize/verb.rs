//! A step: a table with one verb, and other keys that belong to it.

use super::*;
use crate::nearest::nearest;
use crate::rules::load::schema::{StepKeys, step_keys};

pub(super) struct Verb<'r, 'f, 't> {
    node: Node<'r, 'f, 't>,
    table: &'t DeTable<'t>,
    name: &'t str,
    value: &'t Value<'t>,
}

impl<'r, 'f, 't> Verb<'r, 'f, 't> {
    /// The one verb of a table.
    pub(super) fn find(node: Node<'r, 'f, 't>, verbs: &[&str]) -> Result<Self, Failure> {
        let DeValue::Table(table) = node.alone() else {
            return Err(Failure::of(no_table(node.value.get_ref(), verbs)));
        };
        let mut keys: Vec<(&'t str, Range<usize>, &'t Value<'t>)> = table
            .iter()
            .map(|(key, value)| (&**key.get_ref(), key.span(), value))
            .collect();
        keys.sort_by_key(|(_, span, _)| span.start);
        let mut named = keys.iter().filter(|(key, ..)| verbs.contains(key));
        let Some((name, span, value)) = named.next() else {
            return Err(Failure::of(no_verb(&keys, verbs)));
        };
        if let Some((second, at, _)) = named.next() {
            let report = node.reading.report.borrow();
            let text = report.text().get(node.value.span().start..);
            let remedy = match text.is_some_and(|text| text.starts_with('{')) {
                true => format!(
                    "write a list, which runs in order: step = [{{ {name} = … }}, {{ {second} = … }}]"
                ),
                false => "write another [[rule.step]] in front of it: steps run in order".into(),
            };
            let title = format!("`{second}` stands in the step of `{name}`");
            let mistake = Mistake::new(title).at(at.clone()).label("a second verb");
            return Err(Failure::of(
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

    /// `verb = true`: there is nothing else such a verb could be.
    fn switch(&self) -> Result<(), Failure> {
        if self.value.get_ref().as_bool() == Some(true) {
            return Ok(());
        }
        let mistake = Mistake::new(format!("`{KEY}` is written {KEY} = true"));
        let mistake = mistake.help("leave the step out if it is not to run");
        Err(self.wrong(Failure::of(mistake)))
    }

    /// Places a mistake at the value of the verb.
    fn wrong(&self, error: Failure) -> Failure {
        match error {
            Failure::Mistake(mistake) => {
                let mut mistake = mistake.with_kind(self.value.get_ref());
                if let DeValue::Table(table) = self.value.get_ref() {
                    mistake = mistake.inside(table);
                }
                let span = self.value.span();
                Failure::of(
                    mistake
                        .named(self.name)
                        .inside(self.table)
                        .in_key(self.name, span),
                )
            }
            other => other,
        }
    }
}

impl<'t> EnumAccess<'t> for Verb<'_, '_, 't> {
    type Error = Failure;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'t>>(self, seed: S) -> Result<(S::Value, Self), Failure> {
        let name: BorrowedStrDeserializer<'t, Failure> = BorrowedStrDeserializer::new(self.name);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'t> VariantAccess<'t> for Verb<'_, '_, 't> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        self.node.refuse_other_keys(STEP, self.table, &[self.name]);
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

/// The step that a text names at its beginning is shown as it is written.
fn no_table(found: &DeValue<'_>, verbs: &[&str]) -> Mistake {
    let word = found.as_str().unwrap_or_default();
    let word = word.split([' ', '=', ':']).next().unwrap_or_default();
    Mistake::new("a step is a table".into())
        .label(format!("this is {}", kind(found)))
        .help(written(closest(word, verbs).unwrap_or("set-status")))
}

/// How a step is written.
fn written(verb: &str) -> String {
    let step = step_keys().iter().find(|step| step.name == verb);
    let example = step.map(StepKeys::example).unwrap_or_default();
    format!("write step = {{ {example} }}")
}

const MOST: usize = 5;

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
        let shown = list(&verbs[..verbs.len().min(MOST)]);
        mistake = mistake.label(match verbs.len() > MOST {
            true => format!("`{option}` belongs to {shown} and others"),
            false if verbs.len() == 1 => format!("`{option}` belongs to {shown}"),
            false => format!("`{option}` belongs to one of {shown}"),
        });
    }
    mistake.help(format!("every step stands in {REFERENCE}"))
}

/// Words that look like verbs, and what does what they say.
const OTHER_WORDS: [(&str, &str); 1] = [(
    "fail",
    "`set-status` changes the Status of a command that was run, `refuse` keeps the command back and answers it",
)];

fn unknown(word: &str, span: Range<usize>, verbs: &[&str]) -> Mistake {
    let mut mistake = Mistake::new(format!("there is no step `{word}`")).at(span);
    mistake = mistake.label(match closest(word, verbs) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "not known here".into(),
    });
    let near = nearest(word, verbs, MOST);
    if let Some((_, meant)) = OTHER_WORDS.iter().find(|(other, _)| *other == word) {
        mistake = mistake.help(*meant);
    } else if near.len() > 1 {
        mistake = mistake.help(format!("the nearest are {}", list(&near)));
    }
    mistake.help(format!("every step stands in {REFERENCE}"))
}
