//! A TLS handshake with a server, for its certificate chain and its request for a client certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fmt, io};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::date;
use crate::dm::Certificate;
use crate::error_text;
use crate::proxy::{ServerError, Trust, client_config};

/// The result of a handshake.
#[derive(Debug)]
pub(super) struct Handshake {
    /// The certificates of the server; `None` if it has no TLS.
    chain: Option<Vec<Certificate>>,
    /// Whether the server asked for a client certificate.
    pub(super) asks: bool,
}

/// The reason why a handshake failed.
#[derive(Debug)]
pub(super) struct Failed {
    /// Whether nobody accepted the connection.
    pub(super) is_tcp: bool,
    /// Whether the server ended the handshake after it had asked for a client certificate.
    pub(super) wants_certificate: bool,
    why: String,
    help: Option<String>,
}

impl Handshake {
    /// Performs a handshake with the first address that answers.
    pub(super) async fn with(
        addresses: &[SocketAddr],
        host: &str,
        trust: &Trust,
    ) -> Result<Self, Failed> {
        let socket = connect(addresses).await?;
        let seconds = PATIENCE.as_secs();
        let config = client_config(trust);
        let mut config = config.map_err(|error| failed(false, error_text::io(&error)))?;
        let asked = Arc::new(Asked::default());
        config.client_auth_cert_resolver = asked.clone();
        let bare = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(bare);
        let name = name.map_err(|_| failed(false, format!("{host} is not a host name")))?;
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, socket);
        let handshake = tokio::time::timeout(PATIENCE, handshake).await;
        let stream = handshake.map_err(|_| failed(false, format!("no TLS within {seconds} s")))?;
        let stream = stream.map_err(|error| {
            if asked.0.load(Ordering::Relaxed) && !is_own(&error) {
                return Failed {
                    is_tcp: false,
                    wants_certificate: true,
                    why: WANTS_CERTIFICATE.into(),
                    help: Some(TAKE_OTHERS.into()),
                };
            }
            let ServerError { what, help, .. } = ServerError::of(&error, "--server-ca")
                .without_insecure(Some(
                    "start dmtap proxy with -k, which accepts any certificate",
                ));
            Failed {
                is_tcp: false,
                wants_certificate: false,
                why: what,
                help,
            }
        })?;
        let (_, connection) = stream.get_ref();
        let chain = connection.peer_certificates().unwrap_or_default();
        Ok(Self {
            chain: Some(
                chain
                    .iter()
                    .filter_map(|der| Certificate::read(der))
                    .collect(),
            ),
            asks: asked.0.load(Ordering::Relaxed),
        })
    }

    /// Connects to a server without TLS.
    pub(super) async fn in_clear(addresses: &[SocketAddr]) -> Result<Self, Failed> {
        connect(addresses).await?;
        Ok(Self {
            chain: None,
            asks: false,
        })
    }

    /// Returns the issuer of the certificate.
    pub(super) fn issuer(&self) -> Option<String> {
        let leaf = self.chain.as_ref()?.first()?;
        Some(leaf.issuer.clone())
    }

    /// Returns the chain in words.
    pub(super) fn chain_text(&self) -> String {
        let Some(chain) = &self.chain else {
            return "without TLS, as --resolve says".into();
        };
        let Some(leaf) = chain.first() else {
            return "no certificate that can be read".into();
        };
        let more = match chain.len() {
            1 => String::new(),
            count => format!(", with {} more of its chain", count - 1),
        };
        let until = date(leaf.not_after);
        format!("{} of {}, until {until}{more}", leaf.subject, leaf.issuer)
    }
}

/// Connects to the first address that answers.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Failed> {
    let connecting = tokio::time::timeout(PATIENCE, TcpStream::connect(addresses)).await;
    let seconds = PATIENCE.as_secs();
    let socket = connecting.map_err(|_| failed(true, format!("no answer within {seconds} s")))?;
    socket.map_err(|error| failed(true, error_text::io(&error)))
}

fn failed(is_tcp: bool, why: String) -> Failed {
    Failed {
        is_tcp,
        wants_certificate: false,
        why,
        help: None,
    }
}

impl Failed {
    /// Returns the remedy.
    pub(super) fn remedy(&self) -> &str {
        let general = "see in the server's log why: dmtap needs a server that speaks TLS 1.2 or 1.3 at this port";
        self.help.as_deref().unwrap_or(general)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// Whether this side ended a handshake, not the server.
fn is_own(error: &io::Error) -> bool {
    let tls = error.get_ref();
    let tls = tls.and_then(|error| error.downcast_ref::<rustls::Error>());
    tls.is_some_and(|tls| !matches!(tls, rustls::Error::AlertReceived(_)))
}

/// A resolver without a certificate that notes the request for one.
#[derive(Debug, Default)]
struct Asked(AtomicBool);

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

const WANTS_CERTIFICATE: &str =
    "the server asks for a client certificate, and ends the handshake without one";
/// The remedy for a server that serves nobody without a client certificate.
pub(super) const TAKE_OTHERS: &str =
    "let the server take connections without one, at least for discovery and enrollment";
/// The time limit for the connection, and for TLS.
const PATIENCE: Duration = Duration::from_secs(10);
