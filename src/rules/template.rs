//! Texts with names in them that stand for something of the message at hand: `cmd {{cmd-id}}`.
//!
//! `{{{{` writes two braces.

use quick_xml::escape::escape;
use strum::{EnumString, IntoStaticStr, VariantNames};

/// A text, or texts with names between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Name { name: Name, in_cdata: bool },
}

/// What a name in braces stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Name {
    /// SessionID of the message.
    SessionId,
    /// MsgID of the message.
    MessageId,
    /// The device's id: Source of the device's messages.
    Device,
    /// CmdID of the selected command.
    CmdId,
    /// CmdRef of the selected Status or Results.
    CmdRef,
    /// MsgRef of the selected Status or Results.
    MsgRef,
    /// What the selected command is about; for an answer, what the answered command is about.
    LocUri,
    /// The value that is there now.
    Data,
    /// A CmdID that nothing in the message has, another one each time.
    NextCmdId,
    /// Host of the server.
    Server,
    /// Path of the request.
    Path,
}

impl Name {
    /// How it is written.
    pub fn text(self) -> &'static str {
        self.into()
    }

    /// Whether it stands for something of the selected command.
    pub fn is_of_command(self) -> bool {
        matches!(
            self,
            Self::CmdId | Self::CmdRef | Self::MsgRef | Self::LocUri
        )
    }
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadTemplate {
    /// There is no such name.
    Unknown(String),
    /// Braces are opened and not closed.
    Open,
}

/// What becomes of values where they are put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// They stand there as they are.
    Nothing,
    /// They are characters of XML.
    Markup,
    /// They are the replacement of a regular expression.
    Replacement,
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// [`BadTemplate`].
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

    /// The names in it, in order.
    pub fn names(&self) -> impl Iterator<Item = Name> {
        self.0.iter().filter_map(|part| match part {
            Part::Name { name, .. } => Some(*name),
            Part::Text(_) => None,
        })
    }

    /// The text with a value for each name.
    ///
    /// # Errors
    /// That of `value`, for the first name that has none.
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
