//! Certificates and certificate requests: the properties that people compare. Parsing is lenient: Windows puts `!` and
//! NUL into a PrintableString and signs with an OID that no current standard has (1.3.14.3.2.29).

use std::fmt::Write as _;

use x509_parser::asn1_rs::{Any, Class, FromBer, Tag};
use x509_parser::prelude::{
    AttributeTypeAndValue, FromDer, X509Certificate, X509CertificationRequest, X509Name,
};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// The properties of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The subject, such as `CN=device, OU=contoso`, in the order of the certificate. It may contain NUL.
    pub subject: String,
    /// The issuer, in the same form as the subject.
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// The first second of validity, in seconds since the Unix epoch.
    pub not_before: i64,
    /// The last second of validity, in seconds since the Unix epoch.
    pub not_after: i64,
    /// The SHA-1 of the certificate, 40 hexadecimal digits in upper case: Windows identifies certificates by it.
    pub thumbprint: String,
}

/// The properties of a certificate request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    /// The subject, as in [`Certificate::subject`].
    pub subject: String,
    /// Whether a PrintableString of the subject has characters that the type does not allow: strict servers refuse it.
    pub has_illegal_strings: bool,
    /// The kind of key, such as `RSA 2048`.
    pub key: String,
    /// The signature algorithm, such as `SHA-256 with RSA`, or its OID.
    pub signature: String,
}

impl Certificate {
    /// Parses a certificate in DER.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, read) = X509Certificate::from_der(der).ok()?;
        let validity = read.validity();
        Some(Self {
            subject: name(read.subject()),
            issuer: name(read.issuer()),
            serial: hex(read.raw_serial()),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            thumbprint: thumbprint(read.as_raw()),
        })
    }

    /// Parses the certificates in a signed message (PKCS#7), at most [`MOST_CERTIFICATES`]. Skips elements that do not
    /// parse as X.509 certificates.
    pub fn in_signed(cms: &[u8]) -> Vec<Self> {
        let mut certificates = Vec::new();
        let mut rest = signed_certificates(cms).unwrap_or_default();
        while let Ok((behind, _)) = Any::from_ber(rest)
            && certificates.len() < MOST_CERTIFICATES
        {
            certificates.extend(Self::read(&rest[..rest.len() - behind.len()]));
            rest = behind;
        }
        certificates
    }
}

impl CertificateRequest {
    /// Parses a request in DER (PKCS#10).
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, read) = X509CertificationRequest::from_der(der).ok()?;
        let info = &read.certification_request_info;
        Some(Self {
            subject: name(&info.subject),
            has_illegal_strings: info.subject.iter_attributes().any(is_illegal),
            key: key(&info.subject_pki),
            signature: algorithm(&read.signature_algorithm),
        })
    }

    /// Parses the request in a signed message (PKCS#7), as devices send it to renew their certificate.
    pub fn read_signed(cms: &[u8]) -> Option<Self> {
        Self::read(signed_content(cms)?)
    }
}

/// Returns the SHA-1 of a certificate in DER, 40 hexadecimal digits in upper case.
pub fn thumbprint(der: &[u8]) -> String {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref())
}

/// Returns the SHA-256 of a certificate or key in DER, 64 hexadecimal digits in upper case.
pub fn sha256(der: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der).as_ref())
}

/// Returns octets in hexadecimal, in upper case.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02X}");
        text
    })
}

/// Returns the attributes of a certificate's subject: types and values, in the order of the certificate.
pub fn subject_attributes(der: &[u8]) -> Option<Vec<(String, String)>> {
    let (_, read) = X509Certificate::from_der(der).ok()?;
    let attributes = read.subject().iter_attributes().map(|attribute| {
        let value = characters(attribute.attr_value());
        (known_type(&attribute.attr_type().to_id_string()), value)
    });
    Some(attributes.collect())
}

/// Whether an attribute is a PrintableString with characters that this type does not allow.
fn is_illegal(attribute: &AttributeTypeAndValue<'_>) -> bool {
    let value = attribute.attr_value();
    value.tag() == Tag::PrintableString && !is_printable_string(value.data)
}

/// Whether the type PrintableString allows all these characters (X.680 §41.4).
pub fn is_printable_string(characters: &[u8]) -> bool {
    let is_legal = |byte: &u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(byte);
    characters.iter().all(is_legal)
}

/// Returns a name as `CN=a, O=b`; ` + ` joins the values of a part with several.
fn name(name: &X509Name<'_>) -> String {
    let parts = name.iter_rdn().map(|part| {
        let values: Vec<String> = part.iter().map(attribute).collect();
        values.join(" + ")
    });
    let parts: Vec<String> = parts.collect();
    parts.join(", ")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let kind = known_type(&attribute.attr_type().to_id_string());
    format!("{kind}={}", characters(attribute.attr_value()))
}

