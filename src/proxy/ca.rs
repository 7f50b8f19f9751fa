//! dmtap's own certificate authority. It is created once per installation, in mitmproxy's file layout.

mod defect;
mod device;
mod weak;

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::pem_file;
use super::tls::provider;
use crate::error_text;

/// The authority that signs the certificates for devices. Its key never leaves this type.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    intermediates: Vec<CertificateDer<'static>>,
    leaf_key: KeyPair,
    certificate_file: PathBuf,
}

impl Authority {
    /// Loads the authority from a configuration directory, or creates it at the first start.
    ///
    /// # Errors
    /// [`CaError`] if the directory cannot be written, or its files are broken or do not belong together.
    pub fn load_or_create(confdir: &Path) -> Result<Self, CaError> {
        let files = Files::of(confdir);
        if !files.secret.exists() {
            files.create()?;
        }
        let secret = pem_file::read(&files.secret).map_err(|e| CaError::io(&files.secret, e))?;
        warn_if_readable(&files.secret, "private key");
        let authority = Self::parse(&secret, &files)?;
        files.publish(&authority.certificate)?;
        Ok(authority)
    }

    /// Returns the certificate to install on devices.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Returns the path of the PEM file with the certificate.
    pub fn certificate_file(&self) -> &Path {
        &self.certificate_file
    }

    /// Returns the certificate that devices must trust, in DER.
    pub fn certificate_der(&self) -> bytes::Bytes {
        bytes::Bytes::copy_from_slice(&self.certificate)
    }

    /// Returns the certificate that devices must trust, in PEM.
    pub fn certificate_pem(&self) -> bytes::Bytes {
        pem_of(&self.certificate).into_bytes().into()
    }

    /// Returns a warning if others may look into the configuration directory.
    pub fn exposure(&self) -> Option<String> {
        let confdir = self.certificate_file.parent()?;
        let remedy = "others may look into this folder of the CA's key: chmod 700 it";
        is_open(confdir)
            .unwrap_or_default()
            .then(|| format!("warning: {}: {remedy}", confdir.display()))
    }

    /// Returns a certificate for names and IP addresses, with its key. The first name is the subject. Takes about 60
    /// µs.
    ///
    /// # Errors
    /// [`CaError`] if a name is neither an IP address nor ASCII.
    pub fn leaf(&self, names: &[&str]) -> Result<CertifiedKey, CaError> {
        let params = leaf_params(names)?;
        let certificate = params.signed_by(&self.leaf_key, &self.issuer)?;
        self.with_chain(certificate.der().clone())
    }

    /// Returns a certificate of this authority for the leaf key, with the certificates between it and the root.
    fn with_chain(&self, certificate: CertificateDer<'static>) -> Result<CertifiedKey, CaError> {
        let mut chain = vec![certificate];
        chain.extend(self.intermediates.iter().cloned());
        self.with_leaf_key(chain)
    }

    fn with_leaf_key(&self, chain: Vec<CertificateDer<'static>>) -> Result<CertifiedKey, CaError> {
        let key = PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der());
        let key = provider()
            .key_provider
            .load_private_key(PrivateKeyDer::Pkcs8(key))
            .map_err(CaError::Tls)?;
        Ok(CertifiedKey::new(chain, key))
    }

    fn parse(pem: &[u8], files: &Files) -> Result<Self, CaError> {
        let broken = |why: String| CaError::Broken {
            path: files.secret.clone(),
            why,
        };
        let text = std::str::from_utf8(pem).map_err(|_| broken("it is not text".into()))?;
        let mut chain = certificates(pem).map_err(&broken)?;
        if chain.is_empty() {
            return Err(broken("it holds no certificate".into()));
        }
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
            .map_err(|error| broken(no_key(&error)))?;
        let key = KeyPair::try_from(&key).map_err(|_| {
            broken("its private key is of a kind that dmtap does not sign with".into())
        })?;
        let certificate = chain.remove(0);
        check_pair(&certificate, &key).map_err(&broken)?;
        let self_signed = is_self_signed(&certificate);
        let mut intermediates = Vec::new();
        if !self_signed {
            intermediates.push(certificate.clone());
            intermediates.extend(chain.into_iter().filter(|c| !is_self_signed(c)));
        }
        Ok(Self {
            issuer: Issuer::from_ca_cert_der(&certificate, key)?,
            certificate,
            intermediates,
            leaf_key: KeyPair::generate()?,
            certificate_file: files.certificate.clone(),
        })
    }
}

