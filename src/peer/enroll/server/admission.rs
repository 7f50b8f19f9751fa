//! Decides which certificates the server accepts, for management sessions and for renewals.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::answers::Fault;
use super::{EnrollServer, User};
use crate::dm::certificate::thumbprint;
use crate::dm::enrollment::RequestSecurityToken;
use crate::identity::SignedRequest;

/// The client certificate of a request's connection, DER. It is attached to the request as an extension.
#[derive(Clone, Debug)]
pub struct PresentedCertificate(pub Vec<u8>);

/// A grant of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The user.
    pub user: String,
    /// The name that the device gives itself.
    pub device: String,
    /// The SHA-1 of the certificate.
    pub thumbprint: String,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The time in which the certificate is valid, since 1970.
    pub(super) validity: RangeInclusive<Duration>,
    /// Whether a session began with the certificate.
    pub(super) is_used: bool,
}

impl EnrollServer {
    /// Checks whether a device may run a session on a connection with this certificate. It must be the last certificate
    /// that this server issued to the device. Until a session uses the last one, the one before is valid, too: an
    /// answer can be lost.
    ///
    /// # Errors
    /// Returns the reason as a text.
    pub fn admit(
        &mut self,
        shown: Option<&PresentedCertificate>,
        device: &str,
        now: Duration,
    ) -> Result<(), String> {
        let Some(PresentedCertificate(der)) = shown else {
            return Err("management sessions take a client certificate".into());
        };
        let own = thumbprint(der);
        let mut granted = self.granted.iter();
        let at = granted
            .position(|granted| granted.certificate == *der && granted.validity.contains(&now));
        let Some(at) = at else {
            return Err(format!(
                "the client certificate {own} is not by the CA of this server, or not valid now"
            ));
        };
        let name = &self.granted[at].device;
        if name != device {
            return Err(format!(
                "the client certificate {own} is for {name}, and the device is {device}"
            ));
        }
        let mut newer = granted.filter(|granted| granted.device == device);
        match (newer.next(), newer.next()) {
            (None, _) => self.granted[at].is_used = true,
            (Some(last), None) if !last.is_used => {}
            _ => {
                return Err(format!(
                    "the client certificate {own} is not the last that this server issued to {device}"
                ));
            }
        }
        Ok(())
    }

    /// Compares the certificate that a device reports with the one that it presents.
    ///
    /// # Errors
    /// Fails if they differ.
    pub fn compare(
        shown: &PresentedCertificate,
        values: &[(String, String)],
    ) -> Result<(), String> {
        let own = thumbprint(&shown.0);
        let mut reported = values.iter().filter(|(uri, _)| {
            let leaf = uri.rsplit('/').next().unwrap_or_default();
            leaf.eq_ignore_ascii_case("CertThumprint")
        });
        match reported.find(|(_, value)| !value.trim().eq_ignore_ascii_case(&own)) {
            None => Ok(()),
            Some((uri, value)) => Err(format!(
                "the device reports {value} in {uri}, and its client certificate is {own}"
            )),
        }
    }

    /// Returns the user whose certificate signed a renewal. The certificate must be valid for sessions, and TLS must
    /// present it, too.
    pub(super) fn holder(
        &mut self,
        signed: &SignedRequest,
        shown: Option<&PresentedCertificate>,
        asked: RequestSecurityToken<'_>,
        now: Duration,
    ) -> Result<User, Fault> {
        let refused = |why: String| Fault::of("s:Authentication", why);
        let device = asked.context("DeviceID").unwrap_or_default();
        self.admit(shown, &device, now).map_err(refused)?;
        let signer = thumbprint(signed.certificate());
        if shown.is_none_or(|shown| shown.0 != signed.certificate()) {
            return Err(refused(format!(
                "the renewal is signed with the certificate {signer}, and TLS shows another"
            )));
        }
        let mut granted = self.granted.iter();
        let granted = granted.find(|granted| granted.thumbprint == signer);
        let mut users = self.users.iter();
        let user = granted.and_then(|granted| users.find(|user| user.name == granted.user));
        user.cloned()
            .ok_or_else(|| refused(format!("{signer} is nobody's certificate")))
    }
}
