//! Findings about incidents: sessions that broke off, retries, long waits, unreadable bodies.

use super::Case;
use super::words::{self, duration};
use crate::flow::{Arrival, SessionEnd, Side};
use crate::printable::counted;
use crate::record::analysis::enrollment::unread_next;
use crate::record::analysis::exchanged::distinct;
use crate::record::analysis::finding::grouped;
use crate::record::analysis::incident::{Back, Incident, IncidentKind};
use crate::record::model::SessionFinding;

impl<'s> Case<'s> {
    /// WHY-03, WHY-04, WHY-05, WHY-08, WHY-11 and WHY-15.
    pub(super) fn incidents(&self) -> Vec<SessionFinding> {
        let mut findings = Vec::new();
        findings.extend(self.unread());
        findings.extend(self.header_refused());
        findings.extend(self.aborted());
        findings.extend(self.ended_by_http());
        findings.extend(self.broken_off());
        findings.extend(self.retried());
        findings.extend(self.sent_again());
        if findings.iter().all(|finding| !finding.pending) {
            findings.extend(self.silent());
        }
        findings.extend(self.slow(Side::Server));
        findings.extend(self.slow(Side::Device));
        findings
    }

    /// Returns the incidents of a kind.
    pub(super) fn of(&self, is_it: impl Fn(&IncidentKind) -> bool) -> Vec<&'s Incident> {
        let incidents = self.session.incidents.iter();
        incidents.filter(|it| is_it(&it.what)).collect()
    }

    /// WHY-15.
    fn unread(&self) -> Option<SessionFinding> {
        let unread = self.of(|what| matches!(what, IncidentKind::Unread { .. }));
        let first = unread.first()?;
        let mut finding = finding("WHY-15", &unread);
        finding.what = format!("{} could not be read", counted(unread.len(), "message"));
        finding.by_rules("acted on this.");
        for incident in unread.iter().take(MOST_LISTED) {
            if let IncidentKind::Unread { from, why, .. } = &incident.what {
                finding.why.push(format!(
                    "x{}, from {}: {why}",
                    incident.exchange,
                    words::side(*from)
                ));
            }
        }
        finding
            .why
            .push("Commands and answers in there are not known.".into());
        finding
            .why
            .extend(self.session.orphans.iter().take(MOST_LISTED).cloned());
        finding.why.extend(self.lost());
        if let IncidentKind::Unread { cause, .. } = &first.what {
            finding.advise(unread_next(*cause), "");
        }
        finding.exchanges.push(first.exchange);
        finding.exchanges.dedup();
        Some(finding)
    }

    /// WHY-04.
    fn aborted(&self) -> Option<SessionFinding> {
        let aborts = self.of(|what| matches!(what, IncidentKind::Aborted { .. }));
        let first = aborts.first()?;
        let IncidentKind::Aborted { by, is_sent } = first.what else {
            return None;
        };
        let mut finding = finding("WHY-04", &aborts);
        let (how, done) = match is_sent {
            true => ("by", "changed the message before this Alert."),
            false => ("in the name of", "did this: it put Alert 1223 in."),
        };
        finding.what = format!("Session aborted {how} {}", words::side(by));
        finding.blame(done, by);
        finding
            .why
            .push(format!("Alert 1223 stands in x{}", first.exchange));
        let withheld = self.transactions().filter(|it| {
            let is_of_message = it.asked.exchange == first.exchange;
            is_of_message && it.arrival == Arrival::Withheld
        });
        match withheld.count() {
            0 => {}
            count => finding.why.push(format!(
                "{} did not reach the device.",
                counted(count, "command")
            )),
        }
        finding.why.extend(self.lost());
        let (log, at) = (words::side(by), words::at(first.at_us));
        let too_large = self
            .too_large_results()
            .filter(|_| finding.rules.is_empty());
        let (why, next) = too_large.filter(|_| by == Side::Device && is_sent).unzip();
        finding.why.extend(why);
        let look = format!("look at the log of {log} {at}: an Alert 1223 gives no reason");
        finding.advise(next.map_or(look, str::to_owned), "");
        Some(finding)
    }

    /// WHY-03.
    fn broken_off(&self) -> Option<SessionFinding> {
        let last = self.session.broken()?;
        let IncidentKind::Broken { by, during, how } = &last.what else {
            return None;
        };
        let (by, during) = (*by, *during);
        let mut finding = finding("WHY-03", &[last]);
        let phase = match last.exchange == self.session.summary.first_exchange {
            true => "setup",
            false => "management",
        };
        let place = match during {
            Side::Server => "in the server's answer",
            Side::Device => "before the server's answer",
        };
        finding.what = format!("Session broken off in the {phase} phase, {place}");
        finding.blame(&format!("did this: the answer was {}.", how.how), by);
        if finding.rules.is_empty() {
            finding.why.push(match by {
                Some(by) => format!("{} broke it: {}", words::side(by), how.how),
                None if how.is_of_answer => format!("the answer was {}", how.how),
                None => how.how.to_string(),
            });
        }
        finding.why.push(format!(
            "in x{}; nothing of this session followed.",
            last.exchange
        ));
        finding.why.extend(self.lost());
        let next = match by {
            Some(Side::Server) => how.next(last.at_us),
            None if how.cause.is_some() => how.next(last.at_us),
            Some(Side::Device) => format!(
                "look at the device's network, and at its {} at this time",
                self.log()
            ),
            None => "let the device begin its session again".into(),
        };
        finding.advise(next, "");
        Some(finding)
    }

    /// WHY-05 of waits and retries after which the session went on.
    fn retried(&self) -> Vec<SessionFinding> {
        let status = |it: &Incident| match it.what {
            IncidentKind::Http { status, .. } => Some(status),
            _ => None,
        };
        let tried = self.of(IncidentKind::is_without_answer).into_iter();
        let tried = tried.filter(|incident| incident.back.is_some());
        let groups = grouped(tried, |one, other| {
            status(one) == status(other) && one.rules == other.rules
        });
        groups.iter().map(|group| self.retried_so(group)).collect()
    }

    fn retried_so(&self, group: &[&Incident]) -> SessionFinding {
        let mut finding = finding("WHY-05", group);
        finding.pending = false;
        let times = words::times(group.len());
        let first = group[0];
        finding.what = match &first.what {
            IncidentKind::Http {
                status: status @ (429 | 503),
                ..
            } => {
                format!("The server was busy (HTTP {status}), the device waited{times}")
            }
            IncidentKind::Http { status, .. } => {
                format!("HTTP {status}, then the device tried again{times}")
            }
            IncidentKind::Broken { how, .. } if how.how.is_empty() => {
                format!("The device tried again, though an answer was sent{times}")
            }
            _ => format!("An exchange broke, then the device tried again{times}"),
        };
        if let IncidentKind::Http { status, own, .. } = first.what {
            finding.code = Some(status);
            self.http_words(&mut finding, first, own);
        } else {
            finding.by_rules("did this.");
        }
        let mut is_kept = true;
        for incident in group.iter().take(MOST_LISTED) {
            let Some((at_us, back)) = incident.back else {
                continue;
            };
            let gap = at_us.saturating_sub(incident.at_us);
            // In a log without times all times are 0. The clock may have been set back.
            let has_times = at_us > 0 && at_us >= incident.at_us;
            let how = match back {
                Back::Repeated => "with the same message",
                Back::Other | Back::WithCredentials => "with another message",
            };
            let after = match has_times {
                true => format!(" after {}", duration(gap)),
                false => String::new(),
            };
            let mut line = format!("x{}: came back{after} {how}", incident.exchange);
            match &incident.what {
                IncidentKind::Http { retry_after, .. } => {
                    line += &match retry_after {
                        None => "; no Retry-After".to_owned(),
                        Some(asked) if !has_times => format!("; Retry-After {asked} s"),
                        Some(asked) if gap >= asked.saturating_mul(1_000_000) => {
                            format!("; Retry-After {asked} s kept")
                        }
                        Some(asked) => {
                            is_kept = false;
                            format!("; Retry-After {asked} s not kept")
                        }
                    }
                }
                IncidentKind::Broken { how, .. } if how.how.is_empty() => {
                    line += ", as if the answer had not arrived";
                }
                IncidentKind::Broken { how, .. } => line += &format!("; before: {}", how.how),
                _ => {}
            }
            finding.why.push(line);
        }
        finding.next = match (&first.what, is_kept) {
            (_, false) => {
                "let the server bear it: this device came back sooner than asked (that of dmtap demo never waits)"
                    .into()
            }
            (IncidentKind::Broken { .. }, _) => {
                "nothing, unless it happens often: then look at the network between".into()
            }
            _ => "nothing: the session went on".into(),
        };
        finding
    }

    /// WHY-05 of requests that dmtap sent twice: without dmtap their exchanges would have broken.
    fn sent_again(&self) -> Option<SessionFinding> {
        let again = self.of(|what| matches!(what, IncidentKind::SentAgain));
        let first = again.first()?;
        let mut finding = finding("WHY-05", &again);
        finding.pending = false;
        let times = words::times(again.len());
        finding.what = format!(
            "The server closed the connection without an answer, and dmtap sent the request again{times}"
        );
        finding.list(&again, MOST_LISTED, "", |incident| {
            format!(
                "x{}: the server may have got the request twice (HTTP-08)",
                incident.exchange
            )
        });
        finding
            .why
            .push("Without dmtap the device may have failed here.".into());
        finding.next = format!(
            "look in the server's log {} why it closed the connection",
            words::at(first.at_us)
        );
        Some(finding)
    }

    /// WHY-03 of a session that stopped without an incident.
    fn silent(&self) -> Option<SessionFinding> {
        let lost = self.lost();
        let summary = &self.session.summary;
        let (what, next) = match self.end() {
            SessionEnd::WithoutFinal => (
                "Session not closed: the server's last message asks for nothing, and has no Final",
                "let the server send Final in the last message of each of its packages".to_owned(),
            ),
            SessionEnd::Silent => (
                "Session not finished: the device did not come back",
                format!(
                    "look at the device's {} after the last answer; a restart or a lost network would show there",
                    self.log()
                ),
            ),
            SessionEnd::Renamed => (
                "Session not finished: the SessionID changed in the device's next message",
                "see what changed the SessionID: a session keeps it to its end (HDR-02)".to_owned(),
            ),
            SessionEnd::Superseded => (
                "Session not finished: the device began another one",
                format!(
                    "look at the device's {}: something made it begin anew",
                    self.log()
                ),
            ),
            _ => return None,
        };
        let mut finding = finding("WHY-03", &[]);
        finding.what = what.into();
        let (rules, done) = self.session.last_rules();
        finding.rules = rules;
        let leads_away = self.session.leads_away();
        let is_unclosed = *self.end() == SessionEnd::WithoutFinal;
        let by = match is_unclosed {
            true => Side::Server,
            false => Side::Device,
        };
        let by = Some(by).filter(|_| leads_away.is_none());
        finding.blame(done, by);
        finding.why.push(format!(
            "the last answer to it is in x{}",
            summary.last_exchange
        ));
        if is_unclosed {
            finding
                .why
                .push("Without Final a device may ask for more (Alert 1222), or wait.".into());
        }
        let is_first = summary.first_exchange == summary.last_exchange;
        if !is_unclosed && is_first && self.session.answer_is_indented() {
            finding.why.push(INDENTED.into());
        }
        finding.why.extend(
            leads_away.map(|text| format!("The device may have gone on past dmtap: {text}")),
        );
        finding.why.extend(lost);
        let next = match leads_away {
            Some(_) => "keep the device on dmtap, as the note STAY-01 in that answer says".into(),
            None => next,
        };
        finding.advise(next, "");
        finding.exchanges = vec![summary.last_exchange];
        Some(finding)
    }

    /// WHY-11.
    fn slow(&self, side: Side) -> Option<SessionFinding> {
        let limit = self.options.slow_us;
        let took = |incident: &Incident| match incident.what {
            IncidentKind::Slow { who, took_us } if who == side && took_us >= limit => Some(took_us),
            _ => None,
        };
        let mut slow: Vec<_> = self.session.incidents.iter().collect();
        slow.retain(|it| took(it).is_some());
        slow.sort_by_key(|incident| std::cmp::Reverse(took(incident)));
        let first = slow.first()?;
        let mut finding = finding("WHY-11", &slow);
        finding.pending = false;
        let longest = duration(took(first).unwrap_or_default());
        finding.what = format!(
            "{} took {longest} in x{}",
            words::capital(words::side(side)),
            first.exchange
        );
        finding.blame("held the message back.", side);
        for incident in slow.iter().skip(1).take(MOST_LISTED) {
            finding.why.push(format!(
                "{} in x{}",
                duration(took(incident).unwrap_or_default()),
                incident.exchange
            ));
        }
        let next = match side {
            Side::Server => "look at what the server did in this time",
            Side::Device => "nothing, unless it is always this command: some CSPs take long",
        };
        finding.advise(next, "");
        Some(finding)
    }
}

/// Returns a finding about incidents, without its texts.
pub(super) fn finding(id: &'static str, incidents: &[&Incident]) -> SessionFinding {
    let mut exchanges: Vec<u64> = incidents.iter().map(|incident| incident.exchange).collect();
    exchanges.dedup();
    exchanges.truncate(super::MOST_PLACES);
    SessionFinding {
        rules: distinct(incidents.iter().flat_map(|incident| &incident.rules)),
        exchanges,
        ..SessionFinding::new(id)
    }
}

/// The most incidents that a finding lists.
pub(super) const MOST_LISTED: usize = 3;

/// A cause that Microsoft found (blog wsdevsol, "MDM Enrollment succeeds but SyncML session aborts without errors").
const INDENTED: &str = "That answer has blanks or line breaks between its elements: the DM client of Windows 8.1 stops at \
                        those, and reports nothing.";