/// The reason why the authority cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// A file or directory cannot be read or written.
    #[error("{path}: {why}", path = path.display(), why = error_text::io(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file does not have the expected content.
    #[error("{path}: {why}; restore it, or move all dmtap-ca files away to have a new CA made (and installed on devices)", path = path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The error, in words.
        why: String,
    },
    /// A certificate that the user gave cannot be used.
    #[error("{path}: {why}", path = path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The error, in words.
        why: String,
    },
    /// No certificate can be made for a name.
    #[error("no certificate can be made for the name `{0}`")]
    Name(String),
    /// Making a certificate failed.
    #[error("no certificate can be made with this key")]
    Make(#[from] rcgen::Error),
    /// TLS does not accept a key, or the system gives no random bytes.
    #[error("no TLS with this key, or no random bytes from the system")]
    Tls(rustls::Error),
}

impl CaError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// The files of a configuration directory.
struct Files {
    directory: PathBuf,
    secret: PathBuf,
    certificate: PathBuf,
    windows: PathBuf,
}

impl Files {
    fn of(confdir: &Path) -> Self {
        Self {
            directory: confdir.to_owned(),
            secret: confdir.join("dmtap-ca.pem"),
            certificate: confdir.join("dmtap-ca-cert.pem"),
            windows: confdir.join("dmtap-ca-cert.cer"),
        }
    }

    /// Creates a CA and writes its secret file. If another process was faster, its file stays.
    fn create(&self) -> Result<(), CaError> {
        if self.certificate.exists() {
            return Err(CaError::Broken {
                path: self.secret.clone(),
                why: format!("it is missing, but {} is there", self.certificate.display()),
            });
        }
        private_directory(&self.directory).map_err(|e| CaError::io(&self.directory, e))?;
        let key = KeyPair::generate()?;
        let certificate = ca_params()?.self_signed(&key)?;
        let pem = key.serialize_pem() + &certificate.pem();
        write_new(&self.secret, pem.as_bytes(), 0o600).map_err(|e| CaError::io(&self.secret, e))
    }

    /// Writes the public files if they are missing, and checks existing ones.
    fn publish(&self, certificate: &CertificateDer<'_>) -> Result<(), CaError> {
        for path in [&self.certificate, &self.windows] {
            let found = match pem_file::read(path) {
                Ok(found) => found,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    let pem = pem_of(certificate);
                    let written = write_new(path, pem.as_bytes(), 0o644);
                    written.map_err(|e| CaError::io(path, e))?;
                    continue;
                }
                Err(e) => return Err(CaError::io(path, e)),
            };
            let same = certificates(&found).is_ok_and(|c| c.first() == Some(certificate));
            if !same {
                return Err(CaError::Broken {
                    path: path.clone(),
                    why: format!(
                        "it does not hold the certificate of {}",
                        self.secret.display()
                    ),
                });
            }
        }
        Ok(())
    }
}

/// Returns the certificates of a PEM file, in order.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| {
            format!(
                "a certificate in it cannot be read: {}",
                error_text::pem(&error)
            )
        })
}

/// Returns the certificates of a PEM file, at least one.
///
/// # Errors
/// An error that names the file and the reason.
pub(super) fn certificates_in(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let pem = pem_file::read(file).map_err(|error| file_error(file, error_text::io(&error)))?;
    let found = certificates(&pem).map_err(|why| file_error(file, why))?;
    match found.is_empty() {
        true => Err(file_error(file, "it holds no certificate in PEM form")),
        false => Ok(found),
    }
}

/// Returns an error that names a file and the reason.
pub(super) fn file_error(file: &Path, why: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {why}", file.display()))
}

/// Says why a PEM file has no private key.
pub(super) fn no_key(error: &pem::Error) -> String {
    let why = match error {
        pem::Error::NoItemsFound => "there is none in it, or it is encrypted".into(),
        error => error_text::pem(error),
    };
    format!("no private key can be read from it: {why}")
}

