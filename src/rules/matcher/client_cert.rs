//! What must hold of the client certificate that the device presented.

use schemars::JsonSchema;
use serde::Deserialize;
use strum::IntoStaticStr;

use crate::flow::{ClientCertificate, Connection};
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
    pub(super) fn holds(&self, connection: &Connection) -> bool {
        let tls = connection.tls.as_ref();
        tls.and_then(|tls| tls.client.as_deref())
            .is_some_and(|presented| self.holds_of(presented))
    }

    fn holds_of(&self, presented: &ClientCertificate) -> bool {
        let bare = |digits: &[Hexadecimal]| -> Vec<Glob> {
            digits.iter().map(|digits| digits.0.clone()).collect()
        };
        let any = |patterns: &[Glob], texts: &[&str]| {
            let fits = |pattern: &Glob| texts.iter().any(|text| pattern.matches(text));
            patterns.is_empty() || patterns.iter().any(fits)
        };
        any(&self.subject, &[&presented.subject])
            && any(&self.issuer, &[&presented.issuer])
            && any(&bare(&self.serial), &[&presented.serial])
            && any(
                &bare(&self.thumbprint),
                &[&presented.sha1, &presented.sha256],
            )
            && (self.verdict.is_empty()
                || self
                    .verdict
                    .iter()
                    .any(|v| <&str>::from(v) == presented.verdict.name()))
    }
}
