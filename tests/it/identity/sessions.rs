//! DM sessions of a device whose certificate was swapped.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dmtap::dm::certificate::thumbprint;
use dmtap::flow::Side;
use dmtap::identity::Strings;
use dmtap::identity::certificate_pairs::CertificatePairs;
use dmtap::identity::{CertificateParts, CertificationRequest};
use dmtap::markup::wbxml::encode::{WbxmlOptions, encode};
use dmtap::markup::{Document, Hint, Limits, decode};

use super::*;

struct Both {
    pairs: CertificatePairs,
    server: Vec<u8>,
    device: Vec<u8>,
}

fn both() -> Both {
    let folder = tempfile::tempdir().unwrap();
    let (ca, csr) = (server_ca(), request(FORMS[1]));
    let csr = CertificationRequest::read(&csr).unwrap();
    let server = issued(&ca, &csr.with_key(own_key(), Strings::Kept).unwrap(), 7);
    let parts = CertificateParts::read(&server).unwrap();
    let authority = authority(folder.path());
    let issuer = authority.issuer().unwrap();
    let device = parts.reissued(csr.public_key(), &issuer, None).unwrap();
    let mut pairs = CertificatePairs::default();
    pairs.add(&device, &server);
    Both {
        pairs,
        server,
        device,
    }
}

/// A message that names a certificate in each way.
fn message(certificate: &[u8], command: &str, end: &str) -> String {
    let upper = thumbprint(certificate);
    let lower = upper.to_lowercase();
    let whole = STANDARD.encode(certificate);
    let lines: Vec<_> = whole
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    let lines = lines.join("\n");
    format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID>\
         <MsgID>2</MsgID><Target><LocURI>{upper}0</LocURI></Target><Source><LocURI>x</LocURI></Source></SyncHdr><SyncBody>\
         <{command}><CmdID>2</CmdID><Item><{end}><LocURI>./Vendor/MSFT/CertificateStore/MY/User/{upper}/EncodedCertificate\
         </LocURI></{end}><Data>{lines}</Data></Item><Item><{end}><LocURI>./Vendor/MSFT/CertificateStore/MY/WSTEP/\
         CertThumprint</LocURI></{end}><Data>{lower}</Data></Item><Item><{end}><LocURI>./Vendor/MSFT/CertificateStore/MY/User\
         </LocURI></{end}><Data>{upper}/0123456789ABCDEF0123456789ABCDEF01234567</Data></Item></{command}><Final/>\
         </SyncBody></SyncML>"
    )
}

fn parse(source: impl Into<Bytes>) -> Document {
    decode(source.into(), Hint::default(), &Limits::default()).unwrap()
}

fn wbxml(xml: &str) -> Bytes {
    encode(&parse(xml.to_owned()), &WbxmlOptions::default())
        .unwrap()
        .into()
}

#[test]
fn thumbprints_and_certificates_become_those_of_the_other_side_in_both_encodings() {
    let Both {
        pairs,
        server,
        device,
    } = both();
    let ways = [
        (Side::Device, "Results", "Source", &device, &server),
        (Side::Server, "Replace", "Target", &server, &device),
    ];
    for (from, command, end, named, other) in ways {
        let before = message(named, command, end);
        let after = message(other, command, end);
        // 41 digits are no thumbprint.
        let expected = after.replace(
            &format!("{}0", thumbprint(other)),
            &format!("{}0", thumbprint(named)),
        );
        for (before, expected) in [
            (Bytes::from(before.clone()), Bytes::from(expected.clone())),
            (wbxml(&before), wbxml(&expected)),
        ] {
            assert!(pairs.may_be_in(&before));
            let document = parse(before.clone());
            let (effect, note) = pairs.rewrite(&document, from, None);
            let effect = effect.unwrap();
            assert!(note.is_none());
            assert_eq!(effect.patch.apply(&before), expected, "{from:?}");
            assert_eq!(effect.changes.len(), 4);
        }
    }
}

#[test]
fn what_is_of_no_pair_is_left_alone() {
    let Both {
        pairs,
        server,
        device,
    } = both();
    let check = |source: String, from: Side| {
        let (effect, note) = pairs.rewrite(&parse(source.clone()), from, None);
        assert!(effect.is_none() && note.is_none(), "{source}");
    };
    // Each side names its own.
    check(message(&server, "Results", "Source"), Side::Device);
    check(message(&device, "Replace", "Target"), Side::Server);
    check("<other/>".into(), Side::Device);
    let text = message(&device, "Results", "Source");
    let document = parse(text.clone());
    let none = CertificatePairs::default();
    assert!(none.rewrite(&document, Side::Device, None).0.is_none());
    assert!(!none.may_be_in(text.as_bytes()));
    assert!(!pairs.may_be_in(b"<SyncML>0123</SyncML>"));
}

#[test]
fn a_message_that_is_signed_passes_with_a_note() {
    let Both { pairs, device, .. } = both();
    let document = parse(message(&device, "Results", "Source"));
    let (effect, note) = pairs.rewrite(&document, Side::Device, Some("MDM-Signature"));
    assert!(effect.is_none());
    let note = note.unwrap();
    assert_eq!(note.id, "SWAP-04");
    assert!(note.text.contains("MDM-Signature"), "{}", note.text);
}
