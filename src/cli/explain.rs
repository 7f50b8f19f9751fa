//! `dmtap explain`: the meaning of a number, a name or an id.

use std::borrow::Cow;

use super::{Failure, Outcome, Output, write_text};
use crate::builtin_rules::{self, BUILTIN_RULES, BuiltinRule};
use crate::dm::{Hresult, StatusCode, locuri};
use crate::facts::{self, Fact, FactKind, RESULT_OF_STATUS};
use crate::printable;
use crate::rules::load::step_keys;
use crate::rules::{FaultStep, Step, load};

/// Explain a status, a result of Windows, an alert, an element, a node, or the id of a note or finding.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap explain 404 0x86000011             a Status, a result of Windows
  dmtap explain -- -2016345708             the number that Intune shows
  dmtap explain LoginStatus RespURI MS-CV  an alert, an element, a header field
  dmtap explain ./Device/Vendor/MSFT/BitLocker/RequireDeviceEncryption
  dmtap explain WHY-06 STA-01 --output json

Exit code 1: something is not known; names that come near it are printed.")]
pub struct Explain {
    /// Numbers in any form, names, LocURIs, ids.
    #[arg(required = true, allow_negative_numbers = true)]
    what: Vec<String>,
}

impl Explain {
    /// Runs the verb.
    ///
    /// # Errors
    /// A word that means nothing dmtap knows.
    pub fn run(self, output: Output) -> Outcome {
        let (mut text, mut unknown) = (String::new(), Vec::new());
        for word in &self.what {
            let found = found(word);
            if found.is_empty() {
                unknown.push(not_known(word));
                if output == Output::Json {
                    let near = near(word);
                    let line =
                        serde_json::json!({"v": 1, "asked": word, "kind": null, "near": near});
                    text.push_str(&format!("{line}\n"));
                }
            }
            for fact in &found {
                // An id may have an info note as well as an error; rules cause the error.
                let is_beside = fact.kind == FactKind::Note && fact.first_name() == "info";
                let rules = match is_beside && found.len() > 1 {
                    true => Vec::new(),
                    false => injecting(fact),
                };
                match output {
                    Output::Text => {
                        if !text.is_empty() {
                            text.push('\n');
                        }
                        text.push_str(&in_words(word, fact, &rules));
                    }
                    Output::Json => text.push_str(&in_json(word, fact, &rules)),
                }
            }
        }
        write_text(&text, output)?;
        match unknown.is_empty() {
            true => Ok(()),
            false => Err(Failure::Failed(unknown.join("\n"))),
        }
    }
}

/// Returns the facts about a word, also built-in rules, steps of rules, and the names in the faults of enrollment, such
/// as `DeviceCapReached`.
fn found(word: &str) -> Vec<Fact> {
    let mut found = facts::find(word);
    found.extend(builtin_rules::find(word).map(|rule| Fact {
        kind: FactKind::Rule,
        key: rule.name.into(),
        name: "".into(),
        meaning: rule.shows().into(),
        more: rule.right().into(),
        reference: RULES_SHOW,
    }));
    let steps = step_keys().iter().filter(|step| step.name == word);
    found.extend(steps.map(|step| Fact {
        kind: FactKind::Step,
        key: step.name.as_str().into(),
        name: "".into(),
        meaning: step.does().to_owned().into(),
        more: format!("step = {{ {} }}", step.example()).into(),
        reference: "docs/rules-reference.md",
    }));
    if found.is_empty() {
        let result = Hresult::of_code(word);
        found.extend(result.and_then(|result| facts::result(result.0)));
    }
    found
}

/// Returns the source of a fact; for a built-in rule the command that shows it.
fn reference(fact: &Fact) -> Cow<'static, str> {
    match fact.kind {
        FactKind::Rule => format!("{RULES_SHOW} {}", fact.key).into(),
        _ => fact.reference.into(),
    }
}

const RULES_SHOW: &str = "dmtap rules show";

/// Returns the names that are similar to a word.
fn near(word: &str) -> Vec<&'static str> {
    let rules = BUILTIN_RULES.iter().map(|rule| rule.name);
    let steps = step_keys().iter().map(|step| step.name.as_str());
    facts::near(word, rules.chain(steps), 5)
}

fn not_known(word: &str) -> String {
    let mut why = format!("error: `{}` is not known", printable::lines(word));
    // A similar number is no misspelling.
    if let Some(number) = facts::number(word.trim()) {
        why.push_str(&format!("\nhelp: {}", facts::parts(number)));
        return why;
    }
    let near = near(word);
    if !near.is_empty() {
        let verb = if near.len() == 1 { "is" } else { "are" };
        why.push_str(&format!("\nhelp: near it {verb} {}", near.join(", ")));
    }
    why
}

