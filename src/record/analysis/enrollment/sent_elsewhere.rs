//! Hosts that enrollment answers name and that got no request in this record.

use std::collections::BTreeSet;
use std::net::IpAddr;

use smol_str::{SmolStr, format_smolstr};

use super::device_of;
use crate::flow::origin::{Origin, Scheme, UrlOrigin};
use crate::record::EventRecord;
use crate::record::analysis::exchanged::{Exchanged, of_user};
use crate::record::model::{EnrollmentRecord, EventKind, SessionFinding};

/// The hosts of a record.
#[derive(Default)]
pub(super) struct SentElsewhere {
    /// Host and port of each server that was asked.
    asked: BTreeSet<SmolStr>,
    sent: Vec<Sent>,
}

/// A host that answers send devices to.
struct Sent {
    host: SmolStr,
    /// The address of the device.
    device: Option<IpAddr>,
    /// Whether the device is to be managed there, not enrolled.
    is_account: bool,
    /// What names it, and in which exchanges.
    names: Vec<SmolStr>,
    exchanges: Vec<u64>,
    rules: Vec<SmolStr>,
}

impl SentElsewhere {
    /// Takes in a message.
    pub(super) fn message(&mut self, record: &EventRecord) {
        // A log has no heads, and nobody knows where its requests went; nothing in a HAR stood behind dmtap.
        let is_of_file = record.connection.device.is_none_or(|it| it.port() == 0);
        let Some(head) = record.head.as_ref().filter(|_| !is_of_file) else {
            return;
        };
        if record.event == EventKind::Request {
            let server = record.connection.server.clone();
            let address = head.uri.as_deref().and_then(host_of);
            if self.asked.len() < MOST_HOSTS {
                self.asked.extend(server.into_iter().chain(address));
            }
            // A device that comes back did not leave dmtap.
            let enrollment = record.enrollment.as_ref();
            let asks = enrollment.and_then(|enrollment| enrollment.message.as_deref());
            let is_of_service = asks.is_some_and(|asks| asks != "Discover");
            let is_managed = record.message.is_some();
            let device = device_of(record);
            self.sent.retain(|sent| match sent.is_account {
                _ if sent.device != device => true,
                true => !is_managed,
                false => !is_of_service,
            });
            return;
        }
        match &record.sent {
            Some(_) => self.answer(record, record.sent_enrollment().as_ref()),
            None => self.answer(record, record.enrollment.as_ref()),
        }
    }

    fn answer(&mut self, record: &EventRecord, answer: Option<&EnrollmentRecord>) {
        let (Some(answer), Some(exchange)) = (answer, record.exchange) else {
            return;
        };
        let services = SERVICES.map(|name| (name, false, answer.facts.get(name)));
        let accounts = answer.granted.iter();
        let accounts = accounts.map(|granted| ("ADDR", true, granted.facts.get("ADDR")));
        for (name, is_account, url) in services.into_iter().chain(accounts) {
            let Some(host) = url.and_then(host_of) else {
                continue;
            };
            let device = device_of(record);
            let is_it = |sent: &Sent| {
                sent.host == host && sent.is_account == is_account && sent.device == device
            };
            let known = self.sent.iter().position(is_it);
            if known.is_none() {
                if self.sent.len() >= MOST_SENT {
                    continue;
                }
                self.sent.push(Sent {
                    host,
                    device,
                    is_account,
                    names: Vec::new(),
                    exchanges: Vec::new(),
                    rules: of_user(&Exchanged::of(record).rules()),
                });
            }
            let last = self.sent.len().checked_sub(1);
            let Some(sent) = known.or(last).and_then(|at| self.sent.get_mut(at)) else {
                continue;
            };
            if !sent.names.iter().any(|known| known == name) {
                sent.names.push(name.into());
            }
            if !sent.exchanges.contains(&exchange) && sent.exchanges.len() < MOST_EXCHANGES {
                sent.exchanges.push(exchange);
            }
        }
    }

    /// WHY-03 for each host that got no request, at the end of the record.
    pub(super) fn findings(&self) -> Vec<SessionFinding> {
        let is_known = self.asked.len() < MOST_HOSTS;
        let is_missing = |sent: &&Sent| is_known && !self.asked.contains(&sent.host);
        let missing = self.sent.iter().filter(is_missing);
        missing.map(Sent::finding).collect()
    }
}

impl Sent {
    fn finding(&self) -> SessionFinding {
        let host = &self.host;
        let places = self.exchanges.iter().map(|exchange| format!("x{exchange}"));
        let places: Vec<String> = places.collect();
        let mut finding = SessionFinding {
            what: format!("The device was sent to {host}, which is not behind dmtap"),
            rules: self.rules.clone(),
            exchanges: self.exchanges.clone(),
            ..SessionFinding::new("WHY-03")
        };
        finding.by_rules("acted on that answer.");
        finding.why.push(format!(
            "Named by {} in {}; this record has no request to it.",
            self.names.join(", "),
            places.join(", ")
        ));
        let is_http = host.starts_with("http://");
        let origin = match is_http {
            true => host.to_string(),
            false => format!("https://{host}"),
        };
        // A browser may open the page anywhere; the device comes back with what it got there.
        let next = match self.names == [SIGN_IN] {
            true => format!(
                "see whether the user could sign in there, and whether the page sent the device back; --map PUBLIC={origin} records it"
            ),
            false if is_http => format!(
                "let the server write https:// there, or add --map PUBLIC={origin}, and enroll again"
            ),
            false => {
                format!("run dmtap with --stay on, or add --map PUBLIC={origin}, and enroll again")
            }
        };
        finding.advise(next, "");
        finding
    }
}

/// `host:port` of a URL; with its scheme if that is http, since dmtap may stand for the host by https alone.
fn host_of(url: &str) -> Option<SmolStr> {
    let Origin { scheme, host, port } = UrlOrigin::of(url)?.origin;
    Some(match scheme {
        Scheme::Https => format_smolstr!("{host}:{port}"),
        Scheme::Http => format_smolstr!("http://{host}:{port}"),
    })
}

/// What a DiscoverResponse names: two services, and the page on which the user signs in before them.
const SERVICES: [&str; 3] = [
    "EnrollmentPolicyServiceUrl",
    "EnrollmentServiceUrl",
    SIGN_IN,
];
const SIGN_IN: &str = "AuthenticationServiceUrl";

/// Servers that are remembered; with more nothing is concluded.
const MOST_HOSTS: usize = 10_000;
/// Hosts that answers name, and exchanges that are listed for each.
const MOST_SENT: usize = 100;
const MOST_EXCHANGES: usize = 10;
