//! Which messages and attempts are of the same device. Several devices may share an address, a user, or a connection.

use std::net::IpAddr;

use smol_str::SmolStr;

use super::{Attempt, State, device_id, is_renewal};
use crate::record::EventRecord;
use crate::record::analysis::enrollment::device_of;
use crate::record::model::{EnrollmentRecord, EventKind};

/// A message that may be the next of an attempt.
pub(super) struct Follower<'r> {
    device: Option<IpAddr>,
    connection: u64,
    id: Option<SmolStr>,
    user: Option<&'r SmolStr>,
    step: usize,
    is_renewal: bool,
    is_answer: bool,
    /// Whether the record has any answers.
    has_answers: bool,
}

impl<'r> Follower<'r> {
    pub(super) fn of(
        record: &EventRecord,
        enrollment: &'r EnrollmentRecord,
        step: usize,
        has_answers: bool,
    ) -> Self {
        Self {
            device: device_of(record),
            connection: record.connection.id,
            id: device_id(enrollment),
            user: enrollment.user.as_ref(),
            step,
            is_renewal: is_renewal(enrollment),
            is_answer: record.event == EventKind::Response,
            has_answers,
        }
    }

    /// Returns the place of the attempt that the message goes on with: that of its device, else of its connection, else of its
    /// user.
    pub(super) fn attempt(&self, known: &[Attempt]) -> Option<usize> {
        let possible = known.iter().enumerate();
        let possible = possible.filter(|(_, it)| it.step <= self.step && self.may_be_of(it));
        let surest = possible.max_by_key(|(at, it)| {
            let is_same_id = self.is_same_id(it) == Some(true);
            let is_same_connection = it.connection == self.connection;
            let is_same_user = self.is_same_user(it) == Some(true);
            let is_next = it.step < self.step;
            (
                is_same_id,
                is_same_connection,
                is_same_user,
                is_next,
                !it.is_superseded,
                *at,
            )
        });
        surest.map(|(at, _)| at)
    }

    /// Whether an attempt under way may be of the device of this message. One whose request has no answer yet is not.
    pub(super) fn may_be_of(&self, attempt: &Attempt) -> bool {
        let is_same_connection = attempt.connection == self.connection;
        let is_in_flight = attempt.state == State::Asked
            && attempt.is_open
            && !self.is_answer
            && (self.has_answers || !is_same_connection);
        let is_same_id = self.is_same_id(attempt);
        let is_other_user = !is_same_connection && self.is_same_user(attempt) == Some(false);
        let is_possible = match is_same_id {
            Some(is_same) => is_same,
            // A renewal has no steps before it.
            None => !is_other_user && (is_same_connection || !self.is_renewal),
        };
        attempt.is_under_way() && attempt.device == self.device && !is_in_flight && is_possible
    }

    fn is_same_id(&self, attempt: &Attempt) -> Option<bool> {
        Some(attempt.id.as_ref()? == self.id.as_ref()?)
    }

    fn is_same_user(&self, attempt: &Attempt) -> Option<bool> {
        let user = local_part(self.user?);
        let mut users = attempt.users.iter().peekable();
        users.peek()?;
        Some(users.any(|it| local_part(it) == user))
    }
}

impl Attempt {
    /// Whether another attempt names the same device.
    pub(super) fn is_of_same_id(&self, other: &Self) -> bool {
        self.device == other.device && self.id.is_some() && self.id == other.id
    }

    /// Whether an attempt that got its certificate makes up for this one: certainly (`true`), or if it is of the same device,
    /// which the record does not show (`false`).
    pub(super) fn remedied_by(&self, later: &Self) -> Option<bool> {
        if self.device != later.device {
            return None;
        }
        let has_users = !self.users.is_empty() && !later.users.is_empty();
        let is_same_user = self.users.iter().any(|it| later.users.contains(it));
        let is_other_user = has_users && !is_same_user;
        let is_same_connection = self.connection == later.connection;
        let is_after = self.exchange < later.began.0;
        match (&self.id, &later.id) {
            _ if is_other_user => None,
            (Some(one), Some(two)) => (one == two).then_some(true),
            // A request without a name, such as the GET of discovery.
            (None, _) if self.users.is_empty() => {
                let is_same_server =
                    self.first_server.is_some() && self.first_server == later.first_server;
                (self.device.is_some() && is_after && is_same_server).then_some(true)
            }
            (None, None) => is_same_user.then_some(true),
            _ if is_same_user => Some(is_same_connection || self.is_redirected),
            _ => None,
        }
    }
}

/// Returns a user without a domain, in small letters: `CONTOSO\anna` and `anna@contoso.example` are one.
fn local_part(user: &str) -> String {
    let user = user.rsplit('\\').next().unwrap_or_default();
    let user = user.split('@').next().unwrap_or_default();
    user.to_lowercase()
}
