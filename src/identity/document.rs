//! The certificate in a provisioning document, and the edits that replace it.

use std::ops::Range;

use super::issue::CertificateParts;
use crate::dm::certificate::thumbprint;
use crate::dm::provisioning::{Provisioning, StoredCertificate};
use crate::flow::EffectDetail;
use crate::markup::edit::{Edit, NestedEdit};
use crate::markup::{Attribute, Document, Element, Embedded, base64};
use crate::patch::{Patch, Span, Splice};

/// The reason why an enrollment continues without a swap.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSwap {
    /// None of the certificates is for dmtap's key.
    #[error("no certificate in the provisioning document is for dmtap's key")]
    NoCertificate,
    /// Several certificates are for dmtap's key: it is not clear which one the device presents.
    #[error("{0} certificates in the provisioning document are for dmtap's key")]
    Several(usize),
    /// There are more certificates than any server sends.
    #[error("the provisioning document holds more than {MOST_CERTIFICATES} certificates")]
    TooMany,
    /// The node of the certificate has another name than its thumbprint. Windows would not accept it, either.
    #[error("the certificate is named {name}, and its SHA-1 is {sha1}")]
    Misnamed {
        /// The name of the node.
        name: String,
        /// The actual thumbprint.
        sha1: String,
    },
    /// The server refuses.
    #[error("the server answers with the fault {0}")]
    Fault(String),
    /// The answer is another kind of message.
    #[error("the answer is not a RequestSecurityTokenResponse that can be read")]
    NoAnswer,
    /// The answer grants no certificate.
    #[error("the answer holds no provisioning document that can be read")]
    NoDocument,
    /// The message is signed, and any change would invalidate the signature.
    #[error("the message is signed as a whole (XML-DSig)")]
    Signed,
    /// The text cannot be changed.
    #[error("the message cannot be changed: {0}")]
    Edit(String),
}

/// A certificate and its replacement.
#[derive(Clone, Copy, Debug)]
pub struct Replacement<'a> {
    /// The certificate that the server issued, in DER.
    pub server: &'a [u8],
    /// The certificate for the device, in DER.
    pub device: &'a [u8],
}

/// Returns the certificate of the document for this key, a SubjectPublicKeyInfo.
///
/// # Errors
/// [`NoSwap`] if there is not exactly one, or the name of its node is not its thumbprint.
pub fn certificate_for(
    provisioning: Provisioning<'_>,
    public_key: &[u8],
) -> Result<Vec<u8>, NoSwap> {
    let stored: Vec<_> = provisioning
        .certificates()
        .take(MOST_CERTIFICATES + 1)
        .collect();
    if stored.len() > MOST_CERTIFICATES {
        return Err(NoSwap::TooMany);
    }
    let is_ours = |der: &Vec<u8>| {
        let parts = CertificateParts::read(der);
        parts.is_ok_and(|parts| parts.public_key() == public_key)
    };
    let octets = |stored: &StoredCertificate<'_>| stored.octets().filter(is_ours);
    let found = stored.iter().filter_map(|it| Some((it, octets(it)?)));
    let mut found: Vec<_> = found.collect();
    let count = found.len();
    let (node, der) = found.pop().ok_or(NoSwap::NoCertificate)?;
    if count > 1 {
        return Err(NoSwap::Several(count));
    }
    let (name, sha1) = (node.thumbprint().unwrap_or_default(), thumbprint(&der));
    if !name.eq_ignore_ascii_case(&sha1) {
        let name = name.into_owned();
        return Err(NoSwap::Misnamed { name, sha1 });
    }
    Ok(der)
}

/// Returns the certificates of the stores Root and CA, in DER: the device receives them, and they may be between the
/// client certificate and its root.
pub fn authorities(provisioning: Provisioning<'_>) -> Vec<Vec<u8>> {
    let stored = provisioning.certificates().take(MOST_CERTIFICATES);
    let stored = stored.filter(|stored| !stored.is_own());
    stored.filter_map(|stored| stored.octets()).collect()
}

