//! dmtap and other programs, started as a user does, until the test ends.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::peers::dmtap;

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
    // With -vv other lines come before.
    let is_verbose = arguments.contains(&"-vv");
    let address = loop {
        let mut line = String::new();
        let bytes = lines.read_line(&mut line).unwrap();
        first += &line;
        let mut words = line.split_whitespace();
        let address = words.find_map(|word| {
            word.strip_prefix("https://")
                .or(word.strip_prefix("http://"))
        });
        match address.filter(|_| !is_verbose || line.starts_with("listening")) {
            Some(address) => break address.trim_end_matches('/').to_owned(),
            None if is_verbose && bytes > 0 => {}
            None => panic!("dmtap does not listen: {first}{}", rest(&mut lines)),
        }
    };
    let mut file = std::fs::File::create(log).unwrap();
    file.write_all(first.as_bytes()).unwrap();
    std::thread::spawn(move || std::io::copy(&mut lines, &mut file));
    Running { child, address }
}

/// The program, once it listens at the address, where it does not say when it does.
pub fn listening(child: Child, (host, port): (&str, u16)) -> Running {
    let running = Running {
        child,
        address: format!("localhost:{port}"),
    };
    let listens = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        TcpStream::connect((host, port)).is_ok()
    });
    assert!(listens, "nothing listens at {host}:{port}");
    running
}

fn rest(reader: &mut impl Read) -> String {
    let mut text = String::new();
    let _ = reader.read_to_string(&mut text);
    text
}
