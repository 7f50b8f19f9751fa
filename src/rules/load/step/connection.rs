//! The verbs that say how a connection is received.

use super::{StepReader, switch};
use crate::flow::{CertificateDefect, TlsAlert, TlsVersion};
use crate::rules::load::amount;
use crate::rules::load::read::{self, Report, Value};
use crate::rules::load::vocabulary::{Keys, names};
use crate::rules::step::ConnectionStep;
use crate::rules::{Stage, Step};

pub(super) const VERBS: &[StepReader] = &[
    verb("refuse-connection", |value, _, report| {
        admit(switch(value, "refuse-connection", report).then_some(ConnectionStep::Refuse))
    }),
    verb("tunnel", |value, _, report| {
        admit(switch(value, "tunnel", report).then_some(ConnectionStep::Tunnel))
    }),
    verb("certificate", |value, _, report| {
        admit(
            read::one_of(value, "certificate", &CertificateDefect::ALL, report)
                .map(ConnectionStep::Certificate),
        )
    }),
    verb("tls-min", |value, _, report| {
        admit(version(value, "tls-min", report).map(ConnectionStep::TlsMin))
    }),
    verb("tls-max", |value, _, report| {
        admit(version(value, "tls-max", report).map(ConnectionStep::TlsMax))
    }),
    verb("handshake-alert", |value, _, report| {
        admit(
            read::one_of(value, "handshake-alert", &TlsAlert::ALL, report)
                .map(ConnectionStep::Alert),
        )
    }),
    verb("handshake-stall", |value, _, report| {
        admit(amount::time(value, "handshake-stall", report).map(ConnectionStep::Stall))
    }),
    verb("handshake-close", |value, _, report| {
        admit(switch(value, "handshake-close", report).then_some(ConnectionStep::HangUp))
    }),
];

/// Its keys that take one of a few words.
pub(super) fn words() -> Vec<Keys> {
    vec![
        ("step.certificate", names(&CertificateDefect::ALL)),
        ("step.tls-min", names(&TlsVersion::ALL)),
        ("step.tls-max", names(&TlsVersion::ALL)),
        ("step.handshake-alert", names(&TlsAlert::ALL)),
    ]
}

const fn verb(
    name: &'static str,
    read: fn(&Value<'_>, read::Table<'_>, &mut Report) -> Option<Step>,
) -> StepReader {
    StepReader {
        name,
        stages: &[Stage::Connection],
        options: &[],
        read,
    }
}

fn admit(step: Option<ConnectionStep>) -> Option<Step> {
    step.map(Step::Connection)
}

/// A version of TLS that dmtap can speak.
fn version(value: &Value<'_>, key: &str, report: &mut Report) -> Option<TlsVersion> {
    let older = ["1.0", "1.1"];
    if let Some(old) = value.get_ref().as_str().filter(|text| older.contains(text)) {
        report
            .wrong(value.span(), format!("dmtap does not speak TLS {old}"))
            .label("1.2 and 1.3 are what it speaks")
            .help("to end the handshake as an older server does: handshake-alert = \"protocol_version\"");
        return None;
    }
    read::one_of(value, key, &TlsVersion::ALL, report)
}
