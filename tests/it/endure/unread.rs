//! Output that nobody reads, or that cannot be written.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::TcpStream;
use std::process::Stdio;

use super::Proxy;

/// Connections that break off within the TLS handshake, each of which is worth a warning in the log.
fn knock(proxy: &Proxy, times: usize) {
    for _ in 0..times {
        let mut connection = TcpStream::connect(&proxy.address).unwrap();
        connection.write_all(b"\x16").unwrap();
    }
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    // With -vvv far more is logged than the 64 KiB that a pipe holds.
    let check = |verbose| {
        let (mut proxy, unread) = Proxy::start(&[verbose, "-q", "-w", "r.jsonl"]);
        knock(&proxy, 600);
        assert_eq!(proxy.post("hi"), 200);
        proxy.signal("-TERM");
        assert_eq!(proxy.end().code(), Some(0), "{verbose}");
        assert!(proxy.read("r.jsonl").contains("\"event\":\"response\""));
        drop(unread);
    };
    // Both wait for a reader at their end.
    std::thread::scope(|scope| {
        scope.spawn(|| check("-v"));
        check("-vvv");
    });
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut full = Proxy::start_silent(&["-vv", "-w", "r.jsonl"], full.into());
    let (mut gone, reader) = Proxy::start(&["-vv", "-w", "r.jsonl"]);
    // As `2>&1 | head -1` does.
    drop(reader);
    drop(gone.child.stdout.take());
    for proxy in [&mut full, &mut gone] {
        knock(proxy, 50);
        for _ in 0..3 {
            assert_eq!(proxy.post("hi"), 200);
        }
        proxy.signal("-TERM");
        assert_eq!(proxy.end().code(), Some(0));
        let record = proxy.read("r.jsonl");
        assert_eq!(record.matches("\"event\":\"response\"").count(), 3);
    }
}

#[test]
fn json_lines_and_a_summary_that_nobody_reads_do_not_keep_it_from_ending() {
    let arguments = ["--output", "json", "--fail", "./A=500"];
    let mut proxy = Proxy::start_silent(&arguments, Stdio::null());
    // A pipe holds 64 KiB, and each line of the record holds the body.
    let body = "x".repeat(40_000);
    for _ in 0..4 {
        assert_eq!(proxy.post(&body), 200);
    }
    proxy.signal("-TERM");
    assert_eq!(proxy.end().code(), Some(1), "the record is not complete");
}

#[test]
fn repeated_warnings_are_counted_instead_of_shown() {
    let (mut proxy, mut stderr) = Proxy::start(&["-q"]);
    knock(&proxy, 600);
    // Taken before the end: its connection stands behind the others.
    assert_eq!(proxy.post("hi"), 200);
    proxy.signal("-TERM");
    let mut said = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
    assert_eq!(proxy.end().code(), Some(0));
    let lines = said.lines().count();
    assert!(lines < 40, "{lines} lines:\n{said}");
    assert!(said.contains(" more, the last: "), "{said}");
}
