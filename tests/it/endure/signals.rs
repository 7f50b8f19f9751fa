//! Signals: a closed terminal, a rotated record, a limit of the file size, and the end without notice.

use std::fs;
use std::time::{Duration, Instant};

use super::{Proxy, proxy_process};

#[test]
fn sighup_with_nothing_to_reload_ends_it_in_good_order() {
    if !proxy_process::hears_sighup() {
        return;
    }
    let (mut proxy, _stderr) = Proxy::start(&["-q", "-w", "r.jsonl", "-w", "r.txt"]);
    assert_eq!(proxy.post("hi"), 200);
    proxy.signal("-HUP");
    assert_eq!(proxy.end().code(), Some(0));
    assert!(proxy.read("r.jsonl").contains("\"event\":\"response\""));
    assert!(proxy.read("r.txt").contains("200"));
}

#[test]
fn signals_at_once_are_one_signal() {
    // GNU `timeout` sends its signal to the program and to its group. Two of one kind may become one: here they differ.
    // The rule keeps the first exchange running when the signals come.
    let files = ["-w", "r.jsonl", "-w", "r.pcapng"];
    let (mut proxy, _stderr) =
        Proxy::start(&[&["-q", "--rule", "late-close"], &files[..]].concat());
    assert_eq!(proxy.post("hi"), 200);
    let pid = proxy.child.id();
    let both = format!("kill -TERM {pid}; kill -INT {pid}");
    let sent = std::process::Command::new("sh")
        .args(["-c", &both])
        .status();
    assert!(sent.unwrap().success());
    assert_eq!(proxy.end().code(), Some(0));
    assert!(proxy.read("r.jsonl").contains("\"event\":\"response\""));
    let packets = fs::read(proxy.folder.path().join("r.pcapng")).unwrap();
    assert_eq!(packets[..4], [0x0a, 0x0d, 0x0d, 0x0a], "it has its header");
}

#[test]
fn a_record_that_was_moved_away_is_begun_again_at_sighup() {
    if !proxy_process::hears_sighup() {
        return;
    }
    let files = ["r.jsonl", "r.pcapng", "r.txt"];
    let (mut proxy, _stderr) =
        Proxy::start(&["-q", "-w", "r.jsonl", "-w", "r.pcapng", "-w", "r.txt"]);
    assert_eq!(proxy.post("first"), 200);
    proxy.read_until("r.jsonl", |text| text.contains("\"event\":\"response\""));
    let folder = proxy.folder.path();
    for file in files {
        fs::rename(folder.join(file), folder.join(format!("{file}.1"))).unwrap();
    }
    proxy.signal("-HUP");
    let until = Instant::now() + proxy_process::PATIENCE;
    while files.iter().any(|file| !folder.join(file).exists()) {
        assert!(Instant::now() < until, "no new file");
        std::thread::yield_now();
    }
    assert_eq!(proxy.post("second"), 200);
    // Nothing was moved away since.
    proxy.signal("-HUP");
    assert_eq!(proxy.end().code(), Some(0));
    let (old, new) = (proxy.read("r.jsonl.1"), proxy.read("r.jsonl"));
    assert!(old.contains("first") && !old.contains("second"), "{old}");
    assert!(new.contains("second") && !new.contains("first"), "{new}");
    let run = |text: &str| text.lines().next().unwrap().to_owned();
    assert!(run(&old).contains("\"event\":\"run\""), "{old}");
    assert_eq!(run(&old), run(&new), "both are of one run");
    let packets = fs::read(proxy.folder.path().join("r.pcapng")).unwrap();
    assert_eq!(packets[..4], [0x0a, 0x0d, 0x0d, 0x0a], "it has its header");
}

#[test]
fn a_record_that_was_deleted_is_lost_and_one_that_was_moved_is_not() {
    if !proxy_process::hears_sighup() {
        return;
    }
    let (mut proxy, stderr) = Proxy::start(&["-q", "-w", "deleted.jsonl", "-w", "moved.jsonl"]);
    let folder = proxy.folder.path();
    fs::remove_file(folder.join("deleted.jsonl")).unwrap();
    fs::rename(folder.join("moved.jsonl"), folder.join("kept.jsonl")).unwrap();
    assert_eq!(proxy.post("hi"), 200);
    proxy.signal("-TERM");
    assert_eq!(proxy.end().code(), Some(1));
    assert!(proxy.read("kept.jsonl").contains("\"event\":\"response\""));
    let said = std::io::read_to_string(stderr).unwrap();
    assert!(
        said.contains("error: the record is not complete: deleted.jsonl: the file was deleted"),
        "{said}"
    );
    assert!(!said.contains("moved.jsonl:"), "{said}");
}

#[test]
fn what_happened_100_ms_before_a_kill_is_in_every_record() {
    let (mut proxy, _stderr) =
        Proxy::start(&["-q", "-w", "r.jsonl", "-w", "r.txt", "-w", "r.pcapng"]);
    // More often than every 20 ms, and for longer than anything may be kept.
    let mut answered = Vec::new();
    let start = Instant::now();
    let mut next = start;
    while start.elapsed() < Duration::from_millis(1500) || answered.len() < 60 {
        next += Duration::from_millis(12);
        let number = answered.len();
        let what = format!("POST /number-{number}.");
        let answer = proxy_process::ask(&proxy.address, &what, &[("Host", "localhost")], "hi");
        assert_eq!(answer.status, 200);
        answered.push(Instant::now());
        std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
    }
    proxy.child.kill().unwrap();
    let killed = Instant::now();
    proxy.end();
    let limit = Duration::from_millis(100);
    let old = answered.iter().filter(|at| killed - **at > limit).count();
    assert!(old > 20, "{old} exchanges");
    for file in ["r.jsonl", "r.txt", "r.pcapng"] {
        let record = fs::read(proxy.folder.path().join(file)).unwrap();
        let record = String::from_utf8_lossy(&record);
        let lost: Vec<usize> = (0..old)
            .filter(|number| !record.contains(&format!("/number-{number}.")))
            .collect();
        assert!(lost.is_empty(), "{file} lacks {lost:?} of {old}");
    }
}
