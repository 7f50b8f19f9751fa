//! The verification of server certificates.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme,
};
use rustls_platform_verifier::Verifier;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::ca::certificates_in;
use super::client_identity::ClientIdentity;
use super::settings::Trust;
use super::tls::{key_log, provider};

/// Returns the TLS configuration towards servers with this trust. The connector sets ALPN.
///
/// # Errors
/// An error if the CA file cannot be read, or the platform trusts no CA.
pub fn client_config(trust: &Trust) -> io::Result<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(provider().clone())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier(trust)?)
        .with_client_cert_resolver(Arc::new(Presented(None)));
    config.key_log = key_log();
    Ok(config)
}

fn verifier(trust: &Trust) -> io::Result<Arc<dyn ServerCertVerifier>> {
    let named = match trust {
        Trust::Anything | Trust::Platform => Vec::new(),
        Trust::PlatformAnd(path) => certificates_in(path)?,
    };
    let platform = match trust {
        Trust::Anything => None,
        _ => Some(
            Verifier::new_with_extra_roots(named.clone(), provider().clone())
                .map_err(|error| io::Error::other(no_verifier(&error, trust)))?,
        ),
    };
    Ok(Arc::new(NamingVerifier { platform, named }))
}

fn no_verifier(error: &Error, trust: &Trust) -> String {
    match (error, trust) {
        (Error::InvalidCertificate(_), Trust::PlatformAnd(path)) => {
            let path = path.display();
            format!("{path}: a certificate in it cannot be read as X.509 version 3")
        }
        _ => "no server can be verified: this system trusts no CA; install its CA certificates, name a CA's file, \
              or use -k"
            .into(),
    }
}

/// A defect of a server's certificate that rustls has no error for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Distrust {
    /// The RSA key is so short that no handshake can be verified with it.
    #[error("its RSA key has {0} bits")]
    ShortKey(usize),
    /// The certificate, or one between it and its root, is signed with SHA-1.
    #[error("it is signed with SHA-1")]
    Sha1,
    /// The certificate is that of a CA, and is not in the file of trusted ones.
    #[error("it is the certificate of a CA")]
    Ca,
    /// The certificate is self-signed, and is not in the file of trusted ones.
    #[error("it is self-signed")]
    SelfSigned,
    /// The certificate, or one between it and its root, has a critical extension that is not known here.
    #[error("it has the critical extension {0}, which dmtap does not know")]
    Critical(String),
}

/// A verifier that works like the platform's, with two differences: a certificate in the user's file is trusted
/// directly if its name and dates are right, and errors name the defect.
#[derive(Debug)]
struct NamingVerifier {
    /// The platform's verifier. `None` accepts every certificate; the handshake signature is verified nevertheless.
    platform: Option<Verifier>,
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for NamingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.named.contains(end_entity) && short_key(end_entity).is_none() {
            check_dates(end_entity, now)?;
            let parsed = ParsedCertificate::try_from(end_entity);
            let parsed = parsed.map_err(|error| explained(error, end_entity, intermediates))?;
            verify_server_name(&parsed, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        let Some(platform) = &self.platform else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified =
            platform.verify_server_cert(end_entity, intermediates, server_name, ocsp, now);
        verified.map_err(|error| explained(error, end_entity, intermediates))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        let verified = verify_tls12_signature(message, certificate, signature, algorithms);
        verified.map_err(|error| unusable(certificate).unwrap_or(error))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        let verified = verify_tls13_signature(message, certificate, signature, algorithms);
        verified.map_err(|error| unusable(certificate).unwrap_or(error))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

impl From<Distrust> for Error {
    fn from(distrust: Distrust) -> Self {
        CertificateError::Other(OtherError(Arc::new(distrust))).into()
    }
}

/// Returns a more precise error, if the certificates show the reason.
fn explained(error: Error, end_entity: &[u8], intermediates: &[CertificateDer<'_>]) -> Error {
    if let Some(short) = short_key(end_entity) {
        return short;
    }
    let Ok((_, certificate)) = X509Certificate::from_der(end_entity) else {
        return error;
    };
    let is_opaque = matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer
                | CertificateError::BadSignature
                | CertificateError::Other(_)
                | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        )
    );
    let eku = certificate.extended_key_usage().ok().flatten();
    if !is_opaque || eku.is_some_and(|eku| !eku.value.server_auth && !eku.value.any) {
        return match is_opaque {
            true => Error::InvalidCertificate(CertificateError::InvalidPurpose),
            false => error,
        };
    }
    let chain = std::iter::once(end_entity).chain(intermediates.iter().map(|c| &**c));
    let mut chain = chain.filter_map(|der| X509Certificate::from_der(der).ok());
    let by_sha1 = |c: &X509Certificate<'_>| {
        let algorithm = c.signature_algorithm.algorithm.to_id_string();
        SHA1.contains(&&*algorithm) && c.issuer() != c.subject()
    };
    let is_other = matches!(error, Error::InvalidCertificate(CertificateError::Other(_)));
    if is_other && let Some(extension) = chain.clone().find_map(|(_, c)| unknown_critical(&c)) {
        Distrust::Critical(extension).into()
    } else if chain.any(|(_, c)| by_sha1(&c)) {
        Distrust::Sha1.into()
    } else if certificate.issuer() == certificate.subject() {
        Distrust::SelfSigned.into()
    } else if certificate.is_ca() {
        Distrust::Ca.into()
    } else {
        error
    }
}

/// Returns an error if no handshake can be verified with a certificate, trusted or not.
fn unusable(certificate: &[u8]) -> Option<Error> {
    short_key(certificate).or_else(|| {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        Some(Distrust::Critical(unknown_critical(&certificate)?).into())
    })
}

/// Returns the OID of the first critical extension that the verifier does not know.
fn unknown_critical(certificate: &X509Certificate<'_>) -> Option<String> {
    let critical = certificate.extensions().iter().filter(|it| it.critical);
    let mut oids = critical.map(|it| it.oid.to_id_string());
    oids.find(|oid| !KNOWN_EXTENSIONS.contains(&&**oid))
}

/// The OIDs of keyUsage, subjectAltName, basicConstraints, nameConstraints, cRLDistributionPoints and extKeyUsage.
const KNOWN_EXTENSIONS: [&str; 6] = [
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.19",
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.37",
];

/// The OIDs of sha1WithRSAEncryption and ecdsa-with-SHA1.
const SHA1: [&str; 2] = ["1.2.840.113549.1.1.5", "1.2.840.10045.4.1"];

/// Returns an error if an RSA key is too short to verify signatures.
fn short_key(certificate: &[u8]) -> Option<Error> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    match certificate.public_key().parsed().ok()? {
        PublicKey::RSA(key) if key.key_size() < SHORTEST_KEY => {
            Some(Distrust::ShortKey(key.key_size()).into())
        }
        _ => None,
    }
}

