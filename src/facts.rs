//! Facts about OMA DM and Windows, from the tables in `facts/` and `docs/notes.md`: the meaning of a code, an element,
//! a header field, a node or the id of a note.

mod locuri;
mod near;
mod result;
mod table;
mod text;
mod value;

use std::borrow::Cow;
use std::sync::LazyLock;

pub use locuri::{csp_name, csp_of, is_probe, only_scope};
pub use near::near;
pub use result::{RESULT_OF_STATUS, number, parts, result, result_in_text};
pub use table::rules_for;
pub use text::{result_of_text, results_named_in};
pub use value::{
    ReportedValue, code_words, declared_configuration_failure, reported_value, update_result,
};

/// The meaning of something in the traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The kind of fact.
    pub kind: FactKind,
    /// The form in the traffic or in dmtap's output: `404`, `0x86000002`, `LocURI`, `STA-01`.
    pub key: Cow<'static, str>,
    /// The name, with other spellings after `|`; of a CSP its root, of a note its severity.
    pub name: Cow<'static, str>,
    /// The meaning.
    pub meaning: Cow<'static, str>,
    /// The behaviour of Windows; of a note, the remedy.
    pub more: Cow<'static, str>,
    /// The source of the fact.
    pub reference: &'static str,
}

/// The kinds of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactKind {
    /// A code of a Status.
    Status,
    /// A code of an Alert.
    Alert,
    /// The Type of an Item in an Alert.
    AlertType,
    /// An element of a message.
    Element,
    /// A header field of HTTP.
    Header,
    /// A configuration service provider of Windows.
    Csp,
    /// A result of Windows (HRESULT).
    Result,
    /// A note about a message.
    Note,
    /// A finding of `dmtap why`.
    Finding,
    /// A built-in rule; it is not in a table.
    Rule,
    /// A step of rules; it is not in a table.
    Step,
}

impl FactKind {
    /// Returns the name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Alert => "alert",
            Self::AlertType => "alert-type",
            Self::Element => "element",
            Self::Header => "header",
            Self::Csp => "csp",
            Self::Result => "result",
            Self::Note => "note",
            Self::Finding => "finding",
            Self::Rule => "rule",
            Self::Step => "step",
        }
    }
}

impl Fact {
    /// Returns the first spelling of the name.
    pub fn first_name(&self) -> &str {
        self.name.split('|').next().unwrap_or_default()
    }

    /// Returns name and meaning in one line: `CFGMGR_E_NODENOTFOUND, there is no such node`.
    pub fn words(&self) -> String {
        match self.first_name() {
            "" => self.meaning.clone().into_owned(),
            name => format!("{name}, {}", self.meaning),
        }
    }

    /// Whether this is one of the fact's spellings; case does not matter.
    fn is_called(&self, word: &str) -> bool {
        let mut names = self.names();
        names.any(|name| name.eq_ignore_ascii_case(word))
    }

    /// Iterates over all spellings by which the fact can be found.
    fn names(&self) -> impl Iterator<Item = &str> {
        let bare = self.key.strip_prefix(REVERSED);
        // The severity of a note is not a name of it.
        let named = !matches!(self.kind, FactKind::Note);
        let names = self.name.split('|').filter(move |_| named);
        std::iter::once(&*self.key)
            .chain(bare)
            .chain(names)
            .filter(|name| !name.is_empty())
    }
}

/// Returns every fact of the tables.
pub fn all() -> &'static [Fact] {
    static ALL: LazyLock<Vec<Fact>> = LazyLock::new(table::read);
    &ALL
}

/// Returns the fact about the code of a Status.
pub fn status(code: u16) -> Option<&'static Fact> {
    coded(FactKind::Status, code)
}

/// Returns the fact about the code of an Alert.
pub fn alert(code: u16) -> Option<&'static Fact> {
    coded(FactKind::Alert, code)
}

/// Finds the facts about the finding or note with this id; a note with several severities has several facts.
pub fn id(id: &str) -> impl Iterator<Item = &'static Fact> {
    let of_ids = |fact: &&Fact| matches!(fact.kind, FactKind::Note | FactKind::Finding);
    let is_asked = move |fact: &&Fact| fact.key.eq_ignore_ascii_case(id) || is_class(&fact.key, id);
    all().iter().filter(of_ids).filter(is_asked)
}

/// Finds all facts that a word may refer to: a number in any form, a name, a LocURI, an id.
pub fn find(word: &str) -> Vec<Fact> {
    let word = word.trim_matches(|c: char| c.is_whitespace() || "<>\"'`,;()".contains(c));
    if let Some(number) = number(status_of_intune(word).unwrap_or(word)) {
        return result::of_number(number);
    }
    let mut found: Vec<Fact> = id(word).cloned().collect();
    if found.is_empty() {
        let bare = word.strip_prefix(REVERSED).unwrap_or(word);
        let called = all().iter().filter(|fact| fact.is_called(bare));
        found.extend(called.cloned());
    }
    if found.is_empty() {
        found.extend(csp_of(word).cloned());
    }
    found
}

