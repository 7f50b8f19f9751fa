//! The user and the package of a session, from the device's messages (OMA-TS-DM_Protocol-V1_2_1 §8).

use std::sync::Arc;

use super::SessionTag;
use crate::dm::Message;

/// The state of the device's side of a session.
#[derive(Debug, Default)]
pub(super) struct PackageTracker {
    user: Option<Arc<str>>,
    stage: Stage,
    /// The MsgID of its newest message, if it is a number.
    newest: Option<u32>,
    /// Whether messages of the device are missing.
    has_gaps: bool,
}

/// The position of the device in its packages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// No message was seen.
    #[default]
    Before,
    /// In package 1, which continues in the next message.
    Opening,
    /// At the end of package 1.
    Opened,
    /// In package 3.
    Managing,
}

impl PackageTracker {
    pub(super) fn observe_message(&mut self, message: Message<'_>) {
        if let Some(user) = user(message) {
            self.user = Some(user);
        }
        let number = SessionTag::number_of(message);
        let follows = match (self.newest, number) {
            // A repeat, or the next message. A device that starts again counts from 1.
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
            Stage::Before => message.is_first() || message.opens_session(),
            // After a 401 the device sends its package 1 again.
            Stage::Opened | Stage::Managing => message.opens_session(),
        };
        self.stage = match (opens, message.is_final()) {
            (true, true) => Stage::Opened,
            (true, false) => Stage::Opening,
            (false, _) => Stage::Managing,
        };
    }

    /// Returns 1 or 3. A session of which nothing is known is in package 1.
    pub(super) fn package(&self) -> u8 {
        match self.stage {
            Stage::Managing => 3,
            Stage::Before | Stage::Opening | Stage::Opened => 1,
        }
    }

    /// Whether dmtap saw every message of the device in the session, from message 1 on.
    pub(super) fn is_whole(&self) -> bool {
        !self.has_gaps
    }

    pub(super) fn user(&self) -> Option<Arc<str>> {
        self.user.clone()
    }
}

/// Returns the LocName of the header's Source, else the user of Basic credentials. The device chooses both, so a text
/// that is too long is not remembered.
fn user(message: Message<'_>) -> Option<Arc<str>> {
    let header = message.header()?;
    let name = header.source_name().map(std::borrow::Cow::into_owned);
    let user = name
        .filter(|name| !name.is_empty())
        .or_else(|| header.cred()?.basic_user())?;
    (user.len() <= MAX_USER_BYTES).then(|| user.into())
}

/// The longest user name that is remembered, in bytes.
const MAX_USER_BYTES: usize = 256;
