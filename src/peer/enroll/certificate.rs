//! Certificates: the CA of the enrollment server, which issues certificates even for requests that strict parsers
//! refuse.

use std::sync::Arc;
use std::time::Duration;

use der::{Decode, Encode};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SubjectPublicKeyInfo,
};
use x509_cert::certificate::Certificate;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::ObjectIdentifier;
use x509_cert::time::Time;

use super::key::PrivateKey;
use crate::dm::distinguished_name::escaped;
use crate::identity::{CertificateError, CertificationRequest, signature};

/// The CA that signs the certificates of devices.
#[derive(Debug)]
pub struct EnrollmentCa {
    issuer: Issuer<'static, KeyPair>,
    certificate: Vec<u8>,
}

impl EnrollmentCa {
    /// Creates a self-signed CA with this name and key. `now` is the time since 1970.
    ///
    /// # Errors
    /// Fails if the key cannot sign.
    pub fn new(
        name: &str,
        key: Arc<PrivateKey>,
        serial: u64,
        now: Duration,
    ) -> Result<Self, CertificateError> {
        let key = KeyPair::try_from(key.pkcs8()).map_err(not_made)?;
        let mut params = params(&[(DnType::CommonName, name)], serial, CA_YEARS, now);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(not_made)?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate: certificate.der().to_vec(),
        })
    }

    /// Returns the CA's own certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Returns the common name and the serial number of a certificate if this CA signed it and it is valid now.
    pub(super) fn verified(&self, der: &[u8], now: Duration) -> Option<(String, SerialNumber)> {
        let own = Certificate::from_der(&self.certificate).ok()?;
        let own = own.tbs_certificate;
        let certificate = Certificate::from_der(der).ok()?;
        let tbs = &certificate.tbs_certificate;
        let algorithm = certificate.signature_algorithm.to_der().ok()?;
        let signature = certificate.signature.raw_bytes();
        let key = own.subject_public_key_info.to_der().ok()?;
        signature::verify(&algorithm, &key, &tbs.to_der().ok()?, signature).ok()?;
        let time = |time: Time| time.to_unix_duration();
        let validity = time(tbs.validity.not_before)..=time(tbs.validity.not_after);
        let mut names = tbs.subject.0.iter().flat_map(|rdn| rdn.0.iter());
        let name = names.find(|name| name.oid == COMMON_NAME)?;
        let name = String::from_utf8(name.value.value().to_vec()).ok()?;
        let is_ours = tbs.issuer == own.subject && validity.contains(&now);
        is_ours.then(|| (name, tbs.serial_number.clone()))
    }

    /// Issues a certificate for the key of a request. The server chooses the subject, as most servers do.
    ///
    /// # Errors
    /// Fails if the key of the request cannot be used.
    pub fn issue(
        &self,
        requested: &CertificationRequest<'_>,
        subject: &str,
        serial: u64,
        now: Duration,
    ) -> Result<Vec<u8>, CertificateError> {
        let names = [
            (DnType::OrganizationName, SUBJECT_ORGANIZATION),
            (DnType::CommonName, subject),
        ];
        let mut params = params(&names, serial, DEVICE_YEARS, now);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = SubjectPublicKeyInfo::from_der(requested.public_key()).map_err(not_made)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(not_made)?;
        Ok(certificate.der().to_vec())
    }
}

fn params(names: &[(DnType, &str)], serial: u64, years: u32, now: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for (kind, name) in names {
        params.distinguished_name.push(kind.clone(), *name);
    }
    params.serial_number = Some(serial.into());
    let start = rcgen::date_time_ymd(1970, 1, 1);
    // The clocks of devices may be slow.
    params.not_before = start + now.saturating_sub(BACKDATED);
    params.not_after = start + now + YEAR * years;
    params
}

fn not_made(error: rcgen::Error) -> CertificateError {
    CertificateError::new(format!("no certificate can be made: {error}"))
}

/// Returns the subject that the server issues for a common name, in the notation of search criteria.
pub(super) fn subject_text(common_name: &str) -> String {
    format!("CN={},O={SUBJECT_ORGANIZATION}", escaped(common_name))
}

const SUBJECT_ORGANIZATION: &str = "dmtap simulated server";
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const CA_YEARS: u32 = 10;
const DEVICE_YEARS: u32 = 1;
const BACKDATED: Duration = Duration::from_secs(2 * 24 * 60 * 60);
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

#[cfg(test)]
mod tests {
    use super::super::csr::{CsrForm, request};
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::super::key::tests::key;
    use super::*;
    use crate::identity::Signer as _;

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
            let requested = CertificationRequest::read(&der).unwrap();
            assert_eq!(requested.public_key(), key(0).public_key(), "{form:?}");
            let at = der.len() - 300;
            der[at] ^= 1;
            assert!(
                CertificationRequest::read(&der).is_err(),
                "{form:?}: byte {at}"
            );
        }
    }

    #[test]
    fn the_certificate_is_for_the_key_of_the_request_and_signed_by_the_ca() {
        let ca = EnrollmentCa::new("A CA", key(1), 1, NOW).unwrap();
        let csr = csr(CsrForm::Windows10);
        let requested = CertificationRequest::read(&csr).unwrap();
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
