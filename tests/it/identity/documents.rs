//! The provisioning document with the device's certificate in place of the server's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dmtap::dm::certificate::thumbprint;
use dmtap::dm::{EnrollmentMessage, Envelope, Provisioning};
use dmtap::identity::Strings;
use dmtap::identity::certificate_pairs::CertificatePairs;
use dmtap::identity::{CertificateParts, CertificationRequest, NoSwap, document};
use dmtap::markup::{Document, Embedded, Hint, Limits, decode, edit};

use super::*;

/// Everything of one swap.
struct Swap {
    root: Vec<u8>,
    server: Vec<u8>,
    device: Vec<u8>,
}

fn swap() -> Swap {
    let folder = tempfile::tempdir().unwrap();
    let (ca, csr) = (server_ca(), request(FORMS[1]));
    let csr = CertificationRequest::read(&csr).unwrap();
    let server = issued(&ca, &csr.with_key(own_key(), Strings::Kept).unwrap(), 7);
    let parts = CertificateParts::read(&server).unwrap();
    let authority = authority(folder.path());
    let issuer = authority.issuer().unwrap();
    let device = parts.reissued(csr.public_key(), &issuer, None).unwrap();
    Swap {
        root: ca.certificate().to_vec(),
        server,
        device,
    }
}

/// A document as servers write it; `{}` of a certificate stands in lines of 64.
fn provisioning(root: &[u8], certificate: &[u8], thumbprint: &str) -> String {
    let own = lines(certificate);
    let (root_name, root) = (
        dmtap::dm::certificate::thumbprint(root),
        STANDARD.encode(root),
    );
    let lower = thumbprint.to_ascii_lowercase();
    format!(
        "<wap-provisioningdoc version=\"1.1\">\r\n  <characteristic type=\"CertificateStore\">\
         <characteristic type=\"Root\"><characteristic type=\"System\"><characteristic type=\"{root_name}\">\
         <parm name=\"EncodedCertificate\" value=\"{root}\" /></characteristic></characteristic></characteristic>\
         <characteristic type=\"My\" ><characteristic type='User'><characteristic type=\"{thumbprint}\">\
         <parm name=\"EncodedCertificate\" value=\"{own}\" datatype=\"string\"/>\
         <characteristic type=\"PrivateKeyContainer\"/></characteristic></characteristic></characteristic>\
         </characteristic>\
         <characteristic type=\"APPLICATION\"><parm name=\"APPID\" value=\"w7\"/>\
         <parm name=\"SSLCLIENTCERTSEARCHCRITERIA\" value=\"Subject=CN%3Ddevice&amp;Stores=My%5CUser\"/>\
         <parm name=\"X\" value=\"a {lower}&amp;b\"/><parm name=\"Y\" value=\"{lower}00\"/></characteristic>\
         </wap-provisioningdoc>"
    )
}

fn lines(octets: &[u8]) -> String {
    let whole = STANDARD.encode(octets);
    let lines = whole.as_bytes().chunks(64).map(String::from_utf8_lossy);
    lines.collect::<Vec<_>>().join("&#10;")
}

fn envelope(document: &str) -> Document {
    let token = STANDARD.encode(document);
    let token: Vec<_> = token
        .as_bytes()
        .chunks(76)
        .map(String::from_utf8_lossy)
        .collect();
    let token = token.join("\r\n");
    let xml = format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body>\
         <RequestSecurityTokenResponseCollection><RequestSecurityTokenResponse><RequestedSecurityToken>\
         <BinarySecurityToken>{token}\r\n</BinarySecurityToken></RequestedSecurityToken></RequestSecurityTokenResponse>\
         </RequestSecurityTokenResponseCollection></s:Body></s:Envelope>"
    );
    decode(xml.into(), Hint::default(), &Limits::default()).unwrap()
}

fn embedded(document: &Document) -> Embedded {
    let message = EnrollmentMessage::of(Envelope::of(document).unwrap());
    let Some(EnrollmentMessage::Response(answer)) = message else {
        panic!("no response")
    };
    answer.provisioning(&Limits::default()).unwrap()
}

