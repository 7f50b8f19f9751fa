//! Hosts that enrollment answers name and that got no request in the record.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hashlink::LinkedHashMap;
use smol_str::{SmolStr, format_smolstr};

use super::attempt::{SIGN_IN, URLS};
use super::device_of;
use crate::flow::origin::{Origin, Scheme, UrlOrigin};
use crate::record::EventRecord;
use crate::record::analysis::exchanged::Exchanged;
use crate::record::model::{EnrollmentRecord, EventKind, SessionFinding};

/// The hosts of a record.
#[derive(Default)]
pub(super) struct SentElsewhere {
    /// The host and port of each server that got a request.
    asked: BTreeSet<SmolStr>,
    sent: LinkedHashMap<Destination, Naming>,
}

/// A host that an answer sends a device to.
#[derive(PartialEq, Eq, Hash)]
struct Destination {
    host: SmolStr,
    /// The address of the device.
    device: Option<IpAddr>,
    /// Whether the host is to manage the device, and not to enroll it.
    is_account: bool,
}

/// The answers that name a host.
struct Naming {
    /// The elements and parameters that name it.
    names: Vec<SmolStr>,
    exchanges: Vec<u64>,
    rules: Vec<SmolStr>,
}

impl SentElsewhere {
    /// Takes in a message.
    pub(super) fn message(&mut self, record: &EventRecord) {
        // A log has no heads, so the destinations of its requests are not known; no server in a HAR was behind dmtap.
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
            self.sent.retain(|sent, _| match sent.is_account {
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
        let services = URLS.map(|name| (name, false, answer.facts.get(name)));
        let accounts = answer.granted.iter();
        let accounts = accounts.map(|granted| ("ADDR", true, granted.facts.get("ADDR")));
        for (name, is_account, url) in services.into_iter().chain(accounts) {
            let Some(host) = url.and_then(host_of) else {
                continue;
            };
            let destination = Destination {
                host,
                device: device_of(record),
                is_account,
            };
            if self.sent.len() >= MOST_SENT && !self.sent.contains_key(&destination) {
                continue;
            }
            let naming = self.sent.entry(destination).or_insert_with(|| Naming {
                names: Vec::new(),
                exchanges: Vec::new(),
                rules: Exchanged::of(record).rules(),
            });
            if !naming.names.iter().any(|known| known == name) {
                naming.names.push(name.into());
            }
            if !naming.exchanges.contains(&exchange) && naming.exchanges.len() < MOST_EXCHANGES {
                naming.exchanges.push(exchange);
            }
        }
    }

    /// WHY-03 for each host that got no request, at the end of the record.
    pub(super) fn findings(&self) -> Vec<SessionFinding> {
        let is_known = self.asked.len() < MOST_HOSTS;
        let sent = self.sent.iter();
        let missing = sent.filter(|(sent, _)| is_known && !self.asked.contains(&sent.host));
        missing
            .map(|(sent, naming)| naming.finding(&sent.host))
            .collect()
    }
}

impl Naming {
    fn finding(&self, host: &str) -> SessionFinding {
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
        // The user may open the page in a browser outside of dmtap; the device comes back with its result.
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

/// Returns `host:port` of a URL.
fn host_of(url: &str) -> Option<SmolStr> {
    let Origin { scheme, host, port } = UrlOrigin::of(url)?.origin;
    Some(match scheme {
        Scheme::Https => format_smolstr!("{host}:{port}"),
        Scheme::Http => format_smolstr!("http://{host}:{port}"),
    })
}

/// The most servers that are remembered; with more there are no findings.
const MOST_HOSTS: usize = 10_000;
/// The most hosts that are remembered, and the most exchanges of each.
const MOST_SENT: usize = 100;
const MOST_EXCHANGES: usize = 10;
