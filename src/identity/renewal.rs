//! Renewals (MS-MDE2 §3.6): a request for a certificate, signed with the key of the old one (CMS, RFC 5652 §5).

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedAttributes, SignedData, SignerIdentifier,
    SignerInfo, SignerInfos,
};
use der::asn1::{Any, ObjectIdentifier, OctetString, OctetStringRef, SetOfVec};
use der::{Decode, Encode};
use x509_cert::Certificate;
use x509_cert::attr::Attribute;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::signature::{self, Digest, RSA, Scheme, SignError, SignatureError, Signer};

/// A request that the holder of a certificate signed.
#[derive(Clone, Debug)]
pub struct SignedRequest {
    content_type: ObjectIdentifier,
    request: Vec<u8>,
    certificate: Vec<u8>,
    attributes: Option<SignedAttributes>,
    digest: Digest,
}

/// Why a renewal is not swapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenewalError {
    /// It is longer than any device's.
    #[error("the renewal has more than {MOST_BYTES} bytes")]
    TooLong,
    /// It is no SignedData.
    #[error("the renewal cannot be read: {0}")]
    Der(#[from] der::Error),
    /// It lacks a part, or has several.
    #[error("the renewal does not have exactly one {0}")]
    Lacks(&'static str),
    /// It proves nothing.
    #[error("the renewal: {0}")]
    Signature(#[from] SignatureError),
    /// It hashes with something that nobody uses.
    #[error("the renewal hashes with {0}, which dmtap does not know")]
    Digest(ObjectIdentifier),
    /// The key does not sign.
    #[error("the renewal cannot be signed: {0}")]
    Sign(#[from] SignError),
}

impl SignedRequest {
    /// Reads a renewal, and checks that the holder of the certificate in it signed it. Whose certificate it is, is
    /// another question.
    ///
    /// # Errors
    /// [`RenewalError`].
    pub fn read(der: &[u8]) -> Result<Self, RenewalError> {
        if der.len() > MOST_BYTES {
            return Err(RenewalError::TooLong);
        }
        let outer = ContentInfo::from_der(der)?;
        let data: SignedData = outer.content.decode_as()?;
        let signers = data.signer_infos.0.into_vec();
        let [signer] = <[SignerInfo; 1]>::try_from(signers).map_err(|_| LACKS_SIGNER)?;
        let content = data.encap_content_info.econtent;
        let content = content.ok_or(RenewalError::Lacks("request in it"))?;
        let request = match OctetStringRef::from_der(&content.to_der()?) {
            Ok(octets) => octets.as_bytes().to_vec(),
            Err(_) => content.to_der()?,
        };
        let certificates = data.certificates.map(|set| set.0.into_vec());
        let certificate = certificates
            .unwrap_or_default()
            .into_iter()
            .find_map(|choice| match choice {
                CertificateChoices::Certificate(found) => {
                    is_of(&found, &signer.sid).then_some(found)
                }
                CertificateChoices::Other(_) => None,
            })
            .ok_or(RenewalError::Lacks("certificate of its signer"))?;
        let digest = digest_of(signer.digest_alg.oid)?;
        let content_type = data.encap_content_info.econtent_type;
        let message = match &signer.signed_attrs {
            Some(attributes) => {
                let hash = OctetString::new(digest.hash(&request))?;
                let is_right = value(attributes, MESSAGE_DIGEST)? == Any::encode_from(&hash)?;
                is_right.then_some(()).ok_or(SignatureError::Wrong)?;
                attributes.to_der()?
            }
            None => request.clone(),
        };
        let algorithm = match signer.signature_algorithm.oid {
            RSA => digest.rsa_algorithm()?,
            _ => signer.signature_algorithm.to_der()?,
        };
        let key = certificate
            .tbs_certificate
            .subject_public_key_info
            .to_der()?;
        signature::verify(&algorithm, &key, &message, signer.signature.as_bytes())?;
        Ok(Self {
            content_type,
            request,
            certificate: certificate.to_der()?,
            attributes: signer.signed_attrs,
            digest,
        })
    }

    /// The certificate of who signed it, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The request in it: PKCS#10 in DER.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// The same around another request, signed with the key of another certificate: attributes are kept but for the
    /// hash, and so is the digest, SHA-256 in place of SHA-1.
    ///
    /// # Errors
    /// [`RenewalError`].
    pub fn anew(
        &self,
        request: &[u8],
        certificate: &[u8],
        signer: &dyn Signer,
    ) -> Result<Vec<u8>, RenewalError> {
        let digest = Scheme::of_key(signer.public_key(), self.digest)?.digest();
        let attributes = self.attributes.clone();
        let attributes = attributes.map(|attributes| with_hash(attributes, request, digest));
        let signed = Signing {
            content_type: self.content_type,
            digest,
            attributes: attributes.transpose()?,
        };
        signed.around(request, certificate, signer)
    }
}

/// A renewal as Windows makes it: the request signed with SHA-256 by the holder of `certificate`.
///
/// # Errors
/// [`RenewalError`].
pub fn signed(
    request: &[u8],
    certificate: &[u8],
    signer: &dyn Signer,
) -> Result<Vec<u8>, RenewalError> {
    let content_type = Attribute {
        oid: CONTENT_TYPE,
        values: SetOfVec::try_from(vec![Any::encode_from(&DATA)?])?,
    };
    let attributes = SetOfVec::try_from(vec![content_type])?;
    let digest = Scheme::of_key(signer.public_key(), Digest::Sha256)?.digest();
    let signed = Signing {
        content_type: DATA,
        digest,
        attributes: Some(with_hash(attributes, request, digest)?),
    };
    signed.around(request, certificate, signer)
}

/// What stands around a request.
struct Signing {
    content_type: ObjectIdentifier,
    digest: Digest,
    attributes: Option<SignedAttributes>,
}

impl Signing {
    fn around(
        self,
        request: &[u8],
        certificate: &[u8],
        signer: &dyn Signer,
    ) -> Result<Vec<u8>, RenewalError> {
        let message = match &self.attributes {
            Some(attributes) => attributes.to_der()?,
            None => request.to_vec(),
        };
        let certificate = Certificate::from_der(certificate)?;
        let names = &certificate.tbs_certificate;
        let with_null = |oid| AlgorithmIdentifierOwned {
            oid,
            parameters: Some(Any::null()),
        };
        let digest_alg = with_null(digest_oid(self.digest));
        let scheme = Scheme::of_key(signer.public_key(), self.digest)?;
        let signature_algorithm = match scheme {
            // The digest is named beside it.
            Scheme::Pkcs1(_) => with_null(RSA),
            _ => AlgorithmIdentifierOwned::from_der(&scheme.algorithm()?)?,
        };
        let signature = signer.sign(scheme, &message)?;
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: names.issuer.clone(),
                serial_number: names.serial_number.clone(),
            }),
            digest_alg: digest_alg.clone(),
            signed_attrs: self.attributes,
            signature_algorithm,
            signature: OctetString::new(signature)?,
            unsigned_attrs: None,
        };
        let content = OctetString::new(request)?;
        let choice = CertificateChoices::Certificate(certificate);
        let data = SignedData {
            version: CmsVersion::V1,
            digest_algorithms: SetOfVec::try_from(vec![digest_alg])?,
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: self.content_type,
                econtent: Some(Any::encode_from(&content)?),
            },
            certificates: Some(CertificateSet(SetOfVec::try_from(vec![choice])?)),
            crls: None,
            signer_infos: SignerInfos(SetOfVec::try_from(vec![signer])?),
        };
        let outer = ContentInfo {
            content_type: SIGNED_DATA,
            content: Any::encode_from(&data)?,
        };
        Ok(outer.to_der()?)
    }
}

