//! Certificates for the device's key that have the content of the server's certificate.

use std::path::Path;

use dmtap::identity::Strings;
use dmtap::identity::{CertificateParts, CertificationRequest, Signer as _};

use super::*;

#[test]
fn both_chains_verify_as_those_of_tls_clients() {
    for form in FORMS {
        let folder = tempfile::tempdir().unwrap();
        let (folder, ca) = (folder.path(), server_ca());
        let authority = authority(folder);
        let csr = request(form);
        let csr = CertificationRequest::read(&csr).unwrap();
        let server = issued(&ca, &csr.with_key(own_key(), Strings::Kept).unwrap(), 7);
        let parts = CertificateParts::read(&server).unwrap();
        let issuer = authority.issuer().unwrap();
        let device = parts.reissued(csr.public_key(), &issuer, None).unwrap();
        write_pem(folder, "server.pem", &server);
        write_pem(folder, "device.pem", &device);
        write_pem(folder, "ca.pem", ca.certificate());
        let at = format!("-attime {}", NOW.as_secs());
        said(
            folder,
            &format!("verify -purpose sslclient {at} -CAfile ca.pem server.pem"),
        );
        said(
            folder,
            "verify -purpose sslclient -no_check_time -CAfile dmtap-ca-cert.pem device.pem",
        );
        for what in [
            "-subject",
            "-dates",
            "-serial",
            "-ext keyUsage,extendedKeyUsage",
        ] {
            let of = |name: &str| {
                said(
                    folder,
                    &format!("x509 -noout -nameopt RFC2253 {what} -in {name}"),
                )
            };
            assert_eq!(of("device.pem"), of("server.pem"), "{what}");
        }
        let key = |der: &[u8]| CertificateParts::read(der).unwrap().public_key().to_vec();
        assert_eq!(key(&device), device_key().public_key());
        assert_ne!(key(&device), key(&server));
    }
}

#[test]
fn extensions_are_kept_but_those_that_lead_to_the_ca_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let authority = authority(folder);
    let server = made_with_openssl(folder);
    let parts = CertificateParts::read(&server).unwrap();
    let issuer = authority.issuer().unwrap();
    let key = device_key();
    let device = parts.reissued(key.public_key(), &issuer, None).unwrap();
    write_pem(folder, "device.pem", &device);
    write_pem(folder, "server.pem", &server);
    let of = |name: &str| {
        said(
            folder,
            &format!(
                "x509 -noout -text -certopt no_pubkey,no_sigdump,no_signame,no_issuer -in {name}"
            ),
        )
    };
    let (device, server) = (of("device.pem"), of("server.pem"));
    for gone in [
        "Authority Key",
        "Subject Key",
        "CRL Distribution",
        "Authority Information",
        "Freshest CRL",
    ] {
        assert!(server.contains(gone), "{server}");
        assert!(!device.contains(gone), "{device}");
    }
    let both = [
        "OU = one",
        "OU = two",
        "1.2.3.4",
        "TLS Web Client Authentication",
        "Digital Signature, Key Encipherment",
    ];
    for kept in both {
        assert!(server.contains(kept), "{kept}: {server}");
        assert!(device.contains(kept), "{kept}: {device}");
    }
    said(
        folder,
        "verify -purpose sslclient -CAfile dmtap-ca-cert.pem device.pem",
    );
}

#[test]
fn no_device_gets_a_certificate_that_serves_more_than_clients() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let authority = authority(folder);
    let issuer = authority.issuer().unwrap();
    let check = |extensions: &str, is_issued: bool| {
        let server = made_with_openssl_and(folder, extensions);
        let parts = CertificateParts::read(&server).unwrap();
        let device = parts.reissued(device_key().public_key(), &issuer, None);
        assert_eq!(device.is_ok(), is_issued, "{extensions}: {device:?}");
        let Ok(device) = device else { return };
        write_pem(folder, "device.pem", &device);
        let usage = said(folder, "x509 -noout -ext extendedKeyUsage -in device.pem");
        assert!(
            usage.trim().ends_with("Web Client Authentication"),
            "{extensions}: {usage}"
        );
    };
    check("keyUsage=digitalSignature\n", true);
    check("extendedKeyUsage=clientAuth\n", true);
    check("extendedKeyUsage=serverAuth,clientAuth\n", true);
    check("extendedKeyUsage=2.5.29.37.0\n", true);
    check("basicConstraints=CA:FALSE\n", true);
    check("basicConstraints=critical,CA:TRUE\n", false);
    check("keyUsage=keyCertSign\n", false);
}

#[test]
fn a_serial_number_of_dmtaps_own_takes_the_place_of_one_that_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    let issuer = authority.issuer().unwrap();
    let ca = server_ca();
    let csr = request(FORMS[0]);
    let csr = CertificationRequest::read(&csr).unwrap();
    let server = issued(&ca, &csr.with_key(own_key(), Strings::Kept).unwrap(), 2);
    let parts = CertificateParts::read(&server).unwrap();
    for number in [0, 1, 255, u128::MAX] {
        let device = parts
            .reissued(csr.public_key(), &issuer, Some(number))
            .unwrap();
        write_pem(folder.path(), "device.pem", &device);
        let serial = said(folder.path(), "x509 -noout -serial -in device.pem");
        let expected = format!("serial={:02X}\n", (number >> 1).max(1));
        assert_eq!(serial, expected);
        assert_ne!(
            CertificateParts::read(&device).unwrap().serial(),
            parts.serial()
        );
    }
}

