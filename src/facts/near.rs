//! Suggestions for words without a fact.

use super::all;
use crate::nearest::{plain, slips};

/// Returns the names most similar to a word, from the facts and from `more`, the nearest first, at most `most`.
pub fn near(
    word: &str,
    more: impl Iterator<Item = &'static str>,
    most: usize,
) -> Vec<&'static str> {
    let word = word.rsplit('/').next().unwrap_or(word);
    let wanted = plain(word);
    if wanted.is_empty() || wanted.len() > MAX_WORD_BYTES {
        return Vec::new();
    }
    let mut found: Vec<(usize, &'static str)> = Vec::new();
    for name in all().iter().flat_map(|fact| fact.names()).chain(more) {
        let is_part = || wanted.len() > 3 && plain(name).contains(&wanted);
        let rank = slips(word, name).or_else(|| is_part().then_some(MAX_WORD_BYTES));
        found.extend(rank.map(|rank| (rank, name)));
    }
    found.sort_unstable();
    found.dedup_by_key(|(_, name)| *name);
    found.into_iter().take(most).map(|(_, name)| name).collect()
}

/// The longest word to compare, in bytes.
const MAX_WORD_BYTES: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_what_was_meant() {
        let check = |word: &str, expected: &str| {
            let found = near(word, std::iter::empty(), 5);
            assert!(found.contains(&expected), "{word}: {found:?}");
        };
        check("LogonStatus", "LoginStatus");
        check("WHY06", "WHY-06");
        check("CFGMGR_E_NODE_NOT_FOUND", "CFGMGR_E_NODENOTFOUND");
        check("./Device/Vendor/MSFT/BitLoker", "BitLocker");
        check("DEVICECAP", "MENROLL_E_DEVICECAPREACHED");
        for word in ["", "qqqqqqqqq"] {
            assert!(near(word, std::iter::empty(), 5).is_empty());
        }
    }
}
