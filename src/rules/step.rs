//! Steps: what a rule does.
//!
//! A step is a variant of one of the enums of this folder, and is read from a rule file by serde: the variant is its verb
//! in kebab case, a field named `=` is the value of the verb, other fields are keys beside it. Its line of documentation is
//! what the schema and the reference say of it; `x-stages` names its stages where it has no place at both.

mod connection;
mod edit;
mod fault;
mod head;
mod neighbour;
mod protocol;
mod raw;
mod scenario;
mod soap;

pub use connection::ConnectionStep;
pub use edit::EditStep;
pub use fault::{Announced, Answer, FaultStep, ResetPeer, Slicer, Timeout};
pub use head::HeadStep;
pub use neighbour::{Injection, Insertion, Neighbour, Relation};
pub use protocol::{
    AtomicFailure, Busy, Challenge, MsgIdBreak, Nonce, ProtocolStep, Scheme, Version,
};
pub use raw::{Content, Flip, Form, Length, NewBody, RawStep};
pub use scenario::ScenarioStep;
pub use soap::{SoapFault, SoapStep};

use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::{EnumAccessDeserializer, StrDeserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, Visitor,
};
use strum::VariantNames;

use super::template::Template;
use crate::dm::StatusCode;

/// The kinds of steps, each an enum of verbs.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($type:ty): $title:literal;)*) => {
        /// One step of a rule: of each kind of work there is an enum.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Step {
            $($(#[$doc])* $kind($type),)*
        }

        $(impl $type {
            /// Its verb in rule files and records.
            pub fn name(&self) -> &'static str {
                self.into()
            }
        })*

        /// Every verb, kind by kind.
        static VERBS: LazyLock<Vec<&'static str>> =
            LazyLock::new(|| [$(<$type>::VARIANTS),*].concat());

        impl Step {
            /// Its verb in rule files and records.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$kind(step) => step.name(),)*
                }
            }

            /// Each kind with its title and the schema of its verbs.
            pub(in crate::rules) fn kinds(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
                vec![$(($title, <$type>::json_schema(generator)),)*]
            }

            fn read<'de, A: EnumAccess<'de>>(verb: &str, step: OfKind<'_, A::Variant>) -> Result<Self, A::Error> {
                $(if <$type>::VARIANTS.contains(&verb) {
                    let step = EnumAccessDeserializer::new(step);
                    return <$type>::deserialize(step).map(Self::$kind);
                })*
                Err(serde::de::Error::custom(format!("there is no step `{verb}`")))
            }
        }
    };
}

kinds! {
    /// Changes the document. The edits of a rule form one patch.
    Edit(EditStep): "Edits of the document";
    /// Changes the header fields or the status.
    Head(HeadStep): "Edits of the head";
    /// Changes the bytes of the body, after every edit of the rule.
    Raw(RawStep): "Bytes of the body";
    /// Says how the message leaves, or what is sent in its place.
    Fault(FaultStep): "Answers and deliveries";
    /// Answers enrollment in the server's place.
    Soap(SoapStep): "Enrollment faults";
    /// A protocol step, which keeps both peers consistent.
    Protocol(ProtocolStep): "Protocol steps";
    /// Concerns the scenario of the rule.
    Scenario(ScenarioStep): "The scenario";
    /// Says how a connection is received.
    Connection(ConnectionStep): "How a connection is received";
}

/// The name of the enum of all steps.
pub(in crate::rules) const STEP: &str = "a step";

/// The verbs of steps, in the order in which errors list them.
pub fn verbs() -> &'static [&'static str] {
    &VERBS
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Verbs;
        impl<'de> Visitor<'de> for Verbs {
            type Value = Step;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a step")
            }

            fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Step, A::Error> {
                let (verb, content) = access.variant::<String>()?;
                Step::read::<A>(
                    &verb,
                    OfKind {
                        verb: &verb,
                        content,
                    },
                )
            }
        }
        deserializer.deserialize_enum(STEP, verbs(), Verbs)
    }
}

/// A step whose verb was read, for the enum of its kind.
struct OfKind<'v, V> {
    verb: &'v str,
    content: V,
}

impl<'de, V: serde::de::VariantAccess<'de>> EnumAccess<'de> for OfKind<'_, V> {
    type Error = V::Error;
    type Variant = V;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, V), V::Error> {
        let verb: StrDeserializer<'_, V::Error> = self.verb.into_deserializer();
        Ok((seed.deserialize(verb)?, self.content))
    }
}

impl Step {
    /// Whether it changes the document, not how the message leaves.
    pub fn is_edit(&self) -> bool {
        matches!(self, Self::Edit(_) | Self::Protocol(_))
    }

    /// The Status that commands get by it.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Edit(EditStep::SetStatus(code)) | Self::Protocol(ProtocolStep::Refuse(code)) => {
                Some(code.status())
            }
            Self::Protocol(ProtocolStep::AtomicRollback(failure)) => Some(failure.code.status()),
            _ => None,
        }
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

    /// Whether it needs bodies to be read: it names the session, draws from it, or counts the bytes.
    pub fn depends_on_reading(&self) -> bool {
        let names_values = |template: &Template| template.names().next().is_some();
        self.template().is_some_and(names_values)
            || matches!(self, Self::Fault(step) if step.depends_on_reading())
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
            Self::Fault(step) => step.ends(),
            Self::Connection(step) => step.ends(),
            Self::Soap(_) => true,
            _ => false,
        }
    }

    /// Whether no later step can change how the message leaves.
    pub fn closes(&self) -> bool {
        self.ends() || matches!(self, Self::Fault(step) if step.closes())
    }

    /// Whether a step after it would do nothing. A message that is cut short can still be edited, and may be dmtap's
    /// own.
    pub fn leaves_nothing_for(&self, later: &Self) -> bool {
        let is_answer = matches!(later, Self::Fault(FaultStep::Answer(_)));
        self.ends() || (self.closes() && !later.is_edit() && !is_answer)
    }
}
