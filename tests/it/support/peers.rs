//! Third-party programs as peers, and real messages.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether `program` is there. On a user's machine a missing one is said and skipped; CI sets
/// DMTAP_REQUIRE_PEERS, and there it is a failure.
pub fn have(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output();
    if found.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let required = std::env::var("DMTAP_REQUIRE_PEERS").is_ok_and(|value| !value.is_empty());
    assert!(!required, "{program} must be there");
    eprintln!("skipped: {program} not found");
    false
}

/// The folder of real messages, where it is at hand.
pub fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if folder.is_dir() {
        return folder.canonicalize().ok();
    }
    eprintln!("skipped: no corpus of real messages beside the project");
    None
}

/// Every message file below a folder.
pub fn messages(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let extension = path
                .extension()
                .and_then(|e| e.to_str())
                .unwrap_or_default();
            match extension {
                _ if path.is_dir() => folders.push(path),
                "xml" | "wbxml" | "ddf" => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

/// The program under test.
pub fn dmtap() -> Command {
    Command::new(env!("CARGO_BIN_EXE_dmtap"))
}
