//! What was probably meant by a word that means nothing.

use strsim::osa_distance;

use super::all;

/// The names that come near a word, the nearest first, at most `most`.
pub fn near(word: &str, most: usize) -> Vec<&'static str> {
    let wanted = plain(word.rsplit('/').next().unwrap_or(word));
    if wanted.is_empty() || wanted.len() > LONGEST {
        return Vec::new();
    }
    let mut found: Vec<(usize, &'static str)> = Vec::new();
    for name in all().iter().flat_map(|fact| fact.names()) {
        let candidate = plain(name);
        let far = osa_distance(&wanted, &candidate);
        let is_part = wanted.len() > 3 && candidate.contains(&wanted);
        let slips = 1 + wanted.len() / 4;
        if far <= slips || is_part {
            let rank = if far <= slips { far } else { slips + 1 };
            found.push((rank, name));
        }
    }
    found.sort_unstable();
    found.dedup_by_key(|(_, name)| *name);
    found.into_iter().take(most).map(|(_, name)| name).collect()
}

/// The longest word that is compared, in bytes.
const LONGEST: usize = 100;

/// Case and the signs between words do not make another word.
fn plain(word: &str) -> String {
    let word = word.to_lowercase();
    word.chars().filter(|c| !"-_ .".contains(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_what_was_meant() {
        let check = |word: &str, expected: &str| {
            let found = near(word, 5);
            assert!(found.contains(&expected), "{word}: {found:?}");
        };
        check("LogonStatus", "LoginStatus");
        check("WHY06", "WHY-06");
        check("CFGMGR_E_NODE_NOT_FOUND", "CFGMGR_E_NODENOTFOUND");
        check("./Device/Vendor/MSFT/BitLoker", "BitLocker");
        check("DEVICECAP", "MENROLL_E_DEVICECAPREACHED");
        assert!(near("", 5).is_empty() && near("qqqqqqqqq", 5).is_empty());
    }
}
