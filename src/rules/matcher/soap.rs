//! What must hold of a SOAP envelope.

use crate::dm::soap::{Envelope, action_name, local_code};
use crate::markup::Document;
use crate::rules::glob::Glob;

/// What must hold of a SOAP envelope. An empty list asks nothing; of a list one entry must match.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SoapMatcher {
    /// `Action`, whole or its name: `Discover`, `RST/wstep`.
    pub action: Vec<Glob>,
    /// A code, a subcode or the ErrorType of a fault, without its prefix.
    pub fault: Vec<Glob>,
}

impl SoapMatcher {
    /// Whether it holds of every message.
    pub(super) fn asks_nothing(&self) -> bool {
        self.action.is_empty() && self.fault.is_empty()
    }

    pub(super) fn holds(&self, document: Option<&Document>) -> bool {
        if self.asks_nothing() {
            return true;
        }
        let Some(envelope) = document.and_then(Envelope::of) else {
            return false;
        };
        (self.action.is_empty() || self.has_action(envelope))
            && (self.fault.is_empty() || self.has_fault(envelope))
    }

    fn has_action(&self, envelope: Envelope<'_>) -> bool {
        let action = envelope.action();
        action.is_some_and(|action| self.action.iter().any(|glob| is_action(glob, &action)))
    }

    fn has_fault(&self, envelope: Envelope<'_>) -> bool {
        let Some(fault) = envelope.fault() else {
            return false;
        };
        let codes = fault.codes().map(|code| code.text());
        let mut words = codes.chain(fault.error_type());
        words.any(|word| {
            self.fault
                .iter()
                .any(|glob| glob.matches(local_code(&word)))
        })
    }
}

/// Whether a pattern matches an Action, or its name.
pub(in crate::rules) fn is_action(glob: &Glob, action: &str) -> bool {
    glob.matches(action) || glob.matches(action_name(action))
}
