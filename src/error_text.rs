//! Errors of the operating system and of libraries in plain words: one function for each kind of error.
//!
//! Libraries print errors for programmers: error numbers of the system, names of types, Debug forms. Those texts belong
//! only in the debug log.

use std::io;

use rustls::pki_types::pem;
use serde_json::error::Category;

/// Returns the text of an operating system error, without the number that Rust adds.
pub(crate) fn io(error: &io::Error) -> String {
    if error.raw_os_error().is_some() {
        let text = error.to_string();
        let words = text.split(" (os error").next().unwrap_or_default();
        return words.to_owned();
    }
    match error.get_ref() {
        Some(inner) => match inner.downcast_ref::<io::Error>() {
            Some(inner) => io(inner),
            None => inner.to_string(),
        },
        None => match error.kind() {
            io::ErrorKind::InvalidData => "it is not text in UTF-8".into(),
            io::ErrorKind::UnexpectedEof => "it ends too early".into(),
            kind => kind.to_string(),
        },
    }
}

/// Describes why a text is not the expected JSON.
pub(crate) fn json(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Io => "it cannot be read".into(),
        Category::Eof => "it ends in the middle of a JSON value".into(),
        Category::Syntax => format!("it is not JSON from column {} on", error.column()),
        Category::Data => {
            // serde names the field and what it expects, then adds the position, which is dropped here.
            let text = error.to_string();
            let words = text.split(" at line ").next().unwrap_or_default();
            words.to_owned()
        }
    }
}

/// Describes the error in a TOML file, with line and column in front: `3:7: unknown field …`.
pub(crate) fn toml(error: &toml::de::Error, text: &str) -> String {
    let at = error.span().map_or(text.len(), |span| span.start);
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    format!("{line}:{column}: {}", error.message())
}

/// Describes the error in a file of PEM sections.
pub(crate) fn pem(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no END line",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is damaged",
        pem::Error::Base64Decode(_) => "its base64 is damaged",
        pem::Error::NoItemsFound => "there is none in it",
        _ => "it is not PEM",
    }
    .into()
}

/// Describes why files cannot be watched.
pub(crate) fn watch(error: &notify::Error) -> String {
    match &error.kind {
        notify::ErrorKind::Io(error) => io(error),
        notify::ErrorKind::PathNotFound => "a folder is gone".into(),
        notify::ErrorKind::MaxFilesWatch => "the system watches no more files".into(),
        _ => "the system does not report them".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_speaks_without_numbers_of_rust() {
        let check = |error: io::Error, expected: &str| assert_eq!(io(&error), expected);
        check(io::Error::from_raw_os_error(2), "No such file or directory");
        check(
            io::Error::other(io::Error::from_raw_os_error(28)),
            "No space left on device",
        );
        check(io::Error::other("it is a link"), "it is a link");
        check(io::ErrorKind::InvalidData.into(), "it is not text in UTF-8");
    }

    #[test]
    fn json_is_wrong_at_a_column_and_names_no_type_of_rust() {
        let check = |text: &str, expected: &str| {
            let error = serde_json::from_str::<std::collections::BTreeMap<String, u64>>(text);
            assert_eq!(json(&error.unwrap_err()), expected, "{text}");
        };
        check("{\"a\": 1", "it ends in the middle of a JSON value");
        check("{a}", "it is not JSON from column 2 on");
    }
}
