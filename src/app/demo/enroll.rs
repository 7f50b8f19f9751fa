//! The enrollment demo: two devices enroll through dmtap at a server with three names, run sessions, and renew their
//! certificates.

use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::recorded_proxy::RecordedProxy;
use super::{Closing, listen, new_authority, settings, summary};
use crate::app::device::RetryPolicy;
use crate::app::dial::{Dialer, HttpClient};
use crate::app::enroll_device::report::{self, Report};
use crate::app::enroll_device::{self, EnrolledDevice};
use crate::app::enroll_server::{self, EnrollService, new_key};
use crate::app::proxy::{Live, RecordOutputs};
use crate::app::rule_sources::report::{summary_line, summary_with};
use crate::app::rule_sources::{Sources, require_hits};
use crate::dm::Certificate;
use crate::dm::certificate::sha256;
use crate::identity::{CertificateError, CertificateParts};
use crate::peer::Encoding;
use crate::peer::enroll::server::DISCOVERY_PATH;
use crate::peer::enroll::{CsrForm, EnrollProfile, Enrollment, Login, PrivateKey, Sites, User};
use crate::proxy::{Authority, Resolve, Settings, StaySettings, SwapSettings, Trust};

/// Runs the demo. Without `swap` the server demands certificates whose keys dmtap does not have.
pub async fn run(
    live: Live,
    stay: StaySettings,
    swap: SwapSettings,
    rules: Option<Sources>,
) -> Result<Closing, String> {
    let has_rules = rules.is_some();
    let reports = super::reports(live)?;
    let stage = Stage::set(&reports, stay, swap, rules).await?;
    let mut closing = Closing {
        text: stage.beginning(),
        lines: String::new(),
        failure: None,
        acted: Ok(()),
    };
    let (mut failure, mut left_for) = (None, None);
    let mut ends: Vec<(usize, String)> = Vec::new();
    for (profile, title) in devices() {
        closing.text.push_str(&format!("\n{title}\n"));
        let dialer = stage.dialer();
        let done = stage.device(profile, &dialer, &mut closing).await;
        let hosts = dialer.contacted();
        closing.add(&report::contacted(&hosts));
        let own = stage.public_host();
        let mut others = hosts.into_iter().filter(|host| *host != own);
        left_for = left_for.or_else(|| others.next());
        match done {
            // Some rules fail it on purpose.
            Err(why) if has_rules => ends.push((closing.text.len(), why)),
            done => failure = failure.or(done.err()),
        }
    }
    let (rules, effects) = (stage.proxy.rules.clone(), stage.proxy.effects.clone());
    stage.proxy.end().await?;
    for (at, why) in ends.into_iter().rev() {
        closing
            .text
            .insert_str(at, &format!("  the device reports: {why}\n"));
    }
    if let Some(rules) = rules {
        let entries = rules.entries();
        closing.acted = require_hits(&entries, None);
        let summary = summary_with(&entries, |rule| effects.of(rule));
        closing.text.push_str(&format!("\n{summary}\n"));
        closing.lines.push_str(&summary_line(&entries));
    }
    closing.text.push('\n');
    closing.text.push_str(&summary::records(&reports.files));
    let line = json!({"v": 1, "left_for": left_for});
    closing.lines.push_str(&format!("{line}\n"));
    // A device that left fails for that reason, so this is the failure to report.
    let left = left_for.map(|host| format!("a device left dmtap for {host}"));
    closing.failure = left.or(failure);
    Ok(closing)
}

/// Returns two devices with different certificate requests and logins.
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
    service: Arc<EnrollService>,
    swap: SwapSettings,
    proxy: RecordedProxy,
    _secrets: TempDir,
}

impl Stage {
    async fn set(
        reports: &RecordOutputs,
        stay: StaySettings,
        swap: SwapSettings,
        rules: Option<Sources>,
    ) -> Result<Self, String> {
        let (secrets, authority) = new_authority()?;
        let (listener, server_port) = listen().await?;
        let is_strict = stay.extent.is_some();
        let service = tokio::task::spawn_blocking(move || service(server_port, is_strict)).await;
        let service = Arc::new(service.map_err(|error| error.to_string())??);
        let tls = service.tls(&authority)?;
        let stop = CancellationToken::new();
        let serving = enroll_server::serve(listener, tls, service.clone(), stop.clone());

        // dmtap learns the other names of the server from its answers.
        let settings = Settings {
            stay,
            swap: swap.clone(),
            confdir: Some(secrets.path().to_owned()),
            resolve: [DISCOVERY, MANAGEMENT, SESSIONS]
                .map(|host| loopback(host, server_port))
                .into(),
            ..settings(DISCOVERY, server_port, &authority)
        };
        let own = authority.clone();
        let proxy = RecordedProxy::begin(settings, own, reports, rules, serving, stop).await?;
        Ok(Self {
            authority,
            server_port,
            service,
            swap,
            proxy,
            _secrets: secrets,
        })
    }

    fn public_host(&self) -> String {
        format!("{PUBLIC}:{}", self.proxy.port)
    }

    fn beginning(&self) -> String {
        format!(
            "dmtap is at https://{}, in front of a server with the names {DISCOVERY}, {MANAGEMENT} and\n{SESSIONS}; TLS of the last one demands a client certificate.\n",
            self.public_host()
        )
    }

    /// Returns a dialer with all names, as from DNS: the device can reach the server without dmtap.
    fn dialer(&self) -> Dialer {
        Dialer::without_dns(vec![
            loopback(PUBLIC, self.proxy.port),
            loopback(DISCOVERY, self.server_port),
            loopback(MANAGEMENT, self.server_port),
            loopback(SESSIONS, self.server_port),
        ])
    }

