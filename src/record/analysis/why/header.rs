//! Messages that the Status for their SyncHdr refuses as a whole.

use super::Case;
use super::failed::is_refused_with;
use super::incidents::{MOST_LISTED, finding};
use super::words::{self, code};
use crate::flow::{Side, Transaction};
use crate::printable::counted;
use crate::record::analysis::exchanged::HMAC;
use crate::record::analysis::incident::{Back, Incident, IncidentKind};
use crate::record::model::SessionFinding;

impl<'s> Case<'s> {
    /// WHY-08 about credentials, and WHY-01 about other refusals.
    pub(super) fn header_refused(&self) -> Option<SessionFinding> {
        let mut refused = self.of(|what| matches!(what, IncidentKind::HeaderRefused { .. }));
        refused.retain(|it| it.back.is_none() || self.refused_with(it).next().is_some());
        let last = refused.last()?;
        let commands: Vec<_> = refused
            .iter()
            .flat_map(|it| self.refused_with(it))
            .collect();
        let IncidentKind::HeaderRefused {
            by,
            code: got,
            scheme,
            message,
            is_recorded,
            cred,
            checked,
        } = &last.what
        else {
            return None;
        };
        let is_auth = matches!(got, 401 | 407);
        // The newest scheme that this peer asked for.
        let schemes = self.session.incidents.iter().rev();
        let asked = schemes
            .skip_while(|it| it.exchange > last.exchange)
            .find_map(|it| match &it.what {
                IncidentKind::HeaderRefused {
                    by: who,
                    scheme: Some(scheme),
                    ..
                } if who == by => Some((it.exchange, scheme)),
                _ => None,
            });
        let mut finding = finding(if is_auth { "WHY-08" } else { "WHY-01" }, &refused);
        finding.code = Some(*got);
        let whose = words::side(by.other());
        finding.what = match is_auth {
            true => format!(
                "Authentication: {} for message {message} of {whose}",
                code(*got)
            ),
            false => format!("Message {message} of {whose}: {}", code(*got)),
        };
        finding.blame(
            "acted on this Status, or on the message that it is for.",
            *by,
        );
        finding.why.push(format!(
            "the Status for the SyncHdr stands in x{}, from {}",
            last.exchange,
            words::side(*by)
        ));
        if refused.len() > 1 {
            finding
                .why
                .push(format!("It came {} times in this session.", refused.len()));
        }
        if is_auth {
            let had = match cred.as_deref() {
                _ if !is_recorded => {
                    format!(
                        "The record does not have message {message} of {whose}, so its credentials are not known"
                    )
                }
                None => "The message had no credentials".to_owned(),
                Some("") => "The message had credentials without a scheme".to_owned(),
                Some(HMAC) => format!("The message had an HMAC ({HMAC})"),
                Some(scheme) => format!("The message had credentials of {scheme}"),
            };
            let asks = match (scheme, &asked) {
                (Some(scheme), _) => format!("the Status asks for {scheme}"),
                (None, Some((exchange, scheme))) => {
                    format!("the Status has no Chal; the one in x{exchange} asks for {scheme}")
                }
                (None, None) => {
                    "the Status has no Chal, so it does not say what is asked for".to_owned()
                }
            };
            finding.why.push(format!("{had}; {asks}."));
            let checked = checked.as_ref().map(|it| format!("{}: {}", it.id, it.text));
            finding.why.extend(checked);
        }
        finding.why.extend(last.back.map(|(_, back)| match back {
            Back::WithCredentials => format!("The next message of {whose} had credentials."),
            _ => format!("A later message of {whose} was accepted, and the session went on."),
        }));
        finding.why.extend(refused_words(&commands));
        finding.transactions = commands
            .iter()
            .map(|it| it.number)
            .take(super::MOST_PLACES)
            .collect();
        finding.why.extend(self.lost());
        let other_scheme = asked.filter(|(_, asked)| {
            let given = cred.as_deref().filter(|it| !it.is_empty());
            let given = given.map(|it| if it == HMAC { "syncml:auth-MAC" } else { it });
            is_auth && given.is_some_and(|given| !given.eq_ignore_ascii_case(asked))
        });
        let is_right = checked.as_ref().is_some_and(|it| it.id == "AUTH-01");
        let next = match (is_auth, by) {
            _ if let Some((_, asked)) = other_scheme => {
                format!("let {whose} send the credentials that the Chal asks for: {asked}")
            }
            (true, _) if is_right => format!(
                "look at the account that {} has: for the one that dmtap knows, the credentials are right",
                words::side(*by)
            ),
            (true, Side::Server) => "compare the user, the password and the nonce of the account (w7 APPLICATION, AAUTHTYPE) with the server's".into(),
            (true, Side::Device) => "compare the server's credentials with those of the account (w7 APPLICATION)".into(),
            (false, _) => format!("`dmtap explain {got}` says what it means"),
        };
        finding.advise(next, " to see whether the server accepts the device");
        Some(finding)
    }

    /// Returns the refusal of the other peer's credentials in the message of a command: that peer runs none of its commands.
    pub(super) fn refusing(&self, transaction: &Transaction) -> Option<&'s Incident> {
        let mut incidents = self.session.incidents.iter();
        incidents.find(|it| {
            let is_it = matches!(it.what, IncidentKind::HeaderRefused { by, code: 401 | 407, .. } if by == transaction.from);
            is_it && it.exchange == transaction.asked.exchange
        })
    }

    /// Adds to a finding about unanswered commands of one message that the message refuses the receiver's credentials.
    pub(super) fn behind_refusal(&self, finding: &mut SessionFinding, group: &[&Transaction]) {
        let from = group[0].from;
        let (sender, receiver) = (words::side(from), words::side(from.other()));
        finding.why.push(format!(
            "Its message refuses that of {receiver} (401 or 407), so {receiver} does not run its commands (STA-10)."
        ));
        finding.next = format!(
            "let {sender} send its commands in a later message, once it accepts the credentials of {receiver}"
        );
        let is_again = |it: &&Transaction| {
            let mut later = self.session.transactions[it.number as usize..].iter();
            later.any(|other| other.command == it.command && other.node() == it.node())
        };
        finding.pending = from == Side::Server && !group.iter().all(is_again);
    }

    /// Returns the commands of a peer that a rule refused together with a message of the other peer.
    fn refused_with(&self, incident: &Incident) -> impl Iterator<Item = &'s Transaction> {
        self.transactions()
            .filter(move |it| is_refused_with(incident, it))
    }
}

/// `With it 7 commands of the server in x2 were refused (215 …, 401 …): Atomic, …`
fn refused_words(commands: &[&Transaction]) -> Option<String> {
    let first = commands.first()?;
    let mut codes: Vec<u16> = commands.iter().filter_map(|it| it.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    let codes: Vec<String> = codes.into_iter().map(code).collect();
    let names: Vec<String> = commands
        .iter()
        .take(MOST_LISTED)
        .map(|it| words::named(it))
        .collect();
    let more = match commands.len().saturating_sub(MOST_LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "With it {} of {} in x{} were refused ({}): {}{more}.",
        counted(commands.len(), "command"),
        words::side(first.from),
        first.asked.exchange,
        codes.join(", "),
        names.join(", "),
    ))
}

/// The deed of a rule that makes a message refuse the credentials of its receiver.
pub(super) const REFUSING: &str = "did this: with the Status that it made, the receiver runs none of the commands of that message.";