#[test]
fn an_authority_of_each_kind_of_key_signs_certificates_that_verify() {
    for kind in [
        "EC -pkeyopt ec_paramgen_curve:P-384",
        "RSA -pkeyopt rsa_keygen_bits:2048",
        "ED25519",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        said(folder, &format!("genpkey -algorithm {kind} -out key.pem"));
        said(
            folder,
            "req -x509 -new -key key.pem -days 10 -subj /CN=Lab -out ca.pem \
             -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign",
        );
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let both = format!("{}{}", read("key.pem"), read("ca.pem"));
        std::fs::write(folder.join("dmtap-ca.pem"), both).unwrap();
        let authority = authority(folder);
        let server = made_with_openssl(folder);
        let parts = CertificateParts::read(&server).unwrap();
        let issuer = authority.issuer().expect(kind);
        assert!(!issuer.name.is_empty());
        let device = parts
            .reissued(device_key().public_key(), &issuer, None)
            .unwrap();
        write_pem(folder, "device.pem", &device);
        said(
            folder,
            "verify -purpose sslclient -CAfile ca.pem device.pem",
        );
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    let ca = server_ca();
    let server = issued(&ca, &request(FORMS[0]), 2);
    for length in (0..server.len()).step_by(7) {
        // A certificate whose signature is cut off is one no more, but its parts may be there.
        let _ = CertificateParts::read(&server[..length]);
    }
    assert!(CertificateParts::read(b"").is_err());
    assert!(CertificateParts::read(b"\x30\x02\x30\x00").is_err());
}

/// A certificate with what real CAs put into one.
fn made_with_openssl(folder: &Path) -> Vec<u8> {
    let config = "keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=clientAuth\n\
                  subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid,issuer\n\
                  crlDistributionPoints=URI:http://a.example/b.crl\nfreshestCRL=URI:http://a.example/c.crl\n\
                  authorityInfoAccess=OCSP;URI:http://o.example\n1.2.3.4=ASN1:UTF8String:something of theirs\n";
    made_with_openssl_and(folder, config)
}

/// A certificate with these extensions.
fn made_with_openssl_and(folder: &Path, extensions: &str) -> Vec<u8> {
    std::fs::write(folder.join("e.cnf"), format!("[e]\n{extensions}")).unwrap();
    said(
        folder,
        "req -x509 -new -newkey rsa:2048 -nodes -keyout sca.key -subj /CN=TheirCA -days 30 -out sca.pem",
    );
    said(
        folder,
        "req -new -newkey rsa:2048 -nodes -keyout s.key -subj /OU=one/OU=two/CN=device -out s.csr",
    );
    said(
        folder,
        "x509 -req -in s.csr -CA sca.pem -CAkey sca.key -set_serial 0x1234 -days 20 -extfile e.cnf -extensions e \
         -outform DER -out s.der",
    );
    std::fs::read(folder.join("s.der")).unwrap()
}

/// What Python's cryptography, a strict reader, says of a certificate.
const READ_IT: &str = "
import sys
from cryptography import x509
c = x509.load_der_x509_certificate(open(sys.argv[1], 'rb').read())
r = x509.load_der_x509_csr(open(sys.argv[2], 'rb').read())
print(c.subject.rfc4514_string(), c.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
print(r.subject.rfc4514_string(), r.is_signature_valid)
";

#[test]
fn python_reads_the_certificate_and_the_request_of_the_windows_11_form() {
    let imports = |python: &&str| {
        let finds = Command::new(python)
            .args(["-c", "import cryptography"])
            .output();
        finds.is_ok_and(|output| output.status.success())
    };
    // That of the system has Debian's package, which the first one in PATH may lack.
    let Some(python) = ["python3", "/usr/bin/python3"].into_iter().find(imports) else {
        let required = std::env::var("DMTAP_REQUIRE_PEERS").is_ok_and(|value| !value.is_empty());
        assert!(!required, "python3 with cryptography must be there");
        eprintln!("skipped: python3 with cryptography not found");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (folder, ca) = (folder.path(), server_ca());
    let csr = request(FORMS[1]);
    let csr = CertificationRequest::read(&csr).unwrap();
    let own = csr.with_key(own_key(), Strings::Kept).unwrap();
    let server = issued(&ca, &own, 7);
    let authority = authority(folder);
    let issuer = authority.issuer().unwrap();
    let parts = CertificateParts::read(&server).unwrap();
    let device = parts.reissued(csr.public_key(), &issuer, None).unwrap();
    std::fs::write(folder.join("device.der"), device).unwrap();
    std::fs::write(folder.join("own.der"), own).unwrap();
    let output = Command::new(python)
        .args(["-c", READ_IT, "device.der", "own.der"])
        .current_dir(folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        text.contains("clientAuth") && text.contains("!0F1E2D3C"),
        "{text}"
    );
    assert!(text.trim().ends_with("True"), "{text}");
}
