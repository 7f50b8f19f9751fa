//! The client certificate that a device presented.

use bytes::Bytes;

/// A certificate of which the device proved in the handshake that it has the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject, such as `CN=device, OU=contoso`, in the order of the certificate.
    pub subject: String,
    /// The issuer, written alike.
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// SHA-1 over the certificate, 40 hexadecimal digits in upper case.
    pub sha1: String,
    /// SHA-256 over it, 64 of them.
    pub sha256: String,
    /// Who vouches for it.
    pub verdict: CertificateVerdict,
    /// The certificate and those that came with it, in DER; empty where only a record of it is left.
    pub chain: Vec<Bytes>,
}

/// Who vouches for a client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateVerdict {
    /// dmtap's CA issued it.
    DmtapCa,
    /// A CA of `--client-ca` did.
    ClientCa,
    /// Nobody, for this reason.
    Untrusted(String),
}

impl CertificateVerdict {
    /// Its name in records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::DmtapCa => "dmtap-ca",
            Self::ClientCa => "client-ca",
            Self::Untrusted(_) => "untrusted",
        }
    }

    /// The one with this name.
    pub fn named(name: &str, why: &str) -> Self {
        match name {
            "dmtap-ca" => Self::DmtapCa,
            "client-ca" => Self::ClientCa,
            _ => Self::Untrusted(why.into()),
        }
    }
}
