//! The texts of Windows for its results (FormatMessage): events have them in place of a code.

use std::sync::LazyLock;

/// Returns the result of Windows with this text; 0 is a success.
pub fn result_of_text(text: &str) -> Option<u32> {
    let text = plain(text);
    let known = texts().iter();
    let mut known = known.filter(|(_, known)| known.eq_ignore_ascii_case(text));
    known.next().map(|(code, _)| *code)
}

/// Returns the failures whose texts stand anywhere in a text. Short texts are left out: other programs have them, too.
pub fn results_named_in(text: &str) -> impl Iterator<Item = u32> + '_ {
    let long = texts().iter().filter(|(_, known)| known.len() >= LONG);
    let found = long.filter(|(code, known)| *code > 0 && text.contains(known));
    found.map(|(code, _)| *code)
}

fn texts() -> &'static [(u32, &'static str)] {
    static TEXTS: LazyLock<Vec<(u32, &'static str)>> = LazyLock::new(|| {
        let rows = TABLE.lines().filter(|line| !line.starts_with('#')).skip(1);
        rows.filter_map(row).collect()
    });
    &TEXTS
}

/// Parses a row. Skips incomplete ones; a test ensures that there are none.
fn row(line: &'static str) -> Option<(u32, &'static str)> {
    let (code, text) = line.split_once('\t')?;
    let code = u32::from_str_radix(code.strip_prefix("0x")?, 16).ok()?;
    Some((code, text))
}

fn plain(text: &str) -> &str {
    text.trim().trim_end_matches('.')
}

const TABLE: &str = include_str!("../../facts/text.tsv");
const LONG: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::result;

    #[test]
    fn a_text_of_windows_is_that_of_its_result_and_of_no_other_that_begins_like_it() {
        let check = |text: &str, code: u32| assert_eq!(result_of_text(text), Some(code), "{text}");
        check("Access is denied.", 0x8007_0005);
        check(
            "Mobile Device Management (MDM) is not configured.",
            0x8018_0031,
        );
        let blocked = "Mobile Device Management (MDM) was blocked, possibly by Group Policy or the \
                       SetManagedExternally function.";
        check(blocked, 0x8018_0026);
        check("Der Vorgang wurde erfolgreich beendet.", 0);
        assert_eq!(result_of_text("Mobile Device Management (MDM)"), None);
    }

    #[test]
    fn every_text_belongs_to_a_known_result_and_stands_once() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).skip(1);
        let mut before: Vec<&str> = Vec::new();
        for line in lines {
            let (code, text) = row(line).unwrap_or_else(|| panic!("{line}"));
            assert!(
                result(code).is_some_and(|it| !it.meaning.is_empty()),
                "{line}"
            );
            assert_eq!(plain(text), text);
            let is_new = !before.iter().any(|it| it.eq_ignore_ascii_case(text));
            assert!(is_new, "{line}");
            before.push(text);
        }
    }
}
