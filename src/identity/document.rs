//! The certificate in a provisioning document, and the edits that replace it.

use super::certificate_pairs::CertificatePairs;
use super::issue::CertificateParts;
use crate::dm::certificate::thumbprint;
use crate::dm::provisioning::{Provisioning, StoredCertificate};
use crate::flow::{EffectDetail, Side};
use crate::markup::edit::{Edit, NestedEdit};
use crate::markup::{Attribute, Document, Element, Embedded};
use crate::patch::Patch;

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

/// Returns the edits of an embedded provisioning document: the certificates of the server, the names of their nodes, and
/// other occurrences of their thumbprints, are replaced by those of the device. `path` leads to the element whose text
/// is the document.
pub fn replace(
    embedded: &Embedded,
    path: &crate::markup::Path,
    pairs: &CertificatePairs,
) -> (Vec<NestedEdit>, Vec<EffectDetail>) {
    let document = embedded.document();
    let mut edits = Vec::new();
    let mut changes = Vec::new();
    for element in document.elements() {
        for attribute in element.attributes() {
            let octets = attribute.value().into_owned();
            let Some(patch) = pairs.patch(Side::Server, octets.as_bytes()) else {
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
