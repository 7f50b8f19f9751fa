//! A serde deserializer for the tree of a rule file, so that the types of rules define what may be written.
//!
//! A derived `Deserialize` stops at the first mistake. [`read`] reports it, leaves out the key, and reads the value
//! again, until there is no new mistake: so a mistake does not hide the next one. The types follow these conventions:
//!
//! ```text
//! name of a struct      the name of the table in messages: `a limit`
//! Vec<T>                one value, or a list of values that is not empty
//! field named ``        the value if it is not a table
//! enum over a text      one of its names
//! enum over a table     a step: the key that is a variant is its verb. A field named `=` is the verb's value,
//!                       the other fields are further keys; a variant without `=` is written `verb = true`
//! ```

mod entries;
mod keys;
mod verb;

use std::ops::Range;

use serde::de::value::{BorrowedStrDeserializer, MapDeserializer as EntriesOf};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use toml::de::{DeTable, DeValue};

use self::entries::{Elements, Entries};
pub(super) use self::keys::unknown_key;
use self::verb::Verb;
use super::left_out::LeftOut;
use super::report::{MOST_ERRORS, REFERENCE, Report, Value, integer};
use crate::nearest::closest;
use crate::rules::mistake::{KEY, Mistake, kind, list};
use crate::rules::step::STEP;
use crate::rules::value::{no_word, unknown_word};

/// Reads the value of `key`, without the parts that are left out already. Mistakes are reported, and left out of the
/// returned value.
pub(super) fn read<'t, T: Deserialize<'t>>(
    value: &'t Value<'t>,
    key: &'t str,
    mut left_out: LeftOut,
    report: &mut Report<'_>,
) -> (Option<T>, LeftOut) {
    let start = value.span().start;
    loop {
        let node = Node {
            value,
            key,
            step: None,
            left_out: &left_out,
        };
        let failure = match T::deserialize(node) {
            Ok(read) => return (Some(read), left_out),
            Err(failure) => failure,
        };
        let (wrong, mistake) = failure.leave_out(&node, start);
        if let Some(mistake) = mistake {
            report.mistake(mistake, value.span(), key);
        }
        if wrong == start || !left_out.0.insert(wrong) || left_out.0.len() > MOST_ERRORS {
            return (None, left_out);
        }
    }
}

/// The reason why a value cannot be read.
#[derive(Debug)]
enum Failure {
    /// A mistake in the value. If something inside was left out before, the mistake only follows from that.
    Mistake(Mistake),
    /// A key that is missing in the table.
    Missing(&'static str),
    /// A mistake that does not follow from what was left out; `None` if nothing else is wrong.
    Certain(Option<Mistake>),
    /// The start of a part that is left out, and its mistake; `None` if the mistake only follows from another.
    LeftOut(usize, Option<Mistake>),
}

impl Failure {
    /// Returns the start of the part to leave out, which is `start` if no other place is known, and the mistake to
    /// report.
    fn leave_out(self, node: &Node<'_, '_>, start: usize) -> (usize, Option<Mistake>) {
        let mistake = match self {
            Self::LeftOut(start, mistake) => return (start, mistake),
            Self::Certain(mistake) => mistake,
            Self::Mistake(_) | Self::Missing(_) if node.left_out.touches(node.value) => None,
            Self::Mistake(mistake) => Some(mistake),
            Self::Missing(field) => Some(Mistake::new(format!("`{KEY}` has no `{field}`"))),
        };
        let mistake = mistake.map(|mistake| mistake.under(node.key, node.value, None));
        (start, mistake)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a mistake in a rule file")
    }
}

impl std::error::Error for Failure {}

impl serde::de::Error for Failure {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Mistake(Mistake::from_text(&message.to_string()))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }

    fn invalid_type(_: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::Mistake(Mistake::new(format!("`{KEY}` must be {expected}")))
    }
}

/// A value of the TOML tree.
#[derive(Clone, Copy)]
struct Node<'r, 't> {
    value: &'t Value<'t>,
    /// The key of the value, or of the list that holds it.
    key: &'t str,
    /// The table of the step, if this is the value of its verb.
    step: Option<&'t Value<'t>>,
    /// The parts to skip.
    left_out: &'r LeftOut,
}

impl<'t> Node<'_, 't> {
    fn not_a(&self, wanted: &str) -> Failure {
        Failure::Mistake(Mistake::new(format!("`{KEY}` must be {wanted}")))
    }

    /// Returns the value. If it is the value of a verb, the step may not have other keys.
    fn alone(&self) -> Result<&'t DeValue<'t>, Failure> {
        if let Some(table) = self.step.and_then(|step| step.get_ref().as_table()) {
            self.refuse_other_keys(STEP, table, &[self.key])?;
        }
        Ok(self.value.get_ref())
    }

    fn text(&self) -> Result<&'t str, Failure> {
        let text = self.alone()?.as_str();
        text.ok_or_else(|| self.not_a("a text in quotes"))
    }

    fn integer<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        let number = match (integer(self.value), self.alone()?) {
            (Some(number), _) => number,
            (None, DeValue::Integer(written)) => {
                let mistake = Mistake::new(format!("`{KEY}` cannot be {}", written.as_str()));
                return Err(Failure::Mistake(mistake.label("this number is too large")));
            }
            (None, _) => return Err(self.not_a("a whole number")),
        };
        match u64::try_from(number) {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => visitor.visit_i64(number),
        }
    }

    /// Reads a table with these keys; `verb` is the key that is read as `=`.
    fn table<V: Visitor<'t>>(
        self,
        what: &str,
        table: &'t DeTable<'t>,
        fields: &'static [&'static str],
        verb: Option<&'t str>,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let hint = visitor_hint(&visitor);
        let fields = fields.iter().copied();
        let fields = fields.filter(|field| !["=", ""].contains(field));
        let known: Vec<&str> = verb.into_iter().chain(fields).collect();
        self.refuse_other_keys(what, table, &known)?;
        let read = visitor.visit_map(Entries::new(self, table, verb));
        read.map_err(|error| match error {
            Failure::Missing(field) => {
                Failure::Certain(self.missing(field, what, verb, hint.as_deref(), &known))
            }
            other => other,
        })
    }
}

