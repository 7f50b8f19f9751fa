//! Client certificates: the one that a device presented, and the one that dmtap showed to a server.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A client certificate. The handshake proved that the device has its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject, such as `CN=device, OU=contoso`, in the order of the certificate.
    pub subject: String,
    /// The issuer, in the same form.
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// SHA-1 over the certificate, 40 hexadecimal digits in upper case.
    pub sha1: String,
    /// SHA-256 over the certificate, 64 hexadecimal digits in upper case.
    pub sha256: String,
    /// The CA that vouches for the certificate, if any.
    pub trust: CertificateTrust,
    /// The certificate and the others that came with it, in DER; empty if only a record of the certificate is left.
    pub chain: Vec<Bytes>,
}

/// The CA that vouches for a client certificate, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateTrust {
    /// dmtap's CA issued it.
    DmtapCa,
    /// A CA of `--client-ca` issued it.
    ClientCa,
    /// No known CA vouches for it, for this reason.
    Untrusted(String),
}

impl CertificateTrust {
    /// Returns its name in records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::DmtapCa => "dmtap-ca",
            Self::ClientCa => "client-ca",
            Self::Untrusted(_) => "untrusted",
        }
    }

    /// Returns the one with this name. `why` is the reason of an untrusted certificate.
    pub fn named(name: &str, why: &str) -> Self {
        match name {
            "dmtap-ca" => Self::DmtapCa,
            "client-ca" => Self::ClientCa,
            _ => Self::Untrusted(why.into()),
        }
    }
}

/// Client authentication towards a server, on the connection that carried an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientAuth {
    /// Whether the server asked for a client certificate in the handshake.
    pub asked: bool,
    /// The certificate that dmtap showed; absent if the server did not ask for one, or dmtap had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Box<ShownCertificate>>,
}

/// A client certificate that dmtap shows to servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShownCertificate {
    /// The name of the client identity (`dmtap identity list`); absent for a certificate given with `--client-certs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<SmolStr>,
    /// The subject, in the order of the certificate.
    pub subject: SmolStr,
    /// The issuer, in the same form.
    pub issuer: SmolStr,
    /// The serial number in hexadecimal.
    pub serial: SmolStr,
    /// SHA-1 over the certificate, 40 hexadecimal digits in upper case.
    pub sha1: SmolStr,
    /// SHA-256 over the certificate, 64 hexadecimal digits in lower case.
    pub sha256: SmolStr,
}
