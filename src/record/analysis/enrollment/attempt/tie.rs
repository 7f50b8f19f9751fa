//! Which messages and attempts are of the same device. Several devices may share an address, a user, or a connection.

use std::net::IpAddr;

use smol_str::SmolStr;

use super::{Attempt, LAST, State, device_id, is_renewal};
use crate::record::EventRecord;
use crate::record::analysis::enrollment::device_of;
use crate::record::analysis::later::Tie;
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
}

impl<'r> Follower<'r> {
    pub(super) fn of(record: &EventRecord, enrollment: &'r EnrollmentRecord, step: usize) -> Self {
        Self {
            device: device_of(record),
            connection: record.connection.id,
            id: device_id(enrollment),
            user: enrollment.user.as_ref(),
            step,
            is_renewal: is_renewal(enrollment),
            is_answer: record.event == EventKind::Response,
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

    /// Whether an attempt under way may be of the device of this message. While its request has no answer yet, only a message
    /// on the same connection is: the device waits no longer.
    pub(super) fn may_be_of(&self, attempt: &Attempt) -> bool {
        let is_same_connection = attempt.connection == self.connection;
        let is_in_flight = attempt.state == State::Asked
            && attempt.is_open
            && !self.is_answer
            && !is_same_connection;
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

    /// Returns how surely an attempt that got its certificate at a time is of the same device as this one, which got no answer or
    /// was refused.
    pub(super) fn remedied_by(&self, later: &Self, at_us: u64) -> Option<Tie> {
        if self.device != later.device {
            return None;
        }
        let has_users = !self.users.is_empty() && !later.users.is_empty();
        let is_same_user = self.users.iter().any(|it| later.users.contains(it));
        let is_other_user = has_users && !is_same_user;
        let is_after = self.exchange < later.began.0;
        let is_same_server = self.first_server.is_some() && self.first_server == later.first_server;
        // A request without a name, such as the GET of discovery.
        let is_of_server = self.users.is_empty() && is_after && is_same_server;
        let may_be_same = is_same_user || is_of_server && self.device.is_some();
        let is_soon = self.device.is_some()
            && is_after
            && self.step < LAST
            && self.at_us > 0
            && self.at_us <= later.began.1
            && at_us.saturating_sub(self.at_us) <= SOON;
        let is_same_connection = self.connection == later.connection;
        match (&self.id, &later.id) {
            _ if is_other_user => None,
            (Some(one), Some(two)) => (one == two).then_some(Tie::Certain),
            _ if !may_be_same => None,
            _ if is_same_connection || self.is_redirected => Some(Tie::Certain),
            (None, _) if is_soon => Some(Tie::Likely),
            _ => Some(Tie::Possible),
        }
    }
}

/// A device that got a certificate.
pub(super) struct Enrolled {
    pub(super) exchange: u64,
    device: Option<IpAddr>,
    users: Vec<SmolStr>,
    id: Option<SmolStr>,
}

impl Enrolled {
    pub(super) fn by(attempt: &Attempt) -> Self {
        Self {
            exchange: attempt.exchange,
            device: attempt.device,
            users: attempt.users.clone(),
            id: attempt.id.clone(),
        }
    }

    /// Whether a session at an address under a name is of this device.
    pub(super) fn is_named(&self, device: Option<IpAddr>, name: Option<&SmolStr>) -> bool {
        self.device == device && self.id.is_some() && self.id.as_ref() == name
    }

    /// Whether this may be another device of the same address or user.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        let mut users = self.users.iter().map(|it| local_part(it));
        let is_user = |user: String| other.users.iter().any(|it| local_part(it) == user);
        let is_same_id = self.id.is_some() && self.id == other.id;
        !is_same_id && (self.device == other.device || users.any(is_user))
    }
}

/// The most time after which a device that was refused tries again, in microseconds.
const SOON: u64 = 600_000_000;

/// Returns a user without a domain, in small letters: `CONTOSO\anna` and `anna@contoso.example` are one.
fn local_part(user: &str) -> String {
    let user = user.rsplit('\\').next().unwrap_or_default();
    let user = user.split('@').next().unwrap_or_default();
    user.to_lowercase()
}
