//! Values of rule files: how each is written, the error for an invalid one, and its schema.

mod address;
mod amount;
mod code;
mod number;
mod text;
mod word;

pub use address::{Listener, Net};
pub use amount::{ByteCount, Pause, Rate, RetryAfter, Time};
pub(in crate::rules) use code::MEANT;
pub use code::{Alert, Among, Code, CodeRange, Http, SyncMl};
pub use number::{NotZero, NumberRange, Within};
pub use text::{
    AnyFieldName, AttributeName, CmdId, CommandXml, FieldName, HeaderText, Hexadecimal, HostName,
    MediaType, PathGlob, Pattern, Plain, PlainText, QueryGlob, SearchText, ServerName, TextPattern,
    XmlTemplate,
};
pub(in crate::rules) use text::{as_glob, is_regex};
pub use word::True;
pub(in crate::rules) use word::{named, named_by, no_word, unknown_word};

use serde::de::value::StrDeserializer;
use serde::de::{IntoDeserializer, MapAccess, SeqAccess};

use super::mistake::{KEY, Mistake};

/// Implements `JsonSchema` for a type, inline, with an expression that may use the schema generator.
macro_rules! described {
    ([$($generics:tt)*] $type:ty, |$generator:tt| $schema:expr) => {
        impl<$($generics)*> schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                std::any::type_name::<Self>().into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema($generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
}
pub(super) use described;

/// Converts the schema of a table with a field named `` to the value of that field, or the table without it.
pub(super) fn plain_or_table(schema: &mut schemars::Schema) {
    let properties = schema.pointer_mut("/properties");
    let plain = properties.and_then(|properties| properties.as_object_mut()?.remove(""));
    *schema = schemars::json_schema!({"anyOf": [plain, schema]});
}

/// Implements `Deserialize` for a type that a function parses from a text, and `JsonSchema` with the given schema.
macro_rules! written {
    ($type:ty, $parse:expr, $schema:tt) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                let parse: fn(&str) -> Result<Self, $crate::rules::mistake::Mistake> = $parse;
                parse(&text).map_err(serde::de::Error::custom)
            }
        }

        $crate::rules::value::described!([] $type, |_| schemars::json_schema!($schema));
    };
}
pub(super) use written;

/// Parses a value from a text.
pub(super) fn from_text<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Mistake> {
    let text: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    T::deserialize(text).map_err(|error| Mistake::from_text(&error.to_string()))
}

/// A value of any TOML type.
#[derive(Clone, Debug)]
pub(super) enum Scalar {
    Text(String),
    /// A whole number. If it is not written in base ten, it does not read as the text of its value.
    Number {
        value: i64,
        is_decimal: bool,
    },
    Truth(bool),
    /// Any other value, by its kind; no key accepts it.
    Other(&'static str),
}

impl Scalar {
    pub(super) fn text(self) -> Result<String, Mistake> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Number {
                value,
                is_decimal: true,
            } => Ok(value.to_string()),
            Self::Truth(truth) => Ok(truth.to_string()),
            Self::Number { .. } | Self::Other(_) => {
                Err(wrong(format!("`{KEY}` must be a text in quotes"))
                    .label(format!("this is {}", self.kind())))
            }
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Number { .. } => "a whole number",
            Self::Truth(_) => "true or false",
            Self::Other(kind) => kind,
        }
    }
}

impl<'de> serde::Deserialize<'de> for Scalar {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> serde::de::Visitor<'de> for Any {
            type Value = Scalar;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text in quotes")
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                let is_decimal = true;
                Ok(Scalar::Number { value, is_decimal })
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Scalar, E> {
                self.visit_i64(i64::try_from(number).map_err(E::custom)?)
            }

            fn visit_i128<E: serde::de::Error>(self, number: i128) -> Result<Scalar, E> {
                let (value, is_decimal) = (i64::try_from(number).map_err(E::custom)?, false);
                Ok(Scalar::Number { value, is_decimal })
            }

            fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
                Ok(Scalar::Other("a number with a fraction"))
            }

            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar::Other("a date or time"))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Scalar, A::Error> {
                Ok(Scalar::Other("a list"))
            }

            fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Scalar, A::Error> {
                Ok(Scalar::Other("a table"))
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Scalar, E> {
                Ok(Scalar::Truth(truth))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Implements `Deserialize` for a type that a function parses from a value of any TOML type, and `JsonSchema`.
macro_rules! any_form {
    ($type:ty, $parse:expr, $schema:tt) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = $crate::rules::value::Scalar::deserialize(deserializer)?;
                let parse: fn(
                    $crate::rules::value::Scalar,
                ) -> Result<Self, $crate::rules::mistake::Mistake> = $parse;
                parse(value).map_err(serde::de::Error::custom)
            }
        }

        $crate::rules::value::described!([] $type, |_| schemars::json_schema!($schema));
    };
}
pub(super) use any_form;

fn wrong(title: impl Into<String>) -> Mistake {
    Mistake::new(title.into())
}
