//! Rule files that are saved while dmtap runs, and SIGHUP: the book is read again.
//!
//! Watched are the folders the files are in: editors put a new file in the place of the old one, and a watch on
//! the file itself would go with it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Book, ChangeError, Reloaded};
use crate::rules::Look;

/// Tells a line, or an error drawn over several, to the person who runs dmtap.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// Reads a book again when its files change.
pub struct Watch {
    book: Arc<Book>,
    arguments: Arc<[PathBuf]>,
    tell: Tell,
    told: Told,
    changed: mpsc::Receiver<()>,
    sender: mpsc::Sender<()>,
    /// Dropped, it watches no more.
    watcher: Option<RecommendedWatcher>,
    hangups: Hangups,
}

impl Watch {
    /// Begins to watch the files of a book. Must be called within a tokio runtime.
    pub fn begin(book: Arc<Book>, arguments: Arc<[PathBuf]>, tell: Tell) -> Self {
        // One wake is enough for any number of changes: everything is read.
        let (sender, changed) = mpsc::channel(1);
        let mut watch = Self {
            book,
            arguments,
            tell,
            told: Told::default(),
            changed,
            sender,
            watcher: None,
            hangups: Hangups::new(),
        };
        watch.look();
        // What was saved between the first reading and now.
        let _ = watch.sender.try_send(());
        watch
    }

    /// Watches until `stop`, which it cancels where the terminal it was started from is gone.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = self.changed.recv() => Asked::Saved,
                () = self.hangups.next() => Asked::Signal,
            };
            match asked {
                Asked::Saved => self.settle().await,
                Asked::Signal if self.hangups.terminal_is_gone() => return stop.cancel(),
                Asked::Signal => self.look(),
            }
            let book = self.book.clone();
            let Ok(done) = tokio::task::spawn_blocking(move || book.reload()).await else {
                continue;
            };
            for words in self.told.words(done, asked) {
                (self.tell)(&words);
            }
        }
    }

    /// (Re)places the watches.
    fn look(&mut self) {
        let names = self.arguments.iter().flat_map(|path| both(path));
        let names: HashSet<OsString> = names
            .filter_map(|path| path.file_name().map(OsString::from))
            .collect();
        let sender = self.sender.clone();
        let heard = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| concerns(&event, &names)) {
                let _ = sender.try_send(());
            }
        };
        let watched = notify::recommended_watcher(heard).and_then(|mut watcher| {
            let folders = self.arguments.iter().flat_map(|path| folders(path));
            for folder in folders.collect::<HashSet<_>>() {
                watcher.watch(&folder, RecursiveMode::NonRecursive)?;
            }
            Ok(watcher)
        });
        self.watcher = watched
            .map_err(|error| {
                (self.tell)(&format!(
                    "rules: changes of the files are not noticed ({error}); SIGHUP reads them again"
                ));
            })
            .ok();
    }

    /// A save is several events, and between two of them the file may be empty.
    async fn settle(&mut self) {
        let quiet = async {
            while let Ok(Some(())) = tokio::time::timeout(QUIET, self.changed.recv()).await {}
        };
        let _ = tokio::time::timeout(LONGEST, quiet).await;
    }
}

/// Why the files are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Saved,
    Signal,
}

/// What was told last, so that it is told once.
#[derive(Default)]
struct Told {
    refused: Option<String>,
    absent: Vec<(String, String)>,
}

impl Told {
    fn words(&mut self, done: Result<Reloaded, ChangeError>, asked: Asked) -> Vec<String> {
        let reloaded = match done {
            Ok(reloaded) => reloaded,
            Err(error) => return self.refusal(&error, asked),
        };
        let mut words = Vec::new();
        let count = match reloaded.in_force {
            1 => "1 rule in force".to_owned(),
            count => format!("{count} rules in force"),
        };
        if !reloaded.changed.is_empty() {
            let files = reloaded.changed.join(", ");
            words.push(format!("rules: {files} reloaded, {count}"));
        } else if self.refused.is_some() || asked == Asked::Signal {
            words.push(format!(
                "rules: the files say what is in force already, {count}"
            ));
        }
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

    fn refusal(&mut self, error: &ChangeError, asked: Asked) -> Vec<String> {
        let why = match error {
            ChangeError::Rules(errors) => errors.render(Look::Coloured),
            other => other.to_string(),
        };
        let known = self.refused.as_ref() == Some(&why);
        let words = format!("rules: not reloaded, the rules in force stay\n{why}");
        self.refused = Some(why);
        match known && asked == Asked::Saved {
            true => Vec::new(),
            false => vec![words],
        }
    }
}

/// Whether an event may have to do with rule files. Reading them is an event, too, and not one of these.
fn concerns(event: &notify::Event, names: &HashSet<OsString>) -> bool {
    let written = AccessKind::Close(AccessMode::Write);
    if matches!(event.kind, EventKind::Access(kind) if kind != written) {
        return false;
    }
    let ours = |path: &PathBuf| {
        let name = path.file_name();
        // `..data`: the link that is put in place of another when a mounted ConfigMap changes.
        name.is_some_and(|name| names.contains(name) || name == "..data")
            || path.extension().is_some_and(|form| form == "toml")
    };
    event.need_rescan() || event.paths.is_empty() || event.paths.iter().any(ours)
}

/// A path, and where it leads if it is a link.
fn both(path: &Path) -> Vec<PathBuf> {
    let real = path.canonicalize();
    std::iter::once(path.to_owned()).chain(real).collect()
}

/// The folders in which changes of a file or folder show.
fn folders(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        return vec![path.to_owned()];
    }
    let folder = |path: PathBuf| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    both(path).into_iter().map(folder).collect()
}

/// SIGHUP, where there is such a thing.
struct Hangups {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
    at_terminal: bool,
}

impl Hangups {
    fn new() -> Self {
        #[cfg(unix)]
        use tokio::signal::unix::{SignalKind, signal};
        Self {
            #[cfg(unix)]
            signal: signal(SignalKind::hangup()).ok(),
            at_terminal: std::io::stderr().is_terminal(),
        }
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }

    /// A closed terminal says SIGHUP, too, and means that the program is to end.
    fn terminal_is_gone(&self) -> bool {
        self.at_terminal && !std::io::stderr().is_terminal()
    }
}

/// For how long nothing more must happen before the files are read.
const QUIET: Duration = Duration::from_millis(50);
/// For how long that is waited for.
const LONGEST: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_once_and_again_when_somebody_asks() {
        let mut told = Told::default();
        let mut check = |done: Result<Reloaded, ChangeError>, asked: Asked, expected: &[&str]| {
            let words = told.words(done, asked);
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
        check(Ok(fine(&[])), Asked::Saved, &[already]);
        check(
            Ok(fine(&["a", "b"])),
            Asked::Saved,
            &["rules: a, b reloaded, 1 rule in force"],
        );
        check(Ok(gone.clone()), Asked::Saved, &[absent]);
        check(Ok(gone.clone()), Asked::Saved, &[]);
        check(Ok(gone), Asked::Signal, &[already, absent]);
        check(Ok(fine(&[])), Asked::Saved, &[]);
    }
}
