//! `dmtap proxy`: the intercepting proxy.

mod control;
pub(super) mod stay;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::rule_args::RuleArgs;
use super::{Failure, Outcome, Output, authority, block_on, duration, filter};
use control::ControlArguments;
use stay::StayArguments;

use crate::app::print;
use crate::app::proxy::{self, RecordOutputs, Running};
use crate::filter::{About, Filter, FilterError};
use crate::identity::Strings;
use crate::proxy::{
    Account, BodyCapture, ClientCertSettings, ForwardClientCert, Limits, Mode, OwnCertificate,
    RequestClientCert, Settings, SwapSettings, Trust, UpstreamHttp,
};
use crate::record::Masking;

/// Intercept the traffic between devices and their server: show it, record it, and apply rules.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap proxy --mode reverse:https://mdm.example.com
      devices connect to https://127.0.0.1:8080 as if it were the server
  dmtap proxy --mode reverse:https://mdm.example.com --listen-host 0.0.0.0 -p 443 -w session.jsonl
      reachable from other machines; also records the session to a file
  dmtap proxy --mode regular -p 8080
      devices (or curl -x) use dmtap as their HTTP proxy
  dmtap proxy --mode reverse:https://localhost:8443 --server-ca ca.pem --rule busy
      a server with a private CA, and a built-in rule (dmtap rules list)
  dmtap proxy --mode reverse:https://mdm.example.com --resolve mdm.example.com:443:192.0.2.7 -p 443
      devices find dmtap where DNS has the server; dmtap finds the server by its address
  dmtap proxy --mode reverse:https://mdm.example.com --map https://dm.lab=https://dm.example.com
      two servers; devices that enroll stay on dmtap

