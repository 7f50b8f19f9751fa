//! Steps that change the head of a message.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, header};

use crate::rules::template::Template;

/// A change of the head.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadStep {
    /// `set-header`: the field gets this value, and only this one.
    Set(HeaderName, Template),
    /// `add-header`: adds a field with this value.
    Add(HeaderName, Template),
    /// `remove-header`: the field goes.
    Remove(HeaderName),
    /// `set-http-status`: the response gets this status.
    Status(StatusCode),
}

/// A change of the head that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadEdit {
    /// The field gets this value, and only this one.
    Set(HeaderName, HeaderValue),
    /// Adds a field with this value.
    Add(HeaderName, HeaderValue),
    /// The field goes.
    Remove(HeaderName),
    /// The response gets this status.
    Status(StatusCode),
}

impl HeadStep {
    /// Its verb in rule files and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Set(..) => "set-header",
            Self::Add(..) => "add-header",
            Self::Remove(_) => "remove-header",
            Self::Status(_) => "set-http-status",
        }
    }

    /// The template in it.
    pub fn template(&self) -> Option<&Template> {
        match self {
            Self::Set(_, value) | Self::Add(_, value) => Some(value),
            Self::Remove(_) | Self::Status(_) => None,
        }
    }
}

impl HeadEdit {
    /// Carries it out on header fields; the others keep their order.
    pub fn apply(&self, headers: &mut HeaderMap) {
        match self {
            Self::Set(name, value) => drop(headers.insert(name, value.clone())),
            Self::Add(name, value) => drop(headers.append(name, value.clone())),
            Self::Remove(name) => {
                // Removing a field from a map moves the last one to its place.
                let kept = headers.iter().filter(|(kept, _)| *kept != name);
                *headers = kept
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
            }
            Self::Status(_) => {}
        }
    }
}

/// Fields that say where a body ends: a rule that changed them would break the message without anybody knowing.
pub(in crate::rules) const FRAMING: [HeaderName; 2] =
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];

/// Fields of one connection, which dmtap does not pass on (RFC 9110 §7.6.1).
pub(in crate::rules) const ONE_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
];