fn in_words(asked: &str, fact: &Fact, rules: &[&str]) -> String {
    let mut text = format!("{}\n", title(fact));
    let mut line = |label: &str, words: &str| {
        if !words.is_empty() {
            text.push_str(&wrapped(label, words));
        }
    };
    line("", &about(asked, fact).unwrap_or_default());
    line("", &fact.meaning);
    let more = match fact.kind {
        FactKind::Note => "What to do",
        FactKind::Rule => "",
        FactKind::Step => "Example",
        _ => "Windows",
    };
    line(more, &fact.more);
    if let Some(code) = code_of_status(fact) {
        let result = RESULT_OF_STATUS | u32::from(code);
        let shown = format!("shows it as {} (0x{result:08X}).", result.cast_signed());
        line("Intune", &shown);
    }
    let named = fact.name.split('|').skip(1).collect::<Vec<_>>().join(", ");
    line("Also called", &named);
    if !rules.is_empty() {
        let each: Vec<String> = rules
            .iter()
            .map(|rule| {
                let theme = builtin_rules::find(rule).map(|rule| rule.theme);
                match theme {
                    Some("enrollment") => format!("dmtap demo --enroll --rule {rule}"),
                    _ => format!("dmtap demo --rule {rule}"),
                }
            })
            .collect();
        line("To inject it", &each.join(" · "));
    }
    line("See", &reference(fact));
    text
}

/// `404 Not found (SyncML Status)`
fn title(fact: &Fact) -> String {
    let name = fact.first_name();
    let kind = match fact.kind {
        FactKind::Status => "SyncML Status",
        FactKind::Alert => "Alert",
        FactKind::AlertType => "Type of an Alert's Item",
        FactKind::Element if fact.key.starts_with("syncml:") => "scheme of credentials",
        FactKind::Element if fact.reference.starts_with("MS-MDE2 3.1") => "name in enrollment",
        FactKind::Element => "element of SyncML",
        FactKind::Header => "header field of HTTP",
        FactKind::Csp if fact.more.starts_with("An object of OMA") => "management object",
        FactKind::Csp if fact.key == "LinkedEnrollment" => "nodes of a CSP",
        FactKind::Csp => "CSP of Windows",
        FactKind::Result if fact.key.starts_with("AADSTS") => "error of Entra ID",
        FactKind::Result if fact.key.starts_with("MI RESULT") => "result of WMI",
        FactKind::Result => "result of Windows",
        FactKind::Note => "note",
        FactKind::Finding => "finding of dmtap why",
        FactKind::Rule => "built-in rule",
        FactKind::Step => "step of rules",
    };
    let signed = match (fact.kind, facts::number(&fact.key)) {
        (FactKind::Result, Some(code)) => {
            // A result has 32 bits.
            format!(" = {}", (code as u32).cast_signed())
        }
        _ => String::new(),
    };
    match name {
        "" => format!("{}{signed} ({kind})", fact.key),
        name => format!("{}{signed} {name} ({kind})", fact.key),
    }
}

/// Explains the relation of the word to the fact, if the word is another form of it.
fn about(asked: &str, fact: &Fact) -> Option<String> {
    let asked = asked.trim();
    let number = facts::number(asked);
    match fact.kind {
        FactKind::Status => {
            let code = u64::from(code_of_status(fact)?);
            let shown = number.filter(|number| *number != code)?;
            // The Status is only the lower half of the number.
            Some(format!(
                "{asked} is the way Intune shows the Status {code} (0x{shown:08X})."
            ))
        }
        FactKind::Result => {
            let small = number.filter(|number| *number <= u64::from(u16::MAX))?;
            let what = match fact.key.get(..6) {
                Some("0x8019") => "HTTP status",
                Some("0x87D1") => "Error code",
                _ => "Win32 error",
            };
            Some(format!("{what} {small} as a result of Windows."))
        }
        FactKind::Csp if asked.contains('/') => Some(place(asked)),
        _ => None,
    }
}

