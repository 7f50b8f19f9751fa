//! DM sessions after a swap: the device knows the certificate that dmtap issued, the server the one that it issued
//! itself. Thumbprints in LocURI and Data, and certificates in Data, are replaced by those that the other side knows.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::dm::certificate::thumbprint;
use crate::dm::token::base64_octets;
use crate::dm::{Dialect, Message};
use crate::flow::{EffectDetail, Note, RuleEffect, Side};
use crate::markup::edit::{Edit, plan};
use crate::markup::{Document, base64};
use crate::patch::{Patch, Span, Splice};

/// CertificatePairs of certificates: the one that a device has, and the one that the server issued.
#[derive(Clone, Debug, Default)]
pub struct CertificatePairs {
    /// The server certificates, by the thumbprint of the device certificate in upper case.
    server_by_device: HashMap<String, Arc<Other>>,
    device_by_server: HashMap<String, Arc<Other>>,
}

/// The certificate that the other side knows.
#[derive(Debug)]
struct Other {
    thumbprint: String,
    der: Vec<u8>,
}

impl CertificatePairs {
    /// Adds a pair: the certificate of a device and the one that the server issued, in DER.
    pub fn add(&mut self, device: &[u8], server: &[u8]) {
        let other = |der: &[u8]| {
            Arc::new(Other {
                thumbprint: thumbprint(der),
                der: der.to_vec(),
            })
        };
        let (device, server) = (other(device), other(server));
        self.server_by_device
            .insert(device.thumbprint.clone(), server.clone());
        self.device_by_server
            .insert(server.thumbprint.clone(), device);
    }

    /// Returns the server certificate, in DER, for the device certificate with this thumbprint, in upper case.
    pub fn server_of(&self, thumbprint: &str) -> Option<&[u8]> {
        self.server_by_device
            .get(thumbprint)
            .map(|other| &*other.der)
    }

    /// Whether a server issued this certificate, in DER, for one of dmtap's keys.
    pub fn has_of_server(&self, certificate: &[u8]) -> bool {
        self.device_by_server.contains_key(&thumbprint(certificate))
    }

    /// Iterates over the certificates of devices, in DER.
    pub fn devices(&self) -> impl Iterator<Item = &[u8]> {
        self.device_by_server.values().map(|other| &*other.der)
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.server_by_device.is_empty()
    }

    /// Whether a body may contain a certificate or thumbprint of a pair.
    pub fn may_be_in(&self, body: &[u8]) -> bool {
        if self.is_empty() {
            return false;
        }
        let mut digits = 0;
        let is_thumbprint = |byte: &u8| {
            digits = if byte.is_ascii_hexdigit() {
                digits + 1
            } else {
                0
            };
            digits >= THUMBPRINT_DIGITS
        };
        // The base64 of a certificate begins with MI. Bodies in UTF-16 always count: zeros are between the digits.
        let is_certificate = memchr::memmem::find(body, b"MI").is_some();
        is_certificate
            || memchr::memmem::find(body, SIGNED_ID.as_bytes()).is_some()
            || body.iter().any(is_thumbprint)
            || matches!(body, [0, b'<', ..] | [b'<', 0, ..] | [0xfe | 0xff, ..])
    }

    /// Returns the patch of a text that comes from this side, if it has to change: a certificate in base64, or
    /// thumbprints, each of which keeps its case.
    pub(super) fn patch(&self, from: Side, octets: &[u8]) -> Option<Patch> {
        let others = match from {
            Side::Device => &self.server_by_device,
            Side::Server => &self.device_by_server,
        };
        if octets.len() > MAX_TEXT_BYTES {
            return None;
        }
        if octets.trim_ascii_start().starts_with(b"MI") {
            let der = base64_octets(octets)?;
            let other = others.get(&thumbprint(&der))?;
            return Some(base64::replacing(octets, &other.der));
        }
        let value = std::str::from_utf8(octets).ok()?;
        let splices = thumbprints(value).filter_map(|at| {
            let written = &value[at.clone()];
            let other = others.get(&written.to_ascii_uppercase())?;
            Some(Splice {
                span: Span::new(at.start as u32, at.end as u32),
                with: in_case_of(written, &other.thumbprint).into_bytes(),
            })
        });
        let patch = Patch::new(splices.collect()).unwrap_or_default();
        (!patch.is_empty()).then_some(patch)
    }

    /// Rewrites a message on its way to the other side. `unrenewable_field` is the header field that signs its bytes,
    /// if there is one.
    pub fn rewrite(
        &self,
        document: &Document,
        from: Side,
        unrenewable_field: Option<&'static str>,
    ) -> (Option<RuleEffect>, Option<Note>) {
        if self.is_empty()
            || Dialect::of(document) != Dialect::SyncMl
            || Message::of(document).is_none()
        {
            return (None, None);
        }
        let mut edits = Vec::new();
        let mut changes = Vec::new();
        for element in document.elements() {
            if !matches!(element.local(), "LocURI" | "Data") {
                continue;
            }
            for text in element.texts() {
                let Some(patch) = self.patch(from, &text.octets()) else {
                    continue;
                };
                let value = text.value();
                let after = patch.apply(&text.octets().into_owned().into());
                changes.push(EffectDetail::rewritten(
                    element.path().to_string(),
                    &value,
                    &String::from_utf8_lossy(&after),
                ));
                edits.push(Edit::PatchText {
                    text: text.id(),
                    patch,
                });
            }
        }
        let patch = match (edits.is_empty(), unrenewable_field) {
            (true, _) => return (None, None),
            (false, Some(name)) => Err(format!("the message is signed ({name})")),
            (false, None) => plan(document, &edits).map_err(|error| error.to_string()),
        };
        match patch {
            Ok(patch) => (Some(super::enrollment::effect(changes, patch)), None),
            Err(why) => {
                let whose = match from {
                    Side::Device => "dmtap issued",
                    Side::Server => "the server issued",
                };
                let text = format!(
                    "dmtap did not replace the certificate in {}, which {whose}: {why}",
                    changes[0].path
                );
                let note = Note::new("SWAP-04", text);
                (None, Some(note))
            }
        }
    }
}

/// Finds runs of exactly 40 hexadecimal digits.
fn thumbprints(text: &str) -> impl Iterator<Item = Range<usize>> {
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
fn in_case_of(written: &str, thumbprint: &str) -> String {
    match written.bytes().any(|byte| byte.is_ascii_lowercase()) {
        true => thumbprint.to_ascii_lowercase(),
        false => thumbprint.to_ascii_uppercase(),
    }
}

/// The node of the DMClient CSP whose value the device's key signs (DMClient CSP, Provider/*/SignedEntDMID).
pub const SIGNED_ID: &str = "SignedEntDMID";
/// The number of hexadecimal digits of a SHA-1.
const THUMBPRINT_DIGITS: usize = 40;
/// The longest text to examine, in bytes: lists of thumbprints and certificates are shorter.
const MAX_TEXT_BYTES: usize = 256 << 10;
