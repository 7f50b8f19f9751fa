//! The swap of client identities: requests, certificates and documents, judged by openssl.

mod attestation;
mod certificates;
mod documents;
mod renewals;
mod requests;
mod sessions;
mod store;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use dmtap::peer::enroll::{CsrForm, EnrollmentCa, PrivateKey, csr};
use dmtap::proxy::{Authority, OwnKey};

pub(crate) const NOW: Duration = Duration::from_secs(1_790_000_000);
const FORMS: [CsrForm; 2] = [CsrForm::Windows10, CsrForm::Windows11];

/// A device's key, made once.
fn device_key() -> Arc<PrivateKey> {
    static KEY: OnceLock<Arc<PrivateKey>> = OnceLock::new();
    KEY.get_or_init(|| Arc::new(private_key())).clone()
}

/// The key of the server's CA, made once.
fn ca_key() -> Arc<PrivateKey> {
    static KEY: OnceLock<Arc<PrivateKey>> = OnceLock::new();
    KEY.get_or_init(|| Arc::new(private_key())).clone()
}

/// dmtap's own key, made once.
fn own_key() -> &'static OwnKey {
    static KEY: OnceLock<OwnKey> = OnceLock::new();
    KEY.get_or_init(|| OwnKey::generate(dmtap::identity::KeyKind::Rsa(2048)).unwrap())
}

fn private_key() -> PrivateKey {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    PrivateKey::from_pkcs8(pkcs8.as_ref()).unwrap()
}

/// The request of a device.
fn request(form: CsrForm) -> Vec<u8> {
    let guid = "4D1B3A8C-5C0E-4F6B-9A77-0123456789AB";
    csr::request(
        form,
        guid,
        "0F1E2D3C4B5A69788796A5B4C3D2E1F0",
        &device_key(),
    )
    .unwrap()
}

fn server_ca() -> EnrollmentCa {
    EnrollmentCa::new("Server CA", ca_key(), 1, NOW).unwrap()
}

/// What the server issues for a request.
fn issued(ca: &EnrollmentCa, csr: &[u8], serial: u64) -> Vec<u8> {
    let requested = dmtap::identity::CertificationRequest::read(csr).unwrap();
    ca.issue(&requested, "device", serial, NOW).unwrap()
}

fn authority(folder: &Path) -> Authority {
    Authority::load_or_create(folder).unwrap()
}

/// Runs openssl in a folder.
fn openssl(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new("openssl");
    command.args(arguments.split_whitespace());
    command.current_dir(folder).output().unwrap()
}

/// The output of openssl, which must succeed.
fn said(folder: &Path, arguments: &str) -> String {
    let output = openssl(folder, arguments);
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "openssl {arguments}: {text}");
    text
}

/// A certificate in PEM.
fn write_pem(folder: &Path, name: &str, der: &[u8]) {
    std::fs::write(folder.join("a.der"), der).unwrap();
    said(folder, &format!("x509 -inform DER -in a.der -out {name}"));
}
