//! What the device's messages say of their session: the user, and the package (OMA-TS-DM_Protocol-V1_2_1 §8).

use std::sync::Arc;

use super::SessionTag;
use crate::dm::{AlertCode, Command, Message};

/// What the device has said so far.
#[derive(Debug, Default)]
pub(super) struct PackageTracker {
    user: Option<Arc<str>>,
    stage: Stage,
    /// MsgID of its newest message, where it is a number.
    newest: Option<u32>,
    /// Whether messages of it are missing.
    has_gaps: bool,
}

/// Where the device's packages are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing was said.
    #[default]
    Before,
    /// In package 1, which goes on in the next message.
    Opening,
    /// At the end of package 1.
    Opened,
    /// In package 3.
    Managing,
}

impl PackageTracker {
    pub(super) fn note_message(&mut self, message: Message<'_>) {
        if let Some(user) = user(message) {
            self.user = Some(user);
        }
        let number = SessionTag::number_of(message);
        let follows = match (self.newest, number) {
            // Sent again, or the next one; a device that begins anew counts from 1.
            (_, Some(1)) => true,
            (Some(newest), Some(number)) => {
                number == newest || newest.checked_add(1) == Some(number)
            }
            _ => false,
        };
        self.has_gaps |= !follows;
        self.newest = number;
        let opens = match self.stage {
            Stage::Opening => true,
            // Microsoft's samples leave the alert out of the first message.
            Stage::Before => message.is_first() || message.commands().any(opens_session),
            // After a 401 the device says its package 1 again.
            Stage::Opened | Stage::Managing => message.commands().any(opens_session),
        };
        self.stage = match (opens, message.is_final()) {
            (true, true) => Stage::Opened,
            (true, false) => Stage::Opening,
            (false, _) => Stage::Managing,
        };
    }

    /// 1 or 3; a session of which nothing is known is at its beginning.
    pub(super) fn package(&self) -> u8 {
        match self.stage {
            Stage::Managing => 3,
            Stage::Before | Stage::Opening | Stage::Opened => 1,
        }
    }

    /// Whether all that the device said in the session was heard, from message 1 on.
    pub(super) fn is_whole(&self) -> bool {
        !self.has_gaps
    }

    pub(super) fn user(&self) -> Option<Arc<str>> {
        self.user.clone()
    }
}

/// Alert 1200 or 1201.
fn opens_session(command: Command<'_>) -> bool {
    let code = command.as_alert().and_then(|alert| alert.code());
    matches!(code, Some(AlertCode(1200 | 1201)))
}

/// LocName of the header's Source, else the user of Basic credentials. Both are the device's to choose: what
/// is too long is not remembered.
fn user(message: Message<'_>) -> Option<Arc<str>> {
    let header = message.header()?;
    let name = header.source_name().map(std::borrow::Cow::into_owned);
    let user = name
        .filter(|name| !name.is_empty())
        .or_else(|| header.cred()?.basic_user())?;
    (user.len() <= MAX_USER_BYTES).then(|| user.into())
}

/// Longest user that is remembered, in bytes.
const MAX_USER_BYTES: usize = 256;
