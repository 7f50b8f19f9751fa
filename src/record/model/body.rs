//! Bytes in JSON: text if they are UTF-8, base64 otherwise.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use super::HeadRecord;
use crate::flow::media;
use crate::markup::utf16::in_utf8;
use crate::markup::{self, Document, Limits};

/// The bytes of a body: `{"text": "…"}` or `{"base64": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct BodyRecord(pub Bytes);

impl BodyRecord {
    /// Returns the bytes as text, if they are UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Returns the body as a document, if it decodes. `head` is the head of the message.
    pub fn document(&self, head: Option<&HeadRecord>, limits: &Limits) -> Option<Document> {
        let content_type = head.and_then(|head| head.header("content-type"));
        let hint = content_type.map(media::hint_of).unwrap_or_default();
        let text = in_utf8(self.0.clone()).ok()?;
        markup::decode(text, hint, limits).ok()
    }
}

impl Serialize for BodyRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self.text() {
            Some(text) => map.serialize_entry("text", text)?,
            None => map.serialize_entry("base64", &BASE64.encode(&self.0))?,
        }
        map.end()
    }
}

/// The form of bytes in JSON.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Written {
    /// The bytes, which are UTF-8.
    Text(String),
    /// The bytes in base64.
    Base64(String),
}

impl TryFrom<Written> for BodyRecord {
    type Error = base64::DecodeError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let bytes = match written {
            Written::Text(text) => text.into_bytes(),
            Written::Base64(text) => BASE64.decode(text)?,
        };
        Ok(Self(bytes.into()))
    }
}
