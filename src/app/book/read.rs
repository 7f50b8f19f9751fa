//! Rule files and folders of them, read from disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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

/// What every argument names: a file, or all `*.toml` of a folder by name. Blocks.
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
        match &file.text {
            Ok(text) => {
                let text = text.clone();
                readable.push((file, text));
            }
            Err(why) => errors.push(format!("error: cannot read {}: {why}", file.path.display())),
        }
    }
    match errors.is_empty() {
        true => Ok(readable),
        false => Err(errors.join("\n")),
    }
}

/// The file itself, or the rule files of a folder.
fn inside(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let paths = entries.map_err(|error| error.to_string())?.into_iter();
    let mut paths: Vec<PathBuf> = paths
        .map(|entry| entry.path())
        .filter(|path| is_rule_file(path))
        .collect();
    if paths.is_empty() {
        return Err("there is no *.toml in it; folders inside are not looked into".into());
    }
    paths.sort();
    Ok(paths)
}

/// Whether a folder's file is taken: hidden ones are what editors leave lying about.
pub(super) fn is_rule_file(path: &Path) -> bool {
    let hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
    path.extension().is_some_and(|form| form == "toml")
        && !path.file_name().is_some_and(hidden)
        && !path.is_dir()
}

fn text(path: &Path) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    decoded(bytes)
}

/// The text of a file.
///
/// # Errors
/// What the bytes are, if they are not UTF-8.
pub fn decoded(bytes: Vec<u8>) -> Result<String, String> {
    let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    String::from_utf8(bytes).map_err(|_| match is_utf16 {
        true => "this is UTF-16: save it as UTF-8".into(),
        false => "this is no text file".into(),
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
    fn what_cannot_be_read_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.toml");
        let error = readable(files(&[missing, folder.path().to_owned()])).unwrap_err();
        let lines: Vec<&str> = error.lines().collect();
        assert!(lines[0].contains("missing.toml: No such file"), "{error}");
        assert!(lines[1].contains("there is no *.toml in it"), "{error}");
    }
}
