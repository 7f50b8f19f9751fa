//! Conditions that must not stop dmtap or lose its record: unread output, full disks, signals.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests fail by panicking, and are shared by several files"
)]

use crate::support::echo;
mod files;
use crate::support::peers;
mod signals;
use crate::support::proxy_process;
mod unread;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use echo::Echo;

use crate::support::record_schema;

/// `dmtap proxy` in front of an echo server, with streams that a test treats badly.
struct Proxy {
    child: Child,
    address: String,
    folder: tempfile::TempDir,
    echo: Echo,
}

impl Proxy {
    /// Starts it at a port that it prints on standard error, which is given to the test afterwards.
    fn start(arguments: &[&str]) -> (Self, BufReader<std::process::ChildStderr>) {
        let mut proxy = Self::spawn(arguments, Stdio::piped(), "0");
        let mut stderr = BufReader::new(proxy.child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening at") {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended");
        }
        proxy.address = proxy_process::url(line.trim());
        (proxy, stderr)
    }

    /// Starts it at a port that was free a moment ago, and waits until it takes connections.
    fn start_silent(arguments: &[&str], stderr: Stdio) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut proxy = Self::spawn(arguments, stderr, &address.port().to_string());
        proxy.address = address.to_string();
        let until = Instant::now() + proxy_process::PATIENCE;
        while std::net::TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "it does not listen");
            assert_eq!(proxy.child.try_wait().unwrap(), None, "it ended");
            std::thread::yield_now();
        }
        proxy
    }

    fn spawn(arguments: &[&str], stderr: Stdio, port: &str) -> Self {
        let (folder, echo) = (tempfile::tempdir().unwrap(), Echo::start());
        let child = peers::dmtap()
            .args(["proxy", "-p", port, "--confdir", "conf", "--mode"])
            .arg(format!("reverse:http://{}", echo.address))
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self {
            child,
            address: String::new(),
            folder,
            echo,
        }
    }

    fn post(&self, body: &str) -> u16 {
        proxy_process::ask(&self.address, "POST /", &[("Host", "localhost")], body).status
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args([name, &pid]).status();
        assert!(kill.unwrap().success());
    }

    /// How it ends; a test fails that waits too long.
    fn end(&mut self) -> ExitStatus {
        let until = Instant::now() + proxy_process::PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end");
            std::thread::yield_now();
        }
    }

    fn read(&self, file: &str) -> String {
        let text = std::fs::read_to_string(self.folder.path().join(file)).unwrap();
        if file.ends_with(".jsonl") {
            record_schema::check(text.as_bytes());
        }
        text
    }

    /// Waits until a file is as expected.
    fn read_until(&self, file: &str, is_done: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + proxy_process::PATIENCE;
        loop {
            let text = std::fs::read_to_string(self.folder.path().join(file)).unwrap_or_default();
            if is_done(&text) {
                return text;
            }
            assert!(Instant::now() < until, "{file} is not as expected:\n{text}");
            std::thread::yield_now();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program prints on standard error and how it ends.
fn run(command: &mut Command) -> (Option<i32>, String) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}
