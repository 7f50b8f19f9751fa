//! A certificate whose key is too short: RSA with 1,024 bits, which devices must refuse and old devices accept.
//!
//! No cryptographic library signs with such a key any more, so dmtap signs with it itself, not in constant time: the
//! key is published below.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use num_bigint::BigUint;
use rcgen::{CertificateParams, PublicKeyData};
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};

use super::{Authority, CaError, random};

impl Authority {
    /// Returns a leaf certificate with the weak key, and the key for TLS.
    pub(super) fn weak_leaf(&self, params: &CertificateParams) -> Result<CertifiedKey, CaError> {
        let certificate = params.signed_by(&WeakKey::new(), &self.issuer)?;
        let mut chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        chain.extend(self.intermediates.iter().cloned());
        Ok(CertifiedKey::new(chain, Arc::new(WeakKey::new())))
    }
}

/// The weak key pair.
#[derive(Clone, Debug)]
struct WeakKey {
    /// RSAPublicKey (RFC 8017 §A.1.1).
    public: Vec<u8>,
}

impl WeakKey {
    fn new() -> Self {
        // SEQUENCE { INTEGER 00 modulus, INTEGER 65537 }
        let mut public = vec![0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00];
        public.extend(number(MODULUS).to_bytes_be());
        public.extend([0x02, 0x03, 0x01, 0x00, 0x01]);
        Self { public }
    }
}

impl PublicKeyData for WeakKey {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl SigningKey for WeakKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let schemes = [
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PKCS1_SHA256,
        ];
        let scheme = schemes
            .into_iter()
            .find(|scheme| offered.contains(scheme))?;
        Some(Box::new(WeakSigner(scheme)))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

#[derive(Debug)]
struct WeakSigner(SignatureScheme);

impl Signer for WeakSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let hash = sha256(message);
        let encoded = match self.0 {
            SignatureScheme::RSA_PSS_SHA256 => pss(&hash)?,
            _ => pkcs1(&hash),
        };
        let signature =
            BigUint::from_bytes_be(&encoded).modpow(&number(EXPONENT), &number(MODULUS));
        let signature = signature.to_bytes_be();
        Ok([vec![0; BYTES - signature.len()], signature].concat())
    }

    fn scheme(&self) -> SignatureScheme {
        self.0
    }
}

/// EMSA-PKCS1-v1_5 (RFC 8017 §9.2).
fn pkcs1(hash: &[u8]) -> Vec<u8> {
    let digest_info = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
        0x05, 0x00, 0x04, 0x20,
    ];
    let mut encoded = vec![0x00, 0x01];
    encoded.resize(BYTES - 1 - digest_info.len() - hash.len(), 0xff);
    encoded.push(0x00);
    encoded.extend(digest_info);
    encoded.extend(hash);
    encoded
}

/// EMSA-PSS with a salt as long as the hash (RFC 8017 §9.1.1, RFC 8446 §4.2.3).
fn pss(hash: &[u8]) -> Result<Vec<u8>, rustls::Error> {
    let salt = random::<32>().map_err(|_| rustls::Error::FailedToGetRandomBytes)?;
    let hash = sha256(&[&[0; 8], hash, &salt].concat());
    let mut block = vec![0; BYTES - hash.len() - 1 - salt.len() - 1];
    block.push(0x01);
    block.extend(salt);
    // MGF1 (RFC 8017 §B.2.1).
    for (counter, piece) in block.chunks_mut(hash.len()).enumerate() {
        let counter = (counter as u32).to_be_bytes();
        let mask = sha256(&[&hash[..], &counter].concat());
        for (byte, mask) in piece.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
    // The number must be smaller than the modulus.
    block[0] &= 0x7f;
    block.extend(hash);
    block.push(0xbc);
    Ok(block)
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

/// Parses a hexadecimal number in several lines.
fn number(hex: &str) -> BigUint {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    BigUint::parse_bytes(&digits, 16).unwrap_or_default()
}

const BYTES: usize = 128;

/// The modulus.
const MODULUS: &str = "ba54c9a81ce76988896ff8f1d8e1d0fbca878845495cf5f1aaa7aeda2007019c77408339a7b1fb37bca66ab3 \
     87b3931c8f43fb98beaf0499510bfe7c3bb8c170193a24cf9ffbd9ed0aafba4f99845e2965bb691abe761fad \
     178c83915555601501b2c789f561518cf0e75ff2375380b64b3301b357d8a086d853baa46b1780f5";

/// The private exponent. It is not a secret: a device that trusts a key of 1,024 bits trusts anybody.
const EXPONENT: &str = "390434e8c25f75859838b13ea0150973e2d77235716b86beba6fb12b81dd62fad3eae3bcc2b9cd9b929881d2 \
     09d6434fdbeefb9013d94e58f3d9edb76a36f0c9acac1eb887d8da748ebbe050a868b3283f728819db93a692 \
     f79c8891e2024dd25252bb740043cf7e8e36fcd7a73ab968082eb7b2a14943bc58c806af0011cf89";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_private_exponent_does_the_public_one_undoes() {
        let signer = WeakSigner(SignatureScheme::RSA_PKCS1_SHA256);
        let signature = BigUint::from_bytes_be(&signer.sign(b"message").unwrap());
        let opened = signature.modpow(&BigUint::from(65537_u32), &number(MODULUS));
        let expected = pkcs1(&sha256(b"message"));
        assert_eq!(opened, BigUint::from_bytes_be(&expected));
    }
}
