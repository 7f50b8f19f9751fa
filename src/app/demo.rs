//! The demo: device, proxy and server in one process, over real TLS on loopback.

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::device::{RetryPolicy, run_session};
use super::dial::Dialer;
use super::proxy::{Live, RecordOutputs};
use super::rule_sources::report::summary_line;
use super::rule_sources::{Sources, require_hits};
use super::server;
use crate::builtin_rules;
use crate::error_text;
use crate::peer::{Device, Encoding, Plan, Profile, Server, device};
use crate::proxy::{Authority, Origin, Scheme, Settings, Trust};
use crate::record::Masking;
use recorded_proxy::RecordedProxy;

mod effects;
pub mod enroll;
mod open_connections;
mod recorded_proxy;
mod summary;

/// What is shown.
pub struct Play {
    /// Where the rules in force come from.
    pub sources: Sources,
    /// What the server asks for.
    pub plan: Plan,
    /// Whether it is the short one, in which a session that breaks off is an error: some rules break the connection on
    /// purpose.
    pub is_short: bool,
}

impl Play {
    /// The short one, with one built-in rule.
    ///
    /// # Errors
    /// In words, if the built-in rule is invalid.
    pub fn short(seed: u64) -> Result<Self, String> {
        let rule = builtin_rules::find(DEMO_RULE)
            .ok_or_else(|| format!("no built-in rule {DEMO_RULE}"))?;
        let given = vec![(rule.file(), rule.text.to_owned())];
        let sources = Sources::open(&[], given, seed).map_err(|error| error.to_string())?;
        Ok(Self {
            sources,
            plan: Plan::demo(),
            is_short: true,
        })
    }

    /// A longer one, with these rules.
    pub fn with(sources: Sources) -> Self {
        let builtin = sources
            .rules()
            .filter_map(|rule| builtin_rules::find(rule.name()));
        let plan = match { builtin }.any(|rule| rule.is_about_chunks()) {
            true => Plan::large(),
            false => Plan::for_builtin_rules(),
        };
        Self {
            is_short: false,
            sources,
            plan,
        }
    }
}

/// What a demo prints at the end.
pub struct Closing {
    /// For people.
    pub text: String,
    /// The same as lines of JSON.
    pub lines: String,
    /// Why the demo fails, in one line: a device left dmtap for another host, or did not get through its sessions.
    pub failure: Option<String>,
    /// Which rules never acted, if some did not.
    pub acted: Result<(), String>,
}

/// Runs the demo; calls `on_busy` with the time that a busy server asks for, which the demo's device does not wait.
///
/// # Errors
/// In words, where something did not work.
pub async fn run(live: Live, play: Play, on_busy: fn(Duration)) -> Result<Closing, String> {
    within_limit(staged(live, play, on_busy)).await
}

/// A demo never hangs.
async fn within_limit<T>(demo: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let ended = tokio::time::timeout(LONGEST, demo).await;
    ended.map_err(|_| format!("the demo did not end within {} s", LONGEST.as_secs()))?
}

async fn staged(live: Live, play: Play, on_busy: fn(Duration)) -> Result<Closing, String> {
    let reports = reports(live)?;
    // Readable by this user only, and gone at the end.
    let secrets = tempfile::tempdir().map_err(|error| error_text::io(&error))?;
    let authority = Authority::load_or_create(secrets.path()).map_err(|error| error.to_string())?;
    let is_short = play.is_short;
    let stage = Stage::set(Arc::new(authority), &reports, play, on_busy).await?;
    let (rules, effects) = (stage.proxy.rules.clone(), stage.proxy.effects.clone());

    let mut sessions = Vec::new();
    for (session_id, wire) in [("1", Encoding::Xml), ("2", Encoding::Wbxml)] {
        let session = stage.session(session_id, wire).await?;
        match session.broken {
            Some(why) if is_short => return Err(why.to_string()),
            _ => sessions.push(session),
        }
    }
    stage.proxy.end().await?;
    let entries = rules.map_or_else(Vec::new, |rules| rules.entries());
    Ok(Closing {
        text: summary::closing(
            is_short,
            &sessions,
            &entries,
            &effects.effects(),
            &reports.files,
        ),
        lines: summary_line(&entries),
        failure: None,
        acted: require_hits(&entries, None),
    })
}

