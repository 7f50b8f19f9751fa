//! Credentials are checked against the accounts and nonces of earlier messages.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dmtap::conversation::{Conversations, InMemoryState, MessageInput};
use dmtap::dm::auth::{AccountKey, hash_of_body};
use dmtap::flow::{
    Connection, ConnectionId, ExchangeId, Note, RequestHead, ResponseHead, Side, Timestamp,
};
use dmtap::markup::{Hint, Limits, decode};
use dmtap::rules::RuleSet;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

/// It grants devices the user device-0001, and the server the name Contoso MDM.
const PROVISIONING: &str = include_str!("../data/enrollment/provisioning.xml");
/// The same in the answer of enrollment.
const GRANTED: &str = include_str!("../data/enrollment/response.xml");
const USER: &str = "device-0001";
const FIRST: &[u8] = b"nonce-for-client";

/// One server, and one device with its messages.
struct Exchanges {
    conversations: Conversations,
    connection: Connection,
    limits: Limits,
}

impl Exchanges {
    fn new(conversations: Conversations) -> Self {
        Self {
            conversations,
            connection: Connection {
                id: ConnectionId(1),
                opened: Timestamp(0),
                device: ([127, 0, 0, 1], 1).into(),
                listener: ([127, 0, 0, 1], 2).into(),
                server: "mdm.example:443".into(),
                tls: None,
            },
            limits: Limits::default(),
        }
    }

    /// One exchange: the notes on the credentials of its request, and of its response.
    fn pass(&self, request: &str, hmac: Option<&str>, response: &str) -> [Vec<String>; 2] {
        self.pass_with(request, hmac.map(|hmac| ("x-syncml-hmac", hmac)), response)
    }

    /// The same with any header field.
    fn pass_with(
        &self,
        request: &str,
        field: Option<(&'static str, &str)>,
        response: &str,
    ) -> [Vec<String>; 2] {
        let document = |text: &str| {
            let document = decode(text.to_owned().into(), Hint::default(), &self.limits).unwrap();
            Arc::new(document)
        };
        let (asked, answered) = (document(request), document(response));
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = field {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        let head = RequestHead {
            method: Method::POST,
            uri: "https://mdm.example/dm".parse().unwrap(),
            version: Version::HTTP_11,
            headers,
        };
        let of_response = ResponseHead {
            status: StatusCode::OK,
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
        };
        let body = Bytes::from(request.to_owned());
        let input = MessageInput {
            connection: &self.connection,
            exchange: ExchangeId(1),
            request: &head,
            response: None,
            document: Some(&asked),
            body: Some(&body),
            why_unread: None,
            utf16: None,
            limits: &self.limits,
            stay: None,
            pairs: None,
            identity: None,
        };
        let (rules, mut state) = (RuleSet::default(), InMemoryState::default());
        let (mut handle, request) =
            self.conversations
                .decide_request(&input, &rules, &mut state, Timestamp(0));
        handle.delivered(Side::Server);
        let input = MessageInput {
            response: Some(&of_response),
            document: Some(&answered),
            body: Some(answered.source()),
            ..input
        };
        let response = handle.decide_response(&input, &rules, &mut state);
        handle.delivered(Side::Device);
        [texts(&request.notes), texts(&response.notes)]
    }
}

fn texts(notes: &[Note]) -> Vec<String> {
    let own = notes
        .iter()
        .filter(|note| note.id.starts_with("AUTH-") || note.id.starts_with("SIG-"));
    own.map(|note| format!("{}: {}", note.id, note.text))
        .collect()
}

fn cred(scheme: &str, data: &str) -> String {
    format!(
        "<Cred><Meta><Format xmlns=\"syncml:metinf\">b64</Format>\
         <Type xmlns=\"syncml:metinf\">syncml:{scheme}</Type></Meta><Data>{data}</Data></Cred>"
    )
}

fn message(from: &str, name: &str, to: &str, number: u32, cred: &str, commands: &str) -> String {
    format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>7</SessionID><MsgID>{number}</MsgID><Target><LocURI>{to}</LocURI></Target>\
         <Source><LocURI>{from}</LocURI><LocName>{name}</LocName></Source>{cred}</SyncHdr>\
         <SyncBody>{commands}<Final/></SyncBody></SyncML>"
    )
}

fn device(number: u32, cred: &str) -> String {
    let alert = "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert>";
    message(
        "urn:device",
        USER,
        "https://mdm.example/dm",
        number,
        cred,
        alert,
    )
}

/// The server's answer, with a challenge.
fn challenge(number: u32, nonce: &[u8]) -> String {
    let chal = format!(
        "<Chal><Meta><Format xmlns=\"syncml:metinf\">b64</Format><Type xmlns=\"syncml:metinf\">syncml:auth-md5</Type>\
         <NextNonce xmlns=\"syncml:metinf\">{}</NextNonce></Meta></Chal>",
        STANDARD.encode(nonce)
    );
    let status = format!(
        "<Status><CmdID>1</CmdID><MsgRef>{number}</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>{chal}<Data>401</Data></Status>"
    );
    message(
        "https://mdm.example/dm",
        "",
        "urn:device",
        number,
        "",
        &status,
    )
}

fn silent(number: u32) -> String {
    message("https://mdm.example/dm", "", "urn:device", number, "", "")
}

fn key() -> AccountKey {
    AccountKey::of(USER, "client-secret-52")
}

#[track_caller]
fn check(found: &[String], expected: &str) {
    match expected {
        "" => assert_eq!(found, [""; 0]),
        _ => assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{expected}: {found:?}"
        ),
    }
}

