//! What must hold of the client certificate that the device presented.

use schemars::JsonSchema;
use serde::Deserialize;
use strum::IntoStaticStr;

use super::message::{any, any_glob};
use crate::flow::ClientCertificate;
use crate::rules::glob::Glob;
use crate::rules::value::Hexadecimal;

/// A client certificate; without keys, any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    rename = "a client certificate",
    deny_unknown_fields,
    default,
    expecting = "client-cert = { subject = \"CN=*\" }"
)]
#[schemars(rename = "client-cert")]
pub struct ClientCertMatcher {
    /// Its subject in the order of the certificate; `*` matches any characters.
    #[schemars(extend("examples" = ["CN=*, OU=contoso"]))]
    pub subject: Vec<Glob>,
    /// Its issuer; `*` matches any characters.
    #[schemars(extend("examples" = ["CN=dmtap CA *"]))]
    pub issuer: Vec<Glob>,
    /// Its serial number in hexadecimal; `*` matches any digits.
    #[schemars(extend("examples" = ["01F3"]))]
    pub serial: Vec<Hexadecimal>,
    /// Its SHA-1 or SHA-256 in hexadecimal; blanks and colons are ignored, `*` matches any digits.
    #[schemars(extend("examples" = ["5F:3C:*"]))]
    pub thumbprint: Vec<Hexadecimal>,
    /// Who vouches for it: dmtap's CA, a CA of `--client-ca`, or nobody.
    pub verdict: Vec<Verdict>,
}

/// The judgement of a certificate, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Verdict {
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
                || Some(presented.verdict.name()),
                Verdict::is,
            )
    }
}

impl Verdict {
    fn is(&self, name: &&str) -> bool {
        <&str>::from(self) == *name
    }
}
