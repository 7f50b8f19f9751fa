//! Steps that change the head of a message.

use schemars::JsonSchema;
use serde::Deserialize;
use strum::{IntoStaticStr, VariantNames};

use crate::rules::template::Template;
use crate::rules::value::{Code, FieldName, HeaderText, Http};

/// A change of the HTTP status or of a header field.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum HeadStep {
    /// Sets a header field to `value`, and removes other fields of this name.
    #[schemars(extend("examples" = ["Retry-After"]))]
    SetHeader {
        /// The name of the header field.
        #[serde(rename = "=")]
        name: FieldName,
        /// The value of the attribute or header field; templates are allowed. To remove one, use `remove-attribute` or `remove-header`.
        #[schemars(extend("examples" = ["120"]))]
        value: HeaderText,
    },
    /// Adds a header field with `value`, in addition to others of this name.
    #[schemars(extend("examples" = ["Set-Cookie"]))]
    AddHeader {
        /// The name of the header field.
        #[serde(rename = "=")]
        name: FieldName,
        /// The value of the attribute or header field; templates are allowed. To remove one, use `remove-attribute` or `remove-header`.
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

impl HeadStep {
    /// Returns the template of the step, if it has one.
    pub fn template(&self) -> Option<&Template> {
        match self {
            Self::SetHeader { value, .. } | Self::AddHeader { value, .. } => Some(&value.0),
            Self::RemoveHeader(_) | Self::SetHttpStatus(_) => None,
        }
    }
}
