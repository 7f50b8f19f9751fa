//! Suggestions for mistyped words.

use strsim::osa_distance;

/// Returns the candidate that was probably meant: the nearest one, if the difference is small enough for a typing error
/// or both begin alike; otherwise one that ends with the word.
pub(crate) fn closest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let plain_word = plain(word);
    let best = *candidates
        .iter()
        .min_by_key(|candidate| osa_distance(&plain_word, &plain(candidate)))?;
    if slips(word, best).is_some() || same_beginning(&plain_word, &plain(best)) {
        return Some(best);
    }
    let same_end = |c: &&&str| plain_word.len() >= 3 && plain(c).ends_with(&plain_word);
    candidates.iter().find(same_end).copied()
}

/// Returns at most `most` similar candidates, the nearest first, even if they differ by more than a typing error.
pub(crate) fn nearest<'c>(word: &str, candidates: &[&'c str], most: usize) -> Vec<&'c str> {
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

/// Returns the number of typing errors between two words; `None` if it exceeds one plus one for each four letters.
pub(crate) fn slips(word: &str, candidate: &str) -> Option<usize> {
    let (word, candidate) = (plain(word), plain(candidate));
    let most = 1 + word.len().min(candidate.len()) / 4;
    Some(osa_distance(&word, &candidate)).filter(|far| *far <= most)
}

/// Lowercases a word and drops the separators in it: neither makes a different word. The end of a very long word is cut
/// off.
pub(crate) fn plain(word: &str) -> String {
    let word = word.to_lowercase();
    let letters = word.chars().filter(|c| !"-_ .".contains(*c));
    letters.take(MAX_WORD_CHARS).collect()
}

fn same_beginning(word: &str, candidate: &str) -> bool {
    word.len() >= 3 && (candidate.starts_with(word) || word.starts_with(candidate))
}

/// The most characters of a word that are compared.
const MAX_WORD_CHARS: usize = 100;

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