/// The document inside after the swap, and what changed of the whole.
fn swapped(document: &str, swap: &Swap) -> (String, Bytes) {
    let outer = envelope(document);
    let inner = embedded(&outer);
    let provisioning = Provisioning::of(inner.document()).unwrap();
    let found = document::certificate_for(provisioning, own_key_bytes()).unwrap();
    assert_eq!(found, swap.server);
    let path = outer.element(inner.holder()).unwrap().path();
    let mut pair = CertificatePairs::default();
    pair.add(&swap.device, &swap.server);
    let (edits, changes) = document::replace(&inner, &path, &pair);
    assert_eq!(edits.len(), changes.len());
    let patch = edit::plan_within(&outer, &edits, &Limits::default()).unwrap();
    let after = patch.apply(outer.source());
    let outer = decode(after.clone(), Hint::default(), &Limits::default()).unwrap();
    let inner = embedded(&outer);
    let source = inner.document().source().to_vec();
    (String::from_utf8(source).unwrap(), after)
}

fn own_key_bytes() -> &'static [u8] {
    dmtap::identity::Signer::public_key(own_key())
}

#[test]
fn the_document_differs_in_one_certificate_and_its_thumbprints_and_in_nothing_else() {
    let swap = swap();
    let (old, new) = (thumbprint(&swap.server), thumbprint(&swap.device));
    let before = provisioning(&swap.root, &swap.server, &old);
    let (after, _) = swapped(&before, &swap);
    let expected = before
        .replace(&lines(&swap.server), &lines(&swap.device))
        .replace(&format!("type=\"{old}\""), &format!("type=\"{new}\""))
        .replace(
            &format!("a {}&amp;", old.to_ascii_lowercase()),
            &format!("a {}&amp;", new.to_ascii_lowercase()),
        );
    assert_eq!(after, expected);
    // The 42 digits that only begin with the thumbprint are another number.
    assert!(after.contains(&format!("{}00", old.to_ascii_lowercase())));
}

#[test]
fn lines_of_base64_around_the_document_stay_as_they_were() {
    let swap = swap();
    let document = provisioning(&swap.root, &swap.server, &thumbprint(&swap.server));
    let (_, after) = swapped(&document, &swap);
    let text = String::from_utf8(after.to_vec()).unwrap();
    let token = text.split("<BinarySecurityToken>").nth(1).unwrap();
    let token = token.split("</").next().unwrap();
    let (body, end) = token.rsplit_once("\r\n").unwrap();
    assert_eq!(end, "");
    let lines: Vec<&str> = body.lines().collect();
    let (last, whole) = lines.split_last().unwrap();
    assert!(whole.iter().all(|line| line.len() == 76), "{body}");
    assert!(last.len() <= 76);
}

#[test]
fn a_document_without_exactly_one_certificate_for_the_key_is_not_swapped() {
    let swap = swap();
    let name = thumbprint(&swap.server);
    let document = provisioning(&swap.root, &swap.server, &name);
    let check = |document: &str, expected: NoSwap| {
        let outer = envelope(document);
        let inner = embedded(&outer);
        let provisioning = Provisioning::of(inner.document()).unwrap();
        let refused = document::certificate_for(provisioning, own_key_bytes());
        assert_eq!(refused, Err(expected));
    };
    let foreign = provisioning(&swap.root, &swap.device, &thumbprint(&swap.device));
    check(&foreign, NoSwap::NoCertificate);
    check("<wap-provisioningdoc/>", NoSwap::NoCertificate);
    let start = document.find("<characteristic type=\"My\"").unwrap();
    let end = start
        + document[start..]
            .find("</characteristic></characteristic></characteristic>")
            .unwrap();
    let own = &document[start..end + "</characteristic>".len() * 3];
    let twice = document.replace(own, &own.repeat(2));
    check(&twice, NoSwap::Several(2));
    check(&document.replace(own, &own.repeat(40)), NoSwap::TooMany);
    let wrong = "0".repeat(40);
    let misnamed = document.replace(&name, &wrong);
    check(
        &misnamed,
        NoSwap::Misnamed {
            name: wrong,
            sha1: name,
        },
    );
}
