//! Steps that say how a connection is received.

use std::time::Duration;

use crate::flow::{CertificateDefect, TlsAlert, TlsVersion};

/// How a connection of a device is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionStep {
    /// `refuse-connection`: it is reset.
    Refuse,
    /// `tunnel`: it goes to the server untouched.
    Tunnel,
    /// `certificate`: the device is shown one that has a flaw.
    Certificate(CertificateDefect),
    /// `tls-min`: the oldest version of TLS.
    TlsMin(TlsVersion),
    /// `tls-max`: the newest version of TLS.
    TlsMax(TlsVersion),
    /// `handshake-alert`: a TLS alert answers the ClientHello.
    Alert(TlsAlert),
    /// `handshake-stall`: nothing answers it for so long.
    Stall(Duration),
    /// `handshake-close`: the connection closes in answer to it.
    HangUp,
}

impl ConnectionStep {
    /// Its verb in rule files and records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refuse => "refuse-connection",
            Self::Tunnel => "tunnel",
            Self::Certificate(_) => "certificate",
            Self::TlsMin(_) => "tls-min",
            Self::TlsMax(_) => "tls-max",
            Self::Alert(_) => "handshake-alert",
            Self::Stall(_) => "handshake-stall",
            Self::HangUp => "handshake-close",
        }
    }

    /// Whether nothing is left for a later step or rule to say.
    pub fn ends(&self) -> bool {
        !matches!(
            self,
            Self::Certificate(_) | Self::TlsMin(_) | Self::TlsMax(_)
        )
    }

    /// Whether it means nothing where no TLS is spoken.
    pub fn needs_tls(&self) -> bool {
        !matches!(self, Self::Refuse | Self::Tunnel)
    }
}
