//! curl through a proxy with rules, and its output.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dmtap::proxy::{Settings, Trust};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::device::tls;
use super::rig::{Rig, in_front_of};
use super::server::Server;

/// A server that sends bodies back, and a proxy in front of it.
pub struct Lab {
    pub directory: TempDir,
    pub server: Server,
    pub rig: Rig,
}

/// What came of one curl.
#[derive(Debug)]
pub struct Curled {
    /// Its exit code, from `man curl`.
    pub code: i32,
    /// The HTTP status; 0 for none.
    pub status: u16,
    pub body: Vec<u8>,
    pub error: String,
    pub took: Duration,
}

/// A version of HTTP, as a flag of curl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    One,
    Two,
}

impl Http {
    pub const BOTH: [Self; 2] = [Self::One, Self::Two];

    fn flag(self) -> &'static str {
        match self {
            Self::One => "--http1.1",
            Self::Two => "--http2",
        }
    }
}

impl Lab {
    pub async fn new(rules: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start(directory.path(), &["h2", "http/1.1"]).await;
        Self::with(directory, server, rules).await
    }

    pub async fn with(directory: TempDir, server: Server, rules: &str) -> Self {
        let rig = Rig::start(in_front_of(server.address, &server.ca)).await;
        rig.rule(rules);
        Self {
            directory,
            server,
            rig,
        }
    }

    /// A proxy that its devices know.
    pub async fn regular(rules: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start(directory.path(), &["h2", "http/1.1"]).await;
        let settings = Settings {
            trust: Trust::PlatformAnd(server.ca.clone()),
            ..Settings::regular()
        };
        let rig = Rig::start(settings).await;
        rig.rule(rules);
        Self {
            directory,
            server,
            rig,
        }
    }

    /// Posts a body with curl, which trusts dmtap's CA.
    pub async fn post(&self, http: Http, body: &[u8]) -> Curled {
        let ca = self.rig.ca().display().to_string();
        self.curl(&[http.flag(), "--cacert", &ca], body).await
    }

    /// Posts a body to the proxy with curl and these arguments.
    pub async fn curl(&self, arguments: &[&str], body: &[u8]) -> Curled {
        let url = format!("https://localhost:{}/", self.rig.address.port());
        self.curl_url(arguments, body, url).await
    }

    /// Posts a body to the server, with an argument that names the proxy.
    pub async fn curl_server(&self, arguments: &[&str], body: &[u8]) -> Curled {
        let url = format!("https://localhost:{}/", self.server.address.port());
        self.curl_url(arguments, body, url).await
    }

    pub async fn curl_url(&self, arguments: &[&str], body: &[u8], url: String) -> Curled {
        let sent = self.file("sent");
        let got = self.file("got");
        std::fs::write(&sent, body).unwrap();
        let _ = std::fs::remove_file(&got);
        let mut command = Command::new("curl");
        command
            .args([
                "-q",
                "-sS",
                "--noproxy",
                "",
                "-w",
                "%{http_code}",
                "-H",
                "Expect:",
            ])
            .arg("--data-binary")
            .arg(format!("@{}", sent.display()))
            .arg("-o")
            .arg(&got)
            .args(arguments)
            .arg(url)
            .stdin(Stdio::null());
        let begun = Instant::now();
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.unwrap().unwrap();
        Curled {
            code: output.status.code().unwrap(),
            status: String::from_utf8_lossy(&output.stdout).parse().unwrap(),
            body: std::fs::read(&got).unwrap_or_default(),
            error: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: begun.elapsed(),
        }
    }

    /// A TLS connection to the proxy.
    pub async fn tls(&self, alpn: &str) -> TlsStream<TcpStream> {
        let tcp = TcpStream::connect(self.rig.address).await.unwrap();
        tls(tcp, &self.rig.ca(), alpn, "localhost").await.unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// A rule with one step at a stage.
pub fn rule(stage: &str, step: &str) -> String {
    format!("[[rule]]\nname = \"fault\"\nstage = \"{stage}\"\nstep = {step}\n")
}

/// A body that tells its bytes apart.
pub fn bytes(count: usize) -> Vec<u8> {
    (0..=250).cycle().take(count).collect()
}
