//! Steps: what a rule does.

mod connection;
mod edit;
pub(in crate::rules) mod head;
mod protocol;
mod raw;
mod soap;
mod wire_fault;

pub use connection::ConnectionStep;
pub use edit::{EditStep, Ids, Neighbour, Relation};
pub use head::{HeadEdit, HeadStep};
pub use protocol::{
    AtomicFailure, Busy, Challenge, Field, MsgIdBreak, Nonce, ProtocolStep, Scheme, WhichResponse,
};
pub use raw::{Form, Length, Pattern, RawStep};
pub use soap::SoapFault;
pub use wire_fault::WireFault;

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
    WireFault(WireFault),
    /// Says how a connection is received.
    Connection(ConnectionStep),
    /// A protocol step, which keeps both peers consistent.
    Protocol(ProtocolStep),
    /// `soap-fault`: answers enrollment in the server's place.
    Soap(SoapFault),
    /// `advance-scenario`: changes nothing; the scenario of the rule gets the state that it `becomes`.
    AdvanceScenario,
}

impl Step {
    /// Its verb in rule files and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Edit(step) => step.name(),
            Self::Head(step) => step.name(),
            Self::Raw(step) => step.name(),
            Self::WireFault(step) => step.name(),
            Self::Connection(step) => step.name(),
            Self::Protocol(step) => step.name(),
            Self::Soap(_) => "soap-fault",
            Self::AdvanceScenario => "advance-scenario",
        }
    }

    /// Whether it changes the document, not how the message leaves.
    pub fn is_edit(&self) -> bool {
        matches!(self, Self::Edit(_) | Self::Protocol(_))
    }

    /// Whether it needs the body decoded.
    pub fn looks_inside(&self) -> bool {
        self.is_edit() || matches!(self, Self::Soap(_))
    }

    /// Whether it acts on each selected element, not once on the message.
    pub fn is_about_selected(&self) -> bool {
        match self {
            Self::Edit(_) => true,
            Self::Protocol(step) => step.is_about_commands(),
            _ => false,
        }
    }

    /// Whether it leaves something to be done in a later message of the session.
    pub fn promises(&self) -> bool {
        matches!(self, Self::Protocol(step) if step.promises())
    }

    /// Whether it changes the bytes of the body.
    pub fn is_raw(&self) -> bool {
        matches!(self, Self::Raw(_))
    }

    /// Whether it would do something else where nobody reads bodies: it tells of the session, draws from it, or counts
    /// the bytes.
    pub fn depends_on_reading(&self) -> bool {
        self.template().is_some()
            || matches!(self, Self::WireFault(step) if step.depends_on_reading())
    }

    /// The template in it.
    pub fn template(&self) -> Option<&Template> {
        match self {
            Self::Edit(step) => step.template(),
            Self::Head(step) => step.template(),
            Self::Raw(step) => step.template(),
            _ => None,
        }
    }

    /// Whether nothing of the message is left for a later step or rule.
    pub fn ends(&self) -> bool {
        match self {
            Self::Edit(_)
            | Self::Head(_)
            | Self::Raw(_)
            | Self::Protocol(_)
            | Self::AdvanceScenario => false,
            Self::WireFault(step) => step.ends(),
            Self::Connection(step) => step.ends(),
            Self::Soap(_) => true,
        }
    }

    /// Whether nothing can be said after it of how the message leaves.
    pub fn closes(&self) -> bool {
        match self {
            Self::Edit(_)
            | Self::Head(_)
            | Self::Raw(_)
            | Self::Protocol(_)
            | Self::AdvanceScenario => false,
            Self::WireFault(step) => step.closes(),
            Self::Connection(step) => step.ends(),
            Self::Soap(_) => true,
        }
    }

    /// Whether a step after it would do nothing. A message that is cut short can still be edited, and may be dmtap's
    /// own.
    pub fn leaves_nothing_for(&self, later: &Self) -> bool {
        let is_answer = matches!(later, Self::WireFault(WireFault::Answer(_)));
        self.ends() || (self.closes() && !later.is_edit() && !is_answer)
    }
}