#[test]
fn digests_answer_the_account_that_enrollment_granted_and_each_challenge_after_it() {
    for granted in [PROVISIONING, GRANTED] {
        let exchanges = Exchanges::new(Conversations::new(Default::default()));
        let first = device(1, &cred("auth-md5", &key().md5(FIRST)));
        // Nothing is known yet.
        let [notes, _] = exchanges.pass(&first, None, &silent(1));
        check(&notes, "");
        exchanges.pass("<Envelope/>", None, granted);
        let [notes, _] = exchanges.pass(&first, None, &challenge(1, b"second"));
        check(
            &notes,
            "AUTH-01: the credentials of device-0001 (auth-md5) are right: they answer AAUTHDATA of the account",
        );
        let with = |number: u32, nonce: &[u8]| device(number, &cred("auth-md5", &key().md5(nonce)));
        let [notes, _] = exchanges.pass(&with(2, b"second"), None, &challenge(2, b"third"));
        check(
            &notes,
            "AUTH-01: the credentials of device-0001 (auth-md5) are right: they answer the challenge in message 1 of session 7",
        );
        for (nonce, expected) in [
            (
                &b"second"[..],
                "AUTH-02: the credentials of device-0001 (auth-md5) answer the challenge in message 1 of session 7 instead of \
                 the challenge in message 2 of session 7: a correct receiver refuses them with 401",
            ),
            (
                FIRST,
                "AUTH-02: the credentials of device-0001 (auth-md5) answer AAUTHDATA of the account instead of the challenge",
            ),
            (
                &[0; 4],
                "AUTH-02: the credentials of device-0001 (auth-md5) answer the default nonce 0x00000000 instead of",
            ),
            (
                b"0x00000000",
                "AUTH-02: the credentials of device-0001 (auth-md5) answer the text 0x00000000 as nonce",
            ),
            (
                STANDARD.encode("third").as_bytes(),
                "AUTH-02: the credentials of device-0001 (auth-md5) hash the base64 text of the challenge in message 2 of session 7",
            ),
            (
                b"other",
                "AUTH-02: the credentials of device-0001 (auth-md5) do not fit the known password with any known nonce (the challenge \
                 in message 2 of session 7, the challenge in message 1 of session 7, AAUTHDATA of the account)",
            ),
        ] {
            let [notes, _] = exchanges.pass(&with(3, nonce), None, &silent(3));
            check(&notes, expected);
        }
        let other = AccountKey::of(USER, "another").md5(b"third");
        let other = device(3, &cred("auth-md5", &other));
        let [notes, _] = exchanges.pass(&other, None, &silent(3));
        check(
            &notes,
            "AUTH-02: the credentials of device-0001 (auth-md5) do not fit the known password with any known nonce",
        );
    }
}

#[test]
fn passwords_and_macs_are_checked_and_users_that_are_not_known_are_not() {
    let accounts = [("joe", "s3cret"), (USER, "client-secret-52")];
    let conversations = Conversations::new(Default::default());
    let exchanges = Exchanges::new(conversations.with_accounts(accounts.into_iter()));
    let basic = |pair: &str| device(1, &cred("auth-basic", &STANDARD.encode(pair)));
    for (pair, expected) in [
        (
            "joe:s3cret",
            "AUTH-01: the credentials of joe (auth-basic) are right",
        ),
        (
            "joe:other",
            "AUTH-02: the credentials of joe (auth-basic) have another password",
        ),
        ("ann:s3cret", ""),
    ] {
        let [notes, _] = exchanges.pass(&basic(pair), None, &challenge(1, b"n1"));
        check(&notes, expected);
    }
    let body = device(2, "");
    let hmac = |mac: &str| format!("algorithm=MD5, username=\"{USER}\", mac={mac}");
    let right = key().mac(b"n1", &hash_of_body(body.as_bytes()));
    let [notes, _] = exchanges.pass(&body, Some(&hmac(&right)), &silent(2));
    check(
        &notes,
        "AUTH-01: the credentials of device-0001 (x-syncml-hmac) are right: they answer the challenge in message 1",
    );
    // base64(HMAC-MD5(key B64(H(user:password)), nonce:B64(H(body)))), the HMAC of RFC 2104.
    for nonce in [&b"n1"[..], b""] {
        let of_rfc = key().mac_of_rfc_2104(nonce, &hash_of_body(body.as_bytes()));
        let [notes, _] = exchanges.pass(&body, Some(&hmac(&of_rfc)), &silent(2));
        check(
            &notes,
            "AUTH-02: the credentials of device-0001 (x-syncml-hmac) have the known password and an HMAC by RFC 2104",
        );
    }
    let changed = body.replace("1201", "1200");
    let [notes, _] = exchanges.pass(&changed, Some(&hmac(&right)), &silent(2));
    check(
        &notes,
        "AUTH-02: the credentials of device-0001 (x-syncml-hmac) do not fit the known password with any known nonce",
    );
}

