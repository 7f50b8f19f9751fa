//! The sources of rules: files, texts given at the start, and the control API.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::change::ChangeError;
use super::read::{self, Found, OpenError};
use crate::app::rule_includes;
use crate::rules::engine::refuse_duplicates;
use crate::rules::{DuplicateName, ErrorStyle, Rule, RuleErrors, RuleSet, load};

/// The sources of a rule set, in the order in which their rules act: files, given texts, the control API.
#[derive(Clone, Debug)]
pub struct Sources {
    arguments: Arc<[PathBuf]>,
    pub(super) sources: Vec<RuleSource>,
    /// The names of disabled rules.
    pub(super) disabled: BTreeSet<String>,
    /// The scopes that the control API made, with the device that each is bound to.
    pub(super) scopes: BTreeMap<Arc<str>, Option<Arc<str>>>,
    /// The number of texts that the control API has taken, for the names of the next ones.
    pub(super) added: u64,
    seed: u64,
}

/// A text with its rules.
#[derive(Clone, Debug)]
pub(super) struct RuleSource {
    pub(super) origin: RuleOrigin,
    /// The name of the text in errors.
    pub(super) name: String,
    pub(super) text: Arc<str>,
    /// The rules of the text, but for those that the control API replaced or removed.
    pub(super) rules: Vec<Arc<Rule>>,
    /// The rules that an option of the command line made of its argument; the text is that argument, not a rule file.
    pub(super) built: Vec<Arc<Rule>>,
    /// The files that the text names, with their contents.
    pub(super) includes: Vec<(PathBuf, Bytes)>,
}

/// The origin of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RuleOrigin {
    /// A file: the number of the argument that named it or its folder, and its path.
    File(usize, PathBuf),
    /// The command line.
    Given,
    /// The control API.
    Control,
}

/// The result of reading the files again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// The files that are new or have changed.
    pub changed: Vec<String>,
    /// The files that are gone or cannot be read, with the reason. Their rules stay.
    pub absent: Vec<(String, String)>,
    /// The number of rules in force now.
    pub in_force: usize,
    /// The warnings about rules of the changed files, drawn.
    pub warnings: Vec<String>,
}

impl Sources {
    /// Reads files and folders; `given` are texts with their names in errors. Blocks while it reads.
    ///
    /// # Errors
    /// [`OpenError`], with all mistakes.
    pub fn open(
        arguments: &[PathBuf],
        given: Vec<(String, String)>,
        seed: u64,
    ) -> Result<Self, OpenError> {
        let mut sources = Self::of(read::files(arguments), given, seed)?;
        sources.arguments = arguments.into();
        Ok(sources)
    }

    /// Like [`Self::open`], with files that were read already.
    pub fn of(
        files: Vec<Found>,
        given: Vec<(String, String)>,
        seed: u64,
    ) -> Result<Self, OpenError> {
        let mut sources = Self {
            arguments: Arc::default(),
            sources: Vec::new(),
            disabled: BTreeSet::new(),
            scopes: BTreeMap::new(),
            added: 0,
            seed,
        };
        let (files, unreadable) = file_sources(files);
        sources.sources = files;
        for (name, text) in given {
            let source = RuleSource::new(RuleOrigin::Given, text);
            sources.sources.push(RuleSource { name, ..source });
        }
        match (sources.parse_all(), unreadable.is_empty()) {
            (Ok(()), true) => Ok(sources),
            (parsed, _) => Err(OpenError {
                unreadable,
                rules: parsed.err(),
            }),
        }
    }

    /// Adds the rules that an option of the command line made of its argument, behind the others.
    pub fn add_built(&mut self, argument: &str, rules: Vec<Rule>) {
        let rules: Vec<Arc<Rule>> = rules.into_iter().map(Arc::new).collect();
        self.sources.push(RuleSource {
            name: rules.first().map_or("", |rule| &rule.file).to_owned(),
            rules: rules.clone(),
            built: rules,
            ..RuleSource::new(RuleOrigin::Given, argument.to_owned())
        });
    }

