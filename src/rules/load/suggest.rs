//! The right word for a wrong one.

use strsim::osa_distance;

/// The candidate that was probably meant: the nearest, unless it is too far away to be a slip.
pub(crate) fn closest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let word = plain(word);
    let near = |candidate: &&&str| osa_distance(&word, &plain(candidate));
    let best = candidates.iter().min_by_key(near)?;
    let slips = 1 + word.len().min(best.len()) / 4;
    if near(&best) <= slips || same_beginning(&word, &plain(best)) {
        return Some(best);
    }
    let same_end = |candidate: &&&str| word.len() >= 3 && plain(candidate).ends_with(&word);
    candidates.iter().find(same_end).copied()
}

/// The candidates that come near, the nearest first, at most `most`.
pub(super) fn nearest<'c>(word: &str, candidates: &[&'c str], most: usize) -> Vec<&'c str> {
    let word = plain(word);
    let mut near: Vec<_> = candidates
        .iter()
        .map(|candidate| (osa_distance(&word, &plain(candidate)), *candidate))
        .filter(|(far, candidate)| {
            *far <= word.len().max(candidate.len()) / 2 || same_beginning(&word, &plain(candidate))
        })
        .collect();
    near.sort_by_key(|(far, _)| *far);
    near.into_iter().take(most).map(|(_, near)| near).collect()
}

/// Where all words are listed.
pub(super) const REFERENCE: &str = "`dmtap rules schema`";

/// `a`, `b` and `c`, each in backquotes.
pub(in crate::rules) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// Case and the signs between words do not make another word.
fn plain(word: &str) -> String {
    let word = word.to_lowercase();
    word.chars().filter(|c| !"-_ .".contains(*c)).collect()
}

fn same_beginning(word: &str, candidate: &str) -> bool {
    word.len() >= 3 && (candidate.starts_with(word) || word.starts_with(candidate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_word_and_another_word_finds_none() {
        let verbs = [
            "set-status",
            "set-text",
            "remove",
            "answer",
            "delay",
            "reset",
        ];
        let check = |word: &str, expected: Option<&str>| {
            assert_eq!(closest(word, &verbs), expected, "{word}");
        };
        check("set-sttus", Some("set-status"));
        check("setstatus", Some("set-status"));
        check("Set_Text", Some("set-text"));
        check("rest", Some("reset"));
        check("remvoe", Some("remove"));
        check("throttle", None);
        check("", None);
    }
}