/// Returns the code in `Syncml(404)`, the form in which Intune prints a Status.
fn status_of_intune(word: &str) -> Option<&str> {
    let at = word.to_ascii_lowercase().find("syncml(")? + "syncml(".len();
    let rest = word.get(at..)?;
    let end = rest.find(|c: char| !c.is_ascii_digit());
    rest.get(..end.unwrap_or(rest.len()))
}

fn coded(kind: FactKind, code: u16) -> Option<&'static Fact> {
    let is_it = |key: &str| match key.split_once('…') {
        Some((first, last)) => {
            let [first, last] = [first, last].map(|end| end.parse().ok());
            first.is_some_and(|first| first <= code) && last.is_some_and(|last| code <= last)
        }
        None => key.parse() == Ok(code),
    };
    let of_kind = |fact: &&Fact| fact.kind == kind && is_it(&fact.key);
    all().iter().find(of_kind)
}

/// The prefix of many types of Alerts; some peers write it and some do not.
const REVERSED: &str = "Reversed-Domain-Name:";

/// Whether an id is in a range of classes: `F07` in `F01 … F38`.
fn is_class(range: &str, id: &str) -> bool {
    let number = |text: &str| text.trim().strip_prefix(['F', 'f'])?.parse::<u8>().ok();
    let Some((first, last)) = range.split_once('…') else {
        return false;
    };
    match (number(first), number(id), number(last)) {
        (Some(first), Some(id), Some(last)) => (first..=last).contains(&id),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_any_form_finds_its_facts() {
        let check = |word: &str, expected: &[&str]| {
            let found = find(word);
            let keys: Vec<&str> = found.iter().map(|fact| &*fact.key).collect();
            assert_eq!(keys, expected, "{word}");
        };
        for same in [
            "404",
            "0x87D10194",
            "-2016345708",
            "2278621588",
            "87d10194",
            "0x194",
            "Syncml(404)",
            "-2016345708(Syncml(404)",
        ] {
            check(same, &["404"]);
        }
        check("0x86000011", &["0x86000011"]);
        check("0", &["0x00000000"]);
        check("0x0", &["0x00000000"]);
        check("2147942405", &["0x80070005"]);
        check("0xFFFFFFFF80070005", &["0x80070005"]);
        check("80070005", &["0x80070005"]);
        check("1603", &["0x80070643"]);
        check("1223", &["1223", "0x800704C7"]);
        check("200", &["200", "200"]);
        check("429", &["0x801901AD"]);
        check("MENROLL_E_DEVICECAPREACHED", &["0x80180013"]);
        check("menroll_e_not_supported", &["0x80180015"]);
        check("1105", &["1105…1199"]);
        check("1221", &["1221"]);
        check("1299", &["1227…1299"]);
        check("LoginStatus", &["com.microsoft/MDM/LoginStatus"]);
        let install = "Reversed-Domain-Name:com.microsoft.mdm.win32csp_install";
        check(install, &[install]);
        check("com.microsoft.mdm.win32csp_install", &[install]);
        let sync = "com.microsoft.mdm.synctype";
        check(&format!("Reversed-Domain-Name:{sync}"), &[sync]);
        check(
            "com.microsoft/MDM/LoginStatus",
            &["com.microsoft/MDM/LoginStatus"],
        );
        check("<LocURI>", &["LocURI"]);
        check("ms-cv", &["MS-CV"]);
        check("WHY-06", &["WHY-06"]);
        check("sta-03", &["STA-03", "STA-03"]);
        check("F07", &["F01 … F38"]);
        check(
            "./Device/Vendor/MSFT/BitLocker/RequireDeviceEncryption",
            &["BitLocker"],
        );
        check("bitlocker", &["BitLocker"]);
        check("Personalization", &["Personalization"]);
        check("./DevInfo/DevId", &["DevInfo"]);
        check("./FwUpdate", &["FwUpdate"]);
        check("801900c8", &["0x801900C8"]);
        check("0x82B00006", &["0x82B00006"]);
        check("HWDevID", &["HWDevID"]);
        check("MMP-C", &["MMP-C"]);
        check("OdjSync", &["com.microsoft/MDM/OdjSync"]);
        check("0x12345678", &[]);
        check("nonsense", &[]);
        check("", &[]);
    }

    #[test]
    fn every_fact_is_complete_and_the_tables_are_small() {
        for fact in all() {
            assert!(!fact.key.is_empty() && !fact.meaning.is_empty(), "{fact:?}");
            assert!(!fact.reference.is_empty(), "{fact:?}");
        }
        // The last 15 KB hold values that administrators search for, such as those of declared configuration.
        const { assert!(table::BYTES <= 96 << 10) }
    }
}
