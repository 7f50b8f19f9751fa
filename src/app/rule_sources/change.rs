//! The changes that the control API makes to the rule sources.

use std::collections::HashSet;
use std::sync::Arc;

use super::scope::{Scope, bind, full_name, name_within, unbound};
use super::sources::{RuleOrigin, RuleSource, Sources};
use crate::nearest::closest;
use crate::rules::glob::Glob;
use crate::rules::{DuplicateName, Rule, RuleErrors, Stage, load};

/// The reason why a change is refused.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The rules have mistakes.
    #[error("{0}")]
    Rules(#[from] RuleErrors),
    /// The rules have no mistake, but their names are taken.
    #[error("{0}")]
    Taken(RuleErrors),
    /// There is no rule in the text.
    #[error("there is no [[rule]] in the text")]
    NoRule,
    /// The text has a rule of another name than the request, or several rules.
    #[error("the text is to be one rule named `{asked}`, and it has {found}")]
    OtherRules {
        /// The name in the request.
        asked: String,
        /// The names in the text.
        found: String,
    },
    /// No rule has this name.
    #[error("there is no rule `{name}`")]
    Unknown {
        /// The name.
        name: String,
        /// The name that was probably meant.
        near: Option<String>,
    },
    /// The rule set is full.
    #[error("the rule set would have more than {MOST_RULES} rules, which is the limit")]
    TooMany,
    /// There are too many scopes.
    #[error("there are {MOST_SCOPES} scopes, which is the limit")]
    TooManyScopes,
    /// A rule about connections: dmtap accepts a connection before a request names a scope.
    #[error("rule `{0}` is about connections, which belong to no scope")]
    ConnectionInScope(String),
    /// Two rules have one name.
    #[error("{0}")]
    Duplicate(#[from] DuplicateName),
}

/// The effect of [`Sources::put`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// There was no rule of this name.
    Added,
    /// The rule took the place of an older one.
    Replaced,
}

impl Sources {
    /// Adds the rules of a text behind all others, and returns their full names.
    ///
    /// # Errors
    /// [`ChangeError::Rules`], [`ChangeError::Taken`], [`ChangeError::NoRule`], [`ChangeError::TooMany`], and those of
    /// scopes.
    pub fn add(&mut self, scope: Option<&str>, text: &str) -> Result<Vec<String>, ChangeError> {
        let rules = self.read(scope, text, None)?;
        let names = rules.iter().map(|rule| rule.name.clone()).collect();
        self.push(scope, text, rules)?;
        Ok(names)
    }

    /// Puts the one rule of a text in the place of the rule of this name, or behind all others.
    ///
    /// # Errors
    /// [`ChangeError::Rules`], [`ChangeError::OtherRules`], [`ChangeError::TooMany`], and those of scopes.
    pub fn put(&mut self, scope: Option<&str>, name: &str, text: &str) -> Result<Put, ChangeError> {
        let mut rules = self.read(scope, text, Some(name))?;
        let full = full_name(scope, name);
        let mut known = self.sources.iter_mut().flat_map(|source| &mut source.rules);
        if let Some(old) = known.find(|rule| rule.name == full && rule.scope_name() == scope)
            && let Some(new) = rules.pop()
        {
            *old = new.into();
            self.added += 1;
            return Ok(Put::Replaced);
        }
        self.push(scope, text, rules)?;
        Ok(Put::Added)
    }

    /// Removes a rule. A rule of a file comes back when the file is saved with another text.
    ///
    /// # Errors
    /// [`ChangeError::Unknown`].
    pub fn remove(&mut self, scope: Option<&str>, name: &str) -> Result<(), ChangeError> {
        let full = self.rule(scope, name)?.name.clone();
        for source in &mut self.sources {
            source.rules.retain(|rule| rule.name != full);
        }
        self.sources
            .retain(|source| source.origin != RuleOrigin::Control || !source.rules.is_empty());
        self.disabled.remove(&full);
        if let Some(scope) = scope
            && self.rules_in(Some(scope)).next().is_none()
            && self.scopes.get(scope).is_some_and(Option::is_none)
        {
            self.scopes.remove(scope);
        }
        Ok(())
    }

    /// Puts a rule in force again.
    ///
    /// # Errors
    /// [`ChangeError::Unknown`].
    pub fn enable(&mut self, scope: Option<&str>, name: &str) -> Result<(), ChangeError> {
        let full = self.rule(scope, name)?.name.clone();
        self.disabled.remove(&full);
        Ok(())
    }

    /// Disables a rule: it keeps its place and its counts until it is enabled again or leaves its file.
    ///
    /// # Errors
    /// [`ChangeError::Unknown`].
    pub fn disable(&mut self, scope: Option<&str>, name: &str) -> Result<(), ChangeError> {
        let full = self.rule(scope, name)?.name.clone();
        self.disabled.insert(full);
        Ok(())
    }

