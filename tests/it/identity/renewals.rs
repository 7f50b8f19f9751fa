//! Renewals: a request signed by the holder of the old certificate.

use dmtap::identity::Strings;
use dmtap::identity::{CertificateParts, CertificationRequest, SignedData, SignedRequest};

use super::*;

/// The server's certificate for dmtap's key.
fn old_certificate(ca: &EnrollmentCa) -> Vec<u8> {
    let csr = request(FORMS[1]);
    let csr = CertificationRequest::read(&csr).unwrap();
    issued(ca, &csr.with_key(own_key(), Strings::Kept).unwrap(), 7)
}

/// Renewals by openssl with this option: the device's certificate, and the messages.
fn by_openssl(folder: &Path, ca: &EnrollmentCa, options: &str) -> (Vec<u8>, Vec<u8>) {
    said(
        folder,
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out d.key",
    );
    said(folder, "pkey -in d.key -pubout -outform DER -out d.pub");
    let key = std::fs::read(folder.join("d.pub")).unwrap();
    let server = old_certificate(ca);
    let parts = CertificateParts::read(&server).unwrap();
    let authority = authority(folder);
    let issuer = authority.issuer().unwrap();
    let device = parts.reissued(&key, &issuer, None).unwrap();
    write_pem(folder, "d.pem", &device);
    std::fs::write(folder.join("csr.der"), request(FORMS[0])).unwrap();
    said(
        folder,
        &format!(
            "cms -sign -binary -nodetach -signer d.pem -inkey d.key -in csr.der -outform DER -out r.der {options}"
        ),
    );
    (device, std::fs::read(folder.join("r.der")).unwrap())
}

#[test]
fn a_renewal_is_signed_anew_with_the_old_key_of_dmtap_and_openssl_verifies_it() {
    for options in [
        "-md sha256",
        "-md sha1",
        "-md sha512 -noattr",
        "-md sha384 -nosmimecap",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (folder, ca) = (folder.path(), server_ca());
        let (device, renewal) = by_openssl(folder, &ca, options);
        let read = SignedRequest::read(&renewal).unwrap();
        assert_eq!(read.certificate(), device, "{options}");
        assert_eq!(read.request(), request(FORMS[0]), "{options}");
        let inside = CertificationRequest::read(read.request()).unwrap();
        let request = inside.with_key(own_key(), Strings::Kept).unwrap();
        let server = old_certificate(&ca);
        let made = read.anew(&request, &server, own_key()).unwrap();
        write_pem(folder, "ca.pem", ca.certificate());
        std::fs::write(folder.join("made.der"), &made).unwrap();
        said(
            folder,
            "cms -verify -binary -inform DER -in made.der -CAfile ca.pem -purpose any -no_check_time -out out.der",
        );
        assert_eq!(std::fs::read(folder.join("out.der")).unwrap(), request);
        let again = SignedRequest::read(&made).unwrap();
        assert_eq!(again.certificate(), server);
        let text = said(folder, "cms -cmsout -print -inform DER -in made.der");
        let digest = match options {
            "-md sha1" => "sha256",
            options => &options[4..10],
        };
        assert!(text.contains(&format!("algorithm: {digest}")), "{text}");
        assert_eq!(text.contains("signingTime"), !options.contains("noattr"));
    }
}

#[test]
fn a_renewal_of_the_simulated_device_verifies_too() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, ca) = (folder.path(), server_ca());
    let csr = request(FORMS[0]);
    let certificate = issued(&ca, &csr, 9);
    let key = device_key();
    let made = SignedData::around(&csr, &certificate, &*key).unwrap();
    write_pem(folder, "ca.pem", ca.certificate());
    std::fs::write(folder.join("made.der"), &made).unwrap();
    said(
        folder,
        "cms -verify -binary -inform DER -in made.der -CAfile ca.pem -purpose any -no_check_time -out out.der",
    );
    assert_eq!(std::fs::read(folder.join("out.der")).unwrap(), csr);
}

#[test]
fn a_renewal_that_was_changed_or_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, ca) = (folder.path(), server_ca());
    let (_, renewal) = by_openssl(folder, &ca, "-md sha256");
    let wrong = "the renewal: its signature is wrong";
    let csr = request(FORMS[0]);
    let at = renewal
        .windows(csr.len())
        .position(|part| part == csr)
        .unwrap();
    for at in [at + 40, renewal.len() - 1] {
        let mut changed = renewal.clone();
        changed[at] ^= 1;
        let refused = SignedRequest::read(&changed).unwrap_err().to_string();
        assert_eq!(refused, wrong, "{at}");
    }
    for length in (0..renewal.len()).step_by(11) {
        assert!(SignedRequest::read(&renewal[..length]).is_err());
    }
    said(
        folder,
        "cms -sign -binary -nodetach -nocerts -signer d.pem -inkey d.key -in csr.der -outform DER -out bare.der",
    );
    let bare = std::fs::read(folder.join("bare.der")).unwrap();
    let refused = SignedRequest::read(&bare).unwrap_err().to_string();
    assert!(refused.contains("certificate of its signer"), "{refused}");
    let refused = SignedRequest::read(&[0x30; 200_000])
        .unwrap_err()
        .to_string();
    assert_eq!(refused, "the renewal has more than 131072 bytes");
}
