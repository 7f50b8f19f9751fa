//! The certificate of a device in a header field, for servers that read it from the proxy in front of them.

use std::fmt::Write as _;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::ca::pem_of;
use crate::dm::certificate::{self, Certificate};

/// The header field, and the form, in which device certificates are sent to servers (`--forward-client-cert`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardClientCert {
    form: Form,
    header: HeaderName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// RFC 9440: DER as a Byte Sequence, and the chain in a field of its own.
    Rfc9440,
    /// `$ssl_client_escaped_cert`: PEM, percent-encoded.
    Nginx,
    /// Envoy's XFCC.
    Xfcc,
    /// DER in base64.
    Der,
}

/// The forms with their names and their usual fields.
const FORMS: [(&str, Form, &str); 4] = [
    ("rfc9440", Form::Rfc9440, "client-cert"),
    ("nginx", Form::Nginx, "x-ssl-client-cert"),
    ("xfcc", Form::Xfcc, "x-forwarded-client-cert"),
    ("der", Form::Der, "x-client-cert"),
];

impl FromStr for ForwardClientCert {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, header) = match text.split_once('=') {
            Some((name, header)) => (name, Some(header)),
            None => (text, None),
        };
        let form = FORMS.iter().find(|(known, ..)| *known == name);
        let (_, form, usual) = form.ok_or("one of rfc9440, nginx, xfcc, der")?;
        let header = HeaderName::from_str(header.unwrap_or(usual))
            .map_err(|_| "what follows `=` is not the name of a header field")?;
        Ok(Self {
            form: *form,
            header,
        })
    }
}

impl ForwardClientCert {
    /// Whether a field of the device is removed, because it could be forged. Programs that read fields as CGI does
    /// treat `_` and `-` as the same.
    pub(super) fn removes(&self, name: &HeaderName) -> bool {
        let is = |own: &str| {
            let fold = |byte: u8| if byte == b'_' { b'-' } else { byte };
            own.bytes().map(fold).eq(name.as_str().bytes().map(fold))
        };
        is(self.header.as_str()) || self.form == Form::Rfc9440 && is(&self.chain_field())
    }

    /// Adds a certificate, with those between it and its root, to the header fields of a request.
    pub(super) fn add(&self, chain: &[impl AsRef<[u8]>], headers: &mut HeaderMap) {
        let chain: Vec<&[u8]> = chain.iter().map(AsRef::as_ref).collect();
        let Some((own, others)) = chain.split_first() else {
            return;
        };
        let value = match self.form {
            Form::Rfc9440 => byte_sequence(own),
            Form::Nginx => escaped_pem(own),
            Form::Xfcc => xfcc(own, others),
            Form::Der => STANDARD.encode(own),
        };
        let mut put = |name: HeaderName, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        put(self.header.clone(), value);
        if self.form == Form::Rfc9440
            && !others.is_empty()
            && let Ok(name) = HeaderName::try_from(self.chain_field())
        {
            let chain: Vec<String> = others.iter().map(|der| byte_sequence(der)).collect();
            put(name, chain.join(", "));
        }
    }

    fn chain_field(&self) -> String {
        format!("{}-chain", self.header)
    }
}

/// Returns DER as a Byte Sequence of structured fields (RFC 9651 §3.3.5).
fn byte_sequence(der: &[u8]) -> String {
    format!(":{}:", STANDARD.encode(der))
}

fn escaped_pem(der: &[u8]) -> String {
    utf8_percent_encode(&pem_of("CERTIFICATE", der), UNRESERVED).to_string()
}

fn xfcc(own: &[u8], others: &[&[u8]]) -> String {
    let hash = certificate::sha256(own).to_ascii_lowercase();
    let mut value = format!("Hash={hash};Cert=\"{}\"", escaped_pem(own));
    if !others.is_empty() {
        let chain = std::iter::once(own).chain(others.iter().copied());
        let chain: String = chain.map(escaped_pem).collect();
        // Writing to a String cannot fail.
        let _ = write!(value, ";Chain=\"{chain}\"");
    }
    let subject = Certificate::read(own).map_or_else(String::new, |read| read.subject);
    if subject.chars().all(|c| matches!(c, ' '..='~')) {
        let subject = subject.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = write!(value, ";Subject=\"{subject}\"");
    }
    value
}

/// All characters except those that URLs never encode (RFC 3986 §2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_its_field_and_forged_copies_go() {
        let chain = [b"leaf".as_slice(), b"ca"];
        let leaf = "-----BEGIN%20CERTIFICATE-----%0AbGVhZg%3D%3D%0A-----END%20CERTIFICATE-----%0A";
        let ca = "-----BEGIN%20CERTIFICATE-----%0AY2E%3D%0A-----END%20CERTIFICATE-----%0A";
        let check = |text: &str, expected: &[(&str, &str)]| {
            let forward: ForwardClientCert = text.parse().expect(text);
            let mut headers = HeaderMap::new();
            forward.add(&chain, &mut headers);
            let fields: Vec<_> = headers.iter().map(|(name, v)| (name.as_str(), v)).collect();
            assert_eq!(fields.len(), expected.len(), "{fields:?}");
            for (name, value) in expected {
                assert_eq!(headers[*name], *value, "{text}");
                for forged in [name.to_string(), name.replace('-', "_")] {
                    assert!(forward.removes(&forged.parse().expect("a name")));
                }
            }
            assert!(!forward.removes(&http::header::HOST));
        };
        check(
            "rfc9440",
            &[
                ("client-cert", ":bGVhZg==:"),
                ("client-cert-chain", ":Y2E=:"),
            ],
        );
        check("nginx", &[("x-ssl-client-cert", leaf)]);
        check("nginx=ssl-client-cert", &[("ssl-client-cert", leaf)]);
        check("der=X-ARR-ClientCert", &[("x-arr-clientcert", "bGVhZg==")]);
        let hash = certificate::sha256(b"leaf").to_ascii_lowercase();
        let xfcc = format!("Hash={hash};Cert=\"{leaf}\";Chain=\"{leaf}{ca}\";Subject=\"\"");
        check("xfcc", &[("x-forwarded-client-cert", &xfcc)]);
        assert!("pem".parse::<ForwardClientCert>().is_err());
        assert!("der=a b".parse::<ForwardClientCert>().is_err());
    }

    #[test]
    fn xfcc_has_the_subject_in_quotes() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let name = "a \"b\"";
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let certificate = params.self_signed(&key).expect("a certificate");
        let value = xfcc(certificate.der(), &[]);
        assert!(value.ends_with(";Subject=\"CN=a \\\"b\\\"\""), "{value}");
    }
}
