//! Sessions that end with an HTTP error.

use super::Case;
use super::incidents::finding;
use super::words;
use crate::dm::Hresult;
use crate::flow::{FailureCause, Side};
use crate::record::analysis::incident::{Incident, IncidentKind};
use crate::record::analysis::no_answer::NoAnswer;
use crate::record::analysis::refusal::{IN_FRONT, next_of_words};
use crate::record::model::SessionFinding;

impl Case<'_> {
    /// WHY-08, WHY-05 or WHY-03 of a session whose last answer was an HTTP error.
    pub(super) fn ended_by_http(&self) -> Option<SessionFinding> {
        let last = self.session.broken()?;
        let IncidentKind::Http {
            status,
            retry_after,
            own,
            words,
            certificate,
        } = &last.what
        else {
            return None;
        };
        let (status, own) = (*status, *own);
        let id = match status {
            401 | 403 | 407 | 495 | 496 => "WHY-08",
            _ if certificate.is_some() => "WHY-08",
            429 | 503 => "WHY-05",
            _ => "WHY-03",
        };
        let mut finding = finding(id, &[last]);
        finding.code = Some(status);
        let cause = self.session.broken_before(last).filter(|_| own);
        let cause = cause.map(|(_, how)| how);
        finding.what = match cause {
            Some(_) => format!(
                "No answer of the server: dmtap answered with HTTP {status}, and nothing of the session followed"
            ),
            None if status < 300 => {
                format!(
                    "The server's answer (HTTP {status}) is not a SyncML message, and nothing of the session followed"
                )
            }
            None => format!("Session refused with HTTP {status}, and nothing of it followed"),
        };
        let asks = cause.is_some_and(|cause| cause.cause == Some(FailureCause::ClientCertificate));
        let certificate = certificate.as_ref();
        match cause {
            Some(cause) if finding.rules.is_empty() => {
                let line = format!("dmtap itself answered: {}", cause.how);
                finding.why.push(line);
            }
            Some(cause) => finding.by_rules(&format!(
                "acted on the request, to which the server gave no answer: {}",
                cause.how
            )),
            None => self.http_words(&mut finding, last, own),
        }
        let is_servers = finding.rules.is_empty() || self.is_of_request(last, own);
        let words = words.as_ref().filter(|_| is_servers && !own);
        finding
            .why
            .extend(words.map(|words| match words.strip_prefix("Location: ") {
                Some(to) => format!("the server redirects to {to}"),
                None => format!("the server's own words: {words}"),
            }));
        finding
            .why
            .push(format!("answered so in x{}", last.exchange));
        if finding.rules.is_empty() && !own {
            finding
                .why
                .extend(certificate.iter().flat_map(|it| it.why.iter().cloned()));
        }
        if status >= 400 && self.session.is_windows {
            finding.why.push(format!(
                "Windows shows {}",
                words::hresult_words(&Hresult::of_http(status).to_string())
            ));
        }
        finding
            .why
            .extend(retry_after.map(|after| format!("Retry-After asks to wait {after} s.")));
        finding.why.extend(self.lost());
        let is_certificate = asks || certificate.is_some();
        let is_reached = cause.is_none_or(NoAnswer::is_reached);
        let is_servers = finding.rules.is_empty() && !is_certificate && is_reached;
        finding.by = is_servers.then_some(Side::Server);
        let next = match (cause, id) {
            _ if certificate.is_some() => certificate.map_or("", |it| it.next).into(),
            (Some(cause), _) if asks => cause.next(last.at_us),
            _ if let Some(next) = words.and_then(|words| next_of_words(words)) => next.into(),
            (_, "WHY-08") => "check the token or certificate that the device presents (Authorization, client certificate)".into(),
            (_, "WHY-05") => "wait for the device's next session; it comes by its own schedule".into(),
            (Some(cause), _) => cause.next(last.at_us),
            _ if own => "look whether the server is reachable from here (dmtap doctor), and at its log".into(),
            _ if status < 400 => IN_FRONT.into(),
            _ => match (words, status) {
                (Some(_), 400 | 403 | 409 | 422 | 500..) => format!(
                    "do what the server's own words ask for; its log {} may say more",
                    words::at(last.at_us)
                ),
                _ => refused_next(status, last.at_us),
            },
        };
        finding.advise(next, "");
        Some(finding)
    }

    /// Adds a line on the cause of an HTTP error that is not the server's.
    pub(super) fn http_words(&self, finding: &mut SessionFinding, error: &Incident, own: bool) {
        match finding.rules.is_empty() {
            false if self.is_of_request(error, own) => {
                finding.by_rules("changed the request before the server got it.");
            }
            false => finding.by_rules("did this."),
            true => finding.why.extend(
                own.then(|| "dmtap itself answered: the server gave no usable answer.".into()),
            ),
        }
    }

    /// Whether rules changed the request that the server itself answered with an HTTP error.
    fn is_of_request(&self, error: &Incident, own: bool) -> bool {
        let on_request = self.session.rules_on(error.exchange);
        let mut rules = error.rules.iter();
        !own && !error.rules.is_empty() && rules.all(|rule| on_request.contains(rule))
    }
}

/// Returns the advice about a server that refuses a request by HTTP.
fn refused_next(status: u16, at_us: u64) -> String {
    let log = format!("the server's log {}", words::at(at_us));
    match status {
        400 => format!("look at {log}, and at what breaks the standard in the request (dmtap lint)"),
        404 | 405 | 410 => "compare the address that the device asked for with the server's: it stands in its DM account \
             (ADDR of w7 APPLICATION), or in the last RespURI"
            .into(),
        411 => "see whether something between device and server takes the Content-Length away".into(),
        413 => format!("raise the size of requests that the server or a proxy before it takes; look at {log}"),
        415 => "compare the Content-Type of the request with what the server takes: application/vnd.syncml.dm+xml or +wbxml".into(),
        _ => format!("look at {log}"),
    }
}
