//! The watch on rule files: it reloads the rules when a file changes, and at SIGHUP.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{ChangeError, Reloaded, RuleSetUpdater, WatchPaths};
use crate::app::print;
use crate::app::signal::Hangups;
use crate::error_text;
use crate::printable::counted;
use crate::rules::ErrorStyle;

/// Reloads the rules when their files change.
pub struct Watch {
    rules: Arc<RuleSetUpdater>,
    places: WatchPaths,
    reported: Reported,
    changed: mpsc::Receiver<()>,
    sender: mpsc::Sender<()>,
    /// Watches until it is dropped.
    watcher: Option<RecommendedWatcher>,
    hangups: Hangups,
    at_terminal: bool,
}

impl Watch {
    /// Begins to watch the rule files. Must be called within a tokio runtime.
    pub fn begin(rules: Arc<RuleSetUpdater>) -> Self {
        // One message is enough for any number of changes: all files are read.
        let (sender, changed) = mpsc::channel(1);
        let places = rules.places();
        let mut watch = Self {
            rules,
            places: WatchPaths::default(),
            reported: Reported::default(),
            changed,
            sender,
            watcher: None,
            hangups: Hangups::new(),
            at_terminal: std::io::stderr().is_terminal(),
        };
        watch.look(places);
        watch
    }

    /// Watches until `stop`, which it cancels if the terminal that dmtap was started from is closed.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = self.changed.recv() => Asked::Saved,
                () = self.hangups.next() => Asked::Signal,
            };
            match asked {
                Asked::Saved => self.until_quiet().await,
                Asked::Signal if self.terminal_is_gone() => return stop.cancel(),
                Asked::Signal => {}
            }
            let rules = self.rules.clone();
            let read = move || (rules.reload(), rules.places(), rules.last_read());
            let Ok((done, places, files)) = tokio::task::spawn_blocking(read).await else {
                continue;
            };
            // Somebody sends the signal because a change was not noticed: the watch itself may be at fault.
            if places != self.places || asked == Asked::Signal {
                self.look(places);
            }
            for words in self.reported.words(done, asked, files) {
                print::coloured(&words);
            }
        }
    }

    /// Whether the terminal was closed, which also sends SIGHUP and means that the program is to end.
    fn terminal_is_gone(&self) -> bool {
        self.at_terminal && !std::io::stderr().is_terminal()
    }

    /// Watches these places instead of others.
    fn look(&mut self, places: WatchPaths) {
        let (sender, concerning) = (self.sender.clone(), places.clone());
        let on_event = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| concerning.concern(&event)) {
                let _ = sender.try_send(());
            }
        };
        let watched = notify::recommended_watcher(on_event).and_then(|mut watcher| {
            for folder in places.folders() {
                watcher.watch(folder, RecursiveMode::NonRecursive)?;
            }
            Ok(watcher)
        });
        self.watcher = watched
            .map_err(|error| {
                let why = error_text::watch(&error);
                print::coloured(&format!(
                    "rules: changes of the files are not noticed ({why}); SIGHUP reads them again"
                ));
            })
            .ok();
        self.places = places;
        // A file may have been saved between the last reading and now.
        let _ = self.sender.try_send(());
    }

    /// Waits for the end of a save: it is several events, and between two of them the file may be empty.
    async fn until_quiet(&mut self) {
        let quiet = async {
            while let Ok(Some(())) = tokio::time::timeout(QUIET, self.changed.recv()).await {}
        };
        let _ = tokio::time::timeout(LONGEST, quiet).await;
    }
}

/// The reason why the files are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Saved,
    Signal,
}

/// The last report, which is not repeated.
#[derive(Default)]
struct Reported {
    /// The error, and the hash of the files that have it.
    refused: Option<(String, u64)>,
    absent: Vec<(String, String)>,
}