/// Describes the node of a LocURI: of device or user, and the policy.
fn place(loc_uri: &str) -> String {
    let segments: Vec<&str> = loc_uri.split(['/', '?']).collect();
    let is_of_user = locuri::is_of_user(loc_uri);
    let only = facts::csp_of(loc_uri).and_then(facts::only_scope);
    let whose = match (only, is_of_user) {
        (Some("Device"), true) => "no node: this CSP has nodes below ./Device only",
        (Some("User"), false) => "no node: this CSP has nodes below ./User only",
        (_, true) => "a node of the user: it needs LoginStatus user",
        (_, false) => "a node of the device",
    };
    let policy = segments
        .iter()
        .position(|segment| segment.eq_ignore_ascii_case("Policy"));
    let is = |segment: &str, name: &str| segment.eq_ignore_ascii_case(name);
    let policy = policy.and_then(|at| match segments.get(at + 1..)? {
        _ if facts::is_probe(&locuri::canonical(loc_uri)) => Some(
            "; a probe of Intune: Windows answers 404 on every device, and it is no failure"
                .to_owned(),
        ),
        [kind, admx, app, _, file, ..]
            if is(kind, "ConfigOperations") && is(admx, "ADMXInstall") =>
        {
            Some(format!(
                "; it takes the ADMX file {file} of the app {app}, and is not a policy itself"
            ))
        }
        [kind, area, name, ..] if is(kind, "Config") || is(kind, "Result") => {
            Some(format!("; policy {name} of the area {area}"))
        }
        _ => None,
    });
    format!("{loc_uri} is {whose}{}.", policy.unwrap_or_default())
}

fn code_of_status(fact: &Fact) -> Option<u16> {
    let code = (fact.kind == FactKind::Status).then(|| fact.key.parse().ok());
    code.flatten()
}

/// Returns the built-in rules that cause the subject of a fact.
fn injecting(fact: &Fact) -> Vec<&'static str> {
    let causes = |rule: &&BuiltinRule| match fact.kind {
        FactKind::Status => {
            let code = code_of_status(fact).map(StatusCode);
            has_step(rule, |step| {
                step.status().is_some_and(|it| Some(it) == code)
            })
        }
        FactKind::Result => names_result(rule, fact),
        FactKind::Rule => rule.name == fact.key,
        FactKind::Step => has_step(rule, |step| step.name() == fact.key),
        _ => false,
    };
    let rules = BUILTIN_RULES.iter().filter(causes);
    let mut rules: Vec<&str> = rules.map(|rule| rule.name).collect();
    if rules.is_empty() {
        rules.extend(facts::rules_for(&fact.key));
    }
    rules.truncate(MOST_RULES);
    rules
}

fn has_step(rule: &BuiltinRule, fits: impl Fn(&Step) -> bool) -> bool {
    let rules = load::parse(&rule.file(), rule.text).unwrap_or_default();
    rules.iter().any(|rule| rule.steps.iter().any(&fits))
}

/// Whether a rule causes a result of Windows: its comment names the result, or it answers with the HTTP status of it.
fn names_result(rule: &BuiltinRule, fact: &Fact) -> bool {
    let http = fact.key.strip_prefix("0x8019");
    let status = http.and_then(|code| u16::from_str_radix(code, 16).ok());
    let answers = |step: &Step| match step {
        Step::Fault(FaultStep::Answer(answer)) => Some(answer.0.status.as_u16()) == status,
        _ => false,
    };
    rule.text.contains(&*fact.key) || status.is_some() && has_step(rule, answers)
}

fn in_json(asked: &str, fact: &Fact, rules: &[&str]) -> String {
    let code = match fact.kind {
        FactKind::Status => code_of_status(fact).map(|code| RESULT_OF_STATUS | u32::from(code)),
        FactKind::Result => facts::number(&fact.key).and_then(|code| code.try_into().ok()),
        _ => None,
    };
    // The name of a note is its id.
    let (name, severity) = match fact.kind {
        FactKind::Note => (&*fact.key, Some(fact.first_name())),
        _ => (fact.first_name(), None),
    };
    let value = serde_json::json!({
        "v": 1,
        "asked": asked,
        "kind": fact.kind.name(),
        "key": fact.key,
        "name": name,
        "severity": severity,
        "also": fact.name.split('|').skip(1).collect::<Vec<_>>(),
        "meaning": fact.meaning,
        "about": about(asked, fact),
        "more": fact.more,
        "hresult": code.map(|code| format!("0x{code:08X}")),
        "signed": code.map(u32::cast_signed),
        "rules": rules,
        "reference": reference(fact),
    });
    format!("{value}\n")
}

/// Wraps words with a label in front to lines of at most [`WIDTH`] columns.
fn wrapped(label: &str, words: &str) -> String {
    let mut text = String::from(" ");
    let mut columns = 1;
    let label = match label {
        "" => None,
        label => Some(format!("{label}:")),
    };
    for word in label
        .iter()
        .flat_map(|label| label.split(' '))
        .chain(words.split(' '))
    {
        let wide = word.chars().count() + 1;
        if columns + wide > WIDTH && columns > 4 {
            text.push_str("\n   ");
            columns = 3;
        }
        text.push(' ');
        text.push_str(word);
        columns += wide;
    }
    text.push('\n');
    text
}

const WIDTH: usize = 100;

/// The limit of rules that are named for one fact.
const MOST_RULES: usize = 4;
