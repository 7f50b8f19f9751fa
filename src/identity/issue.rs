//! Certificates (RFC 5280): the parts of the server's, and the new one for the device's key that replaces it.

use der::asn1::{ObjectIdentifier, OctetString};
use der::{Decode, Encode, Tag, TagNumber};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};

use super::CertificateError;
use super::der_bytes::{self, Elements, context};
use super::signature::SignError;

/// The signer of device certificates: dmtap's CA.
pub struct Issuer<'a> {
    /// The subject: a Name in DER.
    pub name: Vec<u8>,
    /// The signature algorithm: an AlgorithmIdentifier in DER.
    pub algorithm: Vec<u8>,
    /// The function that signs a TBSCertificate.
    pub sign: Sign<'a>,
}

/// A function that signs octets.
pub type Sign<'a> = Box<dyn Fn(&[u8]) -> Result<Vec<u8>, SignError> + 'a>;

/// The parts of a certificate, as bytes.
#[derive(Clone, Debug)]
pub struct CertificateParts<'d> {
    serial: &'d [u8],
    algorithm: &'d [u8],
    validity: &'d [u8],
    subject: &'d [u8],
    public_key: &'d [u8],
    extensions: Vec<&'d [u8]>,
}

impl<'d> CertificateParts<'d> {
    /// Parses a certificate.
    ///
    /// # Errors
    /// The bytes are not a certificate.
    pub fn read(der: &'d [u8]) -> Result<Self, CertificateError> {
        Self::parts(der).map_err(CertificateError::about(UNREADABLE))
    }

    fn parts(der: &'d [u8]) -> der::Result<Self> {
        let certificate = Elements::of(der)?.next()?;
        let mut inside = Elements::of(certificate)?;
        inside.next_if(context(TagNumber::N0));
        let serial = inside.next()?;
        let [algorithm, _issuer] = [inside.next()?, inside.next()?];
        let [validity, subject, public_key] = [inside.next()?, inside.next()?, inside.next()?];
        let mut extensions = Vec::new();
        while !inside.rest().is_empty() {
            // Unique identifiers may precede them.
            let Some(explicit) = inside.next_if(context(TagNumber::N3)) else {
                inside.next()?;
                continue;
            };
            let mut list = Elements::of(der_bytes::content(explicit)?)?;
            while !list.rest().is_empty() {
                extensions.push(list.next()?);
            }
        }
        Ok(Self {
            serial,
            algorithm,
            validity,
            subject,
            public_key,
            extensions,
        })
    }

