//! Steps that change the head of a message.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;
use strum::{IntoStaticStr, VariantNames};

use crate::rules::template::Template;
use crate::rules::value::{Code, FieldName, HeaderText, Http};

/// A change of the head.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum HeadStep {
    /// Sets a header field to `value`, and removes other fields of this name.
    #[schemars(extend("examples" = ["Retry-After"]))]
    SetHeader {
        /// Its name.
        #[serde(rename = "=")]
        name: FieldName,
        /// The value of the attribute or header field; templates are allowed. `remove-attribute` and `remove-header` remove one.
        #[schemars(extend("examples" = ["120"]))]
        value: HeaderText,
    },
    /// Adds a header field with `value`, in addition to others of this name.
    #[schemars(extend("examples" = ["Set-Cookie"]))]
    AddHeader {
        /// Its name.
        #[serde(rename = "=")]
        name: FieldName,
        /// The value of the attribute or header field; templates are allowed. `remove-attribute` and `remove-header` remove one.
        #[schemars(extend("examples" = ["a=b"]))]
        value: HeaderText,
    },
    /// Removes the header field of this name.
    #[schemars(extend("examples" = ["ETag"]))]
    RemoveHeader(FieldName),
    /// Changes the HTTP status; 204 and 304 remove the body.
    #[schemars(extend("examples" = [404], "x-stages" = ["response"]))]
    SetHttpStatus(Code<Http>),
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
    /// The template in it.
    pub fn template(&self) -> Option<&Template> {
        match self {
            Self::SetHeader { value, .. } | Self::AddHeader { value, .. } => Some(&value.0),
            Self::RemoveHeader(_) | Self::SetHttpStatus(_) => None,
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
