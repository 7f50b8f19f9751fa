//! Numbers within bounds, and ranges of numbers.

use std::ops::RangeInclusive;

use schemars::json_schema;
use serde::{Deserialize, Deserializer, de::Error};

use super::{Scalar, described, wrong};
use crate::rules::mistake::{KEY, Mistake};

/// A whole number from `LEAST` to `MOST`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within<const LEAST: u64, const MOST: u64>(pub u64);

impl<const LEAST: u64, const MOST: u64> Within<LEAST, MOST> {
    pub(in crate::rules) fn new(number: i64) -> Result<Self, Mistake> {
        let fits = u64::try_from(number).ok();
        let fits = fits.filter(|number| (LEAST..=MOST).contains(number));
        fits.map(Self).ok_or_else(|| {
            wrong(format!("`{KEY}` cannot be {number}")).label(format!("from {LEAST} to {MOST}"))
        })
    }
}

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Within<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(i64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

described!([const LEAST: u64, const MOST: u64] Within<LEAST, MOST>, |_| json_schema!({"type": "integer", "minimum": LEAST, "maximum": MOST}));

/// A whole number other than 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotZero(pub i64);

super::any_form!(
    NotZero,
    |value| match value {
        Scalar::Number { value: by @ (..=-1 | 1..), .. } => Ok(Self(by)),
        _ => Err(wrong(format!("`{KEY}` says by how many bytes, and not 0"))
            .help(format!("{KEY} = 1 announces one byte more than comes, -1 one less"))),
    },
    {"type": "integer", "not": {"const": 0}}
);

/// A number of at least `LEAST`, or a range such as `"2..4"`, which includes both ends.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Scalar")]
pub struct NumberRange<const LEAST: u64>(pub RangeInclusive<u64>);

impl<const LEAST: u64> TryFrom<Scalar> for NumberRange<LEAST> {
    type Error = Mistake;

    fn try_from(value: Scalar) -> Result<Self, Mistake> {
        match value {
            Scalar::Text(text) => Self::parse(&text),
            Scalar::Number { value: 0, .. } if LEAST == 1 => {
                Err(wrong(format!("no {KEY} has the number 0"))
                    .label(format!("the first {KEY} has the number 1"))
                    .help(format!("write {KEY} = 1, or a range such as \"2..\"")))
            }
            Scalar::Number { value, .. } => {
                let number = Within::<LEAST, { u32::MAX as u64 }>::new(value)?;
                Ok(Self(number.0..=number.0))
            }
            other => Err(wrong(format!("`{KEY}` must be a whole number"))
                .label(format!("this is {}", other.kind()))),
        }
    }
}

impl<const LEAST: u64> NumberRange<LEAST> {
    fn parse(text: &str) -> Result<Self, Mistake> {
        let end = |text: &str, open: u64| match text.trim() {
            "" => Some(open),
            digits => digits.parse().ok(),
        };
        let ends = text.split_once("..").and_then(|(first, last)| {
            let ends = (end(first, LEAST)?, end(last, u64::MAX)?);
            (text.trim() != "..").then_some(ends)
        });
        let Some((first, last)) = ends else {
            return Err(
                wrong(format!("`{text}` is not a range of numbers")).help(format!(
                    "write {KEY} = 2, \"2..4\" (2, 3 and 4), \"2..\" or \"..4\""
                )),
            );
        };
        if first > last || last < LEAST {
            return Err(wrong(format!("no number is in `{text}`"))
                .label(format!("from {LEAST} on, the smaller one first")));
        }
        Ok(Self(first..=last))
    }
}

described!([const LEAST: u64] NumberRange<LEAST>, |_| {
    json_schema!({"anyOf": [
        {"type": "integer", "minimum": LEAST, "maximum": u32::MAX},
        {"type": "string", "pattern": "^\\s*([0-9]+\\s*\\.\\.\\s*[0-9]*|\\.\\.\\s*[0-9]+)\\s*$"},
    ]})
});