/// Returns an example of the table under its key, if its type has one (`#[serde(expecting = …)]`).
fn visitor_hint<'t, V: Visitor<'t>>(visitor: &V) -> Option<String> {
    struct Expecting<'v, V>(&'v V);
    impl<'t, V: Visitor<'t>> std::fmt::Display for Expecting<'_, V> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.expecting(f)
        }
    }
    let text = Expecting(visitor).to_string();
    let (key, _) = text.split_once(" = ")?;
    Some(format!(
        "write {}",
        text.replace(&format!("{key} = "), &format!("{KEY} = "))
    ))
}

impl<'t> IntoDeserializer<'t, Failure> for Node<'_, 't> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'t> Deserializer<'t> for Node<'_, 't> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.alone()? {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Integer(written) if written.radix() != 10 => match integer(self.value) {
                Some(number) => visitor.visit_i128(number.into()),
                None => self.integer(visitor),
            },
            DeValue::Integer(_) => self.integer(visitor),
            DeValue::Float(_) => self.deserialize_f64(visitor),
            DeValue::Boolean(truth) => visitor.visit_bool(*truth),
            DeValue::Datetime(_) => visitor.visit_unit(),
            DeValue::Array(values) => visitor.visit_seq(Elements {
                values: values.iter().collect::<Vec<_>>().into_iter(),
                list: self,
            }),
            DeValue::Table(table) => visitor.visit_map(Entries::new(self, table, None)),
        }
    }

    fn deserialize_bool<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        let truth = self.alone()?.as_bool();
        visitor.visit_bool(truth.ok_or_else(|| self.not_a("true or false"))?)
    }

    fn deserialize_i64<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.integer(visitor)
    }

    fn deserialize_u64<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.integer(visitor)
    }

    fn deserialize_f64<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        let written = match self.alone()? {
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Integer(number) => number.as_str().to_owned(),
            _ => return Err(self.not_a("a number such as 0.3")),
        };
        let number = written.replace('_', "").parse().ok();
        visitor.visit_f64(number.ok_or_else(|| self.not_a("a number such as 0.3"))?)
    }

    fn deserialize_str<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        let elements = match self.alone()? {
            DeValue::Array(values) if values.is_empty() => {
                if self.key == "step" {
                    let mistake = Mistake::new("this rule does nothing".into());
                    return Err(Failure::Mistake(mistake.label("it has no step")));
                }
                let mistake = Mistake::new(format!("the list of `{KEY}` is empty"));
                return Err(Failure::Mistake(
                    mistake.help(format!("leave `{KEY}` out to match anything")),
                ));
            }
            DeValue::Array(values) => values.iter().collect(),
            _ => vec![self.value],
        };
        visitor.visit_seq(Elements {
            values: elements.into_iter(),
            list: Self { step: None, ..self },
        })
    }

    fn deserialize_map<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.alone()? {
            DeValue::Table(table) => visitor.visit_map(Entries::new(self, table, None)),
            _ => Err(self.not_a("a table")),
        }
    }

    fn deserialize_struct<V: Visitor<'t>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if let Some(step) = self.step.filter(|_| fields.contains(&"="))
            && let Some(table) = step.get_ref().as_table()
        {
            let (value, verb) = (step, Some(self.key));
            let step = Self {
                value,
                step: None,
                ..self
            };
            return step.table(STEP, table, fields, verb, visitor);
        }
        match self.alone()? {
            DeValue::Table(table) => self.table(name, table, fields, None, visitor),
            _ if fields.contains(&"") => {
                let value = EntriesOf::new(std::iter::once(("", self)));
                visitor.visit_map(value)
            }
            other => {
                let title = match other {
                    DeValue::Array(_) => format!("`{KEY}` is one table"),
                    _ if name.starts_with('`') => format!("`{KEY}` is a table"),
                    _ => format!("{name} is a table"),
                };
                let mistake = Mistake::new(title).label(format!("this is {}", kind(other)));
                Err(Failure::Mistake(match visitor_hint(&visitor) {
                    Some(hint) => mistake.help(hint),
                    None => mistake,
                }))
            }
        }
    }

    fn deserialize_enum<V: Visitor<'t>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name == STEP {
            return visitor.visit_enum(Verb::find(self, variants)?);
        }
        match self.alone()?.as_str() {
            Some(word) if variants.contains(&word) => {
                visitor.visit_enum(BorrowedStrDeserializer::new(word))
            }
            Some(word) => Err(Failure::Mistake(unknown_word(word, variants))),
            None => Err(Failure::Mistake(no_word(
                kind(self.value.get_ref()),
                variants,
            ))),
        }
    }

    forward_to_deserialize_any! {
        <W: Visitor<'t>>
        i8 i16 i32 i128 u8 u16 u32 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
        ignored_any
    }
}
