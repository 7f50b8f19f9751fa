//! Signed messages with one signer (CMS SignedData, RFC 5652 §5), as bytes.

use der::asn1::{ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode, Tag, TagNumber};

use super::CertificateError;
use super::der_bytes::{self, Elements, context};
use super::signature::{self, Digest, RSA, Signer, SigningScheme, with_null};

/// A signed message, with its signer and signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedData {
    /// An OID in DER.
    content_type: Vec<u8>,
    /// The signed content, if the message contains it.
    content: Option<Vec<u8>>,
    certificates: Vec<Vec<u8>>,
    /// The issuer and serial number of the signer's certificate: a SEQUENCE in DER.
    signer: Vec<u8>,
    digest: Digest,
    /// The signed attributes, each in DER; without them the signature is over the content itself.
    attributes: Option<Vec<Vec<u8>>>,
    /// An AlgorithmIdentifier in DER.
    algorithm: Vec<u8>,
    signature: Vec<u8>,
}

/// The reason why a signature is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The content differs from the signed one.
    #[error("it is over another body than that of the message")]
    Body,
    /// The signature was made with another key.
    #[error("it is not made with the key of the certificate that it names")]
    Key,
}

impl SignedData {
    /// Parses a signed message.
    ///
    /// # Errors
    /// The message is not a SignedData with one signer, or its digest algorithm is unknown.
    pub fn read(der: &[u8]) -> der::Result<Self> {
        let mut info = Elements::of(der)?;
        info.next()?;
        let mut data = Elements::of(der_bytes::content(info.next()?)?)?;
        let [_version, _digests] = [data.next()?, data.next()?];
        let mut encapsulated = Elements::of(data.next()?)?;
        let content_type = encapsulated.next()?.to_vec();
        let content = encapsulated.next_if(context(TagNumber::N0));
        let content = content.map(|explicit| {
            let inside = der_bytes::content(explicit)?;
            Ok::<_, der::Error>(match OctetStringRef::from_der(inside) {
                Ok(octets) => octets.as_bytes().to_vec(),
                Err(_) => inside.to_vec(),
            })
        });
        let mut certificates = Vec::new();
        if let Some(set) = data.next_if(context(TagNumber::N0)) {
            let mut set = Elements::with_tag(set, context(TagNumber::N0))?;
            while !set.rest().is_empty() && certificates.len() < MOST_CERTIFICATES {
                certificates.push(set.next()?.to_vec());
            }
        }
        data.next_if(context(TagNumber::N1));
        let mut signers = Elements::with_tag(data.next()?, Tag::Set)?;
        let mut signer = Elements::of(signers.next()?)?;
        if !signers.rest().is_empty() {
            return Err(Tag::Set.value_error());
        }
        let [_version, name, digest] = [signer.next()?, signer.next()?, signer.next()?];
        let attributes = signer.next_if(context(TagNumber::N0));
        let attributes = attributes.map(|set| {
            let mut set = Elements::with_tag(set, context(TagNumber::N0))?;
            let mut attributes = Vec::new();
            while !set.rest().is_empty() {
                attributes.push(set.next()?.to_vec());
            }
            Ok::<_, der::Error>(attributes)
        });
        let [algorithm, signature] = [signer.next()?, signer.next()?];
        let digest = Digest::of_oid(oid(digest)?);
        let digest = digest.ok_or_else(|| Tag::ObjectIdentifier.value_error())?;
        Ok(Self {
            content_type,
            content: content.transpose()?,
            certificates,
            signer: name.to_vec(),
            digest,
            attributes: attributes.transpose()?,
            algorithm: match oid(algorithm)? {
                // The OID names only the key type; the digest has its own field.
                RSA => digest.rsa_algorithm()?,
                _ => algorithm.to_vec(),
            },
            signature: der_bytes::content(signature)?.to_vec(),
        })
    }

    /// Returns the signed content, if the message contains it.
    pub fn content(&self) -> Option<&[u8]> {
        self.content.as_deref()
    }

    /// Returns the issuer and serial number of the signer's certificate: a SEQUENCE in DER.
    pub fn signer(&self) -> &[u8] {
        &self.signer
    }

