//! TLS towards the device: one certificate per name, and one configuration per certificate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hashlink::LruCache;
use parking_lot::Mutex;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{KeyLog, KeyLogFile, NoKeyLog, ServerConfig};

use super::ca::{Authority, CaError};
use super::client_identity::ClientIdentity;
use super::device_certificate::{AskForCertificate, CertificateJudge, RequestClientCert};
use super::pem_file;
use super::settings::OwnCertificate;
use crate::flow::{TlsTerms, TlsVersion};

/// Returns the cryptography for devices and servers. No process-wide default is needed.
pub(super) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: std::sync::LazyLock<Arc<CryptoProvider>> =
        std::sync::LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    &PROVIDER
}

/// Returns the log for the secrets of TLS sessions: a file if `SSLKEYLOGFILE` names one.
pub(super) fn key_log() -> Arc<dyn KeyLog> {
    match std::env::var_os("SSLKEYLOGFILE") {
        Some(_) => Arc::new(KeyLogFile::new()),
        None => Arc::new(NoKeyLog {}),
    }
}

/// The TLS configurations for devices.
#[derive(Debug)]
pub(super) struct DeviceTls {
    authority: Arc<Authority>,
    judge: Arc<CertificateJudge>,
    /// The configurations, one set for each way of asking for client certificates. Each set has its own sessions and
    /// tickets: a session that began without a client certificate must not be resumed where one is required.
    none: Configs,
    ask: Configs,
    require: Configs,
}

/// The configurations that ask for client certificates in one way.
#[derive(Debug)]
struct Configs {
    base: ServerConfig,
    own: Vec<(Option<String>, Arc<ServerConfig>)>,
    /// The leaf certificates. The one that was unused for the longest time makes room.
    leaves: Mutex<LruCache<String, Leaf>>,
}

#[derive(Debug)]
struct Leaf {
    config: Arc<ServerConfig>,
    made: Instant,
}

impl DeviceTls {
    /// Returns the authority that signs the certificates for devices.
    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns the verifier of device certificates.
    pub(super) fn judge(&self) -> &CertificateJudge {
        &self.judge
    }

    /// Prepares TLS with an authority and the user's own certificates.
    ///
    /// # Errors
    /// [`CaError`] if a certificate file cannot be read, or its key does not fit.
    pub(super) fn new(
        authority: Arc<Authority>,
        certificates: &[OwnCertificate],
        judge: CertificateJudge,
    ) -> Result<Self, CaError> {
        let judge = Arc::new(judge);
        let configs = |request| Configs::new(certificates, request, &judge);
        Ok(Self {
            none: configs(RequestClientCert::None)?,
            ask: configs(RequestClientCert::Ask)?,
            require: configs(RequestClientCert::Require)?,
            authority,
            judge,
        })
    }

    fn configs(&self, request: RequestClientCert) -> &Configs {
        match request {
            RequestClientCert::None => &self.none,
            RequestClientCert::Ask => &self.ask,
            RequestClientCert::Require => &self.require,
        }
    }

    /// Returns the configuration with a certificate for these names. The first name selects one of the user's own
    /// certificates.
    pub(super) fn config(
        &self,
        names: &[&str],
        request: RequestClientCert,
    ) -> Result<Arc<ServerConfig>, CaError> {
        self.configs(request).config(names, &self.authority)
    }

