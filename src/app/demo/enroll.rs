//! The enrollment demo: two devices enroll through dmtap at a server with two names, and are managed.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::open_connections::OpenConnections;
use super::{CLOSING, FOLDER, LONGEST};
use crate::app::device::RetryPolicy;
use crate::app::dial::{Dialer, Resolve};
use crate::app::enroll_device::{self, EnrolledDevice, report};
use crate::app::enroll_server::{self, EnrollService, new_key};
use crate::app::proxy::{Live, RuleReports};
use crate::error_text;
use crate::peer::Encoding;
use crate::peer::enroll::server::DISCOVERY_PATH;
use crate::peer::enroll::{CsrForm, EnrollProfile, Login, PrivateKey, Sites, User};
use crate::proxy::{self, Authority, Proxy, Scheme, Settings, StaySettings, Trust, Upstream};
use crate::record::{Journal, Masking};

/// What came of it.
pub struct EnrollClosing {
    /// For people.
    pub text: String,
    /// The same as lines of JSON.
    pub lines: String,
    /// The host that a device left dmtap for.
    pub left_for: Option<String>,
}

/// Runs the demo.
///
/// # Errors
/// In words, where something did not work.
pub async fn run(live: Live, stay: StaySettings) -> Result<EnrollClosing, String> {
    let limit = tokio::time::timeout(LONGEST, staged(live, stay));
    let ended = limit.await;
    ended.map_err(|_| format!("the demo did not end within {} s", LONGEST.as_secs()))?
}

async fn staged(live: Live, stay: StaySettings) -> Result<EnrollClosing, String> {
    fs::create_dir_all(Path::new(FOLDER))
        .map_err(|error| format!("cannot make {FOLDER}: {}", error_text::io(&error)))?;
    let files = ["jsonl", "pcapng", "txt"].map(|form| format!("{FOLDER}/demo.{form}"));
    let reports = RuleReports {
        live,
        files: files.to_vec(),
        masking: Masking::Masked,
    };
    let stage = Stage::set(&reports, stay).await?;
    let mut closing = EnrollClosing {
        text: stage.beginning(),
        lines: String::new(),
        left_for: None,
    };
    let mut failure = None;
    for (profile, title) in devices() {
        closing.text.push_str(&format!("\n{title}\n"));
        let dialer = stage.dialer();
        let done = stage.device(profile, &dialer, &mut closing).await;
        let hosts = dialer.contacted();
        closing.lines.push_str(&report::contacted_json(&hosts));
        closing
            .text
            .push_str(&format!("  {}", report::contacted_text(&hosts)));
        let own = stage.public_host();
        let mut others = hosts.into_iter().filter(|host| *host != own);
        closing.left_for = closing.left_for.or_else(|| others.next());
        failure = failure.or(done.err());
    }
    stage.strike().await?;
    closing
        .text
        .push_str(&format!("\nRecords: {}\n", files.join("  ")));
    let left = &closing.left_for;
    closing
        .lines
        .push_str(&format!("{}\n", json!({"v": 1, "left_for": left})));
    match failure {
        // That a device left explains why it failed; the other way round it does not.
        Some(why) if closing.left_for.is_none() => Err(format!("{why}\n{}", closing.text)),
        _ => Ok(closing),
    }
}

