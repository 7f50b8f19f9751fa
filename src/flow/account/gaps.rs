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

/// The device's numbers that the server has no part in, for each direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// MsgIDs of the device that never reached the server.
    requests: Vec<u32>,
    /// MsgIDs the device was told that the server never used.
    responses: Vec<u32>,
    /// The rule that took the last one.
    rule: Option<Arc<str>>,
}

/// Which messages a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Messages of the device.
    Requests,
    /// Messages to the device.
    Responses,
}

impl Gaps {
    /// Whether both peers count alike.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.responses.is_empty()
    }

    /// The rule that took a number last.
    pub fn rule(&self) -> Option<&Arc<str>> {
        self.rule.as_ref()
    }

    /// Takes a number of the device's, unless so many are taken that the session makes no sense any more.
    pub fn take(&mut self, counted: Counted, number: u32, rule: &Arc<str>) {
        let gaps = match counted {
            Counted::Requests => &mut self.requests,
            Counted::Responses => &mut self.responses,
        };
        if let Err(place) = gaps.binary_search(&number)
            && gaps.len() < MOST_GAPS
        {
            gaps.insert(place, number);
            self.rule = Some(rule.clone());
        }
    }

    /// What the server calls the message that the device calls `number`; `None` for one it never saw.
    pub fn to_server(&self, counted: Counted, number: u32) -> Option<u32> {
        let before = self.of(counted).binary_search(&number).err()?;
        Some(number - before as u32)
    }

    /// What the device calls the message that the server calls `number`.
    pub fn to_device(&self, counted: Counted, number: u32) -> u32 {
        let mut here = number;
        for gap in self.of(counted) {
            if *gap > here {
                break;
            }
            here = here.saturating_add(1);
        }
        here
    }

    fn of(&self, counted: Counted) -> &[u32] {
        match counted {
            Counted::Requests => &self.requests,
            Counted::Responses => &self.responses,
        }
    }
}

/// Numbers that dmtap takes in one session at most.
const MOST_GAPS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_server_has_one_of_the_device() {
        let mut gaps = Gaps::default();
        let rule = Arc::from("r");
        for taken in [3, 1, 4, 3] {
            gaps.take(Counted::Requests, taken, &rule);
        }
        let there: Vec<_> = (1..=6)
            .map(|n| gaps.to_server(Counted::Requests, n))
            .collect();
        assert_eq!(there, [None, Some(1), None, None, Some(2), Some(3)]);
        let back: Vec<_> = (1..=3)
            .map(|n| gaps.to_device(Counted::Requests, n))
            .collect();
        assert_eq!(back, [2, 5, 6]);
        assert_eq!(gaps.to_server(Counted::Responses, 3), Some(3));
    }
}
