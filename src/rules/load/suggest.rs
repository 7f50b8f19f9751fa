//! How errors list words.

/// Where all words are listed.
pub(super) const REFERENCE: &str = "`dmtap rules schema`";

/// `a`, `b` and `c`, each in backquotes.
pub(in crate::rules) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}
