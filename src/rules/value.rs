//! Values of rule files: how each is written, what is wrong with one that is not, and how the schema describes it.

mod address;
mod amount;
mod code;
mod number;
mod text;
mod word;

pub use address::Listener;
pub use amount::{ByteCount, Pause, Rate, RetryAfter, Time};
pub(in crate::rules) use code::MEANT;
pub use code::{Alert, Among, Code, CodeRange, Http, SyncMl};
pub use number::{NotZero, NumberRange, Within};
pub use text::{
    AnyFieldName, AttributeName, CmdId, CommandXml, FieldName, HeaderText, Hexadecimal, HostName,
    MediaType, Part, PathGlob, Pattern, Plain, PlainText, QueryGlob, ServerName, TextPattern,
    XmlTemplate,
};
pub(in crate::rules) use word::unknown_word;
pub use word::{Named, OneOf, True};

use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;

use super::mistake::{KEY, Mistake};

/// Describes a type where it stands, with an expression that may use the generator of the schema.
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

/// Makes a type one that is read from a text, with a function from the text, and described by a schema.
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

/// Describes a type by the table that it is read from.
macro_rules! schema_of_table {
    ($type:ty, $table:ty $(, $parameter:ident)?) => {
        impl$(<$parameter: schemars::JsonSchema>)? schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                <$table as schemars::JsonSchema>::schema_name()
            }

            fn schema_id() -> std::borrow::Cow<'static, str> {
                <$table as schemars::JsonSchema>::schema_id()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                <$table as schemars::JsonSchema>::json_schema(generator)
            }
        }
    };
}
pub(super) use schema_of_table;

/// Reads a value from a text.
pub(super) fn from_text<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Mistake> {
    let text: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    T::deserialize(text).map_err(|error| Mistake::from_text(&error.to_string()))
}

/// A value of any form: a text, a number, or true or false.
#[derive(Clone, Debug)]
pub(super) enum Scalar {
    Text(String),
    Number(i64),
    Truth(bool),
    /// A number with a fraction, which no key takes.
    Fraction,
}

impl Scalar {
    pub(super) fn text(self) -> Result<String, Mistake> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Number(number) => Ok(number.to_string()),
            Self::Truth(truth) => Ok(truth.to_string()),
            Self::Fraction => Err(wrong(format!("`{KEY}` must be a text in quotes"))),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Scalar {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl serde::de::Visitor<'_> for Any {
            type Value = Scalar;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text in quotes")
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Scalar, E> {
                i64::try_from(number).map(Scalar::Number).map_err(E::custom)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
                Ok(Scalar::Fraction)
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Scalar, E> {
                Ok(Scalar::Truth(truth))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Makes a type one that is read from a value of any form.
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
