//! The live rule set: the sources of its rules, and their changes while dmtap runs.
//!
//! ```text
//!  --rules FILE or FOLDER ─► read ─┐
//!  texts given at the start ───────┼─► Sources ──► LiveRules (in force) ──► exchanges
//!  control API ────────────────────┘      ▲
//!                     a save, SIGHUP ─► watch
//! ```
//!
//! [`Sources`] is plain data. A change is made on a copy, which replaces the original if it has no mistake.

mod change;
mod keys_met;
mod never_acted;
pub mod read;
pub mod report;
pub mod scope;
mod sources;
pub mod watch;
mod watch_paths;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

pub use change::{ChangeError, Put};
pub use keys_met::KeysMet;
pub use never_acted::{list as list_never_acted, require_hits};
pub use read::OpenError;
pub use scope::Scope;
pub use sources::{Reloaded, Sources};
pub use watch_paths::WatchPaths;

use crate::proxy::{Hits, LiveRules};
use crate::rules::Rule;

/// A rule set that can change while the proxy runs.
#[derive(Debug)]
pub struct RuleSetUpdater {
    sources: Mutex<Sources>,
    in_force: Arc<LiveRules>,
    /// Held from reading the files until their rules are in force, so that the last reading takes effect last.
    reloading: Mutex<()>,
    /// The hash of the files as they were read last.
    last_read: AtomicU64,
}

/// A rule with its state and hits.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The rule.
    pub rule: Rule,
    /// Its state.
    pub state: SourceState,
    /// Its hits since the last reset.
    pub hits: Hits,
    /// Its hits in the whole run, with those of earlier rules of its name.
    pub run: Hits,
}

/// The state of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// It is in force.
    InForce,
    /// It was disabled, and keeps its place.
    Disabled,
    /// It is no longer in the set.
    Removed,
}

#[cfg(test)]
impl Entry {
    /// The last rule of a text, in force, with these hits in the run and since the last reset.
    fn of(text: &str, hits: Hits) -> Self {
        let rules = crate::rules::load::parse("a.toml", text).unwrap();
        Self {
            rule: rules.last().unwrap().clone(),
            state: SourceState::InForce,
            hits,
            run: hits,
        }
    }
}

impl RuleSetUpdater {
    /// Creates the rule set of these sources; `in_force` is the proxy's.
    ///
    /// # Errors
    /// [`ChangeError`] if the sources do not form one rule set.
    pub fn new(sources: Sources, in_force: Arc<LiveRules>) -> Result<Self, ChangeError> {
        let updater = Self {
            sources: Mutex::new(sources),
            in_force,
            reloading: Mutex::default(),
            last_read: AtomicU64::default(),
        };
        updater.change(|_| Ok(()))?;
        Ok(updater)
    }

    /// Returns the rules in the order in which they act, disabled ones too.
    pub fn entries(&self) -> Vec<Entry> {
        let sources = self.sources();
        let rules = sources.rules();
        rules.map(|rule| self.entry_of(&sources, rule)).collect()
    }

    /// Like [`Self::entries`], and behind them the rules that were removed during this run.
    pub fn entries_of_run(&self) -> Vec<Entry> {
        let mut entries = self.entries();
        let removed = self.in_force.removed().into_iter();
        entries.extend(removed.map(|(rule, run)| Entry {
            rule,
            state: SourceState::Removed,
            hits: Hits::default(),
            run,
        }));
        entries
    }

    /// Returns the rules of a scope; without a scope, those of no scope.
    pub fn entries_in(&self, scope: Option<&str>) -> Vec<Entry> {
        let sources = self.sources();
        let rules = sources.rules_in(scope);
        rules.map(|rule| self.entry_of(&sources, rule)).collect()
    }

    /// Returns the scopes by name.
    pub fn scopes(&self) -> Vec<Scope> {
        self.sources().scopes().collect()
    }

    /// Returns one rule of a scope.
    ///
    /// # Errors
    /// [`ChangeError::Unknown`].
    pub fn entry(&self, scope: Option<&str>, name: &str) -> Result<Entry, ChangeError> {
        let sources = self.sources();
        let rule = sources.rule(scope, name)?;
        Ok(self.entry_of(&sources, rule))
    }

    fn entry_of(&self, sources: &Sources, rule: &Rule) -> Entry {
        Entry {
            rule: rule.clone(),
            state: match sources.enables(&rule.name) {
                true => SourceState::InForce,
                false => SourceState::Disabled,
            },
            run: self.in_force.hits_in_run(&rule.name).unwrap_or_default(),
            hits: self.in_force.hits(&rule.name).unwrap_or_default(),
        }
    }

    /// Changes the sources; their rules are in force from the next exchange on. It makes all of a change or nothing.
    ///
    /// # Errors
    /// The error of the change, after which everything is as before.
    pub fn change<T>(
        &self,
        change: impl FnOnce(&mut Sources) -> Result<T, ChangeError>,
    ) -> Result<T, ChangeError> {
        let mut sources = self.sources();
        let mut next = sources.clone();
        let done = change(&mut next)?;
        let (rules, disabled) = next.assemble()?;
        self.in_force.publish(Arc::new(rules), &disabled);
        *sources = next;
        Ok(done)
    }

    /// Resets all counts of a scope: hits, limits, and states of scenarios. Without a scope, those outside of scopes.
    pub fn reset(&self, scope: Option<&str>) {
        self.in_force.reset(scope);
    }

    /// Restores the rules of the start, or those of the files as they are now, and resets the counts; with a scope,
    /// removes it with its rules.
    ///
    /// # Errors
    /// [`ChangeError`] if the files no longer form one rule set.
    pub fn restore(&self, scope: Option<&str>) -> Result<(), ChangeError> {
        if scope.is_some() {
            self.reset(scope);
        }
        self.change(|sources| sources.restore(scope))?;
        if scope.is_none() {
            self.reset(scope);
        }
        Ok(())
    }

    /// Reads the rule files again. Blocks while it reads.
    ///
    /// # Errors
    /// The mistakes in them; the rules in force stay.
    pub fn reload(&self) -> Result<Reloaded, ChangeError> {
        let _turn = self.reloading.lock();
        let arguments = self.sources().arguments();
        let found = read::files(&arguments);
        let mut hasher = DefaultHasher::new();
        found
            .iter()
            .for_each(|file| (&file.path, &file.text).hash(&mut hasher));
        self.last_read.store(hasher.finish(), Ordering::Relaxed);
        self.change(|sources| sources.reload(found))
    }

    /// Returns a hash of the files as [`Self::reload`] read them last, which differs if they do.
    pub fn last_read(&self) -> u64 {
        self.last_read.load(Ordering::Relaxed)
    }

    /// Returns the paths to watch for changes. Blocks.
    pub fn places(&self) -> WatchPaths {
        let sources = self.sources();
        let (arguments, includes) = (sources.arguments(), sources.includes());
        drop(sources);
        WatchPaths::of(&arguments, &includes)
    }

    fn sources(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock()
    }
}
