//! Client certificates of devices: the request in the handshake, and the verification.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};

use super::ca::{certificates_in, file_error};
use super::tls::provider;
use crate::dm::certificate::{Certificate, sha256};
use crate::flow::{CertificateTrust, ClientCertificate};

/// Whether devices are asked for a client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestClientCert {
    /// Devices are not asked.
    None,
    /// Devices are asked. A device without a certificate, or with an untrusted one, is served, too.
    Ask,
    /// Devices are asked. A device without a certificate of dmtap's CA or of `--client-ca` is refused.
    Require,
}

impl RequestClientCert {
    /// All values with their names.
    pub const ALL: [(&'static str, Self); 3] = [
        ("none", Self::None),
        ("ask", Self::Ask),
        ("require", Self::Require),
    ];
}

/// The verifier of device certificates.
#[derive(Debug)]
pub(super) struct CertificateJudge {
    dmtap_ca: Arc<dyn ClientCertVerifier>,
    client_ca: Option<Arc<dyn ClientCertVerifier>>,
}

impl CertificateJudge {
    /// Creates a verifier with dmtap's CA, and the file of `--client-ca`.
    ///
    /// # Errors
    /// An error if the file cannot be read, or has no certificate.
    pub(super) fn new(dmtap_ca: &CertificateDer<'_>, file: Option<&Path>) -> io::Result<Self> {
        let client_ca = file.map(|file| {
            verifier(&certificates_in(file)?).ok_or_else(|| {
                file_error(
                    file,
                    "a certificate in it cannot be read as X.509 version 3",
                )
            })
        });
        let dmtap_ca = verifier(&[dmtap_ca.clone().into_owned()]);
        Ok(Self {
            dmtap_ca: dmtap_ca
                .ok_or_else(|| io::Error::other("dmtap's CA cannot vouch for devices"))?,
            client_ca: client_ca.transpose()?,
        })
    }

    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<CertificateTrust, Error> {
        let by = |ca: &Arc<dyn ClientCertVerifier>| ca.verify_client_cert(certificate, chain, now);
        let own = match by(&self.dmtap_ca) {
            Ok(_) => return Ok(CertificateTrust::DmtapCa),
            Err(error) => error,
        };
        match self.client_ca.as_ref().map(by) {
            Some(Ok(_)) => Ok(CertificateTrust::ClientCa),
            Some(Err(error)) if is_of_unknown_issuer(&own) => Err(error),
            _ => Err(own),
        }
    }

    /// Reads the certificates that a device presented: its own first, then the others that it sent.
    pub(super) fn read(&self, chain: &[CertificateDer<'_>]) -> Option<ClientCertificate> {
        let (certificate, others) = chain.split_first()?;
        let trust = match self.judge(certificate, others, UnixTime::now()) {
            Ok(trust) => trust,
            Err(error) => CertificateTrust::Untrusted(why_untrusted(&error).into()),
        };
        let read = Certificate::read(certificate);
        let (subject, issuer, serial, sha1) = match read {
            Some(read) => (read.subject, read.issuer, read.serial, read.thumbprint),
            None => Default::default(),
        };
        Some(ClientCertificate {
            subject,
            issuer,
            serial,
            sha1,
            sha256: sha256(certificate),
            trust,
            chain: chain.iter().map(|c| c.to_vec().into()).collect(),
        })
    }
}

/// Says why no known CA vouches for a certificate.
pub(super) fn why_untrusted(error: &Error) -> &'static str {
    let Error::InvalidCertificate(certificate) = error else {
        return "it breaks a rule of X.509";
    };
    match certificate {
        CertificateError::UnknownIssuer => "its issuer is not known here",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not yet valid"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not for clients: its extended key usage lacks clientAuth"
        }
        CertificateError::BadSignature => "its signature does not fit",
        CertificateError::BadEncoding => "it cannot be read as X.509 version 3",
        _ => "it breaks a rule of X.509",
    }
}

/// Whether no known CA issued a certificate.
pub(super) fn is_of_unknown_issuer(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(CertificateError::UnknownIssuer)
    )
}

fn verifier(roots: &[CertificateDer<'static>]) -> Option<Arc<dyn ClientCertVerifier>> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).ok()?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider().clone());
    builder.build().ok()
}

/// A TLS verifier that asks a device for its certificate, and requires proof that the device has the key.
#[derive(Debug)]
pub(super) struct AskForCertificate {
    pub(super) judge: Arc<CertificateJudge>,
    /// Whether a device without a certificate, or with an untrusted one, is refused.
    pub(super) is_required: bool,
}

impl ClientCertVerifier for AskForCertificate {
    /// Returns no names: a device chooses its certificate by these names, and dmtap wants any that it has.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.is_required {
            self.judge.judge(certificate, chain, now)?;
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let ca = &self.judge.dmtap_ca;
        ca.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let ca = &self.judge.dmtap_ca;
        ca.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.dmtap_ca.supported_verify_schemes()
    }
}
