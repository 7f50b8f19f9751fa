//! Certificates: the CA of the enrolling server, and what it issues for requests that strict readers refuse.

use std::sync::Arc;
use std::time::Duration;

use der::asn1::{Any, BitString, ObjectIdentifier, OctetString, UtcTime, Utf8StringRef};
use der::{Decode, Encode};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::certificate::{Certificate, TbsCertificate, Version};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::request::CertReq;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};

use super::csr::SHA256_RSA;
use super::key::PrivateKey;
use crate::dm::distinguished_name::escaped;
use crate::identity::{CertificateError, Digest, Scheme, Signer as _, signature};

/// A request that was read, and whose signature is right.
#[derive(Clone, Debug)]
pub struct Requested {
    public_key: SubjectPublicKeyInfoOwned,
}

impl Requested {
    /// Reads a request leniently, as most servers do: of the name it matters only that there is one.
    ///
    /// # Errors
    /// Where it is no PKCS#10, has no subject, or is signed with another key.
    pub fn read(der: &[u8]) -> Result<Self, CertificateError> {
        let unreadable = CertificateError::about("the certificate request cannot be read");
        let request = CertReq::from_der(der).map_err(unreadable)?;
        if request.info.subject.is_empty() {
            let why = "the certificate request has no subject";
            return Err(CertificateError::new(why));
        }
        let checked = signature::verify(
            &request.algorithm.to_der().map_err(unreadable)?,
            &request.info.public_key.to_der().map_err(unreadable)?,
            &request.info.to_der().map_err(unreadable)?,
            request.signature.raw_bytes(),
        );
        checked.map_err(CertificateError::about("the certificate request"))?;
        Ok(Self {
            public_key: request.info.public_key,
        })
    }
}

/// The CA that signs the certificates of devices.
#[derive(Debug)]
pub struct EnrollmentCa {
    key: Arc<PrivateKey>,
    name: Name,
    certificate: Vec<u8>,
}

impl EnrollmentCa {
    /// A CA of this name and key, self-signed. `now` is the time since 1970.
    ///
    /// # Errors
    /// Where a name is too long for DER or the key does not sign.
    pub fn new(
        name: &str,
        key: Arc<PrivateKey>,
        serial: u64,
        now: Duration,
    ) -> Result<Self, CertificateError> {
        let name = RdnSequence(vec![rdn(COMMON_NAME, name)?]);
        let usage = KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign);
        let constraints = BasicConstraints {
            ca: true,
            path_len_constraint: Some(0),
        };
        let extensions = vec![
            extension(BASIC_CONSTRAINTS, true, &constraints)?,
            extension(KEY_USAGE, true, &usage)?,
        ];
        let public_key = SubjectPublicKeyInfoOwned::from_der(key.public_key())?;
        let mut ca = Self {
            key,
            name: name.clone(),
            certificate: Vec::new(),
        };
        ca.certificate = ca.sign(name, public_key, serial, CA_YEARS, now, extensions)?;
        Ok(ca)
    }

    /// The CA's own certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The common name and the serial number of a certificate, where this CA signed it and it is valid now.
    pub(super) fn verified(&self, der: &[u8], now: Duration) -> Option<(String, SerialNumber)> {
        let certificate = Certificate::from_der(der).ok()?;
        let tbs = &certificate.tbs_certificate;
        let algorithm = certificate.signature_algorithm.to_der().ok()?;
        let signature = certificate.signature.raw_bytes();
        let key = self.key.public_key();
        signature::verify(&algorithm, key, &tbs.to_der().ok()?, signature).ok()?;
        let time = |time: Time| time.to_unix_duration();
        let validity = time(tbs.validity.not_before)..=time(tbs.validity.not_after);
        let mut names = tbs.subject.0.iter().flat_map(|rdn| rdn.0.iter());
        let name = names.find(|name| name.oid == COMMON_NAME)?;
        let name = String::from_utf8(name.value.value().to_vec()).ok()?;
        let is_ours = tbs.issuer == self.name && validity.contains(&now);
        is_ours.then(|| (name, tbs.serial_number.clone()))
    }

    /// A certificate for the key of a request. The subject is the server's choice, as that of most servers is.
    ///
    /// # Errors
    /// Where the subject is too long for DER, or the key does not sign.
    pub fn issue(
        &self,
        requested: &Requested,
        subject: &str,
        serial: u64,
        now: Duration,
    ) -> Result<Vec<u8>, CertificateError> {
        let subject = RdnSequence(vec![
            rdn(ORGANIZATION, SUBJECT_ORGANIZATION)?,
            rdn(COMMON_NAME, subject)?,
        ]);
        let usage = KeyUsage(KeyUsages::DigitalSignature.into());
        let extensions = vec![
            extension(KEY_USAGE, true, &usage)?,
            extension(
                EXTENDED_KEY_USAGE,
                false,
                &ExtendedKeyUsage(vec![CLIENT_AUTH]),
            )?,
        ];
        let public_key = requested.public_key.clone();
        self.sign(subject, public_key, serial, DEVICE_YEARS, now, extensions)
    }

    fn sign(
        &self,
        subject: Name,
        public_key: SubjectPublicKeyInfoOwned,
        serial: u64,
        years: u32,
        now: Duration,
        extensions: Vec<Extension>,
    ) -> Result<Vec<u8>, CertificateError> {
        let time = |at: Duration| UtcTime::from_unix_duration(at).map(Time::UtcTime);
        let algorithm = AlgorithmIdentifierOwned {
            oid: SHA256_RSA,
            parameters: Some(Any::null()),
        };
        let tbs_certificate = TbsCertificate {
            version: Version::V3,
            serial_number: SerialNumber::from(serial),
            signature: algorithm.clone(),
            issuer: self.name.clone(),
            validity: Validity {
                // Clocks of devices are late.
                not_before: time(now.saturating_sub(BACKDATED))?,
                not_after: time(now + YEAR * years)?,
            },
            subject,
            subject_public_key_info: public_key,
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: Some(extensions),
        };
        let signature = self
            .key
            .sign(Scheme::Pkcs1(Digest::Sha256), &tbs_certificate.to_der()?)?;
        let certificate = Certificate {
            tbs_certificate,
            signature_algorithm: algorithm,
            signature: BitString::from_bytes(&signature)?,
        };
        Ok(certificate.to_der()?)
    }
}