/// Returns the type of a name's part as dmtap writes it, from its OID or one of its names.
pub(super) fn known_type(given: &str) -> String {
    let oid = given.strip_prefix("OID.").unwrap_or(given);
    let oid = OTHER_NAMES
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(oid))
        .map_or(oid, |(_, oid)| oid);
    let known = NAMES
        .iter()
        .find(|(known, name)| *known == oid || name.eq_ignore_ascii_case(oid));
    known.map_or_else(|| oid.to_owned(), |(_, name)| (*name).to_owned())
}

/// Returns the characters of a value, whatever its type allows.
pub(super) fn characters(value: &Any<'_>) -> String {
    let octets = value.data;
    match value.tag() {
        Tag::BmpString => {
            let pairs = octets.chunks_exact(2);
            let units = pairs.map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units)
                .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        Tag::T61String => octets.iter().copied().map(char::from).collect(),
        _ => String::from_utf8_lossy(octets).into_owned(),
    }
}

fn key(key: &SubjectPublicKeyInfo<'_>) -> String {
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("RSA {}", rsa.key_size()),
        Ok(PublicKey::EC(point)) => format!("EC {}", point.key_size()),
        _ => key.algorithm.algorithm.to_id_string(),
    }
}

fn algorithm(algorithm: &AlgorithmIdentifier<'_>) -> String {
    let oid = algorithm.algorithm.to_id_string();
    let known = ALGORITHMS.iter().find(|(known, _)| *known == oid);
    known.map_or(oid.clone(), |(_, name)| (*name).to_owned())
}

/// Returns `SignedData` of a ContentInfo (RFC 5652 §5.1) from `encapContentInfo` on.
fn signed(cms: &[u8]) -> Option<&[u8]> {
    let content_info = inside(cms, Tag::Sequence)?;
    let (explicit, _) = Any::from_ber(content_info).ok()?;
    let signed = inside(Any::from_ber(explicit).ok()?.1.data, Tag::Sequence)?;
    // Skips the version and the digest algorithms.
    let (rest, _) = Any::from_ber(signed).ok()?;
    let (rest, _) = Any::from_ber(rest).ok()?;
    Some(rest)
}

/// Returns `SignedData/certificates`, `[0] IMPLICIT`: the concatenated elements.
fn signed_certificates(cms: &[u8]) -> Option<&[u8]> {
    let (rest, _) = Any::from_ber(signed(cms)?).ok()?;
    let (_, certificates) = Any::from_ber(rest).ok()?;
    let is_set = certificates.class() == Class::ContextSpecific && certificates.tag() == Tag(0);
    is_set.then_some(certificates.data)
}

/// Returns `SignedData/encapContentInfo/eContent` (RFC 5652 §5.2).
fn signed_content(cms: &[u8]) -> Option<&[u8]> {
    let encapsulated = inside(signed(cms)?, Tag::Sequence)?;
    let (explicit, _) = Any::from_ber(encapsulated).ok()?;
    inside(Any::from_ber(explicit).ok()?.1.data, Tag::OctetString)
}

fn inside(octets: &[u8], tag: Tag) -> Option<&[u8]> {
    let (_, any) = Any::from_ber(octets).ok()?;
    (any.tag() == tag).then_some(any.data)
}

/// The common types of the parts of a name (RFC 4519).
const NAMES: [(&str, &str); 11] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// Other names for some of these types, in Windows, .NET and openssl.
const OTHER_NAMES: [(&str, &str); 5] = [
    ("E", "1.2.840.113549.1.9.1"),
    ("EMAIL", "1.2.840.113549.1.9.1"),
    ("S", "2.5.4.8"),
    ("T", "2.5.4.12"),
    ("USERID", "0.9.2342.19200300.100.1.1"),
];

const ALGORITHMS: [(&str, &str); 8] = [
    ("1.3.14.3.2.29", "SHA-1 with RSA (1.3.14.3.2.29)"),
    ("1.2.840.113549.1.1.5", "SHA-1 with RSA"),
    ("1.2.840.113549.1.1.10", "RSA-PSS"),
    ("1.2.840.113549.1.1.11", "SHA-256 with RSA"),
    ("1.2.840.113549.1.1.12", "SHA-384 with RSA"),
    ("1.2.840.113549.1.1.13", "SHA-512 with RSA"),
    ("1.2.840.10045.4.3.2", "ECDSA with SHA-256"),
    ("1.2.840.10045.4.3.3", "ECDSA with SHA-384"),
];

/// The most certificates parsed from one signed message.
const MOST_CERTIFICATES: usize = 16;
