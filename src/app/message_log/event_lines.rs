//! What the lines of an event log name, and other texts without messages: codes of errors, and the node beside each.
//!
//! ```text
//! MDM ConfigurationManager: Command failure status. …, CSP URI: (./Device/A/B), Result: (Access is denied.).
//! MDM Enroll: Provisioning failed. Result: (Unknown Win32 Error code: 0x80180023).
//! failed (0x8018000a - 2149056522)
//! ```

use memchr::memmem;

use crate::app::print;
use crate::facts;

/// A failure that a text names.
#[derive(Debug, PartialEq, Eq)]
struct NamedFailure {
    /// A result of Windows, or words that stand for none that is known.
    result: Result<u32, String>,
    /// The node, where one stands beside it.
    node: Option<String>,
}

impl NamedFailure {
    /// For people.
    fn words(&self) -> String {
        let what = match &self.result {
            Err(words) => words.clone(),
            Ok(code) => match facts::result(*code) {
                Some(fact) => format!("0x{code:08X} {}", fact.words()),
                None => format!("0x{code:08X}, a result of Windows that is not known"),
            },
        };
        match &self.node {
            Some(node) => format!("{what}, at {node}"),
            None => what,
        }
    }

    /// Those of enrollment and of the session (0x8018…, 0x8019…) come first, those that say little last.
    fn rank(&self) -> u8 {
        match self.result.as_ref().map_or(0, |code| *code) {
            code if matches!(code >> 16, 0x8018 | 0x8019) => 0,
            code if code > 0 && facts::result(code).is_none() => 3,
            0 | 0x8000_4005 | 0x8000_FFFF | 0x8007_06D9 => 2,
            _ => 1,
        }
    }
}

/// Prints the failures that the results of events name, and anywhere else in a text without messages.
pub(super) fn print_named(text: &[u8], is_anywhere: bool) {
    // Most files with messages have no event.
    if !is_anywhere && memmem::find(text, b"Result:").is_none() {
        return;
    }
    let named = named(&in_one_line(text), is_anywhere);
    for failure in named.iter().take(MOST_PRINTED) {
        print::line(&format!("note: this file reports {}", failure.words()));
    }
    if let Some(more @ 1..) = named.len().checked_sub(MOST_PRINTED) {
        print::line(&format!("note: this file reports {more} more"));
    }
}

/// The code that a text without messages is most likely about.
pub(super) fn first_code(text: &[u8]) -> Option<String> {
    let named = named(&in_one_line(text), true);
    let code = named.iter().find_map(|it| Some(*it.result.as_ref().ok()?));
    let code = code.map(|code| format!("0x{code:08X}"));
    code.or_else(|| status_in(text))
}

/// The code of a Status that a text without messages names: `status 216`.
fn status_in(text: &[u8]) -> Option<String> {
    let codes = memmem::find_iter(text, b"status ").map(|at| {
        let digits = text[at + 7..]
            .iter()
            .take(4)
            .take_while(|it| it.is_ascii_digit());
        digits.map(|byte| char::from(*byte)).collect::<String>()
    });
    { codes }.find(|code| code.len() == 3 && code.starts_with(['2', '4', '5']))
}

/// The beginning of a text without its line breaks: a table wraps the text of an event.
fn in_one_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(MOST_BYTES)]);
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        line.push_str(word);
        line.push(' ');
    }
    line
}

fn named(text: &str, is_anywhere: bool) -> Vec<NamedFailure> {
    let mut found: Vec<NamedFailure> = Vec::new();
    let mut add = |result, node| {
        let failure = NamedFailure { result, node };
        if found.len() < MOST_NAMED && !found.contains(&failure) {
            found.push(failure);
        }
    };
    let mut behind = 0;
    for (at, _) in text.match_indices(RESULT) {
        let inside = &text[at + RESULT.len()..];
        let inside = &inside[..inside.floor_char_boundary(LONGEST_RESULT)];
        let Some((inside, _)) = inside.split_once(')') else {
            continue;
        };
        // The event begins behind the result of the one before.
        let begin = text.ceil_char_boundary(behind.max(at.saturating_sub(LONGEST_EVENT)));
        let event = &text[begin..at];
        behind = at + RESULT.len() + inside.len();
        let result = codes(inside).next();
        let known = MESSAGES
            .iter()
            .find(|(words, _)| inside.trim_end_matches('.') == *words);
        match result.or(known.map(|(_, code)| *code)) {
            Some(code) => add(Ok(code), node_before(event)),
            // Other programs write results, too.
            None => {
                if let Some(node) = node_before(event)
                    && !inside.starts_with("The operation completed successfully")
                {
                    add(Err(inside.to_owned()), Some(node));
                }
            }
        }
    }
    let others = is_anywhere.then(|| codes(text)).into_iter().flatten();
    for code in others {
        let is_it = |known: &NamedFailure| known.result == Ok(code);
        if found.len() < MOST_NAMED && !found.iter().any(is_it) {
            found.push(NamedFailure {
                result: Ok(code),
                node: None,
            });
        }
    }
    found.sort_by_key(NamedFailure::rank);
    found
}

/// The results of Windows in a text: `0x8018000a`, and in decimal where they are known, `2149056522`, `-2145910774`.
fn codes(text: &str) -> impl Iterator<Item = u32> + '_ {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '-');
    words.filter_map(|word| {
        let hex = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
        let code = match hex {
            Some(digits) if digits.len() == 8 => u32::from_str_radix(digits, 16).ok()?,
            None if word.trim_start_matches('-').len() == 10 => {
                let code = u32::try_from(facts::number(word)?).ok()?;
                facts::result(code).map(|_| code)?
            }
            _ => return None,
        };
        (code >> 31 == 1).then_some(code)
    })
}

/// The node that an event names in front of its result.
fn node_before(text: &str) -> Option<String> {
    let (_, event) = text.rsplit_once("MDM ")?;
    let (_, behind) = event.split_once("CSP URI: (")?;
    let node = behind.split_once("),").map_or(behind, |(node, _)| node);
    (!node.is_empty()).then(|| node.to_owned())
}

/// What stands in front of the result of an event.
const RESULT: &str = "Result: (";
/// Bytes of a result.
const LONGEST_RESULT: usize = 512;
/// Bytes of an event in front of its result.
const LONGEST_EVENT: usize = 2_048;
/// How Windows writes results in English words (FormatMessage).
const MESSAGES: [(&str, u32); 12] = [
    ("Incorrect function", 0x8007_0001),
    ("The system cannot find the file specified", 0x8007_0002),
    ("The system cannot find the path specified", 0x8007_0003),
    ("Access is denied", 0x8007_0005),
    ("The data is invalid", 0x8007_000D),
    ("The request is not supported", 0x8007_0032),
    ("The parameter is incorrect", 0x8007_0057),
    (
        "Cannot create a file when that file already exists",
        0x8007_00B7,
    ),
    (
        "The specified service does not exist as an installed service",
        0x8007_0424,
    ),
    ("Element not found", 0x8007_0490),
    ("Unspecified error", 0x8000_4005),
    ("Catastrophic failure", 0x8000_FFFF),
];
/// Failures that are named.
const MOST_NAMED: usize = 1_000;
/// Failures that are printed.
const MOST_PRINTED: usize = 20;
/// Bytes of a text in which they are looked for.
const MOST_BYTES: usize = 16 << 20;
