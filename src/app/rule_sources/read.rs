//! Rule files and folders of them, read from disk.
//!
//! A folder stands for all `*.toml` in it and in the folders in it, in the order of their paths.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::app::rule_includes;
use crate::error_text;
use crate::printable;
use crate::rules::{ErrorStyle, RuleErrors};

/// A rule file that was looked for.
#[derive(Clone, Debug)]
pub struct Found {
    /// The number of the argument that named it or its folder, from 0.
    pub argument: usize,
    /// Its path.
    pub path: PathBuf,
    /// Its text, or the reason why it cannot be read.
    pub text: Result<String, String>,
}

/// The reasons why there is no rule set to begin with.
#[derive(Debug, Default)]
pub struct OpenError {
    /// The files that cannot be read, each with the reason.
    pub unreadable: Vec<(String, String)>,
    /// The mistakes in the other files.
    pub rules: Option<RuleErrors>,
}

impl OpenError {
    /// Draws all errors with colours.
    pub fn drawn(&self) -> String {
        let unreadable = self.unreadable.iter();
        let lines = unreadable.map(|(file, why)| {
            let (file, why) = (printable::line(file), printable::line(why));
            format!("error: cannot read {file}: {why}")
        });
        let mut parts: Vec<String> = lines.collect();
        if let Some(errors) = &self.rules {
            let gap = if parts.is_empty() { "" } else { "\n" };
            parts.push(format!("{gap}{}", errors.render(ErrorStyle::Coloured)));
        }
        parts.join("\n")
    }
}

/// Reads the files of all arguments: each is a file, or a folder with all `*.toml` in it and in its folders. Blocks.
pub fn files(arguments: &[PathBuf]) -> Vec<Found> {
    let mut found = Vec::new();
    for (argument, path) in arguments.iter().enumerate() {
        let file = |path: PathBuf, text| Found {
            argument,
            path,
            text,
        };
        match inside(path) {
            Ok(paths) => found.extend(paths.into_iter().map(|path| {
                let text = text(&path);
                file(path, text)
            })),
            Err(why) => found.push(file(path.clone(), Err(why))),
        }
    }
    found
}

/// Returns the file itself, or the rule files of a folder and of the folders in it, by path.
fn inside(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut inside = Inside::default();
    inside.enter(path, 0)?;
    if inside.files.is_empty() {
        return Err("there is no *.toml in it".into());
    }
    inside.files.sort();
    Ok(inside.files)
}

/// Returns the folders that rule files are taken from: this one and those in it; none for a file.
pub(super) fn folders(path: &Path) -> Vec<PathBuf> {
    let mut inside = Inside::default();
    if path.is_dir() {
        // The folders entered before an error are worth watching.
        let _ = inside.enter(path, 0);
    }
    inside.folders.sort();
    inside.folders
}

/// The rule files and folders in a folder.
#[derive(Default)]
struct Inside {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Inside {
    /// Collects the files of a folder. Links to folders are not followed, since they can lead in a circle; hidden folders
    /// belong to other programs.
    fn enter(&mut self, folder: &Path, depth: usize) -> Result<(), String> {
        if depth > DEEPEST || self.folders.len() == MOST_FOLDERS {
            let folder = folder.display();
            return Err(format!(
                "rule files are taken from {MOST_FOLDERS} folders, nested in at most {DEEPEST} folders, and there is \
                 also {folder}"
            ));
        }
        self.folders.push(folder.to_owned());
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries =
            entries.map_err(|error| format!("{}: {}", folder.display(), error_text::io(&error)))?;
        for entry in entries {
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            match is_folder {
                true if !is_hidden(&path) => self.enter(&path, depth + 1)?,
                false if is_rule_file(&path) => self.files.push(path),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether a file in a folder is a rule file; hidden ones are leftovers of editors.
fn is_rule_file(path: &Path) -> bool {
    let is_toml = |form: &std::ffi::OsStr| form.eq_ignore_ascii_case("toml");
    path.extension().is_some_and(is_toml) && !is_hidden(path) && !path.is_dir()
}

fn is_hidden(path: &Path) -> bool {
    let hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
    path.file_name().is_some_and(hidden)
}

/// The limit of nested folders in the named one.
const DEEPEST: usize = 8;
/// The limit of folders that rule files are taken from, for each named one.
const MOST_FOLDERS: usize = 1_000;

fn text(path: &Path) -> Result<String, String> {
    decoded(rule_includes::read_bounded(path, rule_includes::MOST)?)
}

/// Returns the text of a file.
///
/// # Errors
/// The bytes are not UTF-8; the message says what they are instead.
pub fn decoded(bytes: Vec<u8>) -> Result<String, String> {
    let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        match is_utf16 {
            true => "this is UTF-16: save it as UTF-8".into(),
            false if error.as_bytes().contains(&0) => "this is not a text file".into(),
            false => format!("line {line} is not UTF-8: save it as UTF-8"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::rule_sources::Sources;

    fn texts(folder: &Path) -> Result<Vec<String>, String> {
        let found = files(&[folder.to_owned()]);
        found.into_iter().map(|file| file.text).collect()
    }

    #[test]
    fn a_folder_is_its_toml_files_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.toml", "a.toml", ".c.toml", "d.txt", "e.toml~"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        fs::create_dir(folder.path().join("f.toml")).unwrap();
        assert_eq!(texts(folder.path()).unwrap(), ["a.toml", "b.toml"]);
    }

    #[test]
    fn folders_inside_are_read_too_in_the_order_of_their_paths() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "b/b/c.toml",
            "b/a.toml",
            "a.toml",
            "c.toml",
            ".git/d.toml",
            "b/.e.toml",
        ];
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path(), folder.path().join("b/loop")).unwrap();
        let expected = ["a.toml", "b/a.toml", "b/b/c.toml", "c.toml"];
        assert_eq!(texts(folder.path()).unwrap(), expected);
        let watched = folders(folder.path());
        let inside = |name: &str| folder.path().join(name);
        assert_eq!(
            watched,
            [folder.path().to_owned(), inside("b"), inside("b/b")]
        );
    }

    #[test]
    fn folders_that_are_nested_too_deep_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.toml"), "").unwrap();
        let deep = (0..=DEEPEST).fold(folder.path().to_owned(), |path, _| path.join("d"));
        fs::create_dir_all(&deep).unwrap();
        let error = texts(folder.path()).unwrap_err();
        assert!(error.contains("8 folders"), "{error}");
        fs::remove_dir(deep).unwrap();
        texts(folder.path()).unwrap();
    }

    #[test]
    fn what_cannot_be_read_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.toml");
        let arguments = [missing, folder.path().to_owned()];
        let error = Sources::open(&arguments, Vec::new(), 1).unwrap_err();
        let error = error.drawn();
        let lines: Vec<&str> = error.lines().collect();
        assert!(lines[0].contains("missing.toml: No such file"), "{error}");
        assert!(lines[1].contains("there is no *.toml in it"), "{error}");
    }
}
