//! The two enrollment messages that the swap changes: the request for a certificate, and its answer.

use super::certificate_pairs::CertificatePairs;
use super::document::{self, NoSwap};
use crate::dm::enrollment::{EnrollmentMessage, RequestSecurityToken};
use crate::dm::token::TokenKind;
use crate::dm::{Envelope, Provisioning};
use crate::flow::effect::SWAP;
use crate::flow::{EffectDetail, Note, RuleEffect};
use crate::markup::edit::{Edit, EditError, plan, plan_within};
use crate::markup::{Document, Element, Embedded, Limits, base64};
use crate::patch::Patch;

/// The name of the swap in the rule effects of records.
pub const NAME: &str = SWAP;

/// A request for a certificate: the first message of a swap.
#[derive(Clone, Debug)]
pub struct Asked<'d> {
    token: Element<'d>,
    /// The kind of its token.
    pub kind: TokenKind,
    /// The content of its token: PKCS#10 or PKCS#7 in DER.
    pub octets: Vec<u8>,
    /// The DeviceID that the device sends; empty if it sends none.
    pub device_id: String,
    /// The names of its context items that bind the device's key.
    pub attested: Vec<String>,
    is_signed: bool,
}

/// The certificates that a server granted.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The certificate for dmtap's key, in DER.
    pub certificate: Vec<u8>,
    /// The certificates of the stores Root and CA.
    pub authorities: Vec<Vec<u8>>,
}

impl<'d> Asked<'d> {
    /// Returns the request in a message, if it is one; `None` also if its token is not base64.
    pub fn of(document: &'d Document) -> Option<Self> {
        let envelope = Envelope::of(document)?;
        let Some(EnrollmentMessage::Request(request)) = EnrollmentMessage::of(envelope) else {
            return None;
        };
        let token = request.token()?;
        Some(Self {
            token: token.element(),
            kind: token.kind(),
            octets: token.octets()?,
            device_id: request.context("DeviceID").unwrap_or_default().into_owned(),
            attested: attested(request),
            is_signed: envelope
                .security()
                .is_some_and(|security| security.is_signed()),
        })
    }

    /// Replaces the token of the message; the new one has the same line lengths.
    ///
    /// # Errors
    /// The message is signed as a whole, or the token cannot be written.
    pub fn with_token(&self, token: &[u8], changed: String) -> Result<RuleEffect, NoSwap> {
        if self.is_signed {
            return Err(NoSwap::Signed);
        }
        let document = self.token.document();
        let mut texts = self.token.texts();
        let edit = match (texts.next(), texts.next()) {
            (Some(text), None) => Edit::PatchText {
                text: text.id(),
                patch: base64::replacing(&text.octets(), token),
            },
            _ => Edit::SetText {
                element: self.token.id(),
                text: {
                    let written = self.token.octets().into_owned();
                    let after = base64::replacing(&written, token).apply(&written.into());
                    String::from_utf8_lossy(&after).into_owned()
                },
            },
        };
        let path = self.token.path().to_string();
        let changes = vec![EffectDetail::rewritten(path, "", &changed)];
        let patch = plan(document, &[edit]).map_err(unwritable)?;
        Ok(effect(changes, patch))
    }

    /// Returns the note that a server which checks the attestation of the request will refuse it.
    pub fn note_attestation(&self) -> Option<Note> {
        let names = self.attested.join(", ");
        let text = format!(
            "the request proves with its TPM that the device holds its key ({names}); a server that checks it will \
             refuse (0x80180032): docs/enrollment.md has rules with which devices leave it out"
        );
        (!self.attested.is_empty()).then(|| Note::new("SWAP-03", text))
    }
}

/// Returns the certificates that an answer grants for a key, a SubjectPublicKeyInfo.
///
/// # Errors
/// [`NoSwap`] with the reason why there is none.
pub fn granted(document: &Document, limits: &Limits, public_key: &[u8]) -> Result<Granted, NoSwap> {
    let (_, embedded) = provisioning(document, limits)?;
    let provisioning = Provisioning::of(embedded.document()).ok_or(NoSwap::NoDocument)?;
    Ok(Granted {
        certificate: document::certificate_for(provisioning, public_key)?,
        authorities: document::authorities(provisioning),
    })
}

/// Replaces the server's certificate in the answer with the device's. `pair` has both.
///
/// # Errors
/// [`NoSwap::Edit`].
pub fn with_certificate(
    document: &Document,
    limits: &Limits,
    pair: &CertificatePairs,
) -> Result<RuleEffect, NoSwap> {
    let (token, embedded) = provisioning(document, limits)?;
    let (edits, changes) = document::replace(&embedded, &token.path(), pair);
    let patch = plan_within(document, &edits, limits).map_err(unwritable)?;
    Ok(effect(changes, patch))
}

fn provisioning<'d>(
    document: &'d Document,
    limits: &Limits,
) -> Result<(Element<'d>, Embedded), NoSwap> {
    let envelope = Envelope::of(document).ok_or(NoSwap::NoAnswer)?;
    if let Some(fault) = envelope.fault() {
        let code = fault.subcode().or_else(|| fault.code());
        return Err(NoSwap::Fault(code.unwrap_or_default().into_owned()));
    }
    let Some(EnrollmentMessage::Response(answer)) = EnrollmentMessage::of(envelope) else {
        return Err(NoSwap::NoAnswer);
    };
    let token = answer.token().ok_or(NoSwap::NoDocument)?;
    let embedded = answer.provisioning(limits).ok_or(NoSwap::NoDocument)?;
    Ok((token.element(), embedded))
}

/// Returns the names of the context items that only the holder of the device's own key can send. AttestationStatus
/// proves nothing.
fn attested(request: RequestSecurityToken<'_>) -> Vec<String> {
    let names = request.context_items().filter_map(|item| {
        let name = item.name()?.into_owned();
        let is_binding = BINDING
            .iter()
            .any(|known| known.eq_ignore_ascii_case(&name));
        let has_value = item.value().is_some_and(|value| !value.is_empty());
        (is_binding && has_value).then_some(name)
    });
    names.collect()
}

fn unwritable(error: EditError) -> NoSwap {
    NoSwap::Edit(error.to_string())
}

/// Returns the rule effect of the swap on a message.
pub(super) fn effect(changes: Vec<EffectDetail>, patch: Patch) -> RuleEffect {
    RuleEffect {
        patch,
        ..RuleEffect::new(NAME, changes)
    }
}

const BINDING: [&str; 5] = [
    "AIKPub",
    "AIKCert",
    "AIKAttestationClaim",
    "AadAIKAttestationClaim",
    "AzureAttestationBlob",
];