    /// Returns a configuration with these terms. It resumes no earlier session, because a resumed session shows the
    /// device no certificate.
    pub(super) fn config_on(
        &self,
        names: &[&str],
        request: RequestClientCert,
        terms: TlsTerms,
    ) -> Result<Arc<ServerConfig>, CaError> {
        if terms == TlsTerms::default() {
            return self.config(names, request);
        }
        let floor = terms.min.unwrap_or(TlsVersion::V1_2);
        let ceiling = terms.max.unwrap_or(TlsVersion::V1_3);
        let versions: Vec<_> = [
            (TlsVersion::V1_2, &rustls::version::TLS12),
            (TlsVersion::V1_3, &rustls::version::TLS13),
        ]
        .into_iter()
        .filter(|(version, _)| (floor..=ceiling).contains(version))
        .map(|(_, version)| version)
        .collect();
        let resolver = match terms.defect {
            Some(defect) => Arc::new(SingleCertAndKey::from(
                self.authority.defective_leaf(names, defect)?,
            )),
            None => self.config(names, request)?.cert_resolver.clone(),
        };
        let base = &self.configs(request).base;
        let mut config = ServerConfig::builder_with_provider(provider().clone())
            .with_protocol_versions(&versions)
            .map_err(CaError::Tls)?
            .with_client_cert_verifier(client_verifier(request, &self.judge))
            .with_cert_resolver(resolver);
        config.alpn_protocols = base.alpn_protocols.clone();
        config.key_log = base.key_log.clone();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

fn client_verifier(
    request: RequestClientCert,
    judge: &Arc<CertificateJudge>,
) -> Arc<dyn ClientCertVerifier> {
    let ask = |is_required| AskForCertificate {
        judge: judge.clone(),
        is_required,
    };
    match request {
        RequestClientCert::None => WebPkiClientVerifier::no_client_auth(),
        RequestClientCert::Ask => Arc::new(ask(false)),
        RequestClientCert::Require => Arc::new(ask(true)),
    }
}

impl Configs {
    fn new(
        certificates: &[OwnCertificate],
        request: RequestClientCert,
        judge: &Arc<CertificateJudge>,
    ) -> Result<Self, CaError> {
        let mut base = ServerConfig::builder_with_provider(provider().clone())
            .with_safe_default_protocol_versions()
            .map_err(CaError::Tls)?
            .with_client_cert_verifier(client_verifier(request, judge))
            .with_cert_resolver(Arc::new(Nothing));
        base.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        base.key_log = key_log();
        base.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(CaError::Tls)?;
        let own = certificates
            .iter()
            .map(|own| Ok((own.domain.clone(), with_key(&base, load(own)?))))
            .collect::<Result<_, CaError>>()?;
        Ok(Self {
            base,
            own,
            leaves: Mutex::new(LruCache::new(MAX_LEAVES)),
        })
    }

    fn config(&self, names: &[&str], authority: &Authority) -> Result<Arc<ServerConfig>, CaError> {
        let name = names.first().copied().unwrap_or_default();
        let own = |exact: bool| {
            let fits = move |domain: &Option<String>| match domain {
                Some(domain) => exact && covers(domain, name),
                None => !exact,
            };
            self.own.iter().find(move |(domain, _)| fits(domain))
        };
        if let Some((_, config)) = own(true).or_else(|| own(false)) {
            return Ok(config.clone());
        }
        let (now, key) = (Instant::now(), names.join(" "));
        if let Some(leaf) = self.leaves.lock().get(&key)
            && now.duration_since(leaf.made) < LEAF_MAX_AGE
        {
            return Ok(leaf.config.clone());
        }
        let config = with_key(&self.base, authority.leaf(names)?);
        let leaf = Leaf {
            config: config.clone(),
            made: now,
        };
        self.leaves.lock().insert(key, leaf);
        Ok(config)
    }
}

/// Whether a certificate's domain, possibly with `*.` in front, covers a name.
pub(super) fn covers(domain: &str, name: &str) -> bool {
    match domain.strip_prefix("*.") {
        Some(parent) => name
            .split_once('.')
            .is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
        None => domain.eq_ignore_ascii_case(name),
    }
}

fn with_key(base: &ServerConfig, key: CertifiedKey) -> Arc<ServerConfig> {
    let mut config = base.clone();
    config.cert_resolver = Arc::new(SingleCertAndKey::from(key));
    Arc::new(config)
}

fn load(own: &OwnCertificate) -> Result<CertifiedKey, CaError> {
    let path = &own.path;
    let broken = |why: String| CaError::Certificate {
        path: path.clone(),
        why,
    };
    let pem = pem_file::read(path).map_err(|error| CaError::io(path, error))?;
    let identity = ClientIdentity::from_pem(&pem).map_err(|error| broken(error.to_string()))?;
    Ok(CertifiedKey::clone(&identity.key))
}

/// A resolver for the base configuration, which is never asked.
#[derive(Debug)]
struct Nothing;

impl ResolvesServerCert for Nothing {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

/// The most names whose certificates are kept.
const MAX_LEAVES: usize = 1024;
/// The age at which a leaf certificate is replaced, long before it expires.
const LEAF_MAX_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leaf_unused_for_longest_makes_room() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Arc::new(Authority::load_or_create(directory.path()).unwrap());
        let judge = CertificateJudge::new(authority.certificate(), None).unwrap();
        let tls = DeviceTls::new(authority, &[], judge).unwrap();
        let (request, other) = (RequestClientCert::Ask, RequestClientCert::Require);
        let names: Vec<_> = (0..MAX_LEAVES).map(|number| format!("h{number}")).collect();
        let first: Vec<_> = names
            .iter()
            .map(|name| tls.config(&[name], request).unwrap())
            .collect();
        let same =
            |at: usize| Arc::ptr_eq(&first[at], &tls.config(&[&names[at]], request).unwrap());
        assert!(same(0));
        tls.config(&["one more"], request).unwrap();
        assert!(!Arc::ptr_eq(
            &first[0],
            &tls.config(&[&names[0]], other).unwrap()
        ));
        assert_eq!(tls.ask.leaves.lock().len(), MAX_LEAVES);
        assert!(same(0) && same(2));
        assert!(!same(1));
    }

    #[test]
    fn a_star_stands_for_one_label() {
        let check = |domain, name, expected| assert_eq!(covers(domain, name), expected, "{name}");
        check("mdm.example.com", "MDM.example.com", true);
        check("mdm.example.com", "x.mdm.example.com", false);
        check("*.example.com", "mdm.example.com", true);
        check("*.example.com", "example.com", false);
        check("*.example.com", "a.b.example.com", false);
    }
}
