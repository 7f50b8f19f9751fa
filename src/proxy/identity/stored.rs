//! The facts about an identity in the store, without its key.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::dm::{Certificate, certificate};

/// The name of an identity: the first 32 hexadecimal digits of the SHA-256 over the device's certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdentityId(String);

impl IdentityId {
    /// Returns the name of the identity of the device with this certificate, in DER.
    pub fn of(device_certificate: &[u8]) -> Self {
        Self::of_hash(&sha256(device_certificate))
    }

    /// Returns the name of the identity for the SHA-256 of the device's certificate.
    pub fn of_hash(hash: &[u8; 32]) -> Self {
        let mut hex = certificate::hex(hash).to_ascii_lowercase();
        hex.truncate(ID_DIGITS);
        Self(hex)
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdentityId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        match text.len() == ID_DIGITS && text.bytes().all(is_digit) {
            true => Ok(Self(text.to_owned())),
            false => Err(format!("{text:?} is not {ID_DIGITS} hexadecimal digits")),
        }
    }
}

impl TryFrom<String> for IdentityId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<IdentityId> for String {
    fn from(id: IdentityId) -> Self {
        id.0
    }
}

impl std::fmt::Display for IdentityId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// An identity without its key: the content of `identity.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredIdentity {
    /// The version of this format: 1.
    pub v: u32,
    /// The name of the identity.
    pub id: IdentityId,
    /// The name that the device gave itself at enrollment.
    pub device_id: String,
    /// The server that issued the certificate: `host:port`.
    pub server: String,
    /// The other hosts that the server named. dmtap presents the certificate to them, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The time of its creation, in RFC 3339.
    pub created: String,
    /// The certificate that the server issued.
    pub server_certificate: CertificateDetails,
    /// The certificate that dmtap issued for the device's key.
    pub device_certificate: CertificateDetails,
    /// The identity that this one renews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renews: Option<IdentityId>,
}

/// A certificate with the facts that people look for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateDetails {
    /// The subject of the certificate.
    pub subject: String,
    /// The issuer of the certificate.
    pub issuer: String,
    /// The serial number, in hexadecimal.
    pub serial: String,
    /// The time from which it is valid, in RFC 3339.
    pub not_before: String,
    /// The time until which it is valid, in RFC 3339.
    pub not_after: String,
    /// The SHA-1 thumbprint, as Windows writes it.
    pub thumbprint: String,
    /// The certificate as base64 of DER.
    pub der: String,
}

impl CertificateDetails {
    /// Reads the facts of a certificate in DER.
    pub fn of(der: &[u8]) -> Option<Self> {
        let read = Certificate::read(der)?;
        let time = |seconds: i64| {
            let time = jiff::Timestamp::from_second(seconds);
            time.map_or_else(|_| seconds.to_string(), |time| time.to_string())
        };
        Some(Self {
            subject: read.subject,
            issuer: read.issuer,
            serial: read.serial,
            not_before: time(read.not_before),
            not_after: time(read.not_after),
            thumbprint: read.thumbprint,
            der: STANDARD.encode(der),
        })
    }

    /// Returns the certificate in DER.
    pub fn octets(&self) -> Option<Vec<u8>> {
        crate::dm::token::base64_octets(self.der.as_bytes())
    }
}

/// Returns the SHA-256 of octets.
pub(in crate::proxy) fn sha256(octets: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

const ID_DIGITS: usize = 32;
