//! Steps: the actions of a rule.
//!
//! A step is a variant of one of the enums in this folder. Serde reads it from a rule file: the variant name in kebab
//! case is the verb, a field named `=` is the value of the verb, and the other fields are further keys of the step. The
//! schema and the reference take the description of a step from its doc comment. `x-stages` lists the stages of a step
//! that is not allowed at both `request` and `response`.

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
pub use soap::SoapFault;

use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::{EnumAccessDeserializer, StrDeserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, Visitor,
};
use strum::VariantNames;

use super::template::Template;
use crate::dm::StatusCode;

/// Declares the kinds of steps; each kind is an enum of verbs.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($type:ty): $title:literal;)*) => {
        /// One step of a rule: one variant for each kind of step.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Step {
            $($(#[$doc])* $kind($type),)*
        }

        $(impl $type {
            /// Returns the verb of the step, as written in rule files and records.
            pub fn name(&self) -> &'static str {
                self.into()
            }
        })*

        /// All verbs, grouped by kind.
        static VERBS: LazyLock<Vec<&'static str>> =
            LazyLock::new(|| [$(<$type>::VARIANTS),*].concat());

        impl Step {
            /// Returns the verb of the step, as written in rule files and records.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$kind(step) => step.name(),)*
                }
            }

            /// Returns the title of each kind and the schema of its verbs.
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
    /// Changes the header fields or the HTTP status.
    Head(HeadStep): "Edits of the head";
    /// Changes the bytes of the body, after every edit of the rule.
    Raw(RawStep): "Bytes of the body";
    /// Controls how the message is sent, or sends something else instead.
    Fault(FaultStep): "Answers and deliveries";
    /// A protocol step, which keeps both peers consistent.
    Protocol(ProtocolStep): "Protocol steps";
    /// Concerns the scenario of the rule, not the message.
    Scenario(ScenarioStep): "The scenario";
    /// Decides how dmtap receives a connection.
    Connection(ConnectionStep): "How a connection is received";
}

/// The serde name of [`Step`], by which the reader of rule files recognizes a step; messages use it, too.
pub(in crate::rules) const STEP: &str = "a step";

/// Returns all verbs of steps, in the order in which errors list them.
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

/// A step whose verb was read already, for the enum of its kind.
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
    /// Whether the step is an edit of the document or a protocol step.
    pub fn is_edit(&self) -> bool {
        matches!(self, Self::Edit(_) | Self::Protocol(_))
    }

    /// Returns the code that the step gives to a Status or to commands.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Edit(EditStep::SetStatus(code)) | Self::Protocol(ProtocolStep::Refuse(code)) => {
                Some(code.status())
            }
            Self::Protocol(ProtocolStep::AtomicRollback(failure)) => Some(failure.code.status()),
            _ => None,
        }
    }

    /// Whether the step needs the decoded body.
    pub fn looks_inside(&self) -> bool {
        self.is_edit() || matches!(self, Self::Fault(FaultStep::SoapFault(_)))
    }

    /// Whether the step acts on each selected element, not once on the message.
    pub fn is_about_selected(&self) -> bool {
        match self {
            Self::Edit(_) => true,
            Self::Protocol(step) => step.is_about_commands(),
            _ => false,
        }
    }

    /// Whether the step affects later messages of the session, so that it needs the session.
    pub fn promises(&self) -> bool {
        matches!(self, Self::Protocol(step) if step.promises())
    }

    /// Whether the step changes the bytes of the body.
    pub fn is_raw(&self) -> bool {
        matches!(self, Self::Raw(_))
    }

    /// Whether the step needs bodies to be read: for a name in a template, for random numbers that depend on the
    /// session, or for the length of the body.
    pub fn depends_on_reading(&self) -> bool {
        let names_values = |template: &Template| template.names().next().is_some();
        self.template().is_some_and(names_values)
            || matches!(self, Self::Fault(step) if step.depends_on_reading())
    }

    /// Whether the step cuts the body. At the stage `response` it has nothing to do if the body is empty.
    pub fn cuts_body(&self) -> bool {
        matches!(self, Self::Fault(FaultStep::LimitData(_)))
    }

    /// Returns the template of the step, if it has one.
    pub fn template(&self) -> Option<&Template> {
        match self {
            Self::Edit(step) => step.template(),
            Self::Head(step) => step.template(),
            Self::Raw(step) => step.template(),
            Self::Protocol(ProtocolStep::InjectCommand(new)) => Some(&new.command.0),
            _ => None,
        }
    }

    /// Whether the step leaves nothing of the message or connection to later steps and rules.
    pub fn ends(&self) -> bool {
        match self {
            Self::Fault(step) => step.ends(),
            Self::Connection(step) => step.ends(),
            _ => false,
        }
    }

    /// Whether no later step can change how the message is sent.
    pub fn closes(&self) -> bool {
        self.ends() || matches!(self, Self::Fault(step) if step.closes())
    }

    /// Whether `later` would have no effect after this step. If this step only cuts the message short, edits of the
    /// document and an answer of dmtap's own still have an effect.
    pub fn leaves_nothing_for(&self, later: &Self) -> bool {
        let is_answer = matches!(later, Self::Fault(FaultStep::Answer(_)));
        self.ends() || (self.closes() && !later.is_edit() && !is_answer)
    }
}