    /// Returns the signer's certificate, if the message contains it. If the signer is named by its key, the only
    /// certificate is taken.
    pub fn certificate(&self) -> Option<&[u8]> {
        let is_signer = |der: &&Vec<u8>| name_of(der).is_some_and(|name| name == self.signer);
        let named = self.certificates.iter().find(is_signer);
        let by_key = self.signer.first() != Some(&SEQUENCE);
        let alone = self.certificates.first();
        let alone = alone.filter(|_| by_key && self.certificates.len() == 1);
        named.or(alone).map(|der| &**der)
    }

    /// Checks that the holder of this key, a SubjectPublicKeyInfo in DER, signed this content.
    ///
    /// # Errors
    /// [`Mismatch`].
    pub fn check(&self, public_key: &[u8], content: &[u8]) -> Result<(), Mismatch> {
        let set = match &self.attributes {
            None => None,
            Some(attributes) => {
                let mut attributes_found = attributes.iter().filter_map(|it| message_digest(it));
                let expected = attributes_found.next().ok_or(Mismatch::Body)?;
                if self.digest.hash(content) != expected {
                    return Err(Mismatch::Body);
                }
                // The signature is over the attributes with the tag of a SET (RFC 5652 §5.4).
                Some(set_of(Tag::Set, attributes).map_err(|_| Mismatch::Body)?)
            }
        };
        let signed = set.as_deref().unwrap_or(content);
        signature::verify(&self.algorithm, public_key, signed, &self.signature)
            .map(drop)
            .map_err(|_| Mismatch::Key)
    }

    /// Signs other content with the key of another certificate, in the same form. The attributes stay, except for the
    /// hash and the signer's public key; so does the digest, but SHA-256 replaces SHA-1.
    ///
    /// # Errors
    /// The key cannot sign, or a part is too long for DER.
    pub fn anew(
        &self,
        content: &[u8],
        old_key: &[u8],
        certificate: &[u8],
        signer: &dyn Signer,
    ) -> Result<Vec<u8>, CertificateError> {
        let attributes = self.attributes.as_ref().map(|attributes| {
            let others = attributes.iter().filter(|it| message_digest(it).is_none());
            let others = others.map(|it| with_key(it, old_key, signer.public_key()));
            others.collect()
        });
        let form = Form {
            content_type: &self.content_type,
            is_attached: self.content.is_some(),
            has_certificate: !self.certificates.is_empty(),
            digest: self.digest,
            attributes,
        };
        form.signed(content, certificate, signer)
    }

    /// Signs content like a renewal from Windows: with the content and the certificate inside.
    ///
    /// # Errors
    /// The key cannot sign, or a part is too long for DER.
    pub fn around(
        content: &[u8],
        certificate: &[u8],
        signer: &dyn Signer,
    ) -> Result<Vec<u8>, CertificateError> {
        let data = DATA.to_der()?;
        let content_type = attribute(CONTENT_TYPE, &data)?;
        let form = Form {
            content_type: &data,
            is_attached: true,
            has_certificate: true,
            digest: Digest::Sha256,
            attributes: Some(vec![content_type]),
        };
        form.signed(content, certificate, signer)
    }
}

/// The parts of a signed message, except for the signature.
struct Form<'a> {
    content_type: &'a [u8],
    is_attached: bool,
    has_certificate: bool,
    digest: Digest,
    /// The signed attributes without the hash.
    attributes: Option<Vec<Vec<u8>>>,
}

