//! Status codes: assigned codes as numbers, any other code with `force`.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{Scalar, described, wrong};
use crate::dm::{AlertCode, StatusCode};
use crate::rules::mistake::{KEY, Mistake, list};

/// A family of codes.
pub trait Family: Copy + std::fmt::Debug + PartialEq + Eq + 'static {
    /// The standard that has the codes, for messages.
    const WHAT: &'static str;
    /// The name of a code, for messages.
    const CALLED: &'static str;
    /// The description of a code in the schema.
    const MEANS: &'static str;
    /// The range of the codes that may have a name.
    const CODES: RangeInclusive<u16>;

    fn name(code: u16) -> Option<&'static str>;

    /// Returns the greatest code that `force` allows.
    fn forced() -> u16 {
        (*Self::CODES.end()).max(999)
    }

    fn assigned() -> impl Iterator<Item = (u16, &'static str)> {
        Self::CODES.filter_map(|code| Some((code, Self::name(code)?)))
    }
}

/// The codes of a SyncML Status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncMl;

impl Family for SyncMl {
    const WHAT: &'static str = "SyncML";
    const CALLED: &'static str = "status code";
    const MEANS: &'static str =
        "A SyncML status code that has a name; write others as a table with `force`.";
    const CODES: RangeInclusive<u16> = 100..=599;

    fn name(code: u16) -> Option<&'static str> {
        StatusCode(code).name()
    }
}

/// The codes of an HTTP response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http;

impl Family for Http {
    const WHAT: &'static str = "HTTP";
    const CALLED: &'static str = "status code";
    const MEANS: &'static str =
        "An HTTP status code that has a name; write others as a table with `force`.";
    const CODES: RangeInclusive<u16> = 200..=599;

    fn name(code: u16) -> Option<&'static str> {
        http::StatusCode::from_u16(code).ok()?.canonical_reason()
    }
}

/// The codes of an Alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert;

impl Family for Alert {
    const WHAT: &'static str = "OMA DM";
    const CALLED: &'static str = "alert code";
    const MEANS: &'static str =
        "An Alert code that has a name; write others as a table with `force`.";
    const CODES: RangeInclusive<u16> = 100..=1999;

    fn name(code: u16) -> Option<&'static str> {
        AlertCode(code).name()
    }
}

/// A code: a number with a name, or `{ code = …, force = true }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "CodeTable", bound = "F: Family")]
pub struct Code<F>(u16, PhantomData<F>);

/// A code, or a class of codes such as `"2xx"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "CodeTable", bound = "F: Family")]
pub struct CodeRange<F>(pub RangeInclusive<u16>, PhantomData<F>);

/// A code that no standard defines, used on purpose.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "a code", deny_unknown_fields)]
#[schemars(rename = "code")]
pub(in crate::rules) struct CodeTable {
    #[serde(rename = "")]
    #[schemars(skip)]
    plain: Option<Scalar>,
    /// The code: at most 999, for an Alert at most 1999.
    #[schemars(required, range(min = 100, max = 1999), extend("examples" = [599]))]
    code: Option<i64>,
    /// Accepts a code that no standard defines.
    #[schemars(extend("examples" = [true]))]
    force: Option<bool>,
}

/// The classes of a hundred codes, for matchers.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The beginning of the remedy for an unassigned code; the table with `force` follows it.
pub(in crate::rules) const MEANT: &str = "to mean it all the same";

impl<F: Family> TryFrom<CodeTable> for Code<F> {
    type Error = Mistake;

    fn try_from(table: CodeTable) -> Result<Self, Mistake> {
        match (table.plain, table.code, table.force) {
            (Some(Scalar::Number { value, .. }), ..) => Self::known(value),
            (Some(_), ..) => Err(wrong(format!("`{KEY}` must be a number such as 500"))),
            (None, Some(code), Some(true)) => Self::forced(code),
            (None, Some(code), _) => Self::known(code),
            (None, None, _) => Err(wrong(format!("`{KEY}` has no code"))
                .help(format!("{KEY} = {{ code = 599, force = true }}"))),
        }
    }
}

impl<F: Family> Code<F> {
    /// Creates a code that need not be assigned.
    fn forced(number: i64) -> Result<Self, Mistake> {
        let (least, most) = (*F::CODES.start(), F::forced());
        let code = u16::try_from(number).ok();
        let code = code.filter(|code| (least..=most).contains(code));
        code.map(|code| Self(code, PhantomData)).ok_or_else(|| {
            wrong(format!("`code` cannot be {number}"))
                .at_value("code")
                .label(format!("from {least} to {most}"))
        })
    }

