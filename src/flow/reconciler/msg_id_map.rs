//! MsgIDs that only one of the peers has seen, because dmtap spoke in the other's place.
//!
//! ```text
//!  device        dmtap        server
//!    1 ───────────╳                     challenged by dmtap: the server saw nothing
//!      ◄────── 1                        dmtap's own message
//!    2 ──────────────────────► 1        numbers towards the server are one less
//!      ◄────────────────────── 1 = 2    and numbers towards the device one more
//! ```

use std::sync::Arc;

use crate::flow::Side;

/// Numbers that one peer has no part in, for each direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MsgIdMap {
    requests: Gaps,
    responses: Gaps,
    /// The rule that took the last one.
    rule: Option<Arc<str>>,
}

/// One direction: both peers count the same messages, each with numbers of its own in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Gaps {
    /// Numbers that only the device knows.
    device: Vec<u32>,
    /// Numbers that only the server knows.
    server: Vec<u32>,
}

/// Which messages a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageDirection {
    /// Messages of the device.
    Requests,
    /// Messages to the device.
    Responses,
}

impl MessageDirection {
    /// The messages that `side` counts.
    pub fn sent_by(side: Side) -> Self {
        match side {
            Side::Device => Self::Requests,
            Side::Server => Self::Responses,
        }
    }
}

impl MsgIdMap {
    /// Whether both peers count alike.
    pub fn is_empty(&self) -> bool {
        let Self {
            requests,
            responses,
            ..
        } = self;
        [requests, responses]
            .iter()
            .all(|count| count.device.is_empty() && count.server.is_empty())
    }

    /// The rule that took a number last.
    pub fn rule(&self) -> Option<&Arc<str>> {
        self.rule.as_ref()
    }

    /// Takes a number that only `side` knows, unless so many are taken that the session makes no sense.
    pub fn take(&mut self, counted: MessageDirection, side: Side, number: u32, rule: &Arc<str>) {
        let count = match counted {
            MessageDirection::Requests => &mut self.requests,
            MessageDirection::Responses => &mut self.responses,
        };
        let gaps = match side {
            Side::Device => &mut count.device,
            Side::Server => &mut count.server,
        };
        if let Err(place) = gaps.binary_search(&number)
            && gaps.len() < MOST_GAPS
        {
            gaps.insert(place, number);
            self.rule = Some(rule.clone());
        }
    }

    /// What `side` calls the message that the other peer calls `number`; `None` for one it never saw.
    pub fn to(&self, side: Side, counted: MessageDirection, number: u32) -> Option<u32> {
        let count = match counted {
            MessageDirection::Requests => &self.requests,
            MessageDirection::Responses => &self.responses,
        };
        let (theirs, own) = match side {
            Side::Server => (&count.device, &count.server),
            Side::Device => (&count.server, &count.device),
        };
        let before = theirs.binary_search(&number).err()?;
        let mut here = number - before as u32;
        for gap in own {
            if *gap > here {
                break;
            }
            here = here.saturating_add(1);
        }
        Some(here)
    }
}

/// Numbers of one peer alone in one session, at most.
const MOST_GAPS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_one_peer_has_one_of_the_other() {
        let mut gaps = MsgIdMap::default();
        let rule = Arc::from("r");
        for taken in [3, 1, 4, 3] {
            gaps.take(MessageDirection::Requests, Side::Device, taken, &rule);
        }
        let to = |gaps: &MsgIdMap, side, numbers: std::ops::RangeInclusive<u32>| {
            numbers
                .map(|n| gaps.to(side, MessageDirection::Requests, n))
                .collect::<Vec<_>>()
        };
        let there = to(&gaps, Side::Server, 1..=6);
        assert_eq!(there, [None, Some(1), None, None, Some(2), Some(3)]);
        assert_eq!(to(&gaps, Side::Device, 1..=3), [Some(2), Some(5), Some(6)]);
        assert_eq!(
            gaps.to(Side::Server, MessageDirection::Responses, 3),
            Some(3)
        );
        gaps.take(MessageDirection::Requests, Side::Server, 2, &rule);
        assert_eq!(to(&gaps, Side::Server, 5..=6), [Some(3), Some(4)]);
        assert_eq!(
            to(&gaps, Side::Device, 1..=4),
            [Some(2), None, Some(5), Some(6)]
        );
    }
}
