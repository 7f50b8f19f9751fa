//! Certificates with a defect, to test whether devices notice it.

use std::time::Duration;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::sign::CertifiedKey;

use super::{Authority, CaError, DAY, VALID_BEFORE_ISSUE, alternative, ca_params, leaf_params};
use crate::flow::CertificateDefect;

impl Authority {
    /// Returns a certificate like that of [`Self::leaf`], but with one defect.
    ///
    /// # Errors
    /// [`CaError`] if a name is neither an IP address nor ASCII.
    pub fn defective_leaf(
        &self,
        names: &[&str],
        defect: CertificateDefect,
    ) -> Result<CertifiedKey, CaError> {
        let mut params = leaf_params(names)?;
        match defect {
            CertificateDefect::Expired => {
                // `not_before` is two days ago, so the certificate expired one day ago.
                params.not_after =
                    params.not_before + (VALID_BEFORE_ISSUE - Duration::from_secs(DAY));
                params.not_before -= Duration::from_secs(MONTH);
            }
            CertificateDefect::NotYetValid => {
                params.not_before += VALID_BEFORE_ISSUE + Duration::from_secs(MONTH);
                params.not_after = params.not_before + Duration::from_secs(MONTH);
            }
            CertificateDefect::WrongHost => params = wrong_host()?,
            CertificateDefect::WrongPurpose => {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }
            CertificateDefect::Untrusted => return self.by_a_stranger(&params),
            CertificateDefect::SelfSigned => {
                let certificate = params.self_signed(&self.leaf_key)?;
                return self.with_leaf_key(vec![certificate.der().clone()]);
            }
            CertificateDefect::Weak => return self.weak_leaf(&params),
        }
        let certificate = params.signed_by(&self.leaf_key, &self.issuer)?;
        self.with_chain(certificate.der().clone())
    }

    /// Signs with an unknown CA, whose certificate is not sent along.
    fn by_a_stranger(&self, params: &CertificateParams) -> Result<CertifiedKey, CaError> {
        let key = KeyPair::generate()?;
        let stranger = Issuer::new(ca_params()?, key);
        let certificate = params.signed_by(&self.leaf_key, &stranger)?;
        self.with_leaf_key(vec![certificate.der().clone()])
    }
}

/// Returns parameters for a name that no host has (RFC 6761 §6.4).
fn wrong_host() -> Result<CertificateParams, CaError> {
    let mut params = leaf_params(&[NO_HOST])?;
    params.subject_alt_names = vec![alternative(NO_HOST)?];
    Ok(params)
}

const NO_HOST: &str = "another-host.invalid";
const MONTH: u64 = 30 * DAY;
