//! Templates: texts with names in braces, which stand for values of the current message: `cmd {{cmd-id}}`.
//!
//! `{{{{` stands for two braces.

use quick_xml::escape::escape;
use strum::{EnumString, IntoStaticStr, VariantNames};

/// A text with names in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Name { name: Name, in_cdata: bool },
}

/// A name in braces, by the value that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Name {
    /// The SessionID of the message.
    SessionId,
    /// The MsgID of the message.
    MessageId,
    /// The id of the device: the Source of its messages.
    Device,
    /// The CmdID of the selected command.
    CmdId,
    /// The CmdRef of the selected Status or Results.
    CmdRef,
    /// The MsgRef of the selected Status or Results.
    MsgRef,
    /// The LocURI of the selected command; for an answer that names none, the LocURI of the answered command.
    LocUri,
    /// The present value.
    Data,
    /// A CmdID that is free in the message, a new one each time.
    NextCmdId,
    /// The host of the server.
    Server,
    /// The path of the request.
    Path,
}

impl Name {
    /// Returns the name as written in templates.
    pub fn text(self) -> &'static str {
        self.into()
    }

    /// Whether the name stands for a value of the selected command.
    pub fn is_of_command(self) -> bool {
        matches!(
            self,
            Self::CmdId | Self::CmdRef | Self::MsgRef | Self::LocUri
        )
    }
}

/// The error of an invalid template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadTemplate {
    /// An unknown name.
    Unknown(String),
    /// Braces that are not closed.
    Open,
}

/// The escaping of values when a template is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// No escaping.
    Nothing,
    /// Escaping for XML.
    Markup,
    /// Escaping for the replacement of a regular expression.
    Replacement,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// [`BadTemplate`] for an unknown name, or for braces that are not closed.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let (mut at, mut in_cdata) = (0, false);
        while let Some(open) = text[at..].find(OPEN).map(|found| at + found) {
            plain.push_str(&text[at..open]);
            at = open + OPEN.len();
            if text[at..].starts_with(OPEN) {
                plain.push_str(OPEN);
                at += OPEN.len();
                continue;
            }
            let close = text[at..].find(CLOSE).map(|found| at + found);
            let close = close.ok_or(BadTemplate::Open)?;
            let word = text[at..close].trim();
            let name = word
                .parse()
                .map_err(|_| BadTemplate::Unknown(word.into()))?;
            in_cdata = match (plain.rfind("<![CDATA["), plain.rfind("]]>")) {
                (None, None) => in_cdata,
                (open, close) => open > close,
            };
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Name { name, in_cdata });
            at = close + CLOSE.len();
        }
        plain.push_str(&text[at..]);
        parts.push(Part::Text(plain));
        Ok(Self(parts))
    }

    /// Returns the names in the template, in order.
    pub fn names(&self) -> impl Iterator<Item = Name> {
        self.0.iter().filter_map(|part| match part {
            Part::Name { name, .. } => Some(*name),
            Part::Text(_) => None,
        })
    }

    /// Returns the text with a value for each name.
    ///
    /// # Errors
    /// The error of `value`, for the first name without a value.
    pub fn fill<E>(
        &self,
        escape: Escape,
        mut value: impl FnMut(Name) -> Result<String, E>,
    ) -> Result<String, E> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Name { name, in_cdata } => {
                    escape.write(&mut filled, &value(*name)?, *in_cdata);
                }
            }
        }
        Ok(filled)
    }
}

impl Escape {
    fn write(self, out: &mut String, value: &str, in_cdata: bool) {
        match self {
            Self::Nothing => out.push_str(value),
            Self::Replacement => out.push_str(&value.replace('$', "$$")),
            Self::Markup if in_cdata => out.push_str(&value.replace("]]>", "]]]]><![CDATA[>")),
            Self::Markup => out.push_str(&escape(value)),
        }
    }
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
