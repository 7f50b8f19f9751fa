//! MsgIDs that only one of the peers has seen, because dmtap spoke in the other's place.
//!
//! ```text
//!  device        dmtap        server
//!    1 ───────────╳                     challenged by dmtap: the server saw nothing
//!      ◄────── 1                        dmtap's own message
//!    2 ──────────────────────► 1        numbers towards the server are one less
//!      ◄────────────────────── 1 = 2    and numbers towards the device one more
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use crate::flow::Side;

/// The MsgIDs that only one of the peers knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MsgIdMap {
    /// The numbers in ascending order, by the sender of the messages and the peer that knows them.
    gaps: HashMap<(Side, Side), Vec<u32>>,
    /// The rule that took the last one.
    rule: Option<Arc<str>>,
}

impl MsgIdMap {
    /// Whether both peers count alike.
    pub fn is_empty(&self) -> bool {
        self.gaps.is_empty()
    }

    /// The rule that took a number last.
    pub fn rule(&self) -> Option<&Arc<str>> {
        self.rule.as_ref()
    }

    /// Takes a number for a message of `sender` that only `side` knows, unless so many are taken that the session makes
    /// no sense.
    pub fn take(&mut self, sender: Side, side: Side, number: u32, rule: &Arc<str>) {
        let gaps = self.gaps.entry((sender, side)).or_default();
        if let Err(place) = gaps.binary_search(&number)
            && gaps.len() < MOST_GAPS
        {
            gaps.insert(place, number);
            self.rule = Some(rule.clone());
        }
    }

    /// Returns the number that `side` knows for the message of `sender` that the other peer calls `number`; `None` for a
    /// message that `side` never saw.
    pub fn to(&self, sender: Side, side: Side, number: u32) -> Option<u32> {
        let gaps = |side| {
            self.gaps
                .get(&(sender, side))
                .map_or(&[][..], Vec::as_slice)
        };
        let before = gaps(side.other()).binary_search(&number).err()?;
        let mut here = number - before as u32;
        for gap in gaps(side) {
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
            gaps.take(Side::Device, Side::Device, taken, &rule);
        }
        let to = |gaps: &MsgIdMap, side, numbers: std::ops::RangeInclusive<u32>| {
            numbers
                .map(|n| gaps.to(Side::Device, side, n))
                .collect::<Vec<_>>()
        };
        let there = to(&gaps, Side::Server, 1..=6);
        assert_eq!(there, [None, Some(1), None, None, Some(2), Some(3)]);
        assert_eq!(to(&gaps, Side::Device, 1..=3), [Some(2), Some(5), Some(6)]);
        assert_eq!(gaps.to(Side::Server, Side::Server, 3), Some(3));
        gaps.take(Side::Device, Side::Server, 2, &rule);
        assert_eq!(to(&gaps, Side::Server, 5..=6), [Some(3), Some(4)]);
        assert_eq!(
            to(&gaps, Side::Device, 1..=4),
            [Some(2), None, Some(5), Some(6)]
        );
    }
}
