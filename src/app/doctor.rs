//! The checks of `dmtap doctor` before a device enrolls through dmtap: names, ports, certificates, clock, discovery.

mod discovery;
mod probe;
mod public;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use http::Uri;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::dial::{Dialer, port_of};
use super::rule_includes;
use crate::dm::Certificate;
use crate::peer::enroll::server::DISCOVERY_PATH;
use crate::proxy::{Resolve, Scheme, Trust};
use probe::{Failed, Handshake};

/// The hosts and certificates to examine.
#[derive(Clone, Debug)]
pub struct Doctor {
    /// The server, or its discovery address.
    pub server: Uri,
    /// The mail domain of the users.
    pub domain: Option<String>,
    /// The origin at which devices reach dmtap.
    pub public: Option<Uri>,
    /// The trusted servers.
    pub trust: Trust,
    /// The certificate of dmtap's CA, PEM.
    pub ca: PathBuf,
    /// The addresses of hosts that replace those of DNS.
    pub resolve: Vec<Resolve>,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The name of the check.
    pub what: &'static str,
    /// The result in words.
    pub text: String,
    /// The remedy, if something is wrong.
    pub remedy: Option<String>,
    /// Whether devices need this for enrollment.
    pub is_needed: bool,
}

impl Finding {
    /// Creates the result of a check that passed.
    fn ok(what: &'static str, text: impl Into<String>) -> Self {
        Self {
            what,
            text: text.into(),
            remedy: None,
            is_needed: true,
        }
    }

    /// Creates the result of a check that failed.
    fn wrong(what: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what,
            text: text.into(),
            remedy: Some(remedy.into()),
            is_needed: true,
        }
    }

    /// Creates the result of a check that failed, but that devices do not need.
    fn optional(what: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            is_needed: false,
            ..Self::wrong(what, text, remedy)
        }
    }

    /// Whether devices can enroll in spite of this result.
    pub fn is_ok(&self) -> bool {
        self.remedy.is_none() || !self.is_needed
    }
}

impl Doctor {
    /// Runs all checks, in the order in which a device needs them.
    pub async fn examine(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(domain) = &self.domain {
            findings.push(self.domain(domain).await);
        }
        let public = self.public(&mut findings).await;
        findings.extend(public.err());
        let server = self.server(&mut findings).await;
        findings.extend(server.err());
        findings
    }

    /// Checks the host name that Windows derives from a mail domain.
    async fn domain(&self, domain: &str) -> Finding {
        let name = format!("enterpriseenrollment.{domain}");
        match self.lookup(&name, 443).await {
            Ok(addresses) => {
                let leads = format!("{name} leads to {}", list(&addresses));
                let handshake = Handshake::with(&addresses, &name, &Trust::Anything).await;
                match handshake {
                    Err(why) if why.is_tcp => Finding::optional(
                        "domain",
                        format!("{leads}, and nobody answers there at port 443, where devices ask"),
                        "only where users enroll with their mail address: let dmtap listen there, with -p 443",
                    ),
                    _ => Finding::ok("domain", leads),
                }
            }
            Err(why) => Finding::optional(
                "domain",
                format!(
                    "{name} leads nowhere ({why}), which is not needed for the link \
                     ms-device-enrollment:?mode=mdm&servername=https://<dmtap>/EnrollmentServer/Discovery.svc"
                ),
                "only where users enroll with their mail address: let DNS or the hosts file of the device lead the \
                 name to dmtap",
            ),
        }
    }

    /// Checks dmtap as devices reach it: its name, its port, and its certificate.
    ///
    /// # Errors
    /// The failure that ends these checks.
    async fn public(&self, findings: &mut Vec<Finding>) -> Result<(), Finding> {
        findings.push(self.own_ca());
        let Some(public) = &self.public else {
            return Ok(());
        };
        let (host, port) = host_and_port(public);
        let addresses = self.lookup(&host, port).await.map_err(|why| {
            let remedy = format!("let DNS or the hosts file of the device lead {host} to dmtap");
            Finding::wrong("public name", format!("{host}: {why}"), remedy)
        })?;
        let leads = format!("{host} leads to {}", list(&addresses));
        findings.push(Finding::ok("public name", leads));
        let trust = Trust::PlatformAnd(self.ca.clone());
        let handshake = Handshake::with(&addresses, &host, &trust).await;
        if let Err(why) = &handshake
            && why.is_tcp
        {
            let text = format!("nobody answers at {host}:{port}: {why}");
            let server = origin(&self.server);
            let start = format!(
                "start it: dmtap proxy --mode reverse:{server} --listen-host 0.0.0.0 -p {port}"
            );
            return Err(Finding::wrong("public port", text, start));
        }
        findings.push(Finding::ok("public port", format!("{host}:{port} answers")));
        let answers = public::answers(self, public, &addresses).await;
        let is_dmtap = answers.is_ok();
        findings.push(public::shown(self, &host, &addresses, handshake, is_dmtap).await);
        findings.push(answers);
        if is_dmtap {
            findings.push(public::discovery(self, public, &addresses).await);
        }
        Ok(())
    }

