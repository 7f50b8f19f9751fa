//! One TLS handshake, looked at: the chain, and whether a client certificate was asked for.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::date;
use crate::dm::Certificate;
use crate::proxy::{Trust, client_config};

/// What a handshake showed.
#[derive(Debug)]
pub(super) struct Handshake {
    chain: Vec<Certificate>,
    /// Whether the server asked for a client certificate.
    pub(super) asks: bool,
}

/// Why there was none.
#[derive(Debug)]
pub(super) struct Failed {
    /// Whether nobody answered at all.
    pub(super) is_tcp: bool,
    why: String,
}

impl Handshake {
    /// Connects to the first address that answers.
    pub(super) async fn with(
        addresses: &[SocketAddr],
        host: &str,
        trust: &Trust,
    ) -> Result<Self, Failed> {
        let tcp = |why: String| Failed { is_tcp: true, why };
        let tls = |why: String| Failed { is_tcp: false, why };
        let connecting = tokio::time::timeout(PATIENCE, TcpStream::connect(addresses)).await;
        let socket = connecting.map_err(|_| tcp(format!("no answer within {PATIENCE:?}")))?;
        let socket = socket.map_err(|error| tcp(error.to_string()))?;
        let mut config = client_config(trust).map_err(|error| tls(error.to_string()))?;
        let asked = Arc::new(Asked::default());
        config.client_auth_cert_resolver = asked.clone();
        let bare = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(bare).map_err(|error| tls(error.to_string()))?;
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, socket);
        let handshake = tokio::time::timeout(PATIENCE, handshake).await;
        let stream = handshake.map_err(|_| tls(format!("no TLS within {PATIENCE:?}")))?;
        let stream = stream.map_err(|error| tls(error.to_string()))?;
        let (_, connection) = stream.get_ref();
        let chain = connection.peer_certificates().unwrap_or_default();
        Ok(Self {
            chain: chain
                .iter()
                .filter_map(|der| Certificate::read(der))
                .collect(),
            asks: asked.0.load(Ordering::Relaxed),
        })
    }

    /// Who issued the certificate.
    pub(super) fn issuer(&self) -> Option<String> {
        self.chain.first().map(|leaf| leaf.issuer.clone())
    }

    /// The chain for people.
    pub(super) fn chain_text(&self) -> String {
        let Some(leaf) = self.chain.first() else {
            return "no certificate that can be read".into();
        };
        let more = match self.chain.len() {
            1 => String::new(),
            count => format!(", with {} more of its chain", count - 1),
        };
        let until = date(leaf.not_after);
        format!("{} of {}, until {until}{more}", leaf.subject, leaf.issuer)
    }
}

impl Failed {
    /// What helps.
    pub(super) fn remedy(&self) -> &'static str {
        let known = [
            (
                "UnknownIssuer",
                "give dmtap the CA of the server: --server-ca FILE",
            ),
            (
                "expired",
                "renew the certificate of the server, or check the clock of this machine",
            ),
            (
                "not valid yet",
                "check the clock of this machine and of the server",
            ),
            (
                "not valid for name",
                "use a name that the certificate holds, with --resolve if DNS has none",
            ),
            (
                "CertificateRequired",
                "the server takes no device without a client certificate, which dmtap does not have",
            ),
        ];
        let found = known.iter().find(|(part, _)| self.why.contains(part));
        found.map_or(
            "the server cannot be verified; -k of dmtap proxy takes any certificate",
            |(_, remedy)| remedy,
        )
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// The first certificate of a PEM file.
pub(super) fn first_certificate(pem: &[u8]) -> Option<Certificate> {
    Certificate::read(&CertificateDer::from_pem_slice(pem).ok()?)
}

/// Has no certificate, and notes that one was asked for.
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

/// How long connecting and TLS may take, each.
const PATIENCE: Duration = Duration::from_secs(10);