Devices must trust dmtap's CA. The first start creates it: ~/.dmtap/dmtap-ca-cert.cer.
Set SSLKEYLOGFILE to decrypt the real TLS connections in Wireshark.")]
pub struct Proxy {
    /// Proxy mode: reverse:URL, in front of the server at https://host[:port] or http://host[:port]; or regular, for
    /// clients that are configured to use a proxy.
    #[arg(long, short, value_name = "reverse:URL|regular")]
    mode: Mode,
    /// Listen address: an IP address, or a name such as localhost. The default accepts local connections only.
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS", value_parser = super::listen_host)]
    listen_host: IpAddr,
    /// Listen port; 0 selects a free one.
    #[arg(short = 'p', long, default_value_t = 8080, value_name = "PORT", value_parser = port)]
    listen_port: u16,
    /// Record to a file. The extension selects the format: .jsonl, .pcapng, .txt. Can be repeated.
    /// A leading + appends (.jsonl, .txt).
    #[arg(short = 'w', long = "save", value_name = "FILE")]
    save: Vec<String>,
    /// Rule files or folders (searched recursively for *.toml), applied in this order. dmtap reloads files that
    /// change while it runs.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    picked: RuleArgs,
    /// Fail at the end (exit code 1) if a rule never acted, and name each such rule. Disabled rules do not count.
    #[arg(long)]
    require_hits: bool,
    #[command(flatten)]
    control: ControlArguments,
    #[command(flatten)]
    stay: StayArguments,
    /// Enroll a key of dmtap's own in place of the device's, and give the device a certificate of dmtap's CA: then
    /// dmtap can present a client certificate to the server. In regular mode name the servers: =HOST,…
    #[arg(
        long,
        value_name = "HOST,…",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    swap_client_identity: Option<String>,
    /// With --swap-client-identity: write strings in certificate requests as X.509 allows, for servers that refuse those
    /// of Windows.
    #[arg(long, requires = "swap_client_identity")]
    csr_strict: bool,
    /// Do not verify the server's certificate.
    #[arg(short = 'k', long, conflicts_with = "server_ca")]
    ssl_insecure: bool,
    /// Also trust the CAs in this PEM file.
    #[arg(long, value_name = "FILE")]
    server_ca: Option<PathBuf>,
    /// HTTP version towards the server; auto uses the version of the device.
    #[arg(long, default_value = "auto", value_name = "auto|1.1|2", value_parser = upstream_http)]
    upstream_http: UpstreamHttp,
    /// Present this certificate to devices (PEM: key, certificate, chain) instead of one by dmtap's CA.
    #[arg(long, value_name = "[DOMAIN=]FILE")]
    certs: Vec<String>,
    /// Present this client certificate to servers that ask for one: a PEM file (certificate, chain, key), or a folder
    /// with a file <host>.pem for each server.
    #[arg(long, value_name = "FILE|FOLDER")]
    client_certs: Option<PathBuf>,
    /// A user and password that devices or servers sign in with: notes say whether their credentials are right, and which nonce
    /// they answer. Accounts that pass at enrollment are known anyway. Can be repeated.
    #[arg(long, value_name = "USER=PASSWORD", env = "DMTAP_CREDENTIALS", hide_env_values = true, value_parser = account)]
    credentials: Vec<Account>,
    /// Ask devices for their client certificate: none, ask, or require (one of dmtap's CA or of --client-ca). The
    /// default is ask as soon as dmtap has a client certificate for a server or forwards those of devices, else none.
    /// With NAME= for one server name. Can be repeated.
    #[arg(long, value_name = "[NAME=]none|ask|require", value_parser = request_client_cert)]
    request_client_cert: Vec<(Option<String>, RequestClientCert)>,
    /// Trust client certificates of the CAs in this PEM file, next to those of dmtap's CA.
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// Forward the device's client certificate to the server in a header field: rfc9440, nginx, xfcc or der. dmtap
    /// removes such a field of the device.
    #[arg(long, value_name = "FORM[=HEADER]")]
    forward_client_cert: Option<ForwardClientCert>,
    /// Folder of the CA; the default is ~/.dmtap.
    #[arg(long, env = "DMTAP_CONFDIR", value_name = "FOLDER")]
    confdir: Option<PathBuf>,
    /// Largest body to decode, in bytes, or with k, M or G; dmtap forwards larger ones without decoding them.
    #[arg(long, default_value = "16M", value_parser = bytes, value_name = "SIZE")]
    max_body: usize,
    /// Longest silence of a peer within an exchange, such as 90s or 10m; a number alone is in seconds. Use 10m while you debug the server. The default is 2m for a response to
    /// begin, and 1m between the bytes of a body.
    #[arg(long, value_name = "TIME", value_parser = wait)]
    timeout: Option<Duration>,
    /// Print no transcript.
    #[arg(short, long)]
    quiet: bool,
    /// Print only the exchanges that this filter selects: '~csp BitLocker & ~status 4xx'.
    #[arg(long, value_name = "FILTER")]
    view_filter: Option<String>,
    /// Record only the exchanges that this filter selects.
    #[arg(long, value_name = "FILTER", requires = "save")]
    save_filter: Option<String>,
    /// Do not mask passwords, tokens and credentials in records and on the terminal.
    #[arg(long)]
    raw: bool,
}

/// Parses the time that somebody waits, which is not 0.
fn wait(text: &str) -> Result<Duration, String> {
    let wait = duration(text)?;
    match wait.is_zero() {
        true => Err("0 leaves a peer no time to answer: write 10m to wait long".into()),
        false => Ok(wait),
    }
}

