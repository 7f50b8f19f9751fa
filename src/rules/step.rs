//! Steps: what a rule does.

mod admit;
mod edit;
pub(in crate::rules) mod head;
mod leave;
mod raw;
mod soap;
mod story;

pub use admit::Admit;
pub use edit::{Beside, EditStep, Ids, Relation};
pub use head::{HeadEdit, HeadStep};
pub use leave::Leave;
pub use raw::{Form, Length, Pattern, RawStep};
pub use soap::SoapFault;
pub use story::{Busy, Challenge, Fate, Field, Keep, MsgIdBreak, Nonce, Scheme, Story};

use super::template::Template;

/// One step of a rule: of each kind of work there is a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Changes the document. The edits of a rule form one patch.
    Edit(EditStep),
    /// Changes the header fields or the status.
    Head(HeadStep),
    /// Changes the bytes of the body, after every edit of the rule.
    Raw(RawStep),
    /// Says how the message leaves, or what is sent in its place.
    Leave(Leave),
    /// Says how a connection is received.
    Admit(Admit),
    /// Tells a story of OMA DM that holds for both peers.
    Story(Story),
    /// `soap-fault`: answers enrollment in the server's place.
    Soap(SoapFault),
}

impl Step {
    /// Its verb in rule files and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Edit(step) => step.name(),
            Self::Head(step) => step.name(),
            Self::Raw(step) => step.name(),
            Self::Leave(step) => step.name(),
            Self::Admit(step) => step.name(),
            Self::Story(step) => step.name(),
            Self::Soap(_) => "soap-fault",
        }
    }

    /// Whether it changes the document, not how the message leaves.
    pub fn is_edit(&self) -> bool {
        matches!(self, Self::Edit(_) | Self::Story(_))
    }

    /// Whether it needs the body decoded.
    pub fn looks_inside(&self) -> bool {
        self.is_edit() || matches!(self, Self::Soap(_))
    }

    /// Whether it acts on each selected element, not once on the message.
    pub fn is_about_selected(&self) -> bool {
        match self {
            Self::Edit(_) => true,
            Self::Story(story) => story.is_about_commands(),
            _ => false,
        }
    }

    /// Whether it leaves something to be done in a later message of the session.
    pub fn promises(&self) -> bool {
        matches!(self, Self::Story(story) if story.promises())
    }

    /// Whether it changes the bytes of the body.
    pub fn is_raw(&self) -> bool {
        matches!(self, Self::Raw(_))
    }

    /// Whether it would do something else where nobody reads bodies: it tells of the session, draws from it, or counts
    /// the bytes.
    pub fn depends_on_reading(&self) -> bool {
        self.template().is_some() || matches!(self, Self::Leave(step) if step.depends_on_reading())
    }

    /// The template in it.
    pub fn template(&self) -> Option<&Template> {
        match self {
            Self::Edit(step) => step.template(),
            Self::Head(step) => step.template(),
            Self::Raw(step) => step.template(),
            Self::Leave(_) | Self::Admit(_) | Self::Story(_) | Self::Soap(_) => None,
        }
    }

    /// Whether nothing of the message is left for a later step or rule.
    pub fn ends(&self) -> bool {
        match self {
            Self::Edit(_) | Self::Head(_) | Self::Raw(_) | Self::Story(_) => false,
            Self::Leave(step) => step.ends(),
            Self::Admit(step) => step.ends(),
            Self::Soap(_) => true,
        }
    }

    /// Whether nothing can be said after it of how the message leaves.
    pub fn closes(&self) -> bool {
        match self {
            Self::Edit(_) | Self::Head(_) | Self::Raw(_) | Self::Story(_) => false,
            Self::Leave(step) => step.closes(),
            Self::Admit(step) => step.ends(),
            Self::Soap(_) => true,
        }
    }

    /// Whether a step after it would do nothing. A message that is cut short can still be edited, and may be dmtap's
    /// own.
    pub fn leaves_nothing_for(&self, later: &Self) -> bool {
        let is_answer = matches!(later, Self::Leave(Leave::Answer(_)));
        self.ends() || (self.closes() && !later.is_edit() && !is_answer)
    }
}
