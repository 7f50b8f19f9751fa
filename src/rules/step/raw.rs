//! Steps that change the bytes of the body.

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use strum::{IntoStaticStr, VariantNames};

use crate::rules::mistake::{KEY, Mistake};
use crate::rules::template::Template;
use crate::rules::value::{Pattern, Scalar, Within, any_form, plain_or_table, written};

/// A change of the bytes of the body, after its content codings were undone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum RawStep {
    /// Replaces the body by a text, or by the content that a table names.
    #[schemars(extend("examples" = ["not found", {"file": "body.xml"}, {"base64": "AAEC"}]))]
    SetBody(NewBody),
    /// Replaces every match of a regular expression: in XML in the whole body, markup included; in WBXML in each text on its own, so that the body stays WBXML.
    #[schemars(extend("examples" = ["Contoso"]))]
    ReplaceText {
        /// The regular expression.
        #[serde(rename = "=")]
        pattern: Pattern,
        /// The replacement: `$1` is the first group, templates are allowed, and an empty text removes the match.
        #[schemars(extend("examples" = ["Fabrikam"]))]
        with: Template,
    },
    /// Inverts bits of the body, in one byte unless `length` is given.
    #[schemars(extend("examples" = [{"at": 120}]))]
    Flip(Flip),
    /// Cuts the body, with a fitting Content-Length: to this many bytes, to this percentage, or by this many bytes at the end if the number is negative.
    #[schemars(extend("examples" = [100, -1, "50%"]))]
    Truncate(Length),
}

/// A body, given as text, as a file or in base64.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "BodyTable")]
#[schemars(with = "BodyTable", rename = "body")]
pub struct NewBody {
    /// The content of the body.
    pub content: Content,
    /// The form in which the body is sent.
    pub form: Form,
}

/// The content of a new body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// This text.
    Text(Template),
    /// These bytes.
    Bytes(Bytes),
    /// A file, by its path relative to the rule file; loading replaces it by its bytes.
    File(String),
}

/// The form in which a new body is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// The bytes as they are.
    #[default]
    #[serde(rename = "is")]
    #[schemars(rename = "is")]
    AsIs,
    /// XML is converted to WBXML if the message is WBXML.
    Message,
}

/// A body, given as text, as a file or in base64.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "a body", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["text"]}, {"required": ["file"]}, {"required": ["base64"]}]), transform = plain_or_table)]
struct BodyTable {
    #[serde(rename = "")]
    plain: Option<Template>,
    /// The body as text; templates are allowed.
    #[schemars(extend("examples" = ["<SyncML/>"]))]
    text: Option<Template>,
    /// The file with the body; the path is relative to the rule file.
    #[schemars(extend("examples" = ["body.xml"]))]
    file: Option<String>,
    /// The body in base64.
    #[schemars(extend("examples" = ["AAEC"]))]
    base64: Option<Base64>,
    /// `message` converts XML to WBXML if the message is WBXML; `is`, the default, uses the bytes as they are.
    #[serde(rename = "as", default)]
    form: Form,
}

impl TryFrom<BodyTable> for NewBody {
    type Error = Mistake;

    fn try_from(table: BodyTable) -> Result<Self, Mistake> {
        let text = table.plain.or(table.text).map(Content::Text);
        let contents = [
            ("text", text),
            ("file", table.file.map(Content::File)),
            ("base64", table.base64.map(|bytes| Content::Bytes(bytes.0))),
        ];
        let mut contents = contents
            .into_iter()
            .filter_map(|(key, content)| Some((key, content?)));
        match (contents.next(), contents.next()) {
            (Some((_, content)), None) => Ok(Self {
                content,
                form: table.form,
            }),
            (None, _) => Err(Mistake::new("this body has no content".into())
                .help("set-body = { file = \"body.xml\" }, or `text`, or `base64`")),
            (Some((one, _)), Some((other, _))) => {
                Err(Mistake::new("this body has two contents".into())
                    .at_second_of([one, other])
                    .help("leave one of them out"))
            }
        }
    }
}

struct Base64(Bytes);

written!(
    Base64,
    |text| {
        let packed: String = text.split_ascii_whitespace().collect();
        let decoded = STANDARD.decode(packed).map(|bytes| Self(bytes.into()));
        decoded.map_err(|error| Mistake::new(format!("this is not base64: {}", no_base64(&error))))
    },
    {"type": "string"}
);

fn no_base64(error: &DecodeError) -> String {
    match error {
        DecodeError::InvalidByte(at, byte) => {
            let character = char::from(*byte).escape_default();
            format!("`{character}` stands at place {} of it", at + 1)
        }
        DecodeError::InvalidLength(length) => {
            format!("it has {length} characters, which is not a whole number of bytes")
        }
        DecodeError::InvalidLastSymbol { .. } => "its last character has too many bits".into(),
        DecodeError::InvalidPadding => {
            "the `=` at its end are too few, too many or misplaced".into()
        }
    }
}

/// The bits to invert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    rename = "`flip`",
    deny_unknown_fields,
    expecting = "flip = { at = 120 }; at = -1 is the last byte"
)]
#[schemars(rename = "flip")]
pub struct Flip {
    /// The first byte to invert, counted from 0; a negative number counts from the end: -1 is the last byte.
    #[schemars(extend("examples" = [120, -1]))]
    pub at: i64,
    /// The number of bytes; 1 by default.
    #[serde(default = "one")]
    #[schemars(extend("examples" = [2]))]
    pub length: Within<1, { u32::MAX as u64 }>,
    /// The bits to invert in each byte; 0xff, all of them, by default.
    #[serde(default = "all_bits")]
    #[schemars(extend("examples" = [1]))]
    pub mask: Within<1, 255>,
}

fn one() -> Within<1, { u32::MAX as u64 }> {
    Within(1)
}

fn all_bits() -> Within<1, 255> {
    Within(0xff)
}

/// The part of a body that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// This many bytes from the start; if negative, all but this many bytes at the end.
    Bytes(i64),
    /// This percentage of the body.
    Percent(u8),
}

any_form!(
    Length,
    |value| {
        let percent = match value {
            Scalar::Number { value: bytes, .. } => return Ok(Self::Bytes(bytes)),
            Scalar::Text(text) => text.strip_suffix('%').and_then(|number| number.trim().parse().ok()),
            _ => None,
        };
        percent.filter(|percent| *percent < 100).map(Self::Percent).ok_or_else(|| {
            Mistake::new(format!("`{KEY}` says how much of the body stays")).help(format!(
                "write {KEY} = 100 for its first 100 bytes, -1 for all but the last one, or \"50%\""
            ))
        })
    },
    {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^\\s*[0-9]{1,2}\\s*%$"}]}
);

impl RawStep {
    /// Returns the template of the step, if it has one.
    pub fn template(&self) -> Option<&Template> {
        match self {
            Self::SetBody(NewBody {
                content: Content::Text(text),
                ..
            }) => Some(text),
            Self::ReplaceText { with, .. } => Some(with),
            _ => None,
        }
    }

    /// Whether the step discards the whole body from before.
    pub fn replaces_all(&self) -> bool {
        matches!(self, Self::SetBody(_))
    }
}