    fn own_ca(&self) -> Finding {
        let what = "dmtap's CA";
        let file = self.ca.display();
        let Some(ca) = self.read_ca() else {
            let text = format!("{file} is not there yet");
            return Finding::wrong(what, text, "start dmtap proxy once: it makes the CA");
        };
        let until = date(ca.not_after);
        match is_valid(&ca) {
            true => Finding::ok(
                what,
                format!(
                    "{file} ({}), until {until}; devices must trust it",
                    ca.subject
                ),
            ),
            false => Finding::wrong(
                what,
                format!("{file} is not valid now"),
                "check the clock of this machine, or \
                 remove the folder of the CA, and install the new certificate on devices",
            ),
        }
    }

    /// Returns the certificate of dmtap's CA.
    fn read_ca(&self) -> Option<Certificate> {
        let pem = rule_includes::read_bounded(&self.ca, rule_includes::MOST).ok()?;
        Certificate::read(&CertificateDer::from_pem_slice(&pem).ok()?)
    }

    /// Checks the server's name, port, certificate and discovery.
    ///
    /// # Errors
    /// The failure that ends these checks.
    async fn server(&self, findings: &mut Vec<Finding>) -> Result<(), Finding> {
        let (host, port) = host_and_port(&self.server);
        let addresses = self.lookup(&host, port).await.map_err(|why| {
            let remedy = "check the name; --resolve HOST:PORT:ADDRESS says where it is";
            Finding::wrong("server name", format!("{host}: {why}"), remedy)
        })?;
        let leads = format!("{host} leads to {}", list(&addresses));
        findings.push(Finding::ok("server name", leads));
        let verified = self.handshake(&addresses, &host, port).await;
        if let Err(why) = &verified
            && why.is_tcp
        {
            let text = format!("{host}:{port}: {why}");
            return Err(Finding::wrong("server port", text, CHECK_PORT));
        }
        findings.push(Finding::ok("server port", format!("{host}:{port} answers")));
        let what = "server certificate";
        let handshake = match verified {
            Ok(handshake) => {
                findings.push(Finding::ok(what, handshake.chain_text()));
                handshake
            }
            Err(why) => {
                if why.wants_certificate {
                    let text = format!("{host}:{port}: {why}");
                    return Err(Finding::wrong("client certificate", text, why.remedy()));
                }
                let unverified = Handshake::with(&addresses, &host, &Trust::Anything).await;
                let wrong = |text: String| Finding::wrong(what, text, why.remedy());
                let unverified = unverified.map_err(|_| wrong(why.to_string()))?;
                findings.push(wrong(format!("{}: {why}", unverified.chain_text())));
                unverified
            }
        };
        let first = addresses.first();
        let first = first.map(|first| Resolve::new(&host, port, *first));
        let table = self.resolve.iter().cloned().chain(first);
        let dialer = Dialer::new(table.collect());
        discovery::examine(self, &dialer, &handshake, findings).await
    }

    /// Performs a handshake with a server, unless the table says that it has no TLS at its address.
    async fn handshake(
        &self,
        addresses: &[SocketAddr],
        host: &str,
        port: u16,
    ) -> Result<Handshake, Failed> {
        let line = self.resolve.iter().find(|line| line.is_of(host, port));
        match line.and_then(Resolve::scheme) {
            Some(Scheme::Http) => Handshake::in_clear(addresses).await,
            _ => Handshake::with(addresses, host, &self.trust).await,
        }
    }

    /// Returns the addresses of a name; the table comes before DNS.
    async fn lookup(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        let bare = host.trim_matches(['[', ']']);
        let known = self.resolve.iter().find(|line| line.is_of(host, port));
        let address = match (known, bare.parse::<IpAddr>()) {
            (Some(line), _) => line.address().to_owned(),
            (None, Ok(ip)) => SocketAddr::new(ip, port).to_string(),
            (None, Err(_)) => format!("{bare}:{port}"),
        };
        let found = tokio::net::lookup_host(address).await;
        let found: Vec<_> = found.map_err(|_| "it cannot be resolved")?.collect();
        match found.is_empty() {
            true => Err("it has no address".into()),
            false => Ok(found),
        }
    }

    /// Returns the address of discovery.
    fn discovery_url(&self) -> String {
        self.discovery_at(&self.server)
    }

    /// Where discovery is behind another origin.
    fn discovery_at(&self, host: &Uri) -> String {
        let path = match self.server.path() {
            "" | "/" => DISCOVERY_PATH,
            path => path,
        };
        format!("{}{path}", origin(host))
    }
}

fn origin(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}", uri.scheme_str().unwrap_or("https"))
}

fn host_and_port(uri: &Uri) -> (String, u16) {
    (uri.host().unwrap_or_default().to_owned(), port_of(uri))
}

fn list(addresses: &[SocketAddr]) -> String {
    let ips = addresses.iter().map(|address| address.ip().to_string());
    let mut ips: Vec<String> = ips.collect();
    ips.dedup();
    ips.join(", ")
}

fn is_valid(certificate: &Certificate) -> bool {
    let now = jiff::Timestamp::now().as_second();
    (certificate.not_before..=certificate.not_after).contains(&now)
}

fn date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.to_string().chars().take("2026-11-29".len()).collect()
}

const CHECK_PORT: &str = "check the port and firewalls between this machine and the server";