#[test]
fn the_server_shows_the_name_of_its_account_to_the_device() {
    let exchanges = Exchanges::new(Conversations::new(Default::default()));
    exchanges.pass("<Envelope/>", None, PROVISIONING);
    let key = AccountKey::of("Contoso MDM", "server-secret-51");
    let cred = cred("auth-md5", &key.md5(b"nonce-for-server"));
    let response = message(
        "https://mdm.example/dm",
        "Contoso MDM",
        "urn:device",
        1,
        &cred,
        "",
    );
    let [_, notes] = exchanges.pass(&device(1, ""), None, &response);
    check(
        &notes,
        "AUTH-01: the credentials of Contoso MDM (auth-md5) are right: they answer AAUTHDATA",
    );
}

#[test]
fn a_named_account_may_be_that_of_the_server() {
    let named = [("srv", "srvpw")].into_iter();
    let conversations = Conversations::new(Default::default()).with_accounts(named);
    let exchanges = Exchanges::new(conversations);
    let of_server = |key: &AccountKey, number| {
        let cred = cred("auth-md5", &key.md5(&[0; 4]));
        let server = "https://mdm.example/dm";
        let response = message(server, "srv", "urn:device", number, &cred, "");
        let [_, notes] = exchanges.pass(&device(number, ""), None, &response);
        notes
    };
    check(
        &of_server(&AccountKey::of("srv", "srvpw"), 1),
        "AUTH-01: the credentials of srv (auth-md5) are right: they answer the default nonce",
    );
    check(
        &of_server(&AccountKey::of("srv", "other"), 2),
        "AUTH-02: the credentials of srv (auth-md5) do not fit the known password with any known nonce",
    );
}

#[test]
fn signatures_over_messages_fit_the_certificate_that_was_granted() {
    let body = include_str!("../data/signature/message.xml");
    let certificate = include_str!("../data/signature/certificate.txt");
    let granted = format!(
        "<wap-provisioningdoc><characteristic type=\"CertificateStore\"><characteristic type=\"My\">\
         <characteristic type=\"User\"><characteristic type=\"00\"><parm name=\"EncodedCertificate\" value=\"{certificate}\"/>\
         </characteristic></characteristic></characteristic></characteristic></wap-provisioningdoc>"
    );
    let bare = include_str!("../data/signature/signature.txt");
    let whole = include_str!("../data/signature/with-certificate.txt");
    let exchanges = Exchanges::new(Conversations::new(Default::default()));
    let notes = |name: &'static str, body: &str, field: &str| {
        let [notes, _] = exchanges.pass_with(body, Some((name, field)), &silent(1));
        notes
    };
    // Whose key it is, is not known before enrollment, unless the certificate comes along.
    check(&notes("mdm-signature", body, bare), "");
    let found = notes("ms-signature", body, whole);
    check(
        &found,
        "SIG-02: the signature in MS-Signature is right: dmtap verified it with the certificate ",
    );
    assert!(
        found[0].ends_with("comes with it, which dmtap did not see issued"),
        "{found:?}"
    );
    exchanges.pass("<Envelope/>", None, &granted);
    for field in [bare, whole] {
        let found = notes("mdm-signature", body, field);
        check(
            &found,
            "SIG-02: the signature in MDM-Signature is right: dmtap verified it with the certificate ",
        );
        assert!(
            found[0].ends_with(" that the server issued at enrollment"),
            "{found:?}"
        );
        let changed = body.replace("1201", "1200");
        let found = notes("mdm-signature", &changed, field);
        check(
            &found,
            "SIG-03: the signature in MDM-Signature is wrong (the certificate ",
        );
        assert!(
            found[0].ends_with("it is over another body than that of the message"),
            "{found:?}"
        );
    }
    check(
        &notes("mdm-signature", body, "AAAA"),
        "SIG-03: the signature in MDM-Signature cannot be read",
    );
}
