//! Steps: what a rule does.

mod edit;
mod leave;
mod soap;
mod story;

pub use edit::EditStep;
pub use leave::Leave;
pub use soap::SoapFault;
pub use story::{Busy, Challenge, Fate, Field, Keep, MsgIdBreak, Nonce, Scheme, Story};

/// One step of a rule: of each kind of work there is a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Changes the document. The edits of a rule form one patch.
    Edit(EditStep),
    /// Says how the message leaves, or what is sent in its place.
    Leave(Leave),
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
            Self::Leave(step) => step.name(),
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

    /// Whether nothing of the message is left for a later step or rule.
    pub fn ends(&self) -> bool {
        match self {
            Self::Leave(step) => step.ends(),
            Self::Soap(_) => true,
            _ => false,
        }
    }
}
