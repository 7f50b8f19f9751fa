//! libwbxml as a contender: its C library, called from Python in a separate process.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::ROUND;

/// A process that decodes one message again and again when asked to.
pub(crate) struct Libwbxml {
    child: RefCell<(Child, BufReader<std::process::ChildStdout>)>,
}

impl Libwbxml {
    /// Starts it on a message; `None` where Python or the library is missing.
    pub(crate) fn start(message: &[u8]) -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let file = folder.path().join("message.wbxml");
        std::fs::write(&file, message).ok()?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/codec/libwbxml.py");
        let mut child = Command::new("python3")
            .arg(script)
            .arg(&file)
            .arg(ROUND.as_secs_f64().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut lines = BufReader::new(child.stdout.take()?);
        let mut ready = String::new();
        lines.read_line(&mut ready).ok()?;
        if ready.trim() != "ready" {
            return None;
        }
        Some(Self {
            child: RefCell::new((child, lines)),
        })
    }

    /// Seconds that one decoding takes, over a round of many.
    pub(crate) fn seconds(&self) -> f64 {
        let (child, lines) = &mut *self.child.borrow_mut();
        let input = child.stdin.as_mut().expect("it was piped");
        input.write_all(b"\n").expect("the process runs");
        let mut line = String::new();
        lines.read_line(&mut line).expect("the process runs");
        line.trim().parse().expect("it writes seconds")
    }
}

impl Drop for Libwbxml {
    fn drop(&mut self) {
        let (child, _) = self.child.get_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}