    /// Returns the rules of all sources as one set, and the disabled ones.
    ///
    /// # Errors
    /// [`DuplicateName`], also if one of the two is disabled; within a scope the loader refuses that first.
    pub fn assemble(&self) -> Result<(RuleSet, Vec<Arc<Rule>>), DuplicateName> {
        let rules: Vec<_> = self.rules().cloned().collect();
        refuse_duplicates(&rules)?;
        let rules = rules.into_iter();
        let (rules, disabled): (Vec<_>, Vec<_>) = rules.partition(|rule| self.enables(&rule.name));
        Ok((RuleSet::from_rules(rules)?.with_seed(self.seed), disabled))
    }

    /// Returns all rules in the order in which they act, disabled ones too.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.sources.iter().flat_map(|source| &source.rules)
    }

    /// Returns the texts in the order in which their rules act: the name of each, the text, and the names of its rules.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str, impl Iterator<Item = &str>)> {
        let texts = self.sources.iter();
        texts.map(|source| (&*source.name, &*source.text, source.names()))
    }

    /// Returns the seed of the random choices of rules.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether a rule of this name is enabled.
    pub fn enables(&self, name: &str) -> bool {
        !self.disabled.contains(name)
    }

    /// Whether some rule acts at random, so that the seed matters.
    pub fn are_random(&self) -> bool {
        let chance = |rule: &Arc<Rule>| rule.limit.is_some_and(|limit| limit.chance.is_some());
        self.rules().any(chance)
    }

    /// Returns the files and folders of the command line.
    pub fn arguments(&self) -> Arc<[PathBuf]> {
        self.arguments.clone()
    }

    /// Returns the files that rules name, such as bodies to send.
    pub fn includes(&self) -> Vec<PathBuf> {
        let sources = self.sources.iter().flat_map(|source| &source.includes);
        sources.map(|(path, _)| path.clone()).collect()
    }

    /// Takes the texts of the files. An unchanged file keeps the changes of the control API to its rules. A file that is
    /// gone keeps its rules, unless another file has rules of their names: then it was renamed.
    ///
    /// # Errors
    /// [`ChangeError::Rules`].
    pub fn reload(&mut self, found: Vec<Found>) -> Result<Reloaded, ChangeError> {
        let mut reloaded = Reloaded::default();
        let (files, unreadable) = file_sources(found);
        let (mut kept, mut changed): (Vec<RuleSource>, Vec<RuleSource>) = (Vec::new(), Vec::new());
        for source in files {
            let old = self.sources.iter().find(|old| old.is_of(&source));
            let news = old.map_or_else(|| vec![source.name.clone()], |old| old.news(&source));
            match old.filter(|_| news.is_empty()) {
                Some(old) => kept.push(old.clone()),
                None => changed.push(source),
            }
            reloaded.changed.extend(news);
        }
        let is_file = |source: &RuleSource| matches!(source.origin, RuleOrigin::File(..));
        let is_there =
            |source: &RuleSource| kept.iter().chain(&changed).any(|other| other.is_of(source));
        let (mut gone, others): (Vec<_>, Vec<_>) = self.sources.iter().cloned().partition(is_file);
        gone.retain(|source| !is_there(source));

        let known = kept.iter().chain(&others).flat_map(|source| &source.rules);
        fill(&mut changed, known)?;
        let odd = changed.iter().flat_map(|source| &source.rules);
        let odd = odd.flat_map(|rule| &rule.warnings);
        reloaded.warnings = odd.map(|odd| odd.render(ErrorStyle::Coloured)).collect();
        let names: HashSet<&str> = changed.iter().flat_map(RuleSource::names).collect();
        gone.retain(|source| !source.names().any(|name| names.contains(name)));

        // A mistake between files, such as a scenario state that no file sets, may be in any of them.
        let given = others
            .iter()
            .filter(|source| source.origin == RuleOrigin::Given);
        let texts = kept.iter().chain(&changed).chain(&gone).chain(given);
        fill(&mut texts.cloned().collect::<Vec<_>>(), [])?;
        // The files of a folder that is gone or empty are gone, too. Only files with rules in force are reported.
        gone.retain(|source| !source.rules.is_empty());
        for source in &gone {
            let unread = unreadable.iter().find(|(name, _)| *name == source.name);
            let why = unread.map_or("it is gone", |(_, why)| why);
            reloaded.absent.push((source.name.clone(), why.to_owned()));
        }
        self.sources = [kept, changed, gone].concat();
        self.sources.sort_by(|a, b| a.place().cmp(&b.place()));
        self.sources.extend(others);
        let names: HashSet<&str> = self.sources.iter().flat_map(RuleSource::names).collect();
        self.disabled.retain(|name| names.contains(&**name));
        reloaded.in_force = self.rules().filter(|rule| self.enables(&rule.name)).count();
        Ok(reloaded)
    }

    /// Takes the rules of every source from its text; those of the control API stay as they are.
    pub(super) fn parse_all(&mut self) -> Result<(), RuleErrors> {
        // The sources of the control API stand behind all others.
        let of_control = |source: &RuleSource| source.origin == RuleOrigin::Control;
        let end = self.sources.iter().position(of_control);
        let end = end.unwrap_or(self.sources.len());
        fill(&mut self.sources[..end], [])
    }
}

