//! Which servers are believed.

use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

use super::ca::certificates;
use super::settings::Trust;
use super::tls::{key_log, provider};

/// TLS towards servers that are trusted so. ALPN is left to the connector.
///
/// # Errors
/// Where the CA file cannot be read or the platform trusts nobody.
pub fn client_config(trust: &Trust) -> io::Result<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(provider().clone())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier(trust)?)
        .with_no_client_auth();
    config.key_log = key_log();
    Ok(config)
}

fn verifier(trust: &Trust) -> io::Result<Arc<dyn ServerCertVerifier>> {
    let crypto = provider().clone();
    let roots = match trust {
        Trust::Anything => return Ok(Arc::new(Anything(crypto))),
        Trust::Platform => Vec::new(),
        Trust::PlatformAnd(path) => {
            let named = |why: String| io::Error::other(format!("{}: {why}", path.display()));
            let pem = std::fs::read(path).map_err(|e| named(e.to_string()))?;
            let roots = certificates(&pem).map_err(named)?;
            if roots.is_empty() {
                return Err(named("it holds no certificate in PEM form".into()));
            }
            roots
        }
    };
    let verifier = Verifier::new_with_extra_roots(roots, crypto).map_err(|e| {
        io::Error::other(format!(
            "no server can be verified: {e}; install the system's CA certificates, or use --server-ca FILE or -k"
        ))
    })?;
    Ok(Arc::new(verifier))
}

/// Accepts every certificate; only the signature made with its key is checked.
#[derive(Debug)]
struct Anything(Arc<CryptoProvider>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