    /// Creates an assigned code.
    pub(in crate::rules) fn known(number: i64) -> Result<Self, Mistake> {
        if F::WHAT == SyncMl::WHAT && number > i64::from(u16::MAX) {
            let title = format!("{number:#010x} is a result of Windows, no {}", F::CALLED);
            return Err(wrong(title).at_value("code").help(format!(
                "write {KEY} = 500, and for what Windows met a second step: \
                 set-attribute = \"msft:originalerror\", value = \"{number:#010x}\", at = \"Data\""
            )));
        }
        let code = u16::try_from(number).unwrap_or(u16::MAX);
        if F::CODES.contains(&code) && F::name(code).is_some() {
            return Ok(Self(code, PhantomData));
        }
        let mistake = wrong(format!("{} has no {} {number}", F::WHAT, F::CALLED))
            .at_value("code")
            .label("no code of this number is assigned")
            .help(format!("near it are {}", near::<F>(code)));
        let forced = (*F::CODES.start()).into()..=F::forced().into();
        Err(match forced.contains(&number) {
            true => mistake.help(format!(
                "{MEANT}: {KEY} = {{ code = {number}, force = true }}"
            )),
            false => mistake,
        })
    }
}

impl Code<SyncMl> {
    /// Returns the code of a Status.
    pub fn status(self) -> StatusCode {
        StatusCode(self.0)
    }
}

impl Code<Http> {
    /// Returns the status of a response.
    pub fn http(self) -> http::StatusCode {
        // The code is from 100 to 999, which are all codes of HTTP.
        http::StatusCode::from_u16(self.0).unwrap_or_default()
    }
}

/// Names the three assigned codes nearest to a number.
fn near<F: Family>(code: u16) -> String {
    let mut all: Vec<_> = F::assigned().collect();
    all.sort_by_key(|(near, _)| near.abs_diff(code));
    all.truncate(3);
    all.sort_unstable();
    let named: Vec<String> = all
        .iter()
        .map(|(code, name)| format!("{code} {name}"))
        .collect();
    named.join(", ")
}

impl<F> CodeRange<F> {
    /// Creates the range of these codes.
    pub fn of(codes: RangeInclusive<u16>) -> Self {
        Self(codes, PhantomData)
    }
}

impl<F: Family> TryFrom<CodeTable> for CodeRange<F> {
    type Error = Mistake;

    fn try_from(table: CodeTable) -> Result<Self, Mistake> {
        let Some(Scalar::Text(class)) = &table.plain else {
            let code = Code::<F>::try_from(table)?.0;
            return Ok(Self::of(code..=code));
        };
        if let Some(at) = CLASSES.iter().position(|c| c.eq_ignore_ascii_case(class)) {
            let first = 100 * (at as u16 + 1);
            return Ok(Self::of(first..=first + 99));
        }
        let mistake = wrong(format!("`{class}` is not a class of codes")).label("not known here");
        let classes = list(&CLASSES);
        Err(mistake.help(match F::CODES.end() {
            // Classes are for codes of three digits.
            1000.. => format!("write a number such as {KEY} = 1226"),
            _ => format!("write a number such as {KEY} = 404, or one of {classes}"),
        }))
    }
}

impl<F: Family> JsonSchema for Code<F> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}-{}", F::WHAT, F::CALLED)
            .to_ascii_lowercase()
            .replace(' ', "-")
            .into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (codes, names): (Vec<u16>, Vec<&str>) = F::assigned().unzip();
        let table = generator.subschema_for::<CodeTable>();
        json_schema!({
            "description": F::MEANS,
            "anyOf": [
                {"type": "integer", "enum": codes, "x-taplo": {"docs": {"enumValues": names}}},
                table,
            ]
        })
    }
}

described!([F: Family] CodeRange<F>, |generator| {
    let code = generator.subschema_for::<Code<F>>();
    json_schema!({"anyOf": [code, {"enum": CLASSES}, {"type": "string", "pattern": "^[1-5][xX][xX]$"}]})
});

/// One of a few codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Scalar")]
pub struct Among<const A: u16, const B: u16, const C: u16>(pub u16);

impl<const A: u16, const B: u16, const C: u16> TryFrom<Scalar> for Among<A, B, C> {
    type Error = Mistake;

    fn try_from(value: Scalar) -> Result<Self, Mistake> {
        let mut codes = vec![A, B, C];
        codes.dedup();
        if let Scalar::Number { value, .. } = value
            && let Some(code) = codes.iter().find(|code| i64::from(**code) == value)
        {
            return Ok(Self(*code));
        }
        let codes: Vec<String> = codes.iter().map(u16::to_string).collect();
        let mistake = wrong(format!("`{KEY}` must be one of {}", codes.join(", ")));
        Err(mistake.label(format!("`{KEY}` has only these codes")))
    }
}

described!([const A: u16, const B: u16, const C: u16] Among<A, B, C>, |_| {
    let mut codes = vec![A, B, C];
    codes.dedup();
    json_schema!({"type": "integer", "enum": codes})
});
