//! Programs of others that tests talk to, and dmtap as a user starts it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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

/// A program that runs until the test ends.
pub struct Running {
    pub child: Child,
    /// The address it listens at.
    pub address: String,
}

impl Running {
    /// Asks it to end, and gives its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program under test.
pub fn dmtap() -> Command {
    Command::new(env!("CARGO_BIN_EXE_dmtap"))
}

/// Starts `dmtap` with these arguments and waits until it says where it listens. What it says on standard
/// error goes to `log`.
pub fn start(arguments: &[&str], log: &Path) -> Running {
    let mut child = dmtap()
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    let address = first
        .split_whitespace()
        .find_map(|word| {
            word.strip_prefix("https://")
                .or(word.strip_prefix("http://"))
        })
        .unwrap_or_else(|| panic!("dmtap does not listen: {first}{}", rest(&mut lines)))
        .trim_end_matches('/')
        .to_owned();
    let mut file = std::fs::File::create(log).unwrap();
    std::thread::spawn(move || std::io::copy(&mut lines, &mut file));
    Running { child, address }
}

fn rest(reader: &mut impl Read) -> String {
    let mut text = String::new();
    let _ = reader.read_to_string(&mut text);
    text
}
