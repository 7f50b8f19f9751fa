//! Header fields that sign the bytes of a message (`x-syncml-hmac`, `MDM-Signature`, `MS-Signature`). dmtap recomputes
//! them if it knows the credentials or has the key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderValue};

use super::MessageInput;
use crate::dm::auth::Hmac;
use crate::flow::Note;
use crate::flow::credentials::MacKey;
use crate::identity::{SignedData, Signer};
use crate::stay::seals;

/// A field that was right for its message, and what is needed to compute it for other bytes.
#[derive(Debug)]
pub struct Seal {
    name: &'static str,
    made: Made,
}

#[derive(Debug)]
enum Made {
    Mac {
        user: String,
        key: MacKey,
    },
    Signature {
        data: SignedData,
        /// The public key that signed the data. The server does not know it if `is_foreign`.
        key: Vec<u8>,
        is_foreign: bool,
    },
}

/// Returns the first signing field of a message that cannot be recomputed. A message that was not decoded has none:
/// dmtap does not change it.
pub(super) fn sealed(input: &MessageInput<'_>, known: &[Seal]) -> Option<&'static str> {
    input.document?;
    let mut names = seals(input.headers());
    names.find(|name| !known.iter().any(|seal| seal.name == *name))
}

impl Seal {
    pub(super) fn mac(user: String, key: MacKey) -> Self {
        Self {
            name: "x-syncml-hmac",
            made: Made::Mac { user, key },
        }
    }

    pub(super) fn signature(
        name: &'static str,
        data: SignedData,
        key: Vec<u8>,
        is_foreign: bool,
    ) -> Self {
        let made = Made::Signature {
            data,
            key,
            is_foreign,
        };
        Self { name, made }
    }

    /// Returns the name of the field.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Computes the field for the body that is sent, if the body was changed or the server does not know the key.
    /// Returns a note on it.
    pub fn renew(
        &self,
        headers: &mut HeaderMap,
        body: &[u8],
        is_changed: bool,
        identity: Option<(&[u8], &dyn Signer)>,
    ) -> Option<Note> {
        let (value, whose) = match &self.made {
            Made::Mac { user, key } if is_changed => {
                let mac = key.mac(body);
                let whose = "the credentials that dmtap knows";
                (
                    Hmac {
                        user: user.clone(),
                        mac,
                    }
                    .to_string(),
                    whose,
                )
            }
            Made::Signature {
                data,
                key,
                is_foreign,
            } if is_changed || *is_foreign => {
                let (certificate, signer) = identity?;
                let signed = data.anew(body, key, certificate, signer).ok()?;
                (
                    BASE64.encode(signed),
                    "the key that dmtap has for the server",
                )
            }
            _ => return None,
        };
        headers.insert(self.name, HeaderValue::try_from(value).ok()?);
        Some(Note::new(
            "SIG-04",
            format!("{} was computed anew with {whose}", self.name),
        ))
    }
}
