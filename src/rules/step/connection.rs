//! Steps that say how a connection is received.

use schemars::JsonSchema;
use serde::Deserialize;
use strum::{IntoStaticStr, VariantNames};

use crate::flow::{CertificateDefect, TlsAlert, TlsVersion};
use crate::rules::value::{OneOf, Time};

/// How a connection of a device is received.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
#[schemars(extend("x-stages" = ["connection"]))]
pub enum ConnectionStep {
    /// Refuses the connection with a TCP reset.
    RefuseConnection,
    /// Passes the bytes through to the server and back without reading them.
    Tunnel,
    /// Shows the device a certificate with this one defect.
    Certificate(OneOf<CertificateDefect>),
    /// Offers no older version of TLS.
    TlsMin(OneOf<TlsVersion>),
    /// Offers no newer version of TLS.
    TlsMax(OneOf<TlsVersion>),
    /// Answers the ClientHello with a fatal alert of this name (RFC 8446 §6).
    HandshakeAlert(OneOf<TlsAlert>),
    /// Does not answer the ClientHello, and closes after this time.
    #[schemars(extend("examples" = ["30s"]))]
    HandshakeStall(Time),
    /// Closes after the ClientHello.
    HandshakeClose,
}

impl ConnectionStep {
    /// Whether nothing is left for a later step or rule to say.
    pub fn ends(&self) -> bool {
        !matches!(
            self,
            Self::Certificate(_) | Self::TlsMin(_) | Self::TlsMax(_)
        )
    }

    /// Whether it means nothing where no TLS is spoken.
    pub fn needs_tls(&self) -> bool {
        !matches!(self, Self::RefuseConnection | Self::Tunnel)
    }
}
