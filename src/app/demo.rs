//! The demo: device, proxy and server in one process, over real TLS on loopback.

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use parking_lot::Mutex;
use tempfile::TempDir;
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

/// The end of a demo.
pub struct Closing {
    /// The text to print.
    pub text: String,
    /// The same as lines of JSON.
    pub lines: String,
    /// The failure of the demo, in one line: a device left dmtap for another host, or a session did not end well.
    pub failure: Option<String>,
    /// The rules that never acted, if there are any.
    pub acted: Result<(), String>,
}

/// Runs a demo within [`LONGEST`].
pub async fn within_limit<T>(demo: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let ended = tokio::time::timeout(LONGEST, demo).await;
    ended.map_err(|_| format!("the demo did not end within {} s", LONGEST.as_secs()))?
}

/// Runs the demo, without rules the short one with [`DEMO_RULE`]. Calls `on_busy` with the time that a busy server asks
/// for, which the demo's device does not wait.
pub async fn run(
    live: Live,
    rules: Option<Sources>,
    seed: u64,
    on_busy: fn(Duration),
) -> Result<Closing, String> {
    let reports = reports(live)?;
    let (_secrets, authority) = new_authority()?;
    // In a longer demo the session may break off: some rules break the connection on purpose.
    let is_short = rules.is_none();
    let (sources, plan) = match rules {
        Some(sources) => {
            let plan = plan_for(&sources);
            (sources, plan)
        }
        None => {
            let rule = builtin_rules::find(DEMO_RULE)
                .ok_or_else(|| format!("no built-in rule {DEMO_RULE}"))?;
            let given = vec![(rule.file(), rule.text.to_owned())];
            let sources = Sources::open(&[], given, seed).map_err(|error| error.drawn())?;
            (sources, Plan::demo())
        }
    };
    let stage = Stage::set(authority, &reports, sources, plan, on_busy).await?;
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
        text: summary::closing(is_short, &sessions, &entries, &effects, &reports.files),
        lines: summary_line(&entries),
        failure: None,
        acted: require_hits(&entries, None),
    })
}

/// Returns the commands of the server for a longer demo.
fn plan_for(sources: &Sources) -> Plan {
    let mut builtin = sources
        .rules()
        .filter_map(|rule| builtin_rules::find(rule.name()));
    match builtin.any(|rule| rule.is_about_chunks()) {
        true => Plan::large(),
        false => Plan::for_builtin_rules(),
    }
}

/// Returns the records of a demo.
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

/// Creates a CA in a folder that only this user can read, and that is removed when it is dropped.
fn new_authority() -> Result<(TempDir, Arc<Authority>), String> {
    let secrets = tempfile::tempdir().map_err(|error| error_text::io(&error))?;
    let authority = Authority::load_or_create(secrets.path()).map_err(|error| error.to_string())?;
    Ok((secrets, Arc::new(authority)))
}

/// Binds a free port on loopback.
async fn listen() -> Result<(TcpListener, u16), String> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let bound = bound.and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
    let (port, listener) = bound.map_err(|error| error_text::io(&error))?;
    Ok((listener, port))
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
        sources: Sources,
        plan: Plan,
        on_busy: fn(Duration),
    ) -> Result<Self, String> {
        let stop = CancellationToken::new();
        let server = Arc::new(Mutex::new(Server::new(plan)));
        let (listener, port) = listen().await?;
        let tls = server::tls(&authority)?;
        let serving = server::serve(listener, tls, server.clone(), |_| {}, stop.clone());
        let settings = settings("localhost", port, &authority);
        let (own, sources) = (authority.clone(), Some(sources));
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

/// Returns the settings of the proxy in front of a server of the demo.
fn settings(host: &str, port: u16, authority: &Authority) -> Settings {
    let server = Origin {
        scheme: Scheme::Https,
        host: host.into(),
        port,
    };
    let mut settings = Settings::reverse(server);
    settings.listen.set_port(0);
    settings.trust = Trust::PlatformAnd(authority.certificate_file().to_owned());
    settings
}

/// The folder of the records, in the current folder.
const FOLDER: &str = "dmtap-demo";
/// The time limit of a demo, longer than any machine needs.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest wait of the demo's device for a busy server.
const SHORT_WAIT: Duration = Duration::from_secs(1);
/// The time limit for the end of the last connection.
const CLOSING: Duration = Duration::from_secs(2);
const PATH: &str = "/ManagementServer/MDM.svc?mode=Maintenance";
/// The rule of the short demo.
const DEMO_RULE: &str = "command-fails";
