//! Rule files and folders of them, read from disk.
//!
//! A folder stands for all `*.toml` in it and in the folders in it, in the order of their paths.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::app::rule_includes;
use crate::error_text;

/// A rule file that was looked for.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which argument named it, or the folder it is in; from 0.
    pub argument: usize,
    /// Where it is.
    pub path: PathBuf,
    /// Its text, or why it cannot be read.
    pub text: Result<String, String>,
}

/// What every argument names: a file, or all `*.toml` of a folder and of those in it, by path. Blocks.
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

/// The files with their texts.
///
/// # Errors
/// One line for each that cannot be read.
pub fn readable(files: Vec<Found>) -> Result<Vec<(Found, String)>, String> {
    let (mut readable, mut errors) = (Vec::new(), Vec::new());
    for file in files {
        match file.text.clone() {
            Ok(text) => readable.push((file, text)),
            Err(why) => errors.push(format!("error: cannot read {}: {why}", file.path.display())),
        }
    }
    match errors.is_empty() {
        true => Ok(readable),
        false => Err(errors.join("\n")),
    }
}

/// The file itself, or the rule files of a folder and of the folders in it, by path.
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

/// The folders that rule files are taken from: this one and those in it; none of a file.
pub(super) fn folders(path: &Path) -> Vec<PathBuf> {
    let mut inside = Inside::default();
    if path.is_dir() {
        // What was entered up to an error is worth a watch.
        let _ = inside.enter(path, 0);
    }
    inside.folders.sort();
    inside.folders
}

/// What is found in a folder.
#[derive(Default)]
struct Inside {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Inside {
    /// Links to folders are not followed, since they can lead in a circle; hidden folders are of other programs.
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

/// Whether a folder's file is taken: hidden ones are what editors leave lying about.
fn is_rule_file(path: &Path) -> bool {
    let is_toml = |form: &std::ffi::OsStr| form.eq_ignore_ascii_case("toml");
    path.extension().is_some_and(is_toml) && !is_hidden(path) && !path.is_dir()
}

fn is_hidden(path: &Path) -> bool {
    let hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
    path.file_name().is_some_and(hidden)
}

/// How deep folders may be nested in the one that is named.
const DEEPEST: usize = 8;
/// Folders that rule files are taken from, for one that is named.
const MOST_FOLDERS: usize = 1_000;

fn text(path: &Path) -> Result<String, String> {
    decoded(rule_includes::read_bounded(path, rule_includes::MOST)?)
}

/// The text of a file.
///
/// # Errors
/// What the bytes are, if they are not UTF-8.
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

    #[test]
    fn a_folder_is_its_toml_files_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.toml", "a.toml", ".c.toml", "d.txt", "e.toml~"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        fs::create_dir(folder.path().join("f.toml")).unwrap();
        let found = readable(files(&[folder.path().to_owned()])).unwrap();
        let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["a.toml", "b.toml"]);
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
        let found = readable(files(&[folder.path().to_owned()])).unwrap();
        let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["a.toml", "b/a.toml", "b/b/c.toml", "c.toml"]);
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
        let error = readable(files(&[folder.path().to_owned()])).unwrap_err();
        assert!(error.contains("8 folders"), "{error}");
        fs::remove_dir(deep).unwrap();
        readable(files(&[folder.path().to_owned()])).unwrap();
    }

    #[test]
    fn what_cannot_be_read_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.toml");
        let error = readable(files(&[missing, folder.path().to_owned()])).unwrap_err();
        let lines: Vec<&str> = error.lines().collect();
        assert!(lines[0].contains("missing.toml: No such file"), "{error}");
        assert!(lines[1].contains("there is no *.toml in it"), "{error}");
    }
}
