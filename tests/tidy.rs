//! The house rules that a compiler does not hold: floors, purity, sizes.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms it may import. `patch` is at the bottom.
const FLOORS: &[(&str, &[&str])] = &[
    ("patch", &[]),
    ("builtin_rules", &[]),
    ("markup", &["patch"]),
    ("dm", &["patch", "markup"]),
    ("flow", &["patch", "markup", "dm"]),
    ("rules", &["patch", "markup", "dm", "flow"]),
    ("conversation", &["patch", "markup", "dm", "flow", "rules"]),
    ("record", &["patch", "markup", "dm", "flow"]),
    ("peer", &["patch", "markup", "dm"]),
    (
        "proxy",
        &[
            "patch",
            "markup",
            "dm",
            "flow",
            "rules",
            "conversation",
            "record",
        ],
    ),
    (
        "app",
        &[
            "patch",
            "markup",
            "dm",
            "flow",
            "rules",
            "conversation",
            "record",
            "peer",
            "proxy",
            "builtin_rules",
        ],
    ),
    (
        "cli",
        &[
            "patch",
            "markup",
            "dm",
            "flow",
            "rules",
            "conversation",
            "record",
            "peer",
            "proxy",
            "builtin_rules",
            "app",
        ],
    ),
];

/// Rooms that only compute.
const PURE: &[&str] = &[
    "patch",
    "markup",
    "dm",
    "flow",
    "rules",
    "conversation",
    "peer",
    "builtin_rules",
];

/// What a pure room may not name: IO, clocks, randomness.
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "rustls",
    "std::fs",
    "std::io",
    "std::thread",
    "Instant",
    "SystemTime",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "std::env",
    "std::process",
    "println!",
    "eprintln!",
    "tracing",
];

/// Locks, which only `conversation` may name of them: exchanges of many connections share its sessions.
const LOCKS: &[&str] = &["Mutex", "RwLock"];

const LONGEST_FILE: usize = 500;

#[test]
fn imports_never_point_upwards() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let room = room_of(&file);
        let Some((_, allowed)) = FLOORS.iter().find(|(name, _)| *name == room) else {
            assert!(
                ["lib", "main"].contains(&room.as_str()),
                "{room} has no floor: add it here"
            );
            continue;
        };
        for (number, line) in code_lines(&text) {
            for (other, _) in FLOORS {
                if *other != room && !allowed.contains(other) && names_room(line, other) {
                    wrong.push(format!(
                        "{}:{number}: {room} may not use {other}",
                        file.display()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_rooms_touch_no_io_clock_or_lock() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let room = room_of(&file);
        if !PURE.contains(&room.as_str()) {
            continue;
        }
        let locks = if room == "conversation" { &[] } else { LOCKS };
        for (number, line) in code_lines(&text) {
            let impure = IMPURE.iter().chain(locks);
            for word in impure.filter(|word| names(line, word)) {
                wrong.push(format!(
                    "{}:{number}: {word} in a pure room",
                    file.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_prints_past_the_queue() {
    // They panic where the stream cannot be written, and wait where nobody reads.
    let forbidden = ["println!", "eprintln!", "print!", "eprint!"];
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        for (number, line) in code_lines(&text) {
            for word in forbidden.iter().filter(|word| names(line, word)) {
                wrong.push(format!("{}:{number}: {word}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_longer_than_the_cap() {
    let mut files = sources();
    collect(&root().join("tests"), &mut files);
    let long: Vec<String> = files
        .iter()
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(file, lines)| format!("{}: {lines} lines", file.display()))
        .collect();
    assert!(
        long.is_empty(),
        "longer than {LONGEST_FILE} lines:\n{}",
        long.join("\n")
    );
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let silent: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(file, _)| file)
        .collect();
    assert!(silent.is_empty(), "no `//!` line: {silent:?}");
}

#[test]
fn these_checks_see_what_they_are_there_to_see() {
    assert!(names_room("use crate::proxy::Proxy;", "proxy"));
    assert!(names_room("    crate::{dm, proxy::wire}", "proxy"));
    assert!(!names_room("use crate::proxying::x;", "proxy"));
    assert!(names("use tokio::net::TcpStream;", "tokio"));
    assert!(!names("let tokiomarine = 1;", "tokio"));
    assert_eq!(
        code_lines("a\n// tokio\n#[cfg(test)]\nmod tests { tokio }").count(),
        1
    );
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    assert!(
        files.len() > 20,
        "the sources are not where this test looks"
    );
    files
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
}

fn room_of(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("src")).unwrap();
    let first = inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Lines of code with their numbers: comments and unit tests left out (tests stand last in a file).
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line))
}

/// Whether a line reaches for another room from the crate's root.
fn names_room(line: &str, room: &str) -> bool {
    line.contains("crate::") && names(line, room)
}

/// Whether `line` holds `word` as a word of its own.
fn names(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let open_ended = !word.ends_with(char::is_alphanumeric);
        !before.is_some_and(part) && (open_ended || !after.is_some_and(part))
    })
}
