//! Conditions on the client certificate that the device presented.

use schemars::JsonSchema;
use serde::Deserialize;
use strum::IntoStaticStr;

use super::message::{any, any_glob};
use crate::flow::ClientCertificate;
use crate::rules::glob::Glob;
use crate::rules::value::Hexadecimal;

/// The conditions on a client certificate; without keys, every certificate matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    rename = "a client certificate",
    deny_unknown_fields,
    default,
    expecting = "client-cert = { subject = \"CN=*\" }"
)]
#[schemars(rename = "client-cert")]
pub struct ClientCertMatcher {
    /// The subject of the certificate, in the order of the certificate; `*` matches any characters.
    #[schemars(extend("examples" = ["CN=*, OU=contoso"]))]
    pub subject: Vec<Glob>,
    /// The issuer of the certificate; `*` matches any characters.
    #[schemars(extend("examples" = ["CN=dmtap CA *"]))]
    pub issuer: Vec<Glob>,
    /// The serial number of the certificate in hexadecimal; `*` matches any digits.
    #[schemars(extend("examples" = ["01F3"]))]
    pub serial: Vec<Hexadecimal>,
    /// The SHA-1 or SHA-256 hash of the certificate in hexadecimal; blanks and colons are ignored, `*` matches any digits.
    #[schemars(extend("examples" = ["5F:3C:*"]))]
    pub thumbprint: Vec<Hexadecimal>,
    /// The CA that vouches for the certificate: dmtap's own (`dmtap-ca`), one of `--client-ca` (`client-ca`), or none (`untrusted`).
    pub verdict: Vec<VerdictName>,
}

/// The verdict on a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[schemars(rename = "Verdict")]
pub enum VerdictName {
    DmtapCa,
    ClientCa,
    Untrusted,
}

impl ClientCertMatcher {
    pub(super) fn holds(&self, presented: &ClientCertificate) -> bool {
        let digests = [&presented.sha1, &presented.sha256];
        let is_serial = |asked: &Hexadecimal, serial: &&String| asked.0.matches(serial);
        let is_digest = |asked: &Hexadecimal| digests.iter().any(|digest| asked.0.matches(digest));
        any_glob(&self.subject, || Some(&presented.subject))
            && any_glob(&self.issuer, || Some(&presented.issuer))
            && any(&self.serial, || Some(&presented.serial), is_serial)
            && (self.thumbprint.is_empty() || self.thumbprint.iter().any(is_digest))
            && any(
                &self.verdict,
                || Some(presented.trust.name()),
                VerdictName::is,
            )
    }
}

impl VerdictName {
    fn is(&self, name: &&str) -> bool {
        <&str>::from(self) == *name
    }
}
