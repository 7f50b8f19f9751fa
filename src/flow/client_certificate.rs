//! Client certificates: the one that a device presented, and the one that dmtap showed to a server.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

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

/// Client authentication towards a server, on the connection that carried an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientAuth {
    /// Whether the server asked for a client certificate in the handshake.
    pub asked: bool,
    /// The certificate that dmtap showed; absent where it was not asked for one, or had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Box<ShownCertificate>>,
}

/// A client certificate that dmtap shows to servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShownCertificate {
    /// The name of its identity (`dmtap identity list`); absent of one given with `--client-certs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<SmolStr>,
    /// The subject, in the order of the certificate.
    pub subject: SmolStr,
    /// The issuer, written alike.
    pub issuer: SmolStr,
    /// The serial number in hexadecimal.
    pub serial: SmolStr,
    /// SHA-1 over the certificate, 40 hexadecimal digits in upper case.
    pub sha1: SmolStr,
    /// SHA-256 over it, 64 of them in lower case.
    pub sha256: SmolStr,
}
