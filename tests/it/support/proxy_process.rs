//! dmtap in front of a server, with its standard error, line by line.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::peers::dmtap;

/// A proxy that runs until the test ends.
pub struct ProxyProcess {
    pub child: Child,
    /// Where devices reach it.
    pub address: String,
    lines: Receiver<String>,
    /// Everything it said so far.
    pub said: String,
}

/// An answer of HTTP/1.1.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl ProxyProcess {
    /// Starts `dmtap proxy` at a free port with these arguments, and waits until it listens.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(&[], arguments)
    }

    /// The same, with these environment variables.
    pub fn start_with(variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let confdir = tempfile::tempdir().unwrap();
        let mut child = dmtap()
            .args(["proxy", "-p", "0", "--confdir"])
            .arg(confdir.path())
            .args(arguments)
            .env_remove("DMTAP_CONTROL_TOKEN")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let reader = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            reader
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let mut reported = Self {
            child,
            address: String::new(),
            lines,
            said: String::new(),
        };
        let line = reported.line("listening at");
        reported.address = url(&line);
        // The folder is read by now.
        reported.line("devices must trust");
        reported
    }

    /// Waits for a line that holds `part`, and gives it.
    pub fn line(&mut self, part: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("dmtap does not say {part:?}, but:\n{}", self.said);
            };
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(part) {
                return line;
            }
        }
    }

    /// What a device gets for a body.
    pub fn post(&self, body: &str) -> Answer {
        ask(&self.address, "POST /", &[("Host", "localhost")], body)
    }

    /// Sends a signal by name.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let kill = std::process::Command::new("kill")
            .args([name, &pid])
            .status();
        assert!(kill.unwrap().success());
    }

    /// Ends it; gives what it said on standard output.
    #[cfg(unix)]
    pub fn end(self) -> (String, String) {
        let (code, out, said) = self.end_with_code();
        assert_eq!(code, Some(0), "{said}");
        (out, said)
    }

    /// Ends it; gives its exit code, and what it printed on standard output and since then on standard error.
    #[cfg(unix)]
    pub fn end_with_code(mut self) -> (Option<i32>, String, String) {
        self.signal("-TERM");
        let mut out = String::new();
        let mut stdout = self.child.stdout.take().unwrap();
        stdout.read_to_string(&mut out).unwrap();
        let code = self.child.wait().unwrap().code();
        let rest: Vec<String> = self.lines.iter().collect();
        (code, out, rest.join("\n"))
    }
}

impl Drop for ProxyProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks in HTTP/1.1, and reads the answer to its end.
pub fn ask(address: &str, what: &str, fields: &[(&str, &str)], body: &str) -> Answer {
    let mut request = format!(
        "{what} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in fields {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    exchange(address, &format!("{request}\r\n{body}"))
}

/// Sends bytes, and reads an answer to its end.
pub fn exchange(address: &str, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Answer {
        status: status.unwrap_or_else(|| panic!("no HTTP: {answer:?}")),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// The address in a line, without its scheme.
pub fn url(line: &str) -> String {
    let words = line.split(&[' ', ','][..]);
    let mut urls = words.filter_map(|word| Some(word.split_once("://")?.1.to_owned()));
    urls.next().unwrap_or_else(|| panic!("no address: {line}"))
}

/// Longer than any machine needs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A rule that answers with this status.
pub fn answering(name: &str, status: u16) -> String {
    format!(
        "[[rule]]\nname = \"{name}\"\nstage = \"response\"\n\
         match = {{ method = \"POST\" }}\nstep = {{ answer = {status}, body = \"no\" }}\n"
    )
}

/// Whether SIGHUP reaches the program. What runs the tests may ignore it (`nohup`); that is handed on, and dmtap obeys.
pub fn hears_sighup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is signal 1, the lowest bit.
    if ignored.is_none_or(|mask| mask & 1 == 0) {
        return true;
    }
    let required = std::env::var("DMTAP_REQUIRE_PEERS").is_ok_and(|value| !value.is_empty());
    assert!(!required, "SIGHUP is ignored here");
    eprintln!("skipped: SIGHUP is ignored here");
    false
}