/// Returns the edits of an embedded provisioning document: of the certificate, the name of its node, and other
/// occurrences of its thumbprint. `path` leads to the element whose text is the document.
pub fn replace(
    embedded: &Embedded,
    path: &crate::markup::Path,
    replacement: Replacement<'_>,
) -> (Vec<NestedEdit>, Vec<EffectDetail>) {
    let document = embedded.document();
    let (old, new) = (
        thumbprint(replacement.server),
        thumbprint(replacement.device),
    );
    let mut edits = Vec::new();
    let mut changes = Vec::new();
    for element in document.elements() {
        for attribute in element.attributes() {
            let octets = attribute.value().into_owned();
            let Some(patch) = patch_of(element, &octets, &old, &new, replacement) else {
                continue;
            };
            let after = patch.apply(&octets.clone().into_bytes().into());
            let after = String::from_utf8_lossy(&after).into_owned();
            changes.push(EffectDetail::rewritten(
                format!("{}@{}", path.joined(&element.path()), attribute.name()),
                &octets,
                &after,
            ));
            edits.push(NestedEdit {
                holders: vec![embedded.holder()],
                edit: edit(document, element, attribute, patch, after),
            });
        }
    }
    (edits, changes)
}

/// Returns the patch of an attribute value, if it has to change.
fn patch_of(
    element: Element<'_>,
    value: &str,
    old: &str,
    new: &str,
    replacement: Replacement<'_>,
) -> Option<Patch> {
    let is_certificate = element.attribute("name").is_some_and(|name| {
        let name = name.value();
        name.trim().eq_ignore_ascii_case("EncodedCertificate")
    });
    let holds = || crate::dm::token::base64_octets(value.as_bytes());
    if is_certificate && holds().is_some_and(|octets| octets == replacement.server) {
        return Some(base64::replacing(value.as_bytes(), replacement.device));
    }
    renamed(value, old, new)
}

/// Returns the patch that replaces a thumbprint in a text, keeping the case of each occurrence.
pub(super) fn renamed(text: &str, old: &str, new: &str) -> Option<Patch> {
    let splices = thumbprints(text).filter(|at| text[at.clone()].eq_ignore_ascii_case(old));
    let splices = splices.map(|at| Splice {
        span: Span::new(at.start as u32, at.end as u32),
        with: in_case_of(&text[at], new).into_bytes(),
    });
    let patch = Patch::new(splices.collect()).unwrap_or_default();
    (!patch.is_empty()).then_some(patch)
}

/// Finds runs of exactly 40 hexadecimal digits.
pub(super) fn thumbprints(text: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let digit = |byte: &u8| byte.is_ascii_hexdigit();
            let start = at + bytes.get(at..)?.iter().position(digit)?;
            let length = bytes[start..].iter().take_while(|byte| digit(byte)).count();
            at = start + length;
            if length == THUMBPRINT_DIGITS {
                return Some(start..at);
            }
        }
    })
}

/// Returns a thumbprint in the case of another one.
pub(super) fn in_case_of(written: &str, thumbprint: &str) -> String {
    match written.bytes().any(|byte| byte.is_ascii_lowercase()) {
        true => thumbprint.to_ascii_lowercase(),
        false => thumbprint.to_ascii_uppercase(),
    }
}

fn edit(
    document: &Document,
    element: Element<'_>,
    attribute: Attribute<'_>,
    patch: Patch,
    after: String,
) -> Edit {
    match document.is_wbxml() {
        false => Edit::PatchText {
            text: attribute.id(),
            patch,
        },
        true => Edit::SetAttribute {
            element: element.id(),
            name: attribute.name().into_owned(),
            value: after,
        },
    }
}

/// The most certificates of one document; servers send a root, an intermediate and the device's.
pub const MOST_CERTIFICATES: usize = 32;
/// The number of hexadecimal digits of a SHA-1.
const THUMBPRINT_DIGITS: usize = 40;
