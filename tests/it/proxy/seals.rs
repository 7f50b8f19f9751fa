//! Header fields that authenticate the bytes of a message: dmtap computes them again after a change of the body, if it
//! can.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dmtap::dm::auth::{AccountKey, Hmac, hash_of_body};
use dmtap::identity::message_signature;
use dmtap::identity::{CertificateParts, Signer};
use dmtap::proxy::{Account, ClientIdentity, Settings};

use super::rig::{Rig, in_front_of};
use super::server::{Seen, Server};

const SILENT: &str = r#"
[[rule]]
name = "later"
stage = "request"
match.command = "Alert"

[[rule.step]]
replace-text = "1201"
with = "1200"
"#;
const MESSAGE: &str = include_str!("../../data/signature/message.xml");

/// What a server sees of a message with this field, and the notes that dmtap makes.
async fn seen(
    adapt: impl FnOnce(&mut Settings),
    rule: &str,
    body: impl AsRef<[u8]>,
    fields: &[(&'static str, &str)],
) -> (Seen, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["http/1.1"]).await;
    let mut settings = in_front_of(server.address, &server.ca);
    adapt(&mut settings);
    let rig = Rig::start(settings).await;
    rig.rule(rule);
    let mut device = rig.device("http/1.1").await;
    let mut request = device.request("POST", "/dm", Bytes::copy_from_slice(body.as_ref()));
    let headers = request.headers_mut();
    headers.insert(
        "content-type",
        "application/vnd.syncml.dm+xml".parse().unwrap(),
    );
    for (name, value) in fields {
        headers.insert(*name, value.parse().unwrap());
    }
    device.send(request).await.unwrap();
    let notes = rig.log.request().await.notes.clone();
    drop(device);
    rig.stop().await;
    let notes = notes
        .iter()
        .map(|note| format!("{} {}", note.id, note.text));
    (server.last(), notes.collect())
}

fn has(notes: &[String], id: &str) -> bool {
    notes.iter().any(|note| note.starts_with(id))
}

#[tokio::test]
async fn digest_and_hmac_of_a_known_account_verify_at_the_server_after_a_rule_changed_the_body() {
    let key = AccountKey::of("Bruce2", "OhBehave");
    let nonce = [0; 4];
    let cred = format!(
        "<LocName>Bruce2</LocName></Source><Cred><Meta><Format xmlns=\"syncml:metinf\">b64</Format>\
         <Type xmlns=\"syncml:metinf\">syncml:auth-md5</Type></Meta><Data>{}</Data></Cred>",
        key.md5(&nonce)
    );
    let body = MESSAGE.replacen("</Source>", &cred, 1);
    assert!(body.contains("1201") && body.contains("Bruce2"), "{body}");
    let hmac = |mac: &str| format!("algorithm=MD5, username=\"Bruce2\", mac={mac}");
    let right = hmac(&key.mac(&nonce, &hash_of_body(body.as_bytes())));
    let bruce = |settings: &mut Settings| {
        settings.accounts.push(Account {
            user: "Bruce2".into(),
            password: "OhBehave".into(),
        });
    };
    fn field(value: &str) -> [(&'static str, &str); 1] {
        [("x-syncml-hmac", value)]
    }
    let (server, notes) = seen(bruce, SILENT, &body, &field(&right)).await;
    assert_eq!(server.body, body.replace("1201", "1200"));
    let sent = server.headers["x-syncml-hmac"].to_str().unwrap();
    let sent = Hmac::read(sent).unwrap();
    assert_eq!(sent.user, "Bruce2");
    assert!(sent.is(&key.mac(&nonce, &hash_of_body(&server.body))));
    let digest = format!("<Data>{}</Data>", key.md5(&nonce));
    assert!(String::from_utf8_lossy(&server.body).contains(&digest));
    assert!(has(&notes, "SIG-04") && !has(&notes, "SIG-01"), "{notes:?}");
    // What was wrong before stays as it was, and so does that of an unknown user, and a message that no rule changes.
    let wrong = hmac("AAAAAAAAAAAAAAAAAAAAAA==");
    let (server, notes) = seen(bruce, SILENT, &body, &field(&wrong)).await;
    assert_eq!(server.headers["x-syncml-hmac"], wrong);
    assert!(has(&notes, "SIG-01") && !has(&notes, "SIG-04"), "{notes:?}");
    let (server, notes) = seen(|_| {}, SILENT, &body, &field(&right)).await;
    assert_eq!(server.headers["x-syncml-hmac"], right);
    assert!(has(&notes, "SIG-01"), "{notes:?}");
    let (server, notes) = seen(
        bruce,
        &SILENT.replace("1201", "1299"),
        &body,
        &field(&right),
    )
    .await;
    assert_eq!(server.headers["x-syncml-hmac"], right);
    assert!(!has(&notes, "SIG-0"), "{notes:?}");
}

/// As Windows hands text over: UTF-16 with a byte order mark.
fn in_utf16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

#[tokio::test]
async fn an_hmac_over_a_body_in_utf_16_is_made_anew_for_the_bytes_that_leave() {
    let key = AccountKey::of("Bruce2", "OhBehave");
    let nonce = [0; 4];
    let cred = format!(
        "<LocName>Bruce2</LocName></Source><Cred><Meta><Format xmlns=\"syncml:metinf\">b64</Format>\
         <Type xmlns=\"syncml:metinf\">syncml:auth-md5</Type></Meta><Data>{}</Data></Cred>",
        key.md5(&nonce)
    );
    let text = MESSAGE.replacen("</Source>", &cred, 1);
    let body = in_utf16(&text);
    let mac = key.mac(&nonce, &hash_of_body(&body));
    let field = format!("algorithm=MD5, username=\"Bruce2\", mac={mac}");
    let bruce = |settings: &mut Settings| {
        settings.accounts.push(Account {
            user: "Bruce2".into(),
            password: "OhBehave".into(),
        });
    };
    let (server, notes) = seen(bruce, SILENT, &body, &[("x-syncml-hmac", &field)]).await;
    assert_eq!(server.body, in_utf16(&text.replace("1201", "1200")));
    let sent = server.headers["x-syncml-hmac"].to_str().unwrap();
    let sent = Hmac::read(sent).unwrap();
    assert!(sent.is(&key.mac(&nonce, &hash_of_body(&server.body))));
    assert!(has(&notes, "SIG-04") && !has(&notes, "SIG-01"), "{notes:?}");
}

#[tokio::test]
async fn a_signature_by_a_key_that_dmtap_holds_verifies_after_a_rule_changed_the_body() {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["device".into()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let pem = certificate.pem() + &key.serialize_pem();
    let identity = ClientIdentity::from_pem(pem.as_bytes()).unwrap();
    // As openssl makes them, with the certificate: its attributes are kept.
    let template = include_str!("../../data/signature/with-certificate.txt");
    let template = message_signature::read(template).unwrap();
    let parts = CertificateParts::read(certificate.der()).unwrap();
    let signed = |body: &str, signer: &dyn Signer| {
        let signed = template.anew(body.as_bytes(), b"", certificate.der(), signer);
        STANDARD.encode(signed.unwrap())
    };
    let field = signed(MESSAGE, &identity);
    let read = message_signature::read(&field).unwrap();
    read.check(parts.public_key(), MESSAGE.as_bytes()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("device.pem");
    std::fs::write(&file, pem).unwrap();
    for name in ["mdm-signature", "ms-signature"] {
        let held = |settings: &mut Settings| settings.client_certs.files = Some(file.clone());
        let (server, notes) = seen(held, SILENT, MESSAGE, &[(name, &field)]).await;
        let sent = server.headers[name].to_str().unwrap();
        assert_ne!(sent, field);
        let sent = message_signature::read(sent).unwrap();
        assert_eq!(sent.check(parts.public_key(), &server.body), Ok(()));
        assert_eq!(sent.certificate(), Some(&**certificate.der()));
        assert!(has(&notes, "SIG-04") && !has(&notes, "SIG-01"), "{notes:?}");
        // The same in UTF-16, of which the signature covers the very bytes.
        let body = in_utf16(MESSAGE);
        let template = template.anew(&body, b"", certificate.der(), &identity);
        let field_of_utf16 = STANDARD.encode(template.unwrap());
        let (server, notes) = seen(held, SILENT, &body, &[(name, &field_of_utf16)]).await;
        assert_eq!(server.body, in_utf16(&MESSAGE.replace("1201", "1200")));
        let sent = message_signature::read(server.headers[name].to_str().unwrap()).unwrap();
        assert_eq!(sent.check(parts.public_key(), &server.body), Ok(()));
        assert!(has(&notes, "SIG-02") && has(&notes, "SIG-04"), "{notes:?}");
        // Without the key it stays.
        let (server, notes) = seen(|_| {}, SILENT, MESSAGE, &[(name, &field)]).await;
        assert_eq!(server.headers[name], field);
        assert_ne!(server.body, Bytes::from_static(MESSAGE.as_bytes()));
        assert!(has(&notes, "SIG-01"), "{notes:?}");
    }
    // Both at once.
    let names = ["mdm-signature", "ms-signature"];
    let both = names.map(|name| (name, &*field));
    let held = |settings: &mut Settings| settings.client_certs.files = Some(file.clone());
    let (server, notes) = seen(held, SILENT, MESSAGE, &both).await;
    for name in names {
        let sent = message_signature::read(server.headers[name].to_str().unwrap()).unwrap();
        assert_eq!(
            sent.check(parts.public_key(), &server.body),
            Ok(()),
            "{name}"
        );
    }
    assert!(!has(&notes, "SIG-01"), "{notes:?}");
}
