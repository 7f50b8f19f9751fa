//! The connections of the simulated device: a table of names comes before DNS, and each host is noted.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::flow::origin::Origin;
use crate::peer::enroll::PrivateKey;
use crate::proxy::{PlainError, Resolve, Trust, client_config};

/// A connector that looks names up in a table first, and notes each host with its port.
#[derive(Clone, Debug)]
pub struct Dialer {
    table: Arc<[Resolve]>,
    dns: bool,
    contacted: Arc<Mutex<Vec<String>>>,
}

impl Dialer {
    /// Creates a dialer that asks DNS for names that are not in the table.
    pub fn new(table: Vec<Resolve>) -> Self {
        Self {
            table: table.into(),
            dns: true,
            contacted: Arc::default(),
        }
    }

    /// Creates a dialer without DNS.
    pub fn without_dns(table: Vec<Resolve>) -> Self {
        Self {
            dns: false,
            ..Self::new(table)
        }
    }

    /// Returns each host and port that it connected to, once, in order.
    pub fn contacted(&self) -> Vec<String> {
        self.contacted.lock().clone()
    }

    /// Creates an HTTP client that connects with this dialer.
    ///
    /// # Errors
    /// The certificates of `trust` cannot be loaded.
    pub fn client(&self, trust: &Trust) -> Result<HttpClient, String> {
        let config = client_config(trust).map_err(|error| error.to_string())?;
        Ok(self.with_config(config))
    }

    /// Like [`Self::client`], but it presents this certificate, DER, to servers that ask for one.
    ///
    /// # Errors
    /// Those of [`Self::client`]; a key that cannot be used.
    pub fn client_with(
        &self,
        trust: &Trust,
        certificate: &[u8],
        key: Arc<PrivateKey>,
    ) -> Result<HttpClient, String> {
        let mut config = client_config(trust).map_err(|error| error.to_string())?;
        let pkcs8 = PrivatePkcs8KeyDer::from(key.pkcs8().to_vec());
        let provider = config.crypto_provider().key_provider;
        let key = provider.load_private_key(pkcs8.into());
        let key = key.map_err(|error| error.to_string())?;
        let shown = CertifiedKey::new(vec![certificate.to_vec().into()], key);
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(shown));
        Ok(self.with_config(config))
    }

    fn with_config(&self, config: ClientConfig) -> HttpClient {
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(self.clone());
        let table = self.table.clone();
        Client::builder(TokioExecutor::new()).build(Connector { https, table })
    }

    async fn dial(self, uri: Uri) -> io::Result<TokioIo<TcpStream>> {
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let port = port_of(&uri);
        let known = self.table.iter().find(|line| line.is_of(&host, port));
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let is_here = literal.is_some_and(|ip| ip.is_loopback()) || host == "localhost";
        let stream = match known {
            Some(line) => TcpStream::connect(line.address()).await?,
            None if self.dns || is_here => {
                TcpStream::connect((host.trim_matches(['[', ']']), port)).await?
            }
            None => {
                let why = format!("{host}:{port} is not in the table of names");
                return Err(io::Error::other(PlainError(why)));
            }
        };
        stream.set_nodelay(true)?;
        let name = format!("{host}:{port}");
        let mut contacted = self.contacted.lock();
        if !contacted.contains(&name) && contacted.len() < MOST_HOSTS {
            contacted.push(name);
        }
        Ok(TokioIo::new(stream))
    }
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<TcpStream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

/// A connector that speaks the scheme that the table names for a server, in place of that of its URLs.
#[derive(Clone, Debug)]
pub struct Connector {
    https: HttpsConnector<Dialer>,
    table: Arc<[Resolve]>,
}

impl Service<Uri> for Connector {
    type Response = <HttpsConnector<Dialer> as Service<Uri>>::Response;
    type Error = <HttpsConnector<Dialer> as Service<Uri>>::Error;
    type Future = <HttpsConnector<Dialer> as Service<Uri>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (host, port) = (uri.host().unwrap_or_default(), port_of(&uri));
        let line = self.table.iter().find(|line| line.is_of(host, port));
        let scheme = line.and_then(Resolve::scheme);
        let spoken = scheme.and_then(|scheme| {
            let url = Origin::new(scheme, host, port).host_and_port();
            format!("{}://{url}/", scheme.name()).parse().ok()
        });
        self.https.call(spoken.unwrap_or(uri))
    }
}

/// Returns the port of a URI, or the default port of its scheme.
pub(super) fn port_of(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(match uri.scheme_str() {
        Some("http") => 80,
        _ => 443,
    })
}

/// The HTTP client of the simulated device.
pub type HttpClient = Client<Connector, Full<Bytes>>;

/// The limit of noted hosts.
const MOST_HOSTS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::origin::Scheme;

    #[test]
    fn a_line_is_that_of_curl_and_may_name_a_port_or_a_url() {
        let check = |text: &str, to: &str, scheme: Option<Scheme>| {
            let line = text.parse::<Resolve>().ok();
            let is_of = |line: &&Resolve| line.is_of("a.test", 443) && line.is_of("A.TEST.", 443);
            let line = line.as_ref().filter(is_of);
            assert_eq!(line.map_or("", Resolve::address), to, "{text}");
            assert_eq!(line.and_then(Resolve::scheme), scheme, "{text}");
        };
        check("A.test:443:127.0.0.1", "127.0.0.1:443", None);
        check("a.test:443:127.0.0.1:8443", "127.0.0.1:8443", None);
        check("a.test:443:[::1]", "[::1]:443", None);
        check("a.test:443:[::1]:8443", "[::1]:8443", None);
        let (http, https) = (Some(Scheme::Http), Some(Scheme::Https));
        check("a.test:443:http://127.0.0.1:8080", "127.0.0.1:8080", http);
        check("a.test.:443:http://fleet:8080/", "fleet:8080", http);
        check("a.test:443:http://[::1]", "[::1]:80", http);
        check("a.test:443:https://fleet", "fleet:443", https);
        for wrong in [
            "a.test",
            "a.test:443",
            ":443:127.0.0.1",
            "a.test:x:127.0.0.1",
            "a.test:443:name",
            "a.test:443:http://name/path",
            "a.test:443:ftp://name",
        ] {
            check(wrong, "", None);
        }
    }
}