/// Where a demo is recorded.
fn reports(live: Live) -> Result<RecordOutputs, String> {
    fs::create_dir_all(FOLDER)
        .map_err(|error| format!("cannot make {FOLDER}: {}", error_text::io(&error)))?;
    let files = ["jsonl", "pcapng", "txt"].map(|form| format!("{FOLDER}/demo.{form}"));
    Ok(RecordOutputs {
        live,
        files: files.to_vec(),
        masking: Masking::Masked,
        view: None,
        save: None,
    })
}

/// Everything that runs during the demo.
struct Stage {
    authority: Arc<Authority>,
    server: server::Shared,
    address: Uri,
    proxy: RecordedProxy,
    retry: RetryPolicy,
}

impl Stage {
    async fn set(
        authority: Arc<Authority>,
        reports: &RecordOutputs,
        play: Play,
        on_busy: fn(Duration),
    ) -> Result<Self, String> {
        let words = |error: std::io::Error| error_text::io(&error);
        let stop = CancellationToken::new();
        let server = Arc::new(Mutex::new(Server::new(play.plan)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(words)?;
        let port = listener.local_addr().map_err(words)?.port();
        let tls = server::tls(&authority)?;
        let serving = server::serve(listener, tls, server.clone(), |_| {}, stop.clone());
        let settings = settings(port, &authority);
        let (own, sources) = (authority.clone(), Some(play.sources));
        let proxy = RecordedProxy::begin(settings, own, reports, sources, serving, stop).await?;
        let address = format!("https://localhost:{}{PATH}", proxy.port);
        let address = address
            .parse()
            .map_err(|_| format!("{address} is not an address"))?;
        Ok(Self {
            authority,
            server,
            address,
            proxy,
            retry: RetryPolicy {
                longest: SHORT_WAIT,
                on_busy,
            },
        })
    }

    async fn session(&self, session_id: &str, wire: Encoding) -> Result<summary::Session, String> {
        let trust = Trust::PlatformAnd(self.authority.certificate_file().to_owned());
        let client = Dialer::new(Vec::new()).client(&trust)?;
        let profile = Profile::default();
        let id = profile.id.clone();
        let mut device = Device::new(profile, device::demo_tree());
        let (url, retry) = (&self.address, self.retry);
        let end = run_session(&client, url, &mut device, session_id, wire, retry).await;
        let server = self.server.lock();
        let outcomes = server.session(&id, session_id);
        let outcomes = outcomes.map_or(&[][..], |session| &session.outcomes);
        Ok(summary::Session {
            wire,
            lines: summary::both_sides(&device.done, outcomes),
            broken: end.err(),
        })
    }
}

/// The proxy's, in front of the server at this port.
fn settings(port: u16, authority: &Authority) -> Settings {
    let server = Origin {
        scheme: Scheme::Https,
        host: "localhost".into(),
        port,
    };
    let mut settings = Settings::reverse(server);
    settings.listen.set_port(0);
    settings.trust = Trust::PlatformAnd(authority.certificate_file().to_owned());
    settings
}

/// Where the records go, in the current folder.
const FOLDER: &str = "dmtap-demo";
/// Longer than any machine needs.
const LONGEST: Duration = Duration::from_secs(30);
/// How long the demo's device waits for a busy server at most.
const SHORT_WAIT: Duration = Duration::from_secs(1);
/// How long the last connection may take to end at most.
const CLOSING: Duration = Duration::from_secs(2);
const PATH: &str = "/ManagementServer/MDM.svc?mode=Maintenance";
/// The rule of the short demo.
const DEMO_RULE: &str = "command-fails";