fn check_pair(certificate: &CertificateDer<'_>, key: &KeyPair) -> Result<(), String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|_| "its certificate cannot be read as X.509 version 3")?;
    if !parsed.is_ca() {
        return Err("its certificate is not that of a CA".into());
    }
    if parsed.public_key().raw != key.subject_public_key_info() {
        return Err("its private key and its certificate do not belong together".into());
    }
    if !parsed.validity().is_valid() {
        return Err(format!(
            "its certificate is valid from {} to {} only",
            parsed.validity().not_before,
            parsed.validity().not_after
        ));
    }
    let left = parsed.validity().time_to_expiration();
    if left.is_some_and(|left| left.whole_days() < SHORTLY) {
        let until = parsed.validity().not_after;
        tracing::warn!("the certificate of the CA is valid until {until} only");
    }
    Ok(())
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    x509_parser::parse_x509_certificate(certificate)
        .is_ok_and(|(_, parsed)| parsed.subject() == parsed.issuer())
}

fn ca_params() -> Result<CertificateParams, CaError> {
    let mut params = dated(CA_DAYS);
    let mark: String = random::<4>()?.iter().map(|b| format!("{b:02x}")).collect();
    let name = &mut params.distinguished_name;
    name.push(DnType::OrganizationName, "dmtap");
    name.push(DnType::CommonName, format!("dmtap CA {mark}"));
    params.serial_number = Some(serial()?);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn leaf_params(names: &[&str]) -> Result<CertificateParams, CaError> {
    let mut params = dated(LEAF_DAYS);
    params.subject_alt_names = names
        .iter()
        .map(|name| alternative(name))
        .collect::<Result<_, _>>()?;
    // X.520: a common name has at most 64 characters. A longer name is only an alternative name.
    if let Some(name) = names.first().filter(|name| name.len() <= 64) {
        params.distinguished_name.push(DnType::CommonName, *name);
    }
    params.serial_number = Some(serial()?);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn alternative(name: &str) -> Result<SanType, CaError> {
    if let Ok(ip) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(ip));
    }
    let dns = name.try_into();
    Ok(SanType::DnsName(
        dns.map_err(|_| CaError::Name(name.into()))?,
    ))
}

/// Returns parameters with a validity of this many days, counted from the back-dated start.
fn dated(days: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let start = rcgen::date_time_ymd(1970, 1, 1) + (now.saturating_sub(VALID_BEFORE_ISSUE));
    params.not_before = start;
    params.not_after = start + Duration::from_secs(days * DAY);
    params
}

/// The days for which a CA should be valid at least.
const SHORTLY: i64 = 7;

/// Returns 16 random bytes as a positive number (RFC 5280 §4.1.2.2).
fn serial() -> Result<SerialNumber, CaError> {
    let mut bytes = random::<16>()?;
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn random<const N: usize>() -> Result<[u8; N], CaError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| CaError::Tls(rustls::Error::FailedToGetRandomBytes))?;
    Ok(bytes)
}

/// Returns a certificate in PEM.
pub(super) fn pem_of(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|&byte| char::from(byte)));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// Writes a file with this mode, completely or not at all. An existing file stays.
fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let draft = PathBuf::from(draft);
    let _ = fs::remove_file(&draft);
    let written = write_draft(&draft, content, mode).and_then(|()| {
        match fs::hard_link(&draft, path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // Not every file system has hard links.
            Err(_) => fs::rename(&draft, path),
            Ok(()) => Ok(()),
        }
    });
    // A key must not stay in a draft that nobody looks for, even if the disk is full.
    match fs::remove_file(&draft) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => written.and(Err(e)),
        _ => written,
    }
}

/// Writes a new file with this mode and syncs it to the disk. The file must not exist.
pub(super) fn write_draft(draft: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(draft)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Creates a folder that nobody else may look into, and its parents.
pub(super) fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Logs a warning if others may read a file with such a secret.
pub fn warn_if_readable(path: &Path, secret: &str) {
    if is_open(path).unwrap_or_default() {
        tracing::warn!(
            "{}: others may read this {secret}: chmod 600 it",
            path.display()
        );
    }
}

/// Whether others may read a file, or look into a folder. A user who may write into the CA's folder can replace the CA.
#[cfg(unix)]
pub(super) fn is_open(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
pub(super) fn is_open(_: &Path) -> io::Result<bool> {
    Ok(false)
}

const DAY: u64 = 24 * 60 * 60;
/// The time before now at which certificates become valid, for devices whose clock is slow.
const VALID_BEFORE_ISSUE: Duration = Duration::from_secs(2 * DAY);
/// The validity of the CA: ten years, counted from the back-dated start.
const CA_DAYS: u64 = 3650;
/// The validity of leaf certificates: below the limit of 200 days that browsers and operating systems set.
const LEAF_DAYS: u64 = 199;

#[cfg(test)]
mod tests;
