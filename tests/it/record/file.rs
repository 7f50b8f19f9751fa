//! Record files: chosen by extension, private, appended to only on request.

use std::fs;
use std::path::Path;

use dmtap::flow::{Event, Timestamp};
use dmtap::record::model::RunRecord;
use dmtap::record::{self, Colour, EventRecord, Masking, Sink, Transcript};

use crate::record::transcript::{session, show};

/// A run, which files of JSON lines begin with.
pub(crate) fn run() -> RunRecord {
    RunRecord::new("1".into(), Timestamp(0), "regular".into(), 0)
}

fn open(path: &Path, append: bool) -> Result<Box<dyn Sink>, String> {
    let plus = if append { "+" } else { "" };
    let path = format!("{plus}{}", path.display());
    let opened = record::open_all(&[path], &run());
    let mut opened = opened.map_err(|error| error.to_string())?;
    Ok(opened.remove(0).1)
}

fn write(path: &Path, append: bool) {
    let mut sink = open(path, append).unwrap();
    let events: Vec<Event> = session().events;
    for (seq, event) in (1..).zip(&events) {
        let record = EventRecord::of(seq, event, Masking::Masked);
        sink.write_event(&record).unwrap();
    }
    sink.finish().unwrap();
}

#[test]
fn the_extension_chooses_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, begins: &[u8]| {
        let path = folder.path().join(name);
        write(&path, false);
        let written = fs::read(path).unwrap();
        assert!(written.starts_with(begins), "{name}");
    };
    check("a.jsonl", b"{\"v\":1,");
    check("a.JSON", b"{\"v\":1,");
    check("a.txt", "━━ 2026".as_bytes());
    check("a.log", "━━ 2026".as_bytes());
    check("a.b.pcapng", &[0x0A, 0x0D, 0x0D, 0x0A]);
    for name in ["a.pcap", "a", "jsonl", ".jsonl", "a.har"] {
        let error = open(&folder.path().join(name), false)
            .map(drop)
            .unwrap_err();
        assert!(
            error.contains(".jsonl") && error.contains(".pcapng"),
            "{error}"
        );
        assert!(!folder.path().join(name).exists());
    }
}

#[test]
fn a_file_is_overwritten_unless_a_plus_asks_to_append() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let lines = || fs::read_to_string(&path).unwrap().lines().count();
    write(&path, false);
    let once = lines();
    write(&path, true);
    assert_eq!(lines(), 2 * once);
    let mut transcript = Transcript::new(Vec::new(), Colour::Plain);
    assert!(
        show(&fs::read(&path).unwrap(), &mut transcript)
            .unwrap()
            .is_empty()
    );
    write(&path, false);
    assert_eq!(lines(), once);
    let error = open(&folder.path().join("a.pcapng"), true)
        .map(drop)
        .unwrap_err();
    assert!(error.contains("+"), "{error}");
}

#[test]
fn appending_to_a_torn_line_begins_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    fs::write(&path, "{\"v\":1,\"seq\":1,\"eve").unwrap();
    write(&path, true);
    let mut transcript = Transcript::new(Vec::new(), Colour::Plain);
    let damage = show(&fs::read(&path).unwrap(), &mut transcript).unwrap();
    assert_eq!(damage.len(), 1);
    assert_eq!(damage[0].line, 1);
    let text = String::from_utf8(transcript.into_inner()).unwrap();
    assert!(text.contains("connected"), "{text}");
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_a_record() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.jsonl", "a.txt", "a.pcapng"] {
        let path = folder.path().join(name);
        write(&path, false);
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_was_there_becomes_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    for append in [false, true] {
        let path = folder.path().join("a.jsonl");
        fs::write(&path, "old\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, append);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.starts_with("old"), append);
    }
}

#[test]
fn every_error_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for (name, append) in [
        ("nodir/b.jsonl", false),
        ("nodir/b.jsonl", true),
        ("nodir/b.pcapng", false),
        ("b.har", false),
        ("b.pcapng", true),
    ] {
        let path = folder.path().join(name);
        let error = open(&path, append).map(drop).unwrap_err();
        let start = format!("{}: ", path.display());
        assert!(error.starts_with(&start), "{error}");
    }
}

#[test]
fn a_file_named_twice_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let name = |name: &str| folder.path().join(name).display().to_string();
    let all = |paths: &[String]| {
        let opened = record::open_all(paths, &run());
        opened.map(|sinks| sinks.len()).map_err(|e| e.to_string())
    };
    let (one, two) = (name("a.jsonl"), name("b.jsonl"));
    assert_eq!(all(&[one.clone(), two, name("a.txt")]), Ok(3));
    for again in [one.clone(), format!("+{one}"), name("./a.jsonl")] {
        let error = all(&[one.clone(), again]).unwrap_err();
        assert!(error.contains("a.jsonl: it is named twice"), "{error}");
    }
}
