//! Texts for servers that refuse a connection because they lack a client certificate.

use std::fmt;

use rustls::AlertDescription;

/// The facts about a request that a server refused in this way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Refused {
    /// The server's host.
    pub(super) host: String,
    /// The name of the device for people.
    pub(super) device: String,
    /// The id of the identity that was presented.
    pub(super) identity: Option<String>,
    pub(super) reason: Reason,
}

/// The way in which a server refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The server asked for a client certificate and ended the connection; in TLS 1.3, after the handshake.
    Asked(Option<AlertDescription>),
    /// The server asked for nothing in the handshake, and reset the connection at the first request.
    ResetAtRequest,
}

impl Refused {
    /// Returns the remedy for a certificate that was presented.
    pub(in crate::proxy) fn help(&self) -> Option<String> {
        let is_presented = self.identity.is_some() && self.reason != Reason::ResetAtRequest;
        let host = &self.host;
        is_presented.then(|| {
            format!(
                "check the dates of the certificate and that {host} trusts its issuer, or give another with --client-certs"
            )
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, device, .. } = self;
        let alert = match self.reason {
            Reason::ResetAtRequest => {
                return write!(
                    f,
                    "the server reset the connection at the first request; {host} may ask for the certificate after \
                     the request (renegotiation), which current TLS libraries refuse; on IIS: netsh http update \
                     sslcert … clientcertnegotiation=enable"
                );
            }
            Reason::Asked(alert) => alert,
        };
        match &self.identity {
            None => write!(f, "{host} asks for a client certificate")?,
            Some(id) => write!(
                f,
                "{host} refuses the client certificate with the SHA-256 {id}"
            )?,
        }
        match alert {
            Some(alert) => write!(f, " (alert {})", u8::from(alert))?,
            None => write!(f, " and closes the connection without it")?,
        }
        match &self.identity {
            None => write!(
                f,
                ". dmtap has none for device {device}: enroll through dmtap with --swap-client-identity, give one with \
                 --client-certs, or pass this host untouched (a rule with tunnel)"
            ),
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_one_line_with_cause_and_remedy() {
        let check = |identity: Option<&str>, reason, expected: &str, help: Option<&str>| {
            let refused = Refused {
                host: "mdm.example.com".into(),
                device: "192.0.2.7".into(),
                identity: identity.map(str::to_owned),
                reason,
            };
            assert_eq!(refused.to_string(), expected);
            assert_eq!(refused.help().as_deref(), help);
        };
        check(
            None,
            Reason::Asked(Some(AlertDescription::CertificateRequired)),
            "mdm.example.com asks for a client certificate (alert 116). dmtap has none for device 192.0.2.7: \
             enroll through dmtap with --swap-client-identity, give one with --client-certs, or pass this host untouched (a rule with tunnel)",
            None,
        );
        check(
            Some("ab12"),
            Reason::Asked(Some(AlertDescription::BadCertificate)),
            "mdm.example.com refuses the client certificate with the SHA-256 ab12 (alert 42)",
            Some(
                "check the dates of the certificate and that mdm.example.com trusts its issuer, or give another with \
                 --client-certs",
            ),
        );
        check(
            None,
            Reason::ResetAtRequest,
            "the server reset the connection at the first request; mdm.example.com may ask for the certificate after \
             the request (renegotiation), which current TLS libraries refuse; on IIS: netsh http update sslcert … \
             clientcertnegotiation=enable",
            None,
        );
    }
}
