//! Certificate requests remade for another key.

use dmtap::identity::Strings;
use dmtap::identity::{CertificationRequest, Digest, KeyKind, Signer, SigningScheme};
use dmtap::proxy::OwnKey;

use super::{FORMS, device_key, own_key, request, said};

#[test]
fn both_requests_of_windows_are_made_anew_for_another_key_and_openssl_verifies_them() {
    let folder = tempfile::tempdir().unwrap();
    for form in FORMS {
        let device = request(form);
        let read = CertificationRequest::read(&device).unwrap();
        assert_eq!(read.public_key(), device_key().public_key());
        assert_eq!(read.key_kind(), Ok(KeyKind::Rsa(2048)));
        let made = read.with_key(own_key(), Strings::Kept).unwrap();
        let own = CertificationRequest::read(&made).unwrap();
        assert_eq!(own.public_key(), own_key().public_key());
        assert_eq!(own.subject(), read.subject(), "{form:?}");
        assert_eq!(own.attributes(), read.attributes(), "{form:?}");
        assert!(read.attributes().len() > 40);
        std::fs::write(folder.path().join("own.der"), &made).unwrap();
        let text = said(
            folder.path(),
            "req -verify -noout -text -inform DER -in own.der",
        );
        assert!(
            text.contains("elf-signature verify OK") || text.contains("verify OK"),
            "{text}"
        );
        assert!(text.contains("sha256WithRSAEncryption"), "{text}");
    }
}

#[test]
fn a_request_that_the_holder_of_its_key_did_not_sign_is_refused() {
    for form in FORMS {
        let device = request(form);
        for at in [30, device.len() - 300, device.len() - 1] {
            let mut changed = device.clone();
            changed[at] ^= 1;
            let refused = CertificationRequest::read(&changed).unwrap_err();
            let wrong = "the certificate request: its signature is wrong";
            assert_eq!(refused.to_string(), wrong, "{form:?}: byte {at}");
        }
    }
}

#[test]
fn what_is_no_request_is_refused_with_a_reason() {
    let check = |der: &[u8], expected: &str| {
        let refused = CertificationRequest::read(der).unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{refused}");
    };
    check(b"", "the certificate request cannot be read");
    check(b"\x30\x00", "the certificate request cannot be read");
    check(
        &[0x30; 70_000],
        "the certificate request has more than 65536 bytes",
    );
    let device = request(FORMS[0]);
    for length in 0..device.len() {
        assert!(CertificationRequest::read(&device[..length]).is_err());
    }
    // ecdsa-with-SHA512, which nobody asked for.
    let mut unknown = device;
    let oid = [0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1d];
    let at = unknown.windows(7).position(|part| part == oid).unwrap();
    unknown[at + 6] = 0x1e;
    check(
        &unknown,
        "the certificate request: it is signed with the algorithm 1.3.14.3.2.30",
    );
}

#[test]
fn a_request_for_a_key_that_dmtap_does_not_make_is_refused_for_its_kind() {
    let folder = tempfile::tempdir().unwrap();
    said(
        folder.path(),
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:secp521r1 -nodes -subj /CN=a -keyout key.pem -outform DER -out csr.der",
    );
    let csr = std::fs::read(folder.path().join("csr.der")).unwrap();
    let refused = CertificationRequest::read(&csr).unwrap_err().to_string();
    assert!(
        refused.contains("neither RSA nor ECDSA on P-256 or P-384"),
        "{refused}"
    );
}

#[test]
fn keys_show_nothing_of_themselves() {
    assert_eq!(format!("{:?}", own_key()), "OwnKey { .. }");
    assert!(
        own_key()
            .sign(SigningScheme::Pkcs1(Digest::Sha1), b"")
            .is_err()
    );
}

#[test]
fn a_request_for_an_ec_key_is_made_anew_for_a_key_of_its_curve() {
    for (curve, kind, algorithm) in [
        ("prime256v1", KeyKind::P256, "ecdsa-with-SHA256"),
        ("secp384r1", KeyKind::P384, "ecdsa-with-SHA384"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        said(
            folder.path(),
            &format!(
                "req -new -newkey ec -pkeyopt ec_paramgen_curve:{curve} -nodes -keyout d.key -sha256 -subj /CN=device \
                 -outform DER -out d.der"
            ),
        );
        let device = std::fs::read(folder.path().join("d.der")).unwrap();
        let read = CertificationRequest::read(&device).unwrap();
        assert_eq!(read.key_kind(), Ok(kind));
        let key = OwnKey::generate(kind).unwrap();
        std::fs::write(
            folder.path().join("own.der"),
            read.with_key(&key, Strings::Kept).unwrap(),
        )
        .unwrap();
        let text = said(
            folder.path(),
            "req -verify -noout -text -inform DER -in own.der",
        );
        assert!(
            text.contains("verify OK") && text.contains(algorithm),
            "{text}"
        );
        // What the store keeps of it is read again.
        let pem = dmtap::proxy::identity_pem(&[], &key);
        std::fs::write(folder.path().join("own.pem"), pem).unwrap();
        said(folder.path(), "pkey -in own.pem -noout -check");
    }
}

#[test]
fn a_strict_request_has_the_same_subject_in_strings_that_x_509_allows() {
    for (form, tag) in [(FORMS[0], 0x13), (FORMS[1], 0x0c)] {
        let device = request(form);
        let read = CertificationRequest::read(&device).unwrap();
        let made = read.with_key(own_key(), Strings::Strict).unwrap();
        let own = CertificationRequest::read(&made).unwrap();
        let changed: Vec<_> = own
            .subject()
            .iter()
            .zip(read.subject())
            .filter(|(a, b)| a != b)
            .collect();
        match tag {
            0x13 => assert_eq!(changed, [(&0x0c, &0x13)]),
            _ => assert!(changed.is_empty()),
        }
        assert_eq!(own.subject().len(), read.subject().len());
    }
    // A legal PrintableString stays.
    let folder = tempfile::tempdir().unwrap();
    said(
        folder.path(),
        "req -new -newkey rsa:2048 -nodes -keyout d.key -subj /C=DE -outform DER -out d.der",
    );
    let device = std::fs::read(folder.path().join("d.der")).unwrap();
    let read = CertificationRequest::read(&device).unwrap();
    let made = read.with_key(own_key(), Strings::Strict).unwrap();
    let own = CertificationRequest::read(&made).unwrap();
    assert_eq!(own.subject(), read.subject());
    assert!(own.subject().contains(&0x13));
}
