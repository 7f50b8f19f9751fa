//! Enrollments that end with a certificate, and after which no session of the device follows.

use std::net::IpAddr;

use smol_str::SmolStr;

use super::request::Request;
use super::sent_elsewhere::device_of;
use crate::record::EventRecord;
use crate::record::analysis::SILENCE;
use crate::record::analysis::exchanged::{Exchanged, of_user};
use crate::record::analysis::why;
use crate::record::model::{EnrollmentRecord, EventKind, SessionFinding};

/// Devices that have a certificate and no session yet.
#[derive(Default)]
pub(super) struct Unmanaged {
    devices: Vec<Certified>,
    now_us: u64,
}

/// A device that got its certificate.
struct Certified {
    device: Option<IpAddr>,
    exchange: u64,
    at_us: u64,
    /// Why no session can follow.
    causes: Vec<String>,
    /// The rules that acted on the answer.
    rules: Vec<SmolStr>,
}

impl Unmanaged {
    /// Takes in a message of any kind: a device that goes on is followed no more.
    pub(super) fn message(&mut self, record: &EventRecord) {
        self.now_us = self.now_us.max(record.at_us);
        let enrollment = record.enrollment.as_ref();
        let asks = enrollment.and_then(|it| it.message.as_deref());
        let goes_on = record.message.is_some() || asks == Some("RequestSecurityToken");
        if record.event == EventKind::Request && goes_on {
            let device = device_of(record);
            self.devices.retain(|it| it.device != device);
        }
    }

    /// The server granted what a device asked for.
    pub(super) fn granted(&mut self, request: &Request, record: &EventRecord) {
        let has_failed = record.http_status().is_some_and(|status| status >= 400);
        // A device that renews is managed already.
        if has_failed || request.is_renewal || !Exchanged::of(record).arrives {
            return;
        }
        let sent = record.sent_enrollment();
        let Some(answer) = sent.or_else(|| record.enrollment.clone()) else {
            return;
        };
        let name = answer.message.as_deref().unwrap_or_default();
        // A token of another service grants nothing of these.
        if !name.starts_with("RequestSecurityTokenResponse") || answer.granted.is_empty() {
            return;
        }
        let notes = record.notes.iter().filter(|note| note.id == PROVIDER_ID);
        let notes = notes.map(|note| note.text.to_string());
        let device = device_of(record);
        self.devices.retain(|it| it.device != device);
        if self.devices.len() < MOST_FOLLOWED {
            self.devices.push(Certified {
                device,
                exchange: request.exchange,
                at_us: record.at_us,
                causes: lacking(&answer).into_iter().chain(notes).collect(),
                rules: of_user(&Exchanged::of(record).rules()),
            });
        }
    }

    /// WHY-03 of each, at the end of the record.
    pub(super) fn findings(&mut self) -> Vec<SessionFinding> {
        let Self { devices, now_us } = std::mem::take(self);
        let findings = devices.into_iter();
        findings.filter_map(|it| it.finding(now_us)).collect()
    }
}

impl Certified {
    /// A session may begin later: without a cause there is time for it.
    fn finding(self, now_us: u64) -> Option<SessionFinding> {
        let exchange = self.exchange;
        let is_over = self.at_us > 0 && now_us.saturating_sub(self.at_us) > SILENCE;
        let next = match self.causes.is_empty() {
            true if !is_over => return None,
            _ if !self.rules.is_empty() => "take the rule out",
            true => {
                "look in the device's event log DeviceManagement-Enterprise-Diagnostics-Provider/Admin why it did not go on"
            }
            false => "mend the provisioning document, and enroll again",
        };
        let granted = format!("the server gave the certificate in x{exchange}");
        let by_rules =
            (!self.rules.is_empty()).then(|| why::by_rules(&self.rules, "acted on that message."));
        Some(SessionFinding {
            what: "Enrollment stopped after the certificate: no session came from its address"
                .into(),
            why: by_rules
                .into_iter()
                .chain([granted])
                .chain(self.causes)
                .collect(),
            rules: self.rules,
            next: next.into(),
            exchanges: vec![exchange],
            ..SessionFinding::new("WHY-03")
        })
    }
}

/// What a provisioning document lacks without which a device is not managed.
fn lacking(answer: &EnrollmentRecord) -> Vec<String> {
    let parts = &answer.granted;
    let unreadable = parts
        .iter()
        .filter(|it| it.facts.get("unreadable").is_some());
    let mut lines: Vec<String> = unreadable
        .map(|it| {
            let name = it.name.as_ref().map_or("", SmolStr::as_str);
            format!("The certificate in {name} cannot be read.")
        })
        .collect();
    if !parts.is_empty() && !parts.iter().any(|it| it.kind == "account") {
        lines.push("Its provisioning document has no DM account (w7 APPLICATION).".to_owned());
    }
    lines
}

/// The note about an account that is not the name of a node of DMClient: Windows enrolls, and never connects.
const PROVIDER_ID: &str = "PROV-01";

/// Devices that are followed at a time.
const MOST_FOLLOWED: usize = 1_000;
