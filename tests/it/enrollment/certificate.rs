//! Certificates, and certificate requests as Windows makes them. The expected values come from openssl.

use dmtap::dm::token::base64_octets;
use dmtap::dm::{Certificate, CertificateRequest};

use super::data;

fn octets(name: &str) -> Vec<u8> {
    base64_octets(&data(name)).unwrap()
}

const SUBJECT: &str = "CN=6f2d9c1e-4a7b-4c3d-8e5f-0a1b2c!00112233445566778899AABBCCDDEEFF";

#[test]
fn the_request_of_windows_10_is_read_with_its_illegal_characters_and_old_oid() {
    let request = CertificateRequest::read(&octets("csr-printable.txt")).unwrap();
    assert_eq!(request.subject, format!("{SUBJECT}\0"));
    assert_eq!(request.key, "RSA 2048");
    assert_eq!(request.signature, "SHA-1 with RSA (1.3.14.3.2.29)");
}

#[test]
fn the_request_of_windows_11_is_read_from_base64_in_lines() {
    let request = CertificateRequest::read(&octets("csr-utf8.txt")).unwrap();
    assert_eq!(request.subject, SUBJECT);
    assert_eq!(request.signature, "SHA-256 with RSA");
}

#[test]
fn the_request_in_the_signed_message_of_a_renewal_is_read() {
    let request = CertificateRequest::read_signed(&octets("renewal.txt")).unwrap();
    assert_eq!(request.subject, SUBJECT);
    assert_eq!(CertificateRequest::read(&octets("renewal.txt")), None);
}

#[test]
fn a_certificate_has_the_thumbprint_that_openssl_prints() {
    let certificate = Certificate::read(&octets("client.txt")).unwrap();
    let expected = Certificate {
        subject: "CN=device-0001, OU=Contoso MDM".into(),
        issuer: "CN=Contoso MDM Root, O=Contoso".into(),
        serial: "1002".into(),
        not_before: 1_795_943_673,
        not_after: 1_827_479_673,
        thumbprint: "39B10DFF7E42FC310EB267A7F82E0DBE8545330A".into(),
    };
    assert_eq!(certificate, expected);
}

#[test]
fn what_is_no_certificate_is_none() {
    let whole = octets("client.txt");
    for end in 0..whole.len() {
        assert_eq!(Certificate::read(&whole[..end]), None, "{end}");
        CertificateRequest::read(&whole[..end]);
        CertificateRequest::read_signed(&whole[..end]);
    }
    assert_eq!(CertificateRequest::read(&whole), None);
}
