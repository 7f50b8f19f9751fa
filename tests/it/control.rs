//! Rules that are switched through the control API, and access to the API.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests fail by panicking, and are shared by several files"
)]

use crate::support::echo;
use crate::support::peers;
use crate::support::proxy_process;

mod guard;
mod rules;
mod scopes;
mod traffic;

use std::fs;
use std::path::PathBuf;

use echo::Echo;
use proxy_process::{Answer, ProxyProcess, answering, ask};
use tempfile::TempDir;

/// A proxy with a control API in front of a server that sends back what it gets.
struct Site {
    proxy: ProxyProcess,
    /// Where the control API listens.
    control: String,
    token: String,
    file: PathBuf,
    folder: TempDir,
    echo: Echo,
}

impl Site {
    /// With one rule file.
    fn open(rules: &str) -> Self {
        let echo = Echo::start();
        let mode = format!("reverse:http://{}", echo.address);
        Self::with(echo, rules, &["-q", "--mode", &mode])
    }

    fn with(echo: Echo, rules: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file.toml");
        fs::write(&file, rules).unwrap();
        let mut all = vec!["--control", "0", "--rules", file.to_str().unwrap()];
        all.extend(arguments);
        let mut proxy = ProxyProcess::start(&all);
        let line = proxy.line("control at");
        Self {
            proxy,
            control: proxy_process::url(&line),
            token: line.rsplit(' ').next().unwrap().to_owned(),
            file,
            folder,
            echo,
        }
    }

    /// Asks the control API as one who may.
    fn ask(&self, what: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let fields = [("Host", &*self.control), ("Authorization", &bearer)];
        ask(&self.control, what, &fields, body)
    }

    /// The same, with the answer read as JSON.
    fn json(&self, what: &str, body: &str) -> (u16, serde_json::Value) {
        let answer = self.ask(what, body);
        let value = serde_json::from_str(&answer.body);
        (
            answer.status,
            value.unwrap_or_else(|_| panic!("{answer:?}")),
        )
    }

    /// The status a device gets.
    fn device(&self) -> u16 {
        self.proxy.post("hi").status
    }
}