impl Proxy {
    /// Runs the verb until it is interrupted.
    ///
    /// # Errors
    /// Wrong settings or rules (2), an address that is taken (2), a record that could not be kept (1).
    pub fn run(self, output: Output) -> Outcome {
        if self.quiet && output == Output::Json {
            return Err(Failure::usage(
                "--quiet leaves out all events, also the one that says where dmtap listens: leave it out, or leave out --output json",
            ));
        }
        let sources = self.picked.open(&self.rules)?;
        let are_random = sources.are_random();
        let rules = proxy::Rules {
            sources,
            control: self.control.settings()?,
            require_hits: self.require_hits,
        };
        let authority = Arc::new(authority(self.confdir.as_deref())?);
        let reports = RecordOutputs {
            live: self.live(output),
            files: self.save.clone(),
            masking: match self.raw {
                true => Masking::Raw,
                false => Masking::Masked,
            },
            view: live_filter(self.view_filter.as_deref())?,
            save: live_filter(self.save_filter.as_deref())?,
        };
        let confdir = authority.certificate_file().parent();
        let settings = self.settings(confdir, &reports)?;
        let announce = |running: &Running<'_>| {
            announce(running);
            self.stay.announce();
            self.control.announce(running);
            if are_random {
                self.picked.announce_seed();
            }
        };
        let run = proxy::run(settings, authority, rules, &reports, announce);
        block_on(run)?.map_err(|error| match error {
            proxy::RunError::Start(why) => Failure::usage(why),
            proxy::RunError::Record(why) => Failure::failed(why),
            proxy::RunError::Hits(why) => Failure::Failed(why),
        })
    }

    /// Whether the transcript goes to standard output.
    pub(super) fn prints_transcript(&self, output: Output) -> bool {
        self.live(output) == proxy::Live::Transcript
    }

    fn live(&self, output: Output) -> proxy::Live {
        match (self.quiet, output) {
            (true, _) => proxy::Live::Nothing,
            (_, Output::Text) => proxy::Live::Transcript,
            (_, Output::Json) => proxy::Live::JsonLines,
        }
    }

    /// Returns the servers at which dmtap enrolls in place of devices.
    fn swap(&self) -> Result<SwapSettings, Failure> {
        match (self.swap_client_identity.as_deref(), &self.mode) {
            (None, _) => Ok(SwapSettings::Off),
            (Some(""), Mode::Reverse { .. }) => Ok(SwapSettings::All),
            (Some(""), Mode::Regular) => Err(Failure::usage(
                "--swap-client-identity in regular mode names the servers: \
                 --swap-client-identity=mdm.example.com",
            )),
            (Some(hosts), _) => {
                let hosts = hosts.split(',').map(str::trim);
                let hosts = hosts.filter(|host| !host.is_empty()).map(str::to_owned);
                Ok(SwapSettings::Hosts(hosts.collect()))
            }
        }
    }

    fn settings(
        &self,
        confdir: Option<&Path>,
        reports: &RecordOutputs,
    ) -> Result<Settings, Failure> {
        let body_capture = match reports.is_silent() && !self.control.is_given() {
            true => BodyCapture::Pass,
            false => BodyCapture::Annotate,
        };
        let base = match &self.mode {
            Mode::Reverse { server } => Settings::reverse(server.clone()),
            Mode::Regular => Settings::regular(),
        };
        let requests = self.request_client_cert.iter();
        let for_all = |(name, request): &(Option<String>, RequestClientCert)| {
            name.is_none().then_some(*request)
        };
        let for_one =
            |(name, request): &(Option<String>, RequestClientCert)| Some((name.clone()?, *request));
        Ok(Settings {
            listen: SocketAddr::new(self.listen_host, self.listen_port),
            max_body: self.max_body,
            limits: match self.timeout {
                Some(timeout) => Limits::default().with_timeout(timeout),
                None => Limits::default(),
            },
            certificates: self.certs.iter().map(|it| own_certificate(it)).collect(),
            body_capture,
            trust: Trust::of(self.server_ca.as_deref(), self.ssl_insecure),
            upstream_http: self.upstream_http,
            client_certs: ClientCertSettings {
                files: self.client_certs.clone(),
                request: requests.clone().rev().find_map(for_all),
                request_for: requests.filter_map(for_one).collect(),
                client_ca: self.client_ca.clone(),
                forward: self.forward_client_cert.clone(),
            },
            accounts: self.credentials.clone(),
            stay: self.stay.settings(&self.mode, confdir)?,
            swap: self.swap()?,
            csr_strings: match self.csr_strict {
                true => Strings::Strict,
                false => Strings::Kept,
            },
            confdir: confdir.map(Path::to_owned),
            resolve: self.stay.resolve.clone(),
            ..base
        })
    }
}

