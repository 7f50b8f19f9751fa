//! What the control API does to the rule sources.

use super::sources::{Origin, RuleSource, Sources};
use crate::nearest::closest;
use crate::rules::{DuplicateName, Rule, RuleErrors, load};

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The rules are wrong.
    #[error("{0}")]
    Rules(#[from] RuleErrors),
    /// The rules are right, and their names are taken.
    #[error("{0}")]
    Taken(RuleErrors),
    /// There is no rule in the text.
    #[error("there is no [[rule]] in the text")]
    NoRule,
    /// A rule of another name than the one that was asked for, or more than one.
    #[error("the text is to be one rule named `{asked}`, and it has {found}")]
    OtherRules {
        /// The name that was asked for.
        asked: String,
        /// The names in the text.
        found: String,
    },
    /// No rule has this name.
    #[error("there is no rule `{name}`")]
    Unknown {
        /// The name.
        name: String,
        /// The one that was probably meant.
        near: Option<String>,
    },
    /// The rule set is full.
    #[error("the rule set has {MOST_RULES} rules, which is the limit")]
    TooMany,
    /// Two rules have one name.
    #[error("{0}")]
    Duplicate(#[from] DuplicateName),
}

/// What became of a rule that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// There was none of its name.
    Added,
    /// It stands where the one before it stood.
    Replaced,
}

impl Sources {
    /// Adds the rules of a text behind all others, and gives their names.
    ///
    /// # Errors
    /// [`ChangeError::Rules`], [`ChangeError::Taken`], [`ChangeError::NoRule`], [`ChangeError::TooMany`].
    pub fn add(&mut self, text: &str) -> Result<Vec<String>, ChangeError> {
        let rules = self.read(text, None)?;
        let names = rules.iter().map(|rule| rule.name.clone()).collect();
        self.push(text, rules)?;
        Ok(names)
    }

    /// Puts the one rule of a text in the place of the rule of this name, or behind all others.
    ///
    /// # Errors
    /// [`ChangeError::Rules`], [`ChangeError::OtherRules`], [`ChangeError::TooMany`].
    pub fn put(&mut self, name: &str, text: &str) -> Result<Put, ChangeError> {
        let mut rules = self.read(text, Some(name))?;
        if let Some(old) = self.rule_mut(name)
            && let Some(new) = rules.pop()
        {
            *old = new;
            self.added += 1;
            return Ok(Put::Replaced);
        }
        self.push(text, rules)?;
        Ok(Put::Added)
    }

    /// Takes a rule out. That of a file comes back when the file is saved with another text.
    ///
    /// # Errors
    /// [`ChangeError::Unknown`].
    pub fn remove(&mut self, name: &str) -> Result<(), ChangeError> {
        self.rule(name)?;
        for page in &mut self.pages {
            page.rules.retain(|rule| rule.name != name);
        }
        self.pages
            .retain(|page| page.origin != Origin::Control || !page.rules.is_empty());
        self.resting.remove(name);
        Ok(())
    }

    /// Puts a rule in force again.
    ///
    /// # Errors
    /// [`ChangeError::Unknown`].
    pub fn enable(&mut self, name: &str) -> Result<(), ChangeError> {
        self.rule(name)?;
        self.resting.remove(name);
        Ok(())
    }

    /// Lets a rule rest: it keeps its place and its counts until it is enabled again or leaves its file.
    ///
    /// # Errors
    /// [`ChangeError::Unknown`].
    pub fn disable(&mut self, name: &str) -> Result<(), ChangeError> {
        self.rule(name)?;
        self.resting.insert(name.to_owned());
        Ok(())
    }

    /// Undoes everything the control API did.
    ///
    /// # Errors
    /// [`ChangeError::Rules`], if the files no longer form one rule set.
    pub fn restore(&mut self) -> Result<(), ChangeError> {
        self.pages.retain(|page| page.origin != Origin::Control);
        self.resting.clear();
        Ok(self.parse_all()?)
    }

    /// The rule of this name.
    ///
    /// # Errors
    /// [`ChangeError::Unknown`].
    pub fn rule(&self, name: &str) -> Result<&Rule, ChangeError> {
        let found = self.rules().find(|rule| rule.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.rules().map(Rule::name).collect();
            ChangeError::Unknown {
                name: name.to_owned(),
                near: closest(name, &names).map(str::to_owned),
            }
        })
    }

    fn rule_mut(&mut self, name: &str) -> Option<&mut Rule> {
        let mut rules = self.pages.iter_mut().flat_map(|page| &mut page.rules);
        rules.find(|rule| rule.name == name)
    }

    /// The rules of a text; with `only`, the one of that name, which may be taken.
    fn read(&self, text: &str, only: Option<&str>) -> Result<Vec<Rule>, ChangeError> {
        let file = self.next_name();
        let others = || self.rules().filter(|rule| Some(rule.name()) != only);
        let rules = load::parse_beside(others(), [(&*file, text)], &load::no_includes);
        let rules = rules.map_err(|errors| {
            let named = names(text);
            let rest = others().filter(|rule| !named.contains(&rule.name));
            match load::parse_beside(rest, [(&*file, text)], &load::no_includes) {
                Ok(_) => ChangeError::Taken(errors),
                Err(_) => ChangeError::Rules(errors),
            }
        })?;
        if rules.is_empty() {
            return Err(ChangeError::NoRule);
        }
        if let Some(asked) = only
            && !matches!(&rules[..], [rule] if rule.name == asked)
        {
            let names = rules.iter().map(|rule| format!("`{}`", rule.name));
            return Err(ChangeError::OtherRules {
                asked: asked.to_owned(),
                found: names.collect::<Vec<_>>().join(", "),
            });
        }
        Ok(rules)
    }

    fn push(&mut self, text: &str, rules: Vec<Rule>) -> Result<(), ChangeError> {
        if self.rules().count() + rules.len() > MOST_RULES {
            return Err(ChangeError::TooMany);
        }
        self.pages.push(RuleSource {
            origin: Origin::Control,
            name: self.next_name(),
            text: text.into(),
            rules,
            includes: Vec::new(),
        });
        self.added += 1;
        Ok(())
    }

    /// What errors call the next text of the control API.
    fn next_name(&self) -> String {
        format!("control:{}", self.added + 1)
    }
}

/// The names in a text, whatever else is wrong with it.
fn names(text: &str) -> Vec<String> {
    let table: toml::Table = text.parse().unwrap_or_default();
    let rules = table.get("rule").and_then(toml::Value::as_array);
    let names = rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule.get("name")?.as_str());
    names.map(str::to_owned).collect()
}

/// The most rules of a set to which the control API can still add some.
const MOST_RULES: usize = 10_000;