/// The subject that the server issues for a common name, as search criteria spell it.
pub(super) fn subject_text(common_name: &str) -> String {
    format!("CN={},O={SUBJECT_ORGANIZATION}", escaped(common_name))
}

fn rdn(oid: ObjectIdentifier, text: &str) -> der::Result<RelativeDistinguishedName> {
    let value = Any::encode_from(&Utf8StringRef::new(text)?)?;
    RelativeDistinguishedName::try_from(vec![AttributeTypeAndValue { oid, value }])
}

fn extension(oid: ObjectIdentifier, critical: bool, value: &impl Encode) -> der::Result<Extension> {
    Ok(Extension {
        extn_id: oid,
        critical,
        extn_value: OctetString::new(value.to_der()?)?,
    })
}

const SUBJECT_ORGANIZATION: &str = "dmtap simulated server";
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const CA_YEARS: u32 = 10;
const DEVICE_YEARS: u32 = 1;
const BACKDATED: Duration = Duration::from_secs(2 * 24 * 60 * 60);
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

#[cfg(test)]
mod tests {
    use super::super::csr::{CsrForm, request};
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::super::key::tests::key;
    use super::*;

    const NOW: Duration = Duration::from_secs(1_790_000_000);

    fn csr(form: CsrForm) -> Vec<u8> {
        request(
            form,
            "4D1B3A8C-5C0E-4F6B-9A77-0123456789AB",
            "0F1E2D3C",
            &key(0),
        )
        .unwrap()
    }

    #[test]
    fn requests_of_both_windows_are_read_and_a_changed_one_is_refused() {
        for form in [CsrForm::Windows10, CsrForm::Windows11] {
            let mut der = csr(form);
            let requested = Requested::read(&der).unwrap();
            let public_key = requested.public_key.to_der().unwrap();
            assert_eq!(public_key, key(0).public_key(), "{form:?}");
            let at = der.len() - 300;
            der[at] ^= 1;
            assert!(Requested::read(&der).is_err(), "{form:?}: byte {at}");
        }
    }

    #[test]
    fn the_certificate_is_for_the_key_of_the_request_and_signed_by_the_ca() {
        let ca = EnrollmentCa::new("A CA", key(1), 1, NOW).unwrap();
        let requested = Requested::read(&csr(CsrForm::Windows10)).unwrap();
        let issued = ca.issue(&requested, "device", 7, NOW).unwrap();
        let read = Certificate::from_der(&issued).unwrap();
        let tbs = &read.tbs_certificate;
        let public_key = tbs.subject_public_key_info.to_der().unwrap();
        assert_eq!(public_key, key(0).public_key());
        assert_eq!(tbs.subject.to_string(), subject_text("device"));
        assert_eq!(tbs.serial_number, SerialNumber::from(7u64));
        let signed =
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key(1).public_key().to_vec());
        let signature = read.signature.raw_bytes();
        assert!(signed.verify(&tbs.to_der().unwrap(), signature).is_ok());
        assert_eq!(
            issued,
            ca.issue(&requested, "device", 7, NOW).unwrap(),
            "no randomness"
        );
    }
}