    /// Undoes everything that the control API did in a scope, and removes the scope; without a scope, undoes everything
    /// that it did outside of scopes.
    ///
    /// # Errors
    /// [`ChangeError::Rules`], if the files no longer form one rule set.
    pub fn restore(&mut self, scope: Option<&str>) -> Result<(), ChangeError> {
        let names: HashSet<String> = self.rules_in(scope).map(|rule| rule.name.clone()).collect();
        self.disabled.retain(|name| !names.contains(name));
        let is_of_scope = |rule: &Arc<Rule>| rule.scope_name() == scope;
        self.sources.retain(|source| {
            source.origin != RuleOrigin::Control || !source.rules.iter().any(is_of_scope)
        });
        match scope {
            Some(scope) => {
                self.scopes.remove(scope);
                Ok(())
            }
            None => Ok(self.parse_all()?),
        }
    }

    /// Creates a scope, or binds one to another device, whose exchanges then belong to it as well.
    ///
    /// # Errors
    /// [`ChangeError::TooManyScopes`].
    pub fn bind_scope(&mut self, scope: &str, device: Option<&str>) -> Result<(), ChangeError> {
        self.make_scope(scope)?;
        self.scopes.insert(scope.into(), device.map(Arc::from));
        let rules = self.sources.iter_mut().flat_map(|source| &mut source.rules);
        for rule in rules.filter(|rule| rule.scope_name() == Some(scope)) {
            if let Some(scope) = &mut Arc::make_mut(rule).scope {
                scope.device = device.map(Glob::new);
            }
        }
        Ok(())
    }

    /// Returns the scopes by name.
    pub fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.scopes.iter().map(|(name, device)| Scope {
            name: name.to_string(),
            device: device.as_ref().map(ToString::to_string),
            rules: self.rules_in(Some(&**name)).count(),
        })
    }

    /// Returns the rules of a scope; without a scope, those of no scope.
    pub fn rules_in(&self, scope: Option<&str>) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules().filter(move |rule| rule.scope_name() == scope)
    }

    /// Returns the rule of this name in a scope.
    ///
    /// # Errors
    /// [`ChangeError::Unknown`].
    pub fn rule(&self, scope: Option<&str>, name: &str) -> Result<&Rule, ChangeError> {
        let full = full_name(scope, name);
        let found = self.rules_in(scope).find(|rule| rule.name == full);
        found.map(|rule| &**rule).ok_or_else(|| {
            let names = self.rules_in(scope).map(|rule| rule.name());
            let names: Vec<&str> = names.map(|name| name_within(scope, name)).collect();
            ChangeError::Unknown {
                name: name.to_owned(),
                near: closest(name, &names).map(str::to_owned),
            }
        })
    }

    /// Returns the rules of a text as rules of the scope. With `only` the text must be one rule of that name, which may
    /// be taken.
    fn read(
        &self,
        scope: Option<&str>,
        text: &str,
        only: Option<&str>,
    ) -> Result<Vec<Rule>, ChangeError> {
        let file = self.next_name();
        // A scope has names and scenarios of its own.
        let within = |rule: &Arc<Rule>| match scope {
            Some(scope) => unbound(rule, scope).into(),
            None => rule.clone(),
        };
        let others: Vec<Arc<Rule>> = self.rules_in(scope).map(within).collect();
        let others = others.iter().filter(|rule| Some(rule.name()) != only);
        let rules = load::parse_beside(others, [(&*file, text)], &load::no_includes);
        let mut rules = rules.map_err(|errors| match errors.are_of_taken_names() {
            true => ChangeError::Taken(errors),
            false => ChangeError::Rules(errors),
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
        if let Some(scope) = scope {
            let device = self.scopes.get(scope).cloned().flatten();
            for rule in &mut rules {
                if rule.stage == Stage::Connection {
                    return Err(ChangeError::ConnectionInScope(rule.name.clone()));
                }
                bind(rule, scope, device.as_deref());
            }
        }
        Ok(rules)
    }

    fn push(
        &mut self,
        scope: Option<&str>,
        text: &str,
        rules: Vec<Rule>,
    ) -> Result<(), ChangeError> {
        if self.rules().count() + rules.len() > MOST_RULES {
            return Err(ChangeError::TooMany);
        }
        if let Some(scope) = scope {
            self.make_scope(scope)?;
        }
        self.sources.push(RuleSource {
            name: self.next_name(),
            rules: rules.into_iter().map(Arc::new).collect(),
            ..RuleSource::new(RuleOrigin::Control, text.to_owned())
        });
        self.added += 1;
        Ok(())
    }

    fn make_scope(&mut self, scope: &str) -> Result<(), ChangeError> {
        if !self.scopes.contains_key(scope) {
            if self.scopes.len() == MOST_SCOPES {
                return Err(ChangeError::TooManyScopes);
            }
            self.scopes.insert(scope.into(), None);
        }
        Ok(())
    }

    /// Returns the name of the next text of the control API in errors.
    fn next_name(&self) -> String {
        format!("control:{}", self.added + 1)
    }
}

/// The number of rules from which on the control API adds none.
const MOST_RULES: usize = 10_000;
/// The limit of scopes.
const MOST_SCOPES: usize = 1_000;
