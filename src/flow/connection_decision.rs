//! How the proxy receives a device's connection.

use std::time::Duration;

use super::RuleEffect;

/// The decision on how to receive a connection. The default is to serve it as usual.
#[derive(Clone, Debug, Default)]
pub struct ConnectionDecision {
    /// The action of the proxy on the connection.
    pub action: ConnectionAction,
    /// The TLS terms that the device is offered, if the connection is served.
    pub tls: TlsTerms,
    /// The rules that acted, in order.
    pub applied: Vec<RuleEffect>,
}

/// The action of the proxy on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionAction {
    /// Serve it.
    #[default]
    Serve,
    /// Reset it with a TCP RST, as soon as the rule can be decided.
    Refuse,
    /// Pass its bytes to the server and back, unchanged and unread.
    Tunnel,
    /// Answer the ClientHello with a fatal TLS alert, then close.
    Alert(TlsAlert),
    /// Leave the ClientHello unanswered, and close after this time.
    Stall(Duration),
    /// Close after the ClientHello, without an answer.
    HangUp,
}

/// The TLS terms that a device is offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsTerms {
    /// The defect of the certificate.
    pub defect: Option<CertificateDefect>,
    /// The oldest version; `None` stands for 1.2.
    pub min: Option<TlsVersion>,
    /// The newest version; `None` stands for 1.3.
    pub max: Option<TlsVersion>,
}

/// A defect of the certificate that a device is shown. Everything else about the certificate is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateDefect {
    /// It was valid until yesterday.
    Expired,
    /// It is valid from next month on.
    NotYetValid,
    /// It is for another name.
    WrongHost,
    /// It is signed by an unknown CA.
    Untrusted,
    /// It is signed by itself.
    SelfSigned,
    /// It is for clients, not for servers.
    WrongPurpose,
    /// Its key is an RSA key of 1024 bits.
    Weak,
}

impl CertificateDefect {
    /// All defects with their names in rule files.
    pub const ALL: [(&'static str, Self); 7] = [
        ("expired", Self::Expired),
        ("not-yet-valid", Self::NotYetValid),
        ("wrong-host", Self::WrongHost),
        ("untrusted", Self::Untrusted),
        ("self-signed", Self::SelfSigned),
        ("wrong-purpose", Self::WrongPurpose),
        ("weak", Self::Weak),
    ];

    /// Returns the name of the defect in rule files and records.
    pub fn name(self) -> &'static str {
        name_in(&Self::ALL, self)
    }
}

/// A version of TLS that dmtap speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl TlsVersion {
    /// All versions with their names in rule files.
    pub const ALL: [(&'static str, Self); 2] = [("1.2", Self::V1_2), ("1.3", Self::V1_3)];

    /// Returns the name of the version in rule files and records.
    pub fn name(self) -> &'static str {
        name_in(&Self::ALL, self)
    }
}

/// The number of a TLS alert (RFC 8446 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsAlert(pub u8);

impl TlsAlert {
    /// The alerts that end a connection, with their names in RFC 8446 §6 and in rule files.
    pub const ALL: [(&'static str, Self); 26] = [
        ("unexpected_message", Self(10)),
        ("bad_record_mac", Self(20)),
        ("record_overflow", Self(22)),
        ("handshake_failure", Self(40)),
        ("bad_certificate", Self(42)),
        ("unsupported_certificate", Self(43)),
        ("certificate_revoked", Self(44)),
        ("certificate_expired", Self(45)),
        ("certificate_unknown", Self(46)),
        ("illegal_parameter", Self(47)),
        ("unknown_ca", Self(48)),
        ("access_denied", Self(49)),
        ("decode_error", Self(50)),
        ("decrypt_error", Self(51)),
        ("protocol_version", Self(70)),
        ("insufficient_security", Self(71)),
        ("internal_error", Self(80)),
        ("inappropriate_fallback", Self(86)),
        ("user_canceled", Self(90)),
        ("missing_extension", Self(109)),
        ("unsupported_extension", Self(110)),
        ("unrecognized_name", Self(112)),
        ("bad_certificate_status_response", Self(113)),
        ("unknown_psk_identity", Self(115)),
        ("certificate_required", Self(116)),
        ("no_application_protocol", Self(120)),
    ];

    /// Returns the name of the alert.
    pub fn name(self) -> &'static str {
        name_in(&Self::ALL, self)
    }
}

fn name_in<T: PartialEq>(all: &[(&'static str, T)], one: T) -> &'static str {
    let found = all.iter().find(|(_, it)| *it == one);
    found.map_or("", |(name, _)| name)
}
