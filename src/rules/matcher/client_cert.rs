//! What must hold of the client certificate that the device presented.

use crate::flow::{ClientCertificate, Connection};
use crate::rules::glob::Glob;

/// A client certificate. An empty list asks nothing; without any, the device must have presented one.
#[derive(Clone, Debug, Default)]
pub struct ClientCertMatcher {
    /// Its subject, such as `CN=device, OU=contoso`.
    pub subject: Vec<Glob>,
    /// Its issuer.
    pub issuer: Vec<Glob>,
    /// Its serial number in hexadecimal.
    pub serial: Vec<Glob>,
    /// Its SHA-1 or SHA-256, in hexadecimal digits in upper case.
    pub thumbprint: Vec<Glob>,
    /// The names of the verdicts on it.
    pub verdict: Vec<&'static str>,
}

impl ClientCertMatcher {
    /// Whether it holds of the certificate of a connection.
    pub(super) fn holds(&self, connection: &Connection) -> bool {
        let tls = connection.tls.as_ref();
        tls.and_then(|tls| tls.client.as_deref())
            .is_some_and(|presented| self.holds_of(presented))
    }

    fn holds_of(&self, presented: &ClientCertificate) -> bool {
        let any = |patterns: &[Glob], texts: &[&str]| {
            let fits = |pattern: &Glob| texts.iter().any(|text| pattern.matches(text));
            patterns.is_empty() || patterns.iter().any(fits)
        };
        any(&self.subject, &[&presented.subject])
            && any(&self.issuer, &[&presented.issuer])
            && any(&self.serial, &[&presented.serial])
            && any(&self.thumbprint, &[&presented.sha1, &presented.sha256])
            && (self.verdict.is_empty() || self.verdict.contains(&presented.verdict.name()))
    }
}
