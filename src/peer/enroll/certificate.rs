//! Certificates: the CA of the enrollment server, which issues certificates even for requests that strict parsers
//! refuse.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SubjectPublicKeyInfo,
};

use super::key::PrivateKey;
use crate::dm::distinguished_name::escaped;
use crate::identity::{CertificateError, CertificationRequest};

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
    let validity = validity(years, now);
    params.not_before = start + *validity.start();
    params.not_after = start + *validity.end();
    params
}

/// Returns the time in which a certificate made now is valid. It begins earlier: the clocks of devices may be slow.
fn validity(years: u32, now: Duration) -> RangeInclusive<Duration> {
    now.saturating_sub(BACKDATED)..=now + YEAR * years
}

/// Returns the time in which a certificate of a device is valid.
pub(super) fn validity_of_device(now: Duration) -> RangeInclusive<Duration> {
    validity(DEVICE_YEARS, now)
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

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use der::{Decode, Encode};
    use x509_cert::certificate::Certificate;
    use x509_cert::serial_number::SerialNumber;

    use super::super::csr::{CsrForm, request};

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
