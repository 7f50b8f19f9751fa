//! The effect of a rule as a sentence.

use std::borrow::Cow;

use crate::dm::StatusCode;
use crate::flow::{EffectDetail, EffectKind};
use crate::printable;

/// One part of the sentence about a change.
#[derive(Debug)]
pub enum Part<'a> {
    /// Words of dmtap.
    Words(Cow<'a, str>),
    /// The place of the change: a path.
    Place(&'a str),
    /// The old value.
    Before(Cow<'a, str>),
    /// The new value.
    After(Cow<'a, str>),
}

impl Part<'_> {
    /// Returns the old or new value, if this part is one.
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::Before(text) | Self::After(text) => Some(text),
            Self::Words(_) | Self::Place(_) => None,
        }
    }
}

impl EffectDetail {
    /// Returns the change in one line. `place` is the part of its path that the reader does not know yet.
    pub fn text(&self, place: &str) -> String {
        let parts = self.sentence(place).into_iter();
        let shown = parts.map(|part| match part {
            Part::Words(text) | Part::Before(text) | Part::After(text) => {
                printable::line(&text).into_owned()
            }
            Part::Place(path) => printable::line(path).into_owned(),
        });
        shown.collect()
    }

    /// Returns the sentence of [`Self::text`] in parts.
    pub fn sentence<'a>(&'a self, place: &'a str) -> Vec<Part<'a>> {
        let value = |name| match name {
            "step" => Part::Words(Cow::Borrowed(&self.step)),
            "place" => Part::Place(place),
            "before" => Part::Before(self.shown(&self.before)),
            "after" => Part::After(self.shown(&self.after)),
            _ => Part::Words(self.shift()),
        };
        let mut sentence = Vec::new();
        for (number, piece) in self.template().split(['[', ']']).enumerate() {
            let parts = piece.split(['{', '}']).enumerate();
            let parts = parts.map(|(number, text)| match number % 2 {
                0 => Part::Words(text.into()),
                _ => value(text),
            });
            let parts: Vec<Part<'_>> = parts.collect();
            let is_missing = |part: &Part<'_>| match part {
                Part::Words(_) => false,
                Part::Place(text) => text.is_empty(),
                Part::Before(text) | Part::After(text) => text.is_empty(),
            };
            if number % 2 == 0 || !parts.iter().any(is_missing) {
                sentence.extend(parts);
            }
        }
        sentence
    }

    /// Returns the sentence with placeholders for values. A part in brackets is left out if one of its values is empty.
    fn template(&self) -> &'static str {
        use EffectKind as Kind;
        match (self.kind, &*self.before, &*self.after) {
            (Kind::Other, _, "") | (Kind::Other, "", _) => {
                "{step}[ {place}][: {before}][: {after}]"
            }
            (Kind::Other, ..) => "{step}[ {place}]: {before} → {after}",
            (Kind::NotApplied, ..) => "not applied[: {after}]",
            // The rule wrote the value that was already there.
            (Kind::Status, before, after) if before == after => "kept Status {after}",
            (Kind::HttpStatus, before, after) if before == after => "kept HTTP status {after}",
            (Kind::Changed, "", _) => "set[ {place}] to {after}",
            (Kind::Changed, _, "") if self.path.contains('@') => {
                "removed {place}, which was {before}"
            }
            (Kind::Changed, _, "") => "emptied[ {place}], which was {before}",
            (Kind::Changed, ..) => "changed[ {place}:] {before} → {after}",
            (Kind::Status, "", _) => "set Status to {after}",
            (Kind::Status, ..) => "Status {before} → {after}",
            (Kind::Header, "", _) => "added header {after}",
            (Kind::Header, _, "") => "removed header {before}",
            (Kind::Header, ..) => "changed header {before} → {after}",
            (Kind::HttpStatus, ..) => "changed HTTP status[ {before}] → {after}",
            (Kind::Inserted, ..) => "added {after}[ at {place}]",
            (Kind::Replaced, ..) => "replaced {before} with {after}",
            (Kind::Added, ..) => "added {after}",
            (Kind::Removed, ..) => "removed {before}",
            (Kind::Copied, ..) => "copied {before} {after}",
            (Kind::Moved, ..) => "moved {before} {after}",
            (Kind::Refused, ..) => "refused {before} with {after}",
            (Kind::Body, ..) => "changed the body: {before} → {after}",
            (Kind::Inverted, ..) => "inverted bits of {after}",
            (Kind::Aborted, ..) => "aborted the session with {after}",
            (Kind::Answered, "", _) => "answered with {after} in the server's place",
            (Kind::Answered, ..) => "answered with {after} instead of {before}",
            (Kind::Sent, ..) => "sent {after}",
            (Kind::Delayed, ..) => "delayed by {after}",
            (Kind::Slowed, ..) => "slowed to {after}",
            (Kind::Closed, ..) => "closed the connection[ {after}]",
            (Kind::ClosedAfter, ..) => "closed the connection after {after}",
            (Kind::Reset, ..) => "reset the connection[ {after}]",
            (Kind::WrongLength, ..) => "announced a wrong Content-Length[: {after}]",
            (Kind::Tunnelled, ..) => "tunnelled the connection without decryption",
            (Kind::Certificate, ..) => "showed the device a bad certificate: {after}",
            (Kind::TlsMin, ..) => "offered TLS {after} or newer",
            (Kind::TlsMax, ..) => "offered TLS {after} or older",
            (Kind::TlsAlert, ..) => "answered with the TLS alert {after}",
            (Kind::Scenario, ..) => "moved the scenario on[ to {after}]",
            (Kind::Renumbered, ..) => "{shift}",
            (Kind::SuppressedReply, ..) => "removed the answer to what dmtap sent",
            (Kind::RestoredCredentials, ..) => "restored the credentials from before the challenge",
        }
    }

    /// Returns a value in readable form: a code with its name, a regular expression without its leading flags.
    fn shown<'a>(&self, value: &'a str) -> Cow<'a, str> {
        match (self.kind, value.trim().parse()) {
            (EffectKind::Status, Ok(code)) => StatusCode(code).to_string().into(),
            (EffectKind::Replaced, _) => value.strip_prefix("(?s)").unwrap_or(value).into(),
            _ => value.into(),
        }
    }

    fn shift(&self) -> Cow<'static, str> {
        let number = |text: &str| text.trim().parse::<i64>().ok();
        let numbers = number(&self.before).zip(number(&self.after));
        match numbers.map(|(before, after)| before.abs_diff(after)) {
            Some(1) => "MsgID and MsgRef renumbered by 1".into(),
            Some(by) => format!("MsgID and MsgRef renumbered by {by}").into(),
            None => "MsgID and MsgRef renumbered".into(),
        }
    }
}