impl Form<'_> {
    fn signed(
        self,
        content: &[u8],
        certificate: &[u8],
        signer: &dyn Signer,
    ) -> Result<Vec<u8>, CertificateError> {
        let scheme = SigningScheme::of_key(signer.public_key(), self.digest)?;
        let digest = scheme.digest();
        let digest_algorithm = with_null(digest.oid())?;
        let algorithm = match scheme {
            // The digest has its own field.
            SigningScheme::Pkcs1(_) => with_null(RSA)?,
            _ => scheme.algorithm()?,
        };
        let (tagged, signature) = match self.attributes {
            None => (Vec::new(), signer.sign(scheme, content)?),
            Some(mut attributes) => {
                let hash = OctetStringRef::new(&digest.hash(content))?.to_der()?;
                attributes.push(attribute(MESSAGE_DIGEST, &hash)?);
                // X.690 §11.6: the elements of a SET OF are sorted.
                attributes.sort();
                let tagged = set_of(context(TagNumber::N0), &attributes)?;
                let signature = signer.sign(scheme, &set_of(Tag::Set, &attributes)?)?;
                (tagged, signature)
            }
        };
        let name = name_of(certificate).ok_or_else(|| Tag::Sequence.value_error())?;
        let signature = OctetStringRef::new(&signature)?.to_der()?;
        let parts = [
            VERSION_1,
            &name,
            &digest_algorithm,
            &tagged,
            &algorithm,
            &signature,
        ];
        let info = der_bytes::around(Tag::Sequence, &parts)?;
        let explicit = match self.is_attached {
            true => {
                let octets = OctetStringRef::new(content)?.to_der()?;
                der_bytes::around(context(TagNumber::N0), &[&octets])?
            }
            false => Vec::new(),
        };
        let encapsulated = der_bytes::around(Tag::Sequence, &[self.content_type, &explicit])?;
        let certificates = match self.has_certificate {
            true => der_bytes::around(context(TagNumber::N0), &[certificate])?,
            false => Vec::new(),
        };
        let digests = der_bytes::around(Tag::Set, &[&digest_algorithm])?;
        let infos = der_bytes::around(Tag::Set, &[&info])?;
        let parts = [VERSION_1, &digests, &encapsulated, &certificates, &infos];
        let data = der_bytes::around(Tag::Sequence, &parts)?;
        let data = der_bytes::around(context(TagNumber::N0), &[&data])?;
        Ok(der_bytes::around(
            Tag::Sequence,
            &[&SIGNED_DATA.to_der()?, &data],
        )?)
    }
}

/// Returns the issuer and serial number of a certificate, in the form in which a signature names its signer.
pub fn name_of(certificate: &[u8]) -> Option<Vec<u8>> {
    let mut inside = Elements::of(Elements::of(certificate).ok()?.next().ok()?).ok()?;
    inside.next_if(context(TagNumber::N0));
    let [serial, _algorithm, issuer] = [
        inside.next().ok()?,
        inside.next().ok()?,
        inside.next().ok()?,
    ];
    der_bytes::around(Tag::Sequence, &[issuer, serial]).ok()
}

/// Returns the value of an attribute if it is messageDigest.
fn message_digest(attribute: &[u8]) -> Option<&[u8]> {
    let mut attribute = Elements::of(attribute).ok()?;
    let name = ObjectIdentifier::from_der(attribute.next().ok()?).ok()?;
    let mut values = Elements::with_tag(attribute.next().ok()?, Tag::Set).ok()?;
    let value = values.next().ok()?;
    (name == MESSAGE_DIGEST).then(|| der_bytes::content(value).ok())?
}

fn attribute(oid: ObjectIdentifier, value: &[u8]) -> der::Result<Vec<u8>> {
    let values = der_bytes::around(Tag::Set, &[value])?;
    der_bytes::around(Tag::Sequence, &[&oid.to_der()?, &values])
}

/// Replaces a public key by another one of the same length in an attribute: signatures of the DMClient CSP cover the
/// device's key.
fn with_key(attribute: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut changed = attribute.to_vec();
    if let Some(at) = memchr::memmem::find(attribute, old).filter(|_| old.len() == new.len()) {
        changed[at..at + new.len()].copy_from_slice(new);
    }
    changed
}

fn set_of(tag: Tag, elements: &[Vec<u8>]) -> der::Result<Vec<u8>> {
    der_bytes::around(tag, &elements.iter().map(|it| &**it).collect::<Vec<_>>())
}

/// Returns the OID of an AlgorithmIdentifier.
fn oid(algorithm: &[u8]) -> der::Result<ObjectIdentifier> {
    ObjectIdentifier::from_der(Elements::of(algorithm)?.next()?)
}

const SEQUENCE: u8 = 0x30;
/// INTEGER 1.
const VERSION_1: &[u8] = &[0x02, 0x01, 0x01];
/// The most certificates of one message that are examined.
const MOST_CERTIFICATES: usize = 8;
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