/// A device with each of the two requests and logins.
fn devices() -> [(EnrollProfile, &'static str); 2] {
    let device = |user: &str, login, form| EnrollProfile::new(user.into(), login, form);
    let token = Login::Token(TOKEN.into());
    let password = Login::Password(PASSWORD.into());
    [
        (
            device(ALICE, password, CsrForm::Windows10),
            "A device with the request of Windows 10, its user with a password:",
        ),
        (
            device(BOB, token, CsrForm::Windows11),
            "A device with the request of Windows 11, its user with the token of a sign-in page:",
        ),
    ]
}

/// Everything that runs during the demo.
struct Stage {
    authority: Arc<Authority>,
    server_port: u16,
    proxy_port: u16,
    journal: Arc<Journal>,
    connections: Arc<OpenConnections>,
    stop: CancellationToken,
    running: Vec<tokio::task::JoinHandle<()>>,
    /// Readable by this user only, and gone at the end.
    _secrets: tempfile::TempDir,
}

impl Stage {
    async fn set(reports: &RuleReports, stay: StaySettings) -> Result<Self, String> {
        let io = |error: std::io::Error| error_text::io(&error);
        let secrets = tempfile::tempdir().map_err(io)?;
        let authority = Authority::load_or_create(secrets.path());
        let authority = Arc::new(authority.map_err(|error| error.to_string())?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(io)?;
        let server_port = listener.local_addr().map_err(io)?.port();
        let is_strict = stay.extent.is_some();
        let service = tokio::task::spawn_blocking(move || service(server_port, is_strict)).await;
        let service = Arc::new(service.map_err(|error| error.to_string())??);
        let tls = enroll_server::tls(&authority, &[DISCOVERY, MANAGEMENT])?;
        let stop = CancellationToken::new();
        let serving = enroll_server::serve(listener, tls, service, stop.clone());

        let journal = Arc::new(reports.journal()?);
        let connections = Arc::new(OpenConnections::new(journal.clone()));
        let settings = settings(server_port, &authority, stay);
        let (rules, sink) = (Arc::default(), connections.clone());
        let proxy = Proxy::bind(settings, authority.clone(), rules, sink)
            .await
            .map_err(io)?;
        let proxy_port = proxy.local_addr().port();
        let running = vec![tokio::spawn(serving), tokio::spawn(proxy.run(stop.clone()))];
        Ok(Self {
            authority,
            server_port,
            proxy_port,
            journal,
            connections,
            stop,
            running,
            _secrets: secrets,
        })
    }

    fn public_host(&self) -> String {
        format!("{PUBLIC}:{}", self.proxy_port)
    }

    fn beginning(&self) -> String {
        format!(
            "dmtap is at https://{}, in front of a server with the names {DISCOVERY} and {MANAGEMENT}.\n",
            self.public_host()
        )
    }

    /// The names as DNS would know them: the device can reach the server past dmtap.
    fn dialer(&self) -> Dialer {
        let line = |name, port: u16| Resolve::new(name, port, (Ipv4Addr::LOCALHOST, port).into());
        Dialer::without_dns(vec![
            line(PUBLIC, self.proxy_port),
            line(DISCOVERY, self.server_port),
            line(MANAGEMENT, self.server_port),
        ])
    }

    /// Enrolls one device and runs its sessions.
    async fn device(
        &self,
        profile: EnrollProfile,
        dialer: &Dialer,
        closing: &mut EnrollClosing,
    ) -> Result<(), String> {
        let trust = Trust::PlatformAnd(self.authority.certificate_file().to_owned());
        let client = dialer.client(&trust)?;
        let url = format!("https://{}{DISCOVERY_PATH}", self.public_host());
        let url = url.parse().map_err(|_| format!("{url} is no address"))?;
        let key = tokio::task::spawn_blocking(new_key).await;
        let key: Arc<PrivateKey> = key.map_err(|error| error.to_string())??;
        let device_id = profile.device_id.clone();
        let enrollment = enroll_device::enroll(&client, profile, key, url).await;
        let enrollment = enrollment.map_err(|error| error.to_string())?;
        closing
            .text
            .push_str(&format!("  {}", report::enrolled_text(&enrollment)));
        closing.lines.push_str(&report::enrolled_json(&enrollment));
        let mut device = EnrolledDevice::new(enrollment, device_id);
        for session_id in ["1", "2"] {
            let session = device
                .session(&client, session_id, RetryPolicy::default())
                .await;
            let session = session.map_err(|error| error.to_string())?;
            closing
                .text
                .push_str(&format!("  {}", report::session_text(&session)));
            closing.lines.push_str(&report::session_json(&session));
        }
        Ok(())
    }

    /// Ends everything and completes the records.
    async fn strike(self) -> Result<(), String> {
        self.connections.gone(CLOSING).await;
        self.stop.cancel();
        for task in self.running {
            task.await.map_err(|error| error.to_string())?;
        }
        let closed = self.journal.close();
        closed.map(drop).map_err(|error| error.to_string())
    }
}

/// The server with both users. A strict one refuses a wrong `To`: without dmtap's help the device would not come as far
/// as to leave.
fn service(port: u16, is_strict: bool) -> Result<EnrollService, String> {
    let origin = |name: &str| format!("https://{name}:{port}");
    let sites = Sites {
        discovery: origin(DISCOVERY),
        management: origin(MANAGEMENT),
    };
    let user = |name: &str, login, encoding| User {
        name: name.into(),
        login,
        encoding,
    };
    let users = vec![
        user(ALICE, Login::Password(PASSWORD.into()), Encoding::Xml),
        user(BOB, Login::Token(TOKEN.into()), Encoding::Wbxml),
    ];
    EnrollService::new(sites, users, |server| match is_strict {
        true => server,
        false => server.taking_any_to(),
    })
}

/// The proxy's, in front of discovery; what else the server names it learns from the server.
fn settings(port: u16, authority: &Authority, stay: StaySettings) -> Settings {
    let mut settings = Settings::reverse(Upstream {
        scheme: Scheme::Https,
        host: DISCOVERY.into(),
        port,
    });
    settings.listen.set_port(0);
    settings.trust = Trust::PlatformAnd(authority.certificate_file().to_owned());
    settings.stay = stay;
    settings.resolve = [DISCOVERY, MANAGEMENT]
        .map(|host| proxy::Resolve {
            host: host.into(),
            port,
            address: Ipv4Addr::LOCALHOST.into(),
        })
        .into();
    settings
}

/// The name of dmtap.
const PUBLIC: &str = "dmtap.test";
/// The server's name for discovery.
const DISCOVERY: &str = "enterpriseenrollment.dmtap.test";
/// The server's name for everything else.
const MANAGEMENT: &str = "mdm.dmtap.test";
const ALICE: &str = "alice@dmtap.test";
const BOB: &str = "bob@dmtap.test";
/// What must not show in a record.
const PASSWORD: &str = "Tr0ub4dor&3";
const TOKEN: &str = "the-token-of-a-sign-in-page";
