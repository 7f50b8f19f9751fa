//! Gets that succeeded without Results.

use super::words::{self, named};
use super::{Case, about};
use crate::flow::{Arrival, SessionEnd, Side, Transaction};
use crate::record::model::SessionFinding;

impl<'s> Case<'s> {
    /// Returns the Gets that succeeded without Results.
    fn lacking_results(&self) -> Vec<&'s Transaction> {
        let lacks = |it: &&Transaction| {
            let is_sent = it.from == Side::Server && it.arrival == Arrival::Delivered;
            let is_done = it.answer().and_then(|answer| answer.received) == Some(200);
            let lacks = it.command == "Get" && it.results.is_empty() && is_done;
            is_sent && lacks && !self.may_be_unread(it)
        };
        self.transactions().filter(lacks).collect()
    }

    /// Returns the cause of missing Results, and the next step, if Windows may have found them too large for a message.
    pub(super) fn too_large_results(&self) -> Option<(String, &'static str)> {
        let most = self.session.max_msg_size_of_server?;
        let lacking = self.lacking_results();
        let first = lacking
            .first()
            .filter(|_| self.session.is_windows && most <= SMALL)?;
        let answer = first.answer()?;
        if !self.session.rules_on(answer.place.exchange).is_empty() {
            return None;
        }
        let why = format!(
            "{} got 200 and no Results; the server's MaxMsgSize is {most}: Windows keeps Results back that do not fit, and aborts (Alert 1223).",
            named(first)
        );
        Some((
            why,
            "raise the server's MaxMsgSize: without large objects (LrgObj) nothing larger comes",
        ))
    }

    /// WHY-02 of Gets that succeeded without Results.
    pub(super) fn without_results(&self) -> Option<SessionFinding> {
        let lacking = self.lacking_results();
        let first = lacking
            .first()
            .filter(|_| *self.end() == SessionEnd::Finished)?;
        let answer = first.answer()?;
        let mut finding = about("WHY-02", &lacking);
        finding.what = format!("{}: 200 OK, and no Results came", named(first));
        if finding.rules.is_empty() {
            finding.rules = self.session.rules_on(answer.place.exchange);
        }
        finding.blame(
            "acted on the message that the Results belong to.",
            Side::Device,
        );
        finding.list(&lacking, 1, "", |_| {
            words::asked_and_answered(first, answer)
        });
        let too_large = self
            .too_large_results()
            .filter(|_| finding.rules.is_empty());
        let (why, next) = too_large.unzip();
        finding.why.extend(why);
        finding.advise(
            next.unwrap_or("Get the node again"),
            " to see whether they come",
        );
        Some(finding)
    }
}

/// The largest MaxMsgSize that a value of Windows may exceed, for all that was seen: the list of its CSPs has 16 KB.
const SMALL: u64 = 64 << 10;