/// Whether a certificate is the one that a signer names.
fn is_of(certificate: &Certificate, signer: &SignerIdentifier) -> bool {
    let names = &certificate.tbs_certificate;
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(named) => {
            named.issuer == names.issuer && named.serial_number == names.serial_number
        }
        // dmtap's certificates have no such extension.
        SignerIdentifier::SubjectKeyIdentifier(_) => false,
    }
}

/// The one value of an attribute.
fn value(attributes: &SignedAttributes, oid: ObjectIdentifier) -> Result<Any, RenewalError> {
    let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
    let value = found.next().and_then(|attribute| attribute.values.get(0));
    value.cloned().ok_or(RenewalError::Lacks("message digest"))
}

/// Attributes with the hash of another request.
fn with_hash(
    attributes: SignedAttributes,
    request: &[u8],
    digest: Digest,
) -> Result<SignedAttributes, RenewalError> {
    let hash = OctetString::new(digest.hash(request))?;
    let own = Attribute {
        oid: MESSAGE_DIGEST,
        values: SetOfVec::try_from(vec![Any::encode_from(&hash)?])?,
    };
    let others = attributes.into_vec().into_iter();
    let others = others.filter(|attribute| attribute.oid != MESSAGE_DIGEST);
    Ok(SetOfVec::try_from(others.chain([own]).collect::<Vec<_>>())?)
}

fn digest_of(oid: ObjectIdentifier) -> Result<Digest, RenewalError> {
    let all = [Digest::Sha1, Digest::Sha256, Digest::Sha384, Digest::Sha512];
    let found = all.into_iter().find(|digest| digest_oid(*digest) == oid);
    found.ok_or(RenewalError::Digest(oid))
}

fn digest_oid(digest: Digest) -> ObjectIdentifier {
    match digest {
        Digest::Sha1 => ObjectIdentifier::new_unwrap("1.3.14.3.2.26"),
        Digest::Sha256 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"),
        Digest::Sha384 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"),
        Digest::Sha512 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"),
    }
}

const LACKS_SIGNER: RenewalError = RenewalError::Lacks("signer");
/// The longest renewal, in bytes of DER.
const MOST_BYTES: usize = 128 << 10;
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
