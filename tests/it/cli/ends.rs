//! The program ends early: its reader stops reading, or a user interrupts it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use super::peers::dmtap;

/// Starts the program in a folder of its own, with its output in pipes.
fn start(folder: &tempfile::TempDir, arguments: &[&str]) -> Child {
    let mut command = dmtap();
    command.args(arguments).current_dir(folder.path());
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// How it ended, and what it said on standard error.
fn end(mut child: Child) -> (Option<i32>, String) {
    let mut said = String::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    let kill = Command::new("kill").args(["-INT", &pid]).status();
    assert!(kill.unwrap().success());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    for arguments in [&["demo"][..], &["demo", "--output", "json"]] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start(&folder, arguments);
        let mut first = [0; 1];
        // The pipe is closed when the reader is gone.
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut first).unwrap();
        drop(stdout);
        assert_eq!(end(child), (Some(0), String::new()), "{arguments:?}");
        let record = folder.path().join("dmtap-demo/demo.jsonl");
        let record = fs::read_to_string(record).unwrap();
        assert!(record.lines().count() > 12, "the records are whole");
    }
}

#[test]
fn a_demo_that_is_interrupted_says_so_and_leaves_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let slow = "[[rule]]\nname = 'slow'\nstage = 'request'\nstep = { delay = '25s' }\n";
    fs::write(folder.path().join("slow.toml"), slow).unwrap();
    let mut child = start(&folder, &["demo", "--rules", "slow.toml"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("held back for")));
    interrupt(&child);
    let (code, said) = end(child);
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("interrupted: the demo stopped"), "{said}");
    let record = fs::read_to_string(folder.path().join("dmtap-demo/demo.jsonl")).unwrap();
    assert!(record.contains("\"event\":\"request\"") && record.ends_with('\n'));
}

#[test]
fn a_device_that_is_interrupted_says_so() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let child = start(&folder, &["device", &url]);
    let (mut stream, _) = silent.accept().unwrap();
    stream.read_exact(&mut [0; 100]).unwrap();
    interrupt(&child);
    let (code, said) = end(child);
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("interrupted: the device stopped"), "{said}");
}