/// The length in bits of the shortest RSA key that can verify signatures.
const SHORTEST_KEY: usize = 2048;

fn check_dates(certificate: &[u8], now: UnixTime) -> Result<(), Error> {
    let (_, certificate) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let validity = certificate.validity();
    let seconds = |time: x509_parser::time::ASN1Time| {
        let seconds = u64::try_from(time.timestamp()).unwrap_or_default();
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
    };
    let (not_before, not_after) = (seconds(validity.not_before), seconds(validity.not_after));
    if now < not_before {
        return Err(CertificateError::NotValidYetContext {
            time: now,
            not_before,
        }
        .into());
    }
    if now > not_after {
        return Err(CertificateError::ExpiredContext {
            time: now,
            not_after,
        }
        .into());
    }
    Ok(())
}

tokio::task_local! {
    /// `None` until the server asks for a certificate in the current handshake; then whether a certificate was shown.
    static ASKED: Cell<Option<bool>>;
}

/// Runs a handshake. Returns its result, and whether the server asked for a client certificate.
pub(super) async fn watched<T>(handshake: impl Future<Output = T>) -> (T, bool) {
    let asked = async {
        let result = handshake.await;
        (result, asked_and_shown().is_some())
    };
    ASKED.scope(Cell::new(None), asked).await
}

/// Returns whether a certificate was shown in the watched handshake; `None` if the server did not ask for one.
pub(super) fn asked_and_shown() -> Option<bool> {
    ASKED.try_with(Cell::get).unwrap_or_default()
}

/// A resolver that presents one certificate, or none, and notes that the server asked for one: over TLS 1.2 a server
/// does not report later that it missed one. The CAs that the server names are ignored, because the server decides
/// itself.
#[derive(Debug)]
struct Presented(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Presented {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let signs = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        let shown = self.0.as_ref().filter(signs).cloned();
        // Outside a watched handshake nobody needs the result.
        let _ = ASKED.try_with(|asked| asked.set(Some(shown.is_some())));
        shown
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

/// Returns a configuration that presents a client certificate. It shares no sessions with `base`: a server takes a
/// client that resumes a session for the client that began it.
pub(super) fn presenting(base: &ClientConfig, identity: &ClientIdentity) -> ClientConfig {
    let mut config = base.clone();
    config.client_auth_cert_resolver = Arc::new(Presented(Some(identity.key.clone())));
    config.resumption = Resumption::in_memory_sessions(MAX_SESSIONS_OF_IDENTITY);
    config
}

/// The most sessions that are kept for one identity, which goes to one server or a few.
const MAX_SESSIONS_OF_IDENTITY: usize = 32;