impl RuleSource {
    pub(super) fn new(origin: RuleOrigin, text: String) -> Self {
        Self {
            name: origin.name(),
            origin,
            text: text.into(),
            rules: Vec::new(),
            built: Vec::new(),
            includes: Vec::new(),
        }
    }

    /// Returns the files that changed since this source was read: its own, or those that it names.
    fn news(&self, now: &Self) -> Vec<String> {
        if self.text != now.text {
            return vec![now.name.clone()];
        }
        let is_old =
            |path: &Path, content: &Bytes| rule_includes::read_at(path).as_ref() != Ok(content);
        let old = self
            .includes
            .iter()
            .filter(|(path, content)| is_old(path, content));
        old.map(|(path, _)| path.display().to_string()).collect()
    }

    fn is_of(&self, other: &Self) -> bool {
        self.origin == other.origin
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name())
    }

    /// Returns the position of a file: files stand in the order of their arguments, in a folder by name.
    fn place(&self) -> Option<(usize, &PathBuf)> {
        match &self.origin {
            RuleOrigin::File(argument, path) => Some((*argument, path)),
            RuleOrigin::Given | RuleOrigin::Control => None,
        }
    }
}

impl RuleOrigin {
    fn name(&self) -> String {
        match self {
            Self::File(_, path) => path.display().to_string(),
            Self::Given | Self::Control => String::new(),
        }
    }
}

/// Returns the sources of the files, and the files that cannot be read, each with the reason.
fn file_sources(files: Vec<Found>) -> (Vec<RuleSource>, Vec<(String, String)>) {
    let (mut sources, mut unreadable) = (Vec::new(), Vec::new());
    for file in files {
        let origin = RuleOrigin::File(file.argument, file.path);
        match file.text {
            Ok(text) => sources.push(RuleSource::new(origin, text)),
            Err(why) => unreadable.push((origin.name(), why)),
        }
    }
    (sources, unreadable)
}

