//! The demo: device, proxy and server in one process, over real TLS on loopback.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Uri;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::book::Sources;
use super::device::{client, run_session};
use super::proxy::{Live, Telling};
use super::server;
use crate::dm::StatusCode;
use crate::peer::{Device, Plan, Profile, Server, Wire, device};
use crate::proxy::{Authority, Proxy, Scheme, Settings, Trust, Upstream};
use crate::record::Masking;
use crate::rules::RuleSet;

/// Runs the demo and returns what is to be said at its end.
///
/// # Errors
/// In words, where something did not work.
pub async fn run(live: Live, seed: u64) -> Result<String, String> {
    let limit = tokio::time::timeout(LONGEST, staged(live, seed));
    limit
        .await
        .map_err(|_| format!("the demo did not end within {LONGEST:?}"))?
}

async fn staged(live: Live, seed: u64) -> Result<String, String> {
    let folder = Path::new(FOLDER);
    fs::create_dir_all(folder).map_err(|error| format!("cannot make {FOLDER}: {error}"))?;
    let files = ["jsonl", "pcapng", "txt"].map(|form| format!("{FOLDER}/demo.{form}"));
    let telling = Telling {
        live,
        files: files.to_vec(),
        masking: Masking::Masked,
    };
    // Readable by this user only, and gone at the end.
    let secrets = tempfile::tempdir().map_err(|error| error.to_string())?;
    let authority = Authority::load_or_create(secrets.path()).map_err(|error| error.to_string())?;
    let stage = Stage::set(Arc::new(authority), &telling, seed).await?;

    let mut both_sides = Vec::new();
    for (session_id, wire) in [("1", Wire::Xml), ("2", Wire::Wbxml)] {
        both_sides.push((wire, stage.session(session_id, wire).await?));
    }
    stage.strike().await?;
    Ok(closing(&both_sides, &files))
}

/// Everything that runs during the demo.
struct Stage {
    authority: Arc<Authority>,
    server: server::Shared,
    address: Uri,
    stop: CancellationToken,
    running: Vec<tokio::task::JoinHandle<()>>,
    journal: Arc<crate::record::Journal>,
}

/// One line of the comparison: a command, what the device answered, what the server was told.
type BothSides = Vec<(String, StatusCode, Option<StatusCode>)>;

impl Stage {
    async fn set(authority: Arc<Authority>, telling: &Telling, seed: u64) -> Result<Self, String> {
        let told = |error: std::io::Error| error.to_string();
        let (stop, journal) = (CancellationToken::new(), Arc::new(telling.journal()?));
        let server = Arc::new(Mutex::new(Server::new(Plan::demo())));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(told)?;
        let port = listener.local_addr().map_err(told)?.port();
        let serving = server::serve(
            listener,
            server::tls(&authority)?,
            server.clone(),
            stop.clone(),
        );

        let settings = settings(port, &authority);
        let proxy = Proxy::bind(
            settings,
            authority.clone(),
            Arc::new(rules(seed)?),
            journal.clone(),
        )
        .await
        .map_err(told)?;
        let address = format!("https://localhost:{}{PATH}", proxy.local_addr().port());
        let address = address
            .parse()
            .map_err(|_| format!("{address} is no address"))?;
        let running = vec![tokio::spawn(serving), tokio::spawn(proxy.run(stop.clone()))];
        Ok(Self {
            authority,
            server,
            address,
            stop,
            running,
            journal,
        })
    }

    async fn session(&self, session_id: &str, wire: Wire) -> Result<BothSides, String> {
        let trust = Trust::PlatformAnd(self.authority.certificate_file().to_owned());
        let client = client(&trust)?;
        let profile = Profile::default();
        let id = profile.id.clone();
        let mut device = Device::new(profile, device::demo_tree());
        run_session(&client, &self.address, &mut device, session_id, wire)
            .await
            .map_err(|error| error.to_string())?;
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = server
            .session(&id, session_id)
            .map(|talk| talk.heard.as_slice());
        let told = heard
            .unwrap_or_default()
            .iter()
            .map(|(_, code)| Some(*code));
        let told = told.chain(std::iter::repeat(None));
        Ok(device
            .done
            .into_iter()
            .zip(told)
            .map(|((what, code), told)| (what, code, told))
            .collect())
    }

    /// Ends everything and completes the records.
    async fn strike(self) -> Result<(), String> {
        self.stop.cancel();
        for task in self.running {
            task.await.map_err(|error| error.to_string())?;
        }
        self.journal
            .close()
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

/// The proxy's, in front of the server at this port.
fn settings(port: u16, authority: &Authority) -> Settings {
    let server = Upstream {
        scheme: Scheme::Https,
        host: "localhost".into(),
        port,
    };
    let mut settings = Settings::reverse(server);
    settings.listen.set_port(0);
    settings.trust = Trust::PlatformAnd(authority.certificate_file().to_owned());
    settings
}

/// One story of the shelf.
fn rules(seed: u64) -> Result<RuleSet, String> {
    let given = vec![(RULE_FILE.to_owned(), RULE.to_owned())];
    let sources = Sources::open(&[], given, seed).map_err(|error| error.to_string())?;
    let (rules, _) = sources.assemble().map_err(|error| error.to_string())?;
    Ok(rules)
}

fn closing(sessions: &[(Wire, BothSides)], files: &[String]) -> String {
    let mut text = String::from(
        "What the rule did: the device carried a command out, the server was told it failed.\n\n",
    );
    text.push_str(&format!(
        "  {:<54} {:<28} {}\n",
        "command", "the device answered", "the server was told"
    ));
    for (wire, lines) in sessions {
        let name = if *wire == Wire::Xml { "XML" } else { "WBXML" };
        for (what, device, server) in lines
            .iter()
            .filter(|(_, device, server)| Some(*device) != *server)
        {
            let server = server.map_or("nothing".into(), |code| code.to_string());
            let what = format!("{name}: {what}");
            text.push_str(&format!(
                "  {what:<54} {:<28} {server}\n",
                device.to_string()
            ));
        }
    }
    text.push_str(&format!("\nRecords: {}\n", files.join("  ")));
    text.push_str(&format!(
        "Try:     dmtap show {}    wireshark {}\n",
        files[0], files[1]
    ));
    text
}

/// Where the records go, in the current folder.
const FOLDER: &str = "dmtap-demo";
/// Longer than any machine needs; a demo never hangs.
const LONGEST: Duration = Duration::from_secs(30);
const PATH: &str = "/ManagementServer/MDM.svc?mode=Maintenance";
const RULE_FILE: &str = "rules/status/command-fails.toml";
const RULE: &str = include_str!("../../rules/status/command-fails.toml");