impl Reported {
    /// Returns the words about a reading; `files` is the hash of what was read.
    fn words(
        &mut self,
        done: Result<Reloaded, ChangeError>,
        asked: Asked,
        files: u64,
    ) -> Vec<String> {
        let reloaded = match done {
            Ok(reloaded) => reloaded,
            Err(error) => return self.refusal(&error, asked, files),
        };
        let mut words = Vec::new();
        let count = counted(reloaded.in_force, "rule") + " in force";
        if !reloaded.changed.is_empty() {
            let files = reloaded.changed.join(", ");
            words.push(format!("rules: {files} reloaded, {count}"));
        } else if self.refused.is_some() || asked == Asked::Signal && reloaded.absent.is_empty() {
            words.push(format!(
                "rules: the files say what is in force already, {count}"
            ));
        }
        words.extend(reloaded.warnings);
        self.refused = None;
        for (file, why) in &reloaded.absent {
            let known = self.absent.iter().any(|(name, _)| name == file);
            if !known || asked == Asked::Signal {
                words.push(format!("rules: {file}: {why}; its rules stay in force"));
            }
        }
        self.absent = reloaded.absent;
        words
    }

    fn refusal(&mut self, error: &ChangeError, asked: Asked, files: u64) -> Vec<String> {
        let why = match error {
            ChangeError::Rules(errors) => errors.render(ErrorStyle::Coloured),
            other => other.to_string(),
        };
        let words = format!("rules: not reloaded, the rules in force stay\n{why}");
        let refused = Some((why, files));
        let known = self.refused == refused;
        self.refused = refused;
        match known && asked == Asked::Saved {
            true => Vec::new(),
            false => vec![words],
        }
    }
}

/// The time without an event before the files are read.
const QUIET: Duration = Duration::from_millis(50);
/// The limit of the wait for it.
const LONGEST: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_reported_again_when_somebody_asks_and_what_is_gone_once() {
        let mut reported = Reported::default();
        let files = std::cell::Cell::new(0);
        let mut check = |done: Result<Reloaded, ChangeError>, asked: Asked, expected: &[&str]| {
            let words = reported.words(done, asked, files.get());
            let lines: Vec<&str> = words
                .iter()
                .filter_map(|words| words.lines().next())
                .collect();
            assert_eq!(lines, expected);
        };
        let fine = |changed: &[&str]| Reloaded {
            changed: changed.iter().map(ToString::to_string).collect(),
            absent: Vec::new(),
            in_force: 1,
            warnings: Vec::new(),
        };
        let odd = Reloaded {
            warnings: vec!["warning: odd".into()],
            ..fine(&["a"])
        };
        let gone = Reloaded {
            absent: vec![("a".into(), "it is gone".into())],
            ..fine(&[])
        };
        let refused = "rules: not reloaded, the rules in force stay";
        let already = "rules: the files say what is in force already, 1 rule in force";
        let absent = "rules: a: it is gone; its rules stay in force";
        check(Ok(fine(&[])), Asked::Saved, &[]);
        check(Err(ChangeError::NoRule), Asked::Saved, &[refused]);
        check(Err(ChangeError::NoRule), Asked::Saved, &[]);
        check(Err(ChangeError::NoRule), Asked::Signal, &[refused]);
        // Another file was saved, and its change does not take effect either.
        files.set(1);
        check(Err(ChangeError::NoRule), Asked::Saved, &[refused]);
        check(Err(ChangeError::NoRule), Asked::Saved, &[]);
        check(Ok(fine(&[])), Asked::Saved, &[already]);
        check(
            Ok(fine(&["a", "b"])),
            Asked::Saved,
            &["rules: a, b reloaded, 1 rule in force"],
        );
        let reloaded = "rules: a reloaded, 1 rule in force";
        check(Ok(odd), Asked::Saved, &[reloaded, "warning: odd"]);
        check(Ok(gone.clone()), Asked::Saved, &[absent]);
        check(Ok(gone.clone()), Asked::Saved, &[]);
        check(Ok(gone), Asked::Signal, &[absent]);
        check(Ok(fine(&[])), Asked::Saved, &[]);
    }
}