/// Parses the rules of sources, which join a set with `others`.
fn fill<'r>(
    sources: &mut [RuleSource],
    others: impl IntoIterator<Item = &'r Arc<Rule>>,
) -> Result<(), RuleErrors> {
    let read = RefCell::new(HashMap::<String, Vec<(PathBuf, Bytes)>>::new());
    let reader = |rule_file: &str, path: &str| {
        let path = rule_includes::place(rule_file, path);
        let content = rule_includes::read_at(&path)?;
        let mut read = read.borrow_mut();
        let known = read.entry(rule_file.to_owned()).or_default();
        known.push((path, content.clone()));
        Ok(content)
    };
    let files = sources.iter().filter(|source| source.built.is_empty());
    let texts = files.map(|source| (&*source.name, &*source.text));
    let mut rules = load::parse_beside(others, texts, &reader)?
        .into_iter()
        .peekable();
    let mut read = read.into_inner();
    for source in sources {
        source.includes = read.remove(&source.name).unwrap_or_default();
        source.rules.clone_from(&source.built);
        while let Some(rule) = rules.next_if(|rule| *rule.file == *source.name) {
            source.rules.push(rule.into());
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn rule(name: &str) -> String {
        format!(
            "[[rule]]\nname = \"{name}\"\nstage = \"request\"\nmatch.path = \"/\"\nstep = {{ reset = true }}\n"
        )
    }

    pub(in super::super) fn found(argument: usize, path: &str, names: &[&str]) -> Found {
        Found {
            argument,
            path: path.into(),
            text: Ok(names.iter().map(|name| rule(name)).collect()),
        }
    }

    /// Two arguments, the first of them a folder with these files.
    fn sources(files: Vec<Found>) -> Sources {
        let given = vec![("--rule".to_owned(), rule("given"))];
        let mut sources = Sources::open(&[], given, 1).unwrap();
        sources.add(None, &rule("added")).unwrap();
        sources.reload(files).unwrap();
        sources
    }

    pub(in super::super) fn names(sources: &Sources) -> Vec<&str> {
        sources.rules().map(|rule| rule.name()).collect()
    }

    #[test]
    fn files_stand_in_the_order_of_their_arguments_and_in_front_of_the_rest() {
        let mut sources = sources(vec![found(0, "f/b", &["b"]), found(1, "a", &["a"])]);
        assert_eq!(names(&sources), ["b", "a", "given", "added"]);
        let files = vec![
            found(0, "f/a", &["c"]),
            found(0, "f/b", &["b"]),
            found(1, "a", &["d", "a"]),
        ];
        let reloaded = sources.reload(files).unwrap();
        assert_eq!(names(&sources), ["c", "b", "d", "a", "given", "added"]);
        assert_eq!(
            (reloaded.changed, reloaded.in_force),
            (vec!["f/a".into(), "a".into()], 6)
        );
    }

    #[test]
    fn a_rule_can_move_from_one_file_to_another() {
        let mut sources = sources(vec![found(0, "f/a", &["a", "b"]), found(0, "f/b", &["c"])]);
        let moved = vec![found(0, "f/a", &["a"]), found(0, "f/b", &["b", "c"])];
        assert_eq!(sources.reload(moved).unwrap().changed.len(), 2);
        // The first half of a move is an error, and nothing is taken of it.
        let half = vec![found(0, "f/a", &["a", "b"]), found(0, "f/b", &["b", "c"])];
        let mut next = sources.clone();
        let error = next.reload(half).unwrap_err();
        assert!(
            error.to_string().contains("two rules are named `b`"),
            "{error}"
        );
        assert_eq!(names(&next), names(&sources));
    }

    #[test]
    fn a_scenario_in_several_files_does_not_end_early_when_one_is_saved() {
        let act = |argument: usize, path: &str, scenario: &str| Found {
            argument,
            path: path.into(),
            text: Ok(rule(path) + &format!("scenario = {{ name = \"s\", {scenario} }}\n")),
        };
        let first = act(0, "a", "becomes = \"refused\"");
        let second = act(1, "b", "requires = \"refused\", becomes = \"over\"");
        let mut sources = sources(vec![first.clone(), second.clone()]);
        let third = rule("c") + "scenario = { name = \"s\", requires = \"over\" }\n";
        sources.add(None, &third).unwrap();
        let lost = rule("d") + "scenario = { name = \"s\", requires = \"lost\" }\n";
        let error = sources.add(None, &lost).unwrap_err();
        assert!(matches!(error, ChangeError::Rules(_)), "{error}");
        // The mistake shows in the file that was not saved.
        let other = act(0, "a", "becomes = \"accepted\"");
        let error = sources.reload(vec![other, second]).unwrap_err();
        assert!(
            error.to_string().contains("never in the state `refused`"),
            "{error}"
        );
        let longer = act(1, "b", "requires = \"refused\", becomes = \"more\"");
        sources.reload(vec![first, longer]).unwrap();
    }

    #[test]
    fn a_file_that_was_renamed_takes_its_rules_along_and_one_that_is_gone_leaves_them() {
        let mut sources = sources(vec![found(0, "f/a", &["a"]), found(0, "f/b", &["b"])]);
        let reloaded = sources.reload(vec![found(0, "f/c", &["a"])]).unwrap();
        assert_eq!(names(&sources), ["b", "a", "given", "added"]);
        let gone = [("f/b".to_owned(), "it is gone".to_owned())];
        assert_eq!(reloaded.absent, gone);
    }

    #[test]
    fn what_is_gone_is_reported_once_and_where_rules_of_it_are_in_force() {
        let mut sources = sources(vec![found(0, "f/a", &["a"]), found(0, "f/b", &[])]);
        let check = |sources: &mut Sources, files: Vec<Found>, expected: &[(&str, &str)]| {
            let absent = sources.reload(files).unwrap().absent;
            let absent: Vec<_> = absent.iter().map(|(a, b)| (&**a, &**b)).collect();
            assert_eq!(absent, expected);
        };
        let unreadable = |path: &str, why: &str| Found {
            text: Err(why.into()),
            ..found(0, path, &[])
        };
        let gone = [("f/a", "it is gone")];
        check(&mut sources, vec![found(0, "f/a", &["a"])], &[]);
        let nothing = unreadable("f", "there is no *.toml in it");
        check(&mut sources, vec![nothing.clone()], &gone);
        check(&mut sources, vec![nothing], &gone);
        let denied = unreadable("f/a", "permission denied");
        check(&mut sources, vec![denied], &[("f/a", "permission denied")]);
        assert_eq!(names(&sources), ["a", "given", "added"]);
    }

    #[test]
    fn what_the_control_api_did_to_a_file_stays_until_the_file_says_something_else() {
        let mut sources = sources(vec![found(0, "a", &["a", "b", "c"])]);
        sources.remove(None, "a").unwrap();
        sources.disable(None, "b").unwrap();
        let other = rule("c").replace("request", "response");
        assert_eq!(
            sources.put(None, "c", &other).unwrap(),
            super::super::Put::Replaced
        );
        sources
            .reload(vec![found(0, "a", &["a", "b", "c"])])
            .unwrap();
        assert_eq!(names(&sources), ["b", "c", "given", "added"]);
        assert_eq!(&*sources.rule(None, "c").unwrap().file, "control:2");
        sources.reload(vec![found(0, "a", &["b", "c"])]).unwrap();
        assert_eq!(&*sources.rule(None, "c").unwrap().file, "a");
        assert!(!sources.enables("b"));
        sources.reload(vec![found(0, "a", &["c"])]).unwrap();
        assert!(
            sources.enables("b"),
            "a rule that left is no longer disabled"
        );
        sources.restore(None).unwrap();
        assert_eq!(names(&sources), ["c", "given"]);
    }

    #[test]
    fn a_rule_set_is_full_at_some_point() {
        let mut sources = sources(Vec::new());
        let many: String = (0..9_998).map(|number| rule(&number.to_string())).collect();
        sources.add(None, &many).unwrap();
        let error = sources.add(None, &rule("one more")).unwrap_err();
        assert!(matches!(error, ChangeError::TooMany));
    }
}