    /// Returns the key: a SubjectPublicKeyInfo in DER.
    pub fn public_key(&self) -> &'d [u8] {
        self.public_key
    }

    /// Returns the subject: a Name in DER.
    pub fn subject(&self) -> &'d [u8] {
        self.subject
    }

    /// Returns the algorithm of the signature: an AlgorithmIdentifier in DER.
    pub fn algorithm(&self) -> &'d [u8] {
        self.algorithm
    }

    /// Returns the serial number: an INTEGER in DER.
    pub fn serial(&self) -> &'d [u8] {
        self.serial
    }

    /// Issues a certificate for another key, with the subject, validity and extensions of this one, but without the
    /// extensions that refer to the CA of this one. The new certificate is for clients only, whatever this one is for,
    /// since devices also trust the issuer for servers. `serial` replaces the serial number if it is already in use.
    ///
    /// # Errors
    /// This certificate is one of a CA (dmtap's CA issues none to devices) or cannot be read, or the CA's key cannot
    /// sign.
    pub fn reissued(
        &self,
        public_key: &[u8],
        issuer: &Issuer<'_>,
        serial: Option<u128>,
    ) -> Result<Vec<u8>, CertificateError> {
        let unreadable = CertificateError::about(UNREADABLE);
        let to_be_signed = self.to_be_signed(public_key, issuer, serial);
        let to_be_signed = to_be_signed.map_err(unreadable)?.ok_or_else(|| {
            CertificateError::new("the certificate of the server is one of a CA, not of a device")
        })?;
        let signature = (issuer.sign)(&to_be_signed);
        let cannot_sign = CertificateError::about("dmtap's CA cannot sign a certificate");
        let signature = signature.map_err(cannot_sign)?;
        let signature = der_bytes::bit_string(&signature).map_err(unreadable)?;
        let certificate = [&to_be_signed[..], &issuer.algorithm, &signature];
        der_bytes::around(Tag::Sequence, &certificate).map_err(unreadable)
    }

    /// Returns the TBSCertificate; `None` for a certificate of a CA.
    fn to_be_signed(
        &self,
        public_key: &[u8],
        issuer: &Issuer<'_>,
        serial: Option<u128>,
    ) -> der::Result<Option<Vec<u8>>> {
        let serial = match serial {
            Some(number) => own_serial(number)?,
            None => self.serial.to_vec(),
        };
        let clients_only = for_clients_only()?;
        let mut kept: Vec<&[u8]> = Vec::new();
        let mut is_for_clients = false;
        for extension in &self.extensions {
            let read = Extension::from_der(extension)?;
            match read.extn_id {
                id if OF_CA.contains(&id) => continue,
                BASIC_CONSTRAINTS if is_of_authority(&read)? => return Ok(None),
                KEY_USAGE if signs_certificates(&read)? => return Ok(None),
                EXTENDED_KEY_USAGE => {
                    is_for_clients = serves_clients_only(&read)?;
                    if !is_for_clients {
                        continue;
                    }
                }
                _ => {}
            }
            kept.push(extension);
        }
        if !is_for_clients {
            kept.push(&clients_only);
        }
        let list = der_bytes::around(Tag::Sequence, &kept)?;
        let extensions = der_bytes::around(context(TagNumber::N3), &[&list])?;
        der_bytes::around(
            Tag::Sequence,
            &[
                VERSION_3,
                &serial,
                &issuer.algorithm,
                &issuer.name,
                self.validity,
                self.subject,
                public_key,
                &extensions,
            ],
        )
        .map(Some)
    }
}

const UNREADABLE: &str = "the certificate of the server cannot be read";

/// Returns a positive INTEGER of at most 16 octets.
fn own_serial(number: u128) -> der::Result<Vec<u8>> {
    let octets = (number >> 1).max(1).to_be_bytes();
    der::Encode::to_der(&der::asn1::UintRef::new(&octets)?)
}

fn is_of_authority(extension: &Extension) -> der::Result<bool> {
    Ok(BasicConstraints::from_der(extension.extn_value.as_bytes())?.ca)
}

fn signs_certificates(extension: &Extension) -> der::Result<bool> {
    Ok(KeyUsage::from_der(extension.extn_value.as_bytes())?.key_cert_sign())
}

/// Whether an extended key usage allows clients, but neither servers nor any purpose.
fn serves_clients_only(extension: &Extension) -> der::Result<bool> {
    let ExtendedKeyUsage(purposes) = ExtendedKeyUsage::from_der(extension.extn_value.as_bytes())?;
    let is_wide = |purpose: &ObjectIdentifier| [SERVER_AUTH, ANY_PURPOSE].contains(purpose);
    Ok(purposes.contains(&CLIENT_AUTH) && !purposes.iter().any(is_wide))
}

/// Returns an extended key usage for clients only, in DER.
fn for_clients_only() -> der::Result<Vec<u8>> {
    let purposes = ExtendedKeyUsage(vec![CLIENT_AUTH]).to_der()?;
    Extension {
        extn_id: EXTENDED_KEY_USAGE,
        critical: false,
        extn_value: OctetString::new(purposes)?,
    }
    .to_der()
}

/// RFC 5280 §4.2.1.3, §4.2.1.9, §4.2.1.12, and the purposes of extended key usage.
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// `[0] { INTEGER 2 }`: version 3.
const VERSION_3: &[u8] = &[0xa0, 0x03, 0x02, 0x01, 0x02];

/// The extensions that refer to the CA (RFC 5280 §4.2.1.1, §4.2.1.2, §4.2.1.13, §4.2.1.15, §4.2.2.1): identifiers of
/// keys, and the addresses of CRLs and of the CA.
const OF_CA: [ObjectIdentifier; 5] = [
    ObjectIdentifier::new_unwrap("2.5.29.35"),
    ObjectIdentifier::new_unwrap("2.5.29.14"),
    ObjectIdentifier::new_unwrap("2.5.29.31"),
    ObjectIdentifier::new_unwrap("2.5.29.46"),
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1"),
];