    /// Enrolls one device and runs its sessions.
    async fn device(
        &self,
        profile: EnrollProfile,
        dialer: &Dialer,
        closing: &mut Closing,
    ) -> Result<(), String> {
        let trust = Trust::PlatformAnd(self.authority.certificate_file().to_owned());
        let client = dialer.client(&trust)?;
        let url = format!("https://{}{DISCOVERY_PATH}", self.public_host());
        let url = url
            .parse()
            .map_err(|_| format!("{url} is not an address"))?;
        let key = made_key().await?;
        let device_id = profile.device_id.clone();
        let enrolled = enroll_device::enroll(&client, profile.clone(), key.clone(), url).await;
        let enrollment = enrolled.map_err(|error| error.to_string())?;
        closing.add(&report::enrolled(&enrollment));
        self.compare(&device_id, &enrollment, closing)?;
        let client = dialer.client_with(&trust, &enrollment.certificate, key.clone())?;
        let mut device = EnrolledDevice::new(enrollment, device_id.clone());
        session(&mut device, &client, "1", closing).await?;
        let new = made_key().await?;
        let old = &device.enrollment;
        let renewed = enroll_device::renew(&client, profile, old, &key, new.clone()).await;
        let renewed = renewed.map_err(|error| error.to_string())?;
        closing.add(&report::renewed(&renewed));
        self.compare(&device_id, &renewed, closing)?;
        let client = dialer.client_with(&trust, &renewed.certificate, new)?;
        device.renewed(renewed);
        session(&mut device, &client, "2", closing).await
    }

    /// Compares the certificate that the device got with the one that the server issued: the keys must differ, and the
    /// subjects must be equal.
    fn compare(
        &self,
        device: &str,
        enrollment: &Enrollment,
        closing: &mut Closing,
    ) -> Result<(), String> {
        let mut granted = self.service.granted().into_iter().rev();
        let granted = granted.find(|granted| granted.device == device);
        let granted = granted.ok_or("the server granted this device nothing")?;
        if self.swap == SwapSettings::Off {
            return Ok(());
        }
        let words = |error: CertificateError| error.to_string();
        let server = CertificateParts::read(&granted.certificate).map_err(words)?;
        let own = CertificateParts::read(&enrollment.certificate).map_err(words)?;
        let issuer = |der: &[u8]| {
            Certificate::read(der)
                .map(|read| read.issuer)
                .unwrap_or_default()
        };
        let [theirs, ours] = [&granted.certificate, &enrollment.certificate].map(|der| issuer(der));
        if server.public_key() == own.public_key() || server.subject() != own.subject() {
            let why = "the certificates of server and device have one key, or two subjects";
            return Err(why.into());
        }
        let key = |key: &[u8]| sha256(key)[..16].to_ascii_lowercase();
        let (subject, thumbprint) = (&enrollment.subject, &enrollment.thumbprint);
        let [server_key, device_key] = [server.public_key(), own.public_key()].map(key);
        let text = format!(
            "  the server issued {} by {theirs} for dmtap's key {server_key}\n  \
             dmtap issued {thumbprint} by {ours} for the device's key {device_key}\n  both for {subject}\n",
            granted.thumbprint
        );
        let line = json!({
            "v": 1, "subject": subject,
            "server": {"thumbprint": granted.thumbprint, "issuer": theirs, "key": server_key},
            "device": {"thumbprint": thumbprint, "issuer": ours, "key": device_key},
        });
        closing.text.push_str(&text);
        closing.lines.push_str(&format!("{line}\n"));
        Ok(())
    }
}

impl Closing {
    fn add(&mut self, report: &Report) {
        self.text.push_str(&format!("  {}", report.text));
        self.lines.push_str(&report.json);
    }
}

async fn session(
    device: &mut EnrolledDevice,
    client: &HttpClient,
    number: &str,
    closing: &mut Closing,
) -> Result<(), String> {
    let session = device.session(client, number, RetryPolicy::default()).await;
    let session = session.map_err(|error| error.to_string())?;
    closing.add(&report::session(&session));
    Ok(())
}

async fn made_key() -> Result<Arc<PrivateKey>, String> {
    let key = tokio::task::spawn_blocking(new_key).await;
    key.map_err(|error| error.to_string())?
}

/// Returns the server with both users. A strict one refuses a wrong `To`: without the rewriting of URLs the device would
/// fail before it can leave.
fn service(port: u16, is_strict: bool) -> Result<EnrollService, String> {
    let origin = |name: &str| format!("https://{name}:{port}");
    let sites = Sites {
        discovery: origin(DISCOVERY),
        management: origin(MANAGEMENT),
        sessions: origin(SESSIONS),
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

/// Returns the entry for a name on loopback.
fn loopback(name: &str, port: u16) -> Resolve {
    Resolve::new(name, port, (Ipv4Addr::LOCALHOST, port).into())
}

/// The name of dmtap.
const PUBLIC: &str = "dmtap.test";
/// The server's name for discovery.
const DISCOVERY: &str = "enterpriseenrollment.dmtap.test";
/// The server's name for policy and enrollment.
const MANAGEMENT: &str = "mdm.dmtap.test";
/// The server's name for management sessions.
const SESSIONS: &str = "dm.dmtap.test";
const ALICE: &str = "alice@dmtap.test";
const BOB: &str = "bob@dmtap.test";
/// A secret that no record may show.
const PASSWORD: &str = "Tr0ub4dor&3";
const TOKEN: &str = "the-token-of-a-sign-in-page";