fn announce(running: &Running<'_>) {
    let (address, settings) = (running.address, running.settings);
    let scheme = proxy::scheme(&settings.mode);
    let to = match &settings.mode {
        Mode::Reverse { server } => server.to_string(),
        Mode::Regular => "the server that each request names".into(),
    };
    print::line(&format!("listening at {scheme}://{address} → {to}"));
    if settings.mode == Mode::Regular && !address.ip().is_loopback() {
        print::line(&format!(
            "warning: everybody who can connect to {address} can connect to every host that this machine can reach, \
             including itself"
        ));
    }
    print::line(&format!(
        "devices must trust dmtap's CA: {}",
        running.authority.certificate_file().display()
    ));
    running
        .authority
        .exposure()
        .iter()
        .for_each(|words| print::line(words));
}

/// Parses a port.
pub(super) fn port(text: &str) -> Result<u16, String> {
    let port = text.parse();
    port.map_err(|_| "a port is a number from 0 to 65535".to_owned())
}

fn upstream_http(text: &str) -> Result<UpstreamHttp, String> {
    match text {
        "auto" => Ok(UpstreamHttp::Auto),
        "1.1" => Ok(UpstreamHttp::Http1),
        "2" => Ok(UpstreamHttp::Http2),
        _ => Err("one of auto, 1.1, 2".into()),
    }
}

fn request_client_cert(text: &str) -> Result<(Option<String>, RequestClientCert), String> {
    let (name, request) = match text.rsplit_once('=') {
        Some((name, request)) => (Some(name.to_owned()), request),
        None => (None, text),
    };
    let mut known = RequestClientCert::ALL.into_iter();
    let request = known.find(|(known, _)| *known == request);
    let (_, request) = request.ok_or("one of none, ask, require, perhaps with NAME= in front")?;
    Ok((name, request))
}

/// Parses a filter of passing messages; it refuses terms that need a whole record.
fn live_filter(text: Option<&str>) -> Result<Option<Filter>, Failure> {
    let filter = filter(text)?;
    let mut terms = filter.iter().flat_map(Filter::terms);
    let later = terms.find(|term| term.word.about() == About::Session);
    if let (Some(term), Some(text)) = (later, text) {
        let what = format!(
            "`~{}` is not known while a message passes",
            term.word.name()
        );
        let help = "leave it out here; it selects messages for dmtap show, why and lint";
        let error = FilterError::new(text, term.at.clone(), what, help);
        return Err(Failure::Usage(error.to_string()));
    }
    Ok(filter)
}

fn own_certificate(spec: &str) -> OwnCertificate {
    let (domain, path) = match spec.split_once('=') {
        Some((domain, path)) => (Some(domain.into()), path),
        None => (None, spec),
    };
    let path = path.into();
    OwnCertificate { domain, path }
}

fn account(text: &str) -> Result<Account, String> {
    let pair = text.split_once('=').filter(|(user, _)| !user.is_empty());
    let (user, password) = pair.ok_or("USER=PASSWORD, such as alice=secret")?;
    Ok(Account {
        user: user.to_owned(),
        password: password.to_owned(),
    })
}

pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let (number, unit) = match text.trim_end_matches(|c: char| c.is_ascii_alphabetic()) {
        number if number.len() < text.len() => (number, &text[number.len()..]),
        number => (number, ""),
    };
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err(format!("`{unit}` is not a unit: write k, M or G")),
    };
    let number: usize = number
        .parse()
        .map_err(|_| "a number of bytes, such as 16M".to_owned())?;
    number
        .checked_mul(factor)
        .ok_or_else(|| "too large".to_owned())
}
