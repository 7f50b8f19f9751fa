//! Scopes: the rules of one test, separate from those of tests that run at the same time.
//!
//! A rule of a scope acts on the exchanges whose request names the scope in a header field, and on those of the device
//! that the scope is bound to ([`RuleScope`]). In records its name is `SCOPE/NAME`; its scenario belongs to the scope.

use serde::Serialize;

use crate::rules::glob::Glob;
use crate::rules::{Rule, RuleScope};

/// A scope as the control API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Scope {
    /// The device that it is bound to.
    pub device: Option<String>,
    /// Its name.
    pub name: String,
    /// The number of its rules.
    pub rules: usize,
}

/// Whether a scope can have this name: letters, digits, `.`, `_` and `-`.
pub fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(is_plain)
}

/// Returns the name of a rule of this scope among all rules.
pub(super) fn full_name(scope: Option<&str>, name: &str) -> String {
    match scope {
        Some(scope) => format!("{scope}/{name}"),
        None => name.to_owned(),
    }
}

/// Returns the name of a rule within its scope.
pub(super) fn name_within<'n>(scope: Option<&str>, name: &'n str) -> &'n str {
    let within = scope.and_then(|scope| name.strip_prefix(scope)?.strip_prefix('/'));
    within.unwrap_or(name)
}

/// Puts a rule into a scope.
pub(super) fn bind(rule: &mut Rule, scope: &str, device: Option<&str>) {
    rule.name = full_name(Some(scope), &rule.name);
    rule.scope = Some(RuleScope {
        name: scope.into(),
        device: device.map(Glob::new),
    });
}

/// Returns a rule of this scope as its text has it.
pub(super) fn unbound(rule: &Rule, scope: &str) -> Rule {
    Rule {
        name: name_within(Some(scope), &rule.name).to_owned(),
        scope: None,
        ..rule.clone()
    }
}

/// The limit of a name, in characters.
const LONGEST_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::rule_sources::sources::tests::{found, names, rule};
    use crate::app::rule_sources::{ChangeError, Sources};

    #[test]
    fn names_of_scopes_are_plain_words() {
        let check = |name: &str, expected: bool| assert_eq!(is_name(name), expected, "{name}");
        check("test_busy.3-b", true);
        check(&"x".repeat(64), true);
        check(&"x".repeat(65), false);
        for wrong in ["", "a b", "a/b", "a*", "ä"] {
            check(wrong, false);
        }
    }

    #[test]
    fn there_is_a_limit_to_scopes_and_an_empty_one_makes_room() {
        let mut sources = Sources::open(&[], Vec::new(), 1).unwrap();
        for number in 0..1_000 {
            let scope = format!("s{number}");
            sources.bind_scope(&scope, Some("urn:*")).unwrap();
        }
        let error = sources.add(Some("more"), &rule("a")).unwrap_err();
        assert!(matches!(error, ChangeError::TooManyScopes), "{error}");
        sources.restore(Some("s7")).unwrap();
        sources.add(Some("more"), &rule("a")).unwrap();
        assert_eq!(names(&sources).last(), Some(&"more/a"));
        // A scope that has neither rules nor a device is gone.
        sources.remove(Some("more"), "a").unwrap();
        assert!(!sources.scopes().any(|scope| scope.name == "more"));
    }

    #[test]
    fn a_reload_and_a_restore_leave_the_rules_of_scopes_as_they_are() {
        let given = vec![("--rule".to_owned(), rule("given"))];
        let mut sources = Sources::open(&[], given, 1).unwrap();
        sources.reload(vec![found(0, "f", &["a"])]).unwrap();
        sources.add(Some("one"), &rule("a")).unwrap();
        sources.disable(Some("one"), "a").unwrap();
        let expected = format!("{:?}", sources.rule(Some("one"), "a").unwrap());
        sources.reload(vec![found(0, "f", &["b"])]).unwrap();
        sources.restore(None).unwrap();
        assert_eq!(names(&sources), ["b", "given", "one/a"]);
        assert!(!sources.enables("one/a"));
        assert_eq!(
            format!("{:?}", sources.rule(Some("one"), "a").unwrap()),
            expected
        );
    }
}
