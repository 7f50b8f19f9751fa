//! Steps that decide how dmtap receives a connection.

use schemars::JsonSchema;
use serde::Deserialize;
use strum::{IntoStaticStr, VariantNames};

use crate::flow::{CertificateDefect, TlsAlert, TlsVersion};
use crate::rules::value::Time;

/// The way in which dmtap receives a connection of a device.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[schemars(extend("x-stages" = ["connection"]))]
pub enum ConnectionStep {
    /// Refuses the connection with a TCP reset.
    RefuseConnection,
    /// Passes the bytes between device and server without reading them.
    Tunnel,
    /// Presents a certificate with this one defect to the device.
    Certificate(CertificateDefect),
    /// Accepts no version of TLS older than this one.
    TlsMin(TlsVersion),
    /// Accepts no version of TLS newer than this one.
    TlsMax(TlsVersion),
    /// Answers the ClientHello with a fatal alert of this name (RFC 8446 §6).
    HandshakeAlert(TlsAlert),
    /// Does not answer the ClientHello, and closes the connection after this time.
    #[schemars(extend("examples" = ["30s"]))]
    HandshakeStall(Time),
    /// Closes the connection after the ClientHello.
    HandshakeClose,
}

impl ConnectionStep {
    /// Whether the step leaves no decision to later steps and rules.
    pub fn ends(&self) -> bool {
        !matches!(
            self,
            Self::Certificate(_) | Self::TlsMin(_) | Self::TlsMax(_)
        )
    }

    /// Whether the step has no effect without TLS.
    pub fn needs_tls(&self) -> bool {
        !matches!(self, Self::RefuseConnection | Self::Tunnel)
    }
}
