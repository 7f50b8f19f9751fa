//! Steps: what a rule does.

mod admit;
mod edit;
mod leave;

pub use admit::Admit;
pub use edit::EditStep;
pub use leave::Leave;

/// One step of a rule: of each kind of work there is a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Changes the document. The edits of a rule form one patch.
    Edit(EditStep),
    /// Says how the message leaves, or what is sent in its place.
    Leave(Leave),
    /// Says how a connection is received.
    Admit(Admit),
}

impl Step {
    /// Its verb in rule files and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Edit(step) => step.name(),
            Self::Leave(step) => step.name(),
            Self::Admit(step) => step.name(),
        }
    }

    /// Whether it changes the document, not how the message leaves.
    pub fn is_edit(&self) -> bool {
        matches!(self, Self::Edit(_))
    }

    /// Whether nothing of the message is left for a later step or rule.
    pub fn ends(&self) -> bool {
        match self {
            Self::Edit(_) => false,
            Self::Leave(step) => step.ends(),
            Self::Admit(step) => step.ends(),
        }
    }

    /// Whether nothing can be said after it of how the message leaves.
    pub fn closes(&self) -> bool {
        match self {
            Self::Edit(_) => false,
            Self::Leave(step) => step.closes(),
            Self::Admit(step) => step.ends(),
        }
    }

    /// Whether a step after it would do nothing. A message that is cut short can still be edited, and may be dmtap's
    /// own.
    pub fn leaves_nothing_for(&self, later: &Self) -> bool {
        let is_answer = matches!(later, Self::Leave(Leave::Answer(_)));
        self.ends() || (self.closes() && !later.is_edit() && !is_answer)
    }
}
