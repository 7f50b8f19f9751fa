//! The failures in the lines of an event log, and in other texts without messages: codes of errors, and the node beside
//! each.
//!
//! ```text
//! MDM ConfigurationManager: Command failure status. …, CSP URI: (./Device/A/B), Result: (Access is denied.).
//! MDM Enroll: Provisioning failed. Result: (Unknown Win32 Error code: 0x80180023).
//! failed (0x8018000a - 2149056522)
//! <EventData>…<Data Name="Message5">./Device/A/B</Data><Data Name="HexInt1">0x80070032</Data></EventData>
//! ```
//!
//! Windows writes them in its own language: the node and a code in hex are the same in each.

use memchr::memmem;

use crate::app::print;
use crate::dm::{Hresult, StatusCode, locuri};
use crate::facts;

/// A failure in a text.
#[derive(Debug, PartialEq, Eq)]
struct NamedFailure {
    /// A result of Windows, or words without a known result.
    result: Result<u32, String>,
    /// The node, if one is named beside it.
    node: Option<String>,
}

impl NamedFailure {
    /// Returns the failure in words.
    fn words(&self) -> String {
        if let (Some(node), Ok(code)) = (&self.node, &self.result)
            && self.is_of_probe()
        {
            return format!(
                "0x{code:08X} for a probe of Intune, as on every device: no failure, at {node}"
            );
        }
        let what = match &self.result {
            Err(words) => words.clone(),
            Ok(code) => match facts::result(*code) {
                Some(fact) => format!("0x{code:08X} {}", fact.words()),
                None => format!("0x{code:08X}, a result of Windows that is not known"),
            },
        };
        match &self.node {
            Some(node) if locuri::canonical(node).starts_with("vendor/msft/remotewipe/") => {
                format!(
                    "{what}, at {node} (a wipe fails where Windows RE is disabled: reagentc /info)"
                )
            }
            Some(node) => {
                let blank = match node.contains("/ ") {
                    true => " (a name in it begins with a blank: see what was pasted)",
                    false => "",
                };
                format!("{}, at {node}{blank}", what.trim_end_matches('.'))
            }
            None => what,
        }
    }

    fn is_of_probe(&self) -> bool {
        let node = self.node.as_deref().map(locuri::canonical);
        // ERROR_FILE_NOT_FOUND and ERROR_PATH_NOT_FOUND, as on every device. Another one is a failure.
        matches!(self.result, Ok(0x8007_0002 | 0x8007_0003))
            && node.is_some_and(|node| facts::is_probe(&node))
    }

    /// Returns the rank: failures of enrollment and of the session (0x8018…, 0x8019…) come first, unspecific ones last.
    fn rank(&self) -> u8 {
        match self.result.as_ref().map_or(0, |code| *code) {
            _ if self.is_of_probe() => 4,
            _ if matches!(&self.result, Err(words) if words.starts_with(OWN_WORDS) || words == USER_CREDENTIAL) => {
                0
            }
            code if matches!(code >> 16, 0x8018 | 0x8019) => 0,
            code if code > 0 && facts::result(code).is_none() => 3,
            0 | 0x8000_4005 | 0x8000_FFFF | 0x8007_06D9 => 2,
            _ => 1,
        }
    }
}

/// Prints the failures in the results of events; with `is_anywhere` also those in the rest of the text.
pub(super) fn print_named(text: &[u8], is_anywhere: bool) {
    // Most files with messages have no event, and need no search.
    let is_event =
        || memmem::find(text, b": (").is_some() || memmem::find(text, EVENT_DATA).is_some();
    if !is_anywhere && !is_event() {
        return;
    }
    let named = named(text, is_anywhere);
    for failure in named.iter().take(MOST_PRINTED) {
        print::line(&format!("note: this file reports {}", failure.words()));
    }
    if let Some(more @ 1..) = named.len().checked_sub(MOST_PRINTED) {
        print::line(&format!("note: this file reports {more} more"));
    }
}

/// Returns the code that a text without messages is most likely about.
pub(super) fn first_code(text: &[u8]) -> Option<String> {
    let named = named(text, true);
    let mut named = named.iter().filter(|it| !it.is_of_probe());
    let code = named.find_map(|it| Some(*it.result.as_ref().ok()?));
    let code = code.map(|code| format!("0x{code:08X}"));
    code.or_else(|| status_in(text))
}

