//! Values that are one of a few words.

use super::{Scalar, any_form, wrong};
use crate::dm::{CommandKind, Dialect};
use crate::flow::{CertificateDefect, TlsAlert, TlsVersion};
use crate::rules::mistake::{KEY, Mistake, list};

/// Implements `Deserialize` and `JsonSchema` for types whose values have names in rule files, from all names with their
/// values.
macro_rules! named {
    ($($type:ty: $all:expr;)*) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let all: Vec<(&'static str, Self)> = $all;
                let value = $crate::rules::value::Scalar::deserialize(deserializer)?;
                $crate::rules::value::named_by(value, &all).map_err(serde::de::Error::custom)
            }
        }

        $crate::rules::value::described!([] $type, |_| {
            let all: Vec<(&'static str, Self)> = $all;
            let names: Vec<&str> = all.into_iter().map(|(name, _)| name).collect();
            schemars::json_schema!({"enum": names})
        });
    )*};
}
pub(in crate::rules) use named;

named! {
    CertificateDefect: Self::ALL.to_vec();
    TlsVersion: Self::ALL.to_vec();
    TlsAlert: Self::ALL.to_vec();
    CommandKind: Self::all().map(|kind| (kind.name(), kind)).collect();
    Dialect: [Self::SyncMl, Self::Soap, Self::Provisioning, Self::Other].map(|d| (d.name(), d)).to_vec();
}

pub(in crate::rules) fn unknown_word(word: &str, names: &[&str]) -> Mistake {
    wrong(format!("`{KEY}` cannot be `{word}`"))
        .suggest(word, names)
        .help(format!("write one of {}", list(names)))
}

/// Returns the mistake of a value that is not a text, where one of a few words is required.
pub(in crate::rules) fn no_word(found: &str, names: &[&str]) -> Mistake {
    wrong(format!("`{KEY}` must be a text in quotes"))
        .label(format!("this is {found}"))
        .help(format!("write one of {}", list(names)))
}

/// Returns the value with the name that a rule file has; `all` are the names with their values.
pub(in crate::rules) fn named_by<T: Copy>(value: Scalar, all: &[(&str, T)]) -> Result<T, Mistake> {
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let word = match value {
        Scalar::Text(word) => word,
        other => return Err(no_word(other.kind(), &names)),
    };
    let found = all.iter().find(|(name, _)| *name == word);
    found.map(|(_, found)| *found).ok_or_else(|| match &*word {
        "1.0" | "1.1" if names == ["1.2", "1.3"] => wrong(format!(
            "dmtap does not speak TLS {word}"
        ))
        .label("1.2 and 1.3 are what it speaks")
        .help(
            "to end the handshake as an older server does: handshake-alert = \"protocol_version\"",
        ),
        _ => unknown_word(&word, &names),
    })
}

/// The value `true`; to switch the key off, leave it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct True;

any_form!(
    True,
    |value| match value {
        Scalar::Truth(true) => Ok(Self),
        _ => Err(Mistake::only_true(format!("leave `{KEY}` out if it is not to hold"))),
    },
    {"const": true}
);
