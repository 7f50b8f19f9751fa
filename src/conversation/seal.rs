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
use crate::stay::signing_fields;

/// A field that was right for its message, with what is needed to compute it for other bytes.
#[derive(Debug)]
pub enum Seal {
    /// `x-syncml-hmac`.
    Mac {
        /// The user whose credentials made the field.
        user: String,
        /// The key that these credentials give.
        key: MacKey,
    },
    /// A signature in CMS.
    Signature {
        /// The name of the field.
        name: &'static str,
        /// The signed data.
        data: SignedData,
        /// The public key that signed the data.
        key: Vec<u8>,
        /// Whether the server does not know the public key.
        is_foreign: bool,
    },
}

/// Returns the first signing field of a message that cannot be recomputed. A message that was not decoded has none:
/// dmtap does not change it.
pub(super) fn unrenewable_field(
    input: &MessageInput<'_>,
    renewable: &[Seal],
) -> Option<&'static str> {
    input.document?;
    let mut names = signing_fields(input.headers());
    names.find(|name| !renewable.iter().any(|seal| seal.name() == *name))
}

impl Seal {
    /// Returns the name of the field.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mac { .. } => "x-syncml-hmac",
            Self::Signature { name, .. } => name,
        }
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
        let (value, whose) = match self {
            Self::Mac { user, key } if is_changed => {
                let (user, mac) = (user.clone(), key.mac(body));
                let value = Hmac { user, mac }.to_string();
                (value, "the credentials that dmtap knows")
            }
            Self::Signature {
                data,
                key,
                is_foreign,
                ..
            } if is_changed || *is_foreign => {
                let (certificate, signer) = identity?;
                let signed = data.anew(body, key, certificate, signer).ok()?;
                let value = BASE64.encode(signed);
                (value, "the key that dmtap has for the server")
            }
            _ => return None,
        };
        headers.insert(self.name(), HeaderValue::try_from(value).ok()?);
        let text = format!("{} was computed anew with {whose}", self.name());
        Some(Note::new("SIG-04", text))
    }
}