/// Returns the code of a Status in a text without messages: `status 216`.
fn status_in(text: &[u8]) -> Option<String> {
    let mut codes = memmem::find_iter(text, b"status ").map(|at| {
        let digits = text[at + 7..]
            .iter()
            .take(4)
            .take_while(|it| it.is_ascii_digit());
        digits.map(|byte| char::from(*byte)).collect::<String>()
    });
    codes.find(|code| code.len() == 3 && code.starts_with(['2', '4', '5']))
}

/// Returns the beginning of a text without its line breaks: a table wraps the text of an event.
fn in_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        line.push_str(word);
        line.push(' ');
    }
    line
}

fn named(text: &[u8], is_anywhere: bool) -> Vec<NamedFailure> {
    let lines = String::from_utf8_lossy(&text[..text.len().min(MOST_BYTES)]);
    let text = &*in_one_line(&lines);
    let mut found: Vec<NamedFailure> = Vec::new();
    let mut add = |result, node| {
        let failure = NamedFailure { result, node };
        if found.len() < MOST_NAMED && !found.contains(&failure) {
            found.push(failure);
        }
    };
    for fault in text.split(FAULT).skip(1) {
        let (subcode, behind) = fault.split_once(')').unwrap_or((fault, ""));
        let code = Hresult::of_code(subcode);
        if let Some(Hresult(code)) = code {
            add(Ok(code), None);
        }
        let reason = behind.trim_start().strip_prefix(REASON);
        if let Some(reason) = reason.and_then(in_brackets).filter(|it| !it.is_empty()) {
            add(Err(format!("{OWN_WORDS} {reason}")), None);
        }
    }
    if text.contains(DEVICE_TOKEN) {
        add(Err(USER_CREDENTIAL.to_owned()), None);
    }
    for line in lines.lines().filter(|_| is_anywhere) {
        let mut nodes = line.split(BESIDE_NODES).filter(|it| it.starts_with("./"));
        if let (Some(node), None, Some(code)) = (nodes.next(), nodes.next(), codes(line).next()) {
            add(Ok(code), Some(node.to_owned()));
        }
    }
    let results = RESULTS.iter().flat_map(|label| text.match_indices(label));
    let mut results: Vec<(usize, usize)> =
        results.map(|(at, label)| (at, at + label.len())).collect();
    results.sort_unstable();
    let mut behind = 0;
    for (at, begins) in results {
        let inside = &text[begins..];
        let inside = &inside[..inside.floor_char_boundary(LONGEST_RESULT)];
        let Some(inside) = in_brackets(inside) else {
            continue;
        };
        // The event begins behind the result of the previous one.
        let begin = text.ceil_char_boundary(behind.max(at.saturating_sub(LONGEST_EVENT)));
        let event = text.get(begin..at).unwrap_or_default();
        behind = begins + inside.len();
        let known = || facts::result_of_text(inside).or_else(|| http(inside));
        match codes(inside).next().or_else(known) {
            Some(0) => {}
            Some(code) => add(Ok(code), node_before(event)),
            // Other programs write results, too.
            None => {
                let node = node_before(event);
                if node.is_some() || is_of_mdm(event) {
                    add(Err(inside.to_owned()), node);
                }
            }
        }
    }
    for data in text.split("<EventData>").skip(1) {
        let (data, _) = data.split_once("</EventData>").unwrap_or((data, ""));
        let mut values = data.split('>').filter_map(|it| it.split_once('<'));
        let node = values.find_map(|(value, _)| value.starts_with("./").then(|| value.to_owned()));
        if let Some(code) = codes(data).last().filter(|_| node.is_some()) {
            add(Ok(code), node);
        }
    }
    for (at, _) in text.match_indices(": status ").filter(|_| is_anywhere) {
        let node = text[..at].split([' ', ',', ';', '"']).next_back();
        let node = node.filter(|node| node.starts_with("./"));
        let code = status_in(&text.as_bytes()[at..]).and_then(|code| code.parse().ok());
        if let (Some(node), Some(code @ 400..)) = (node, code) {
            add(Err(StatusCode(code).to_string()), Some(node.to_owned()));
        }
    }
    let numbered = NUMBERED.iter().filter(|_| is_anywhere);
    for (at, name) in numbered.flat_map(|name| text.match_indices(name)) {
        let digits = &text[at + name.len()..];
        let end = digits.find(|it: char| !it.is_ascii_digit());
        let key = &text[at..at + name.len() + end.unwrap_or(digits.len())];
        if let Some(fact) = facts::find(key).first() {
            add(Err(format!("{key} {}", fact.words())), None);
        }
    }
    let words = Some(text).filter(|_| is_anywhere);
    let written = words.into_iter().flat_map(facts::results_named_in);
    for code in words.into_iter().flat_map(codes).chain(written) {
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

/// Returns the results of Windows in a text: `0x8018000a`; known ones also in decimal: `2149056522`, `-2145910774`.
fn codes(text: &str) -> impl Iterator<Item = u32> + '_ {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '-');
    words.filter_map(|word| {
        let hex = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
        let code = match hex {
            Some(digits) if digits.len() == 8 => u32::from_str_radix(digits, 16).ok()?,
            // The pages of enrollment write these two kinds without the 0x.
            None if word.len() == 8 && ["8018", "8019"].contains(&&word[..4]) => {
                let code = u32::from_str_radix(word, 16).ok()?;
                facts::result(code).map(|_| code)?
            }
            None if word.trim_start_matches('-').len() == 10 => {
                let code = u32::try_from(facts::number(word)?).ok()?;
                facts::result(code).map(|_| code)?
            }
            _ => return None,
        };
        (code >> 31 == 1).then_some(code)
    })
}

/// Returns the text up to the bracket that closes it, or else, if that is in a later field, up to the first one.
fn in_brackets(text: &str) -> Option<&str> {
    let mut open = 0;
    let mut ends = text.match_indices(['(', ')']).filter_map(|(at, it)| {
        open += if it == "(" { 1 } else { -1 };
        (open < 0).then_some(at)
    });
    let whole = ends.next().map(|end| &text[..end]);
    let whole = whole.filter(|it| !it.contains(": ("));
    whole.or_else(|| text.split_once(')').map(|(first, _)| first))
}

/// Whether the text in front of a result is an event of MDM or of SCEP: `Auto MDM Enroll: Failed (…`.
fn is_of_mdm(event: &str) -> bool {
    let name = event
        .rsplit_once("MDM ")
        .and_then(|(_, it)| it.split_once(':'));
    let is_name = |(name, _): (&str, &str)| name.len() < LONGEST_NAME && !name.contains('.');
    event.contains("SCEP: ") || name.is_some_and(is_name)
}

/// Returns the result for an HTTP status at the end of a text: `Bad request (400).`
fn http(text: &str) -> Option<u32> {
    let (_, status) = text.rsplit_once(" (")?;
    let status = status
        .trim_end_matches(['.', ')'])
        .parse()
        .ok()
        .filter(|it| (400..600).contains(it))?;
    Some(Hresult::of_http(status).0)
}

/// Returns the node that an event names in front of its result.
fn node_before(text: &str) -> Option<String> {
    let (_, event) = text.rsplit_once("MDM ")?;
    let (_, behind) = event.split_once(": (./")?;
    let node = behind.split_once("),").map_or(behind, |(node, _)| node);
    Some(format!("./{node}"))
}

/// The label of the result of an event, in the languages of Windows.
const RESULTS: [&str; 6] = [
    "Failed (",
    "Result: (",
    "Ergebnis: (",
    "Résultat : (",
    "Resultado: (",
    "Risultato: (",
];
/// The label of the subcode of a fault in an event of enrollment, and that of its reason.
const FAULT: &str = "Fault/Code/Subcode/Value=(";
const REASON: &str = "Fault/Reason/Text=(";
/// The beginning of a reason in the notes.
const OWN_WORDS: &str = "the server's own words:";
/// A reason for which group policy is the cause, and the remedy.
const DEVICE_TOKEN: &str = "Device based token is not supported";
const USER_CREDENTIAL: &str = "that the server takes no token of the device: the group policy for automatic enrollment has \
                               Device Credential, choose User Credential";
/// The beginnings of results with a decimal number behind them: of Entra ID, and of WMI.
const NUMBERED: [&str; 2] = ["AADSTS", "MI RESULT "];
/// What stands around a node in a row of a table, and in JSON. In an event it is a bracket.
const BESIDE_NODES: [char; 8] = [' ', '\t', ',', ';', '|', '"', '\'', '\\'];
/// The beginning of the data of an event in XML.
const EVENT_DATA: &[u8] = b"<EventData>";
/// The limit of the name of an event, in bytes.
const LONGEST_NAME: usize = 40;
/// The limit of a result, in bytes.
const LONGEST_RESULT: usize = 512;
/// The limit of the part of an event in front of its result, in bytes.
const LONGEST_EVENT: usize = 2_048;
/// The limit of failures.
const MOST_NAMED: usize = 1_000;
/// The limit of printed failures.
const MOST_PRINTED: usize = 20;
/// The limit of the searched part of a text, in bytes.
const MOST_BYTES: usize = 16 << 20;
