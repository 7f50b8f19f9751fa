//! The keys of `match` about the exchange: connection, heads, body, session.

use std::sync::Arc;

use dmtap::dm::Message;
use dmtap::flow::{CertificateTrust, ClientCertificate, RequestHead, ResponseHead, TlsDetails};
use dmtap::markup::Document;
use dmtap::rules::Stage;

use super::support::{Talk, book, decode, message, wbxml};

/// Whether a rule about whole messages acts on a passage.
fn holds(stage: Stage, talk: &mut Talk, matcher: &str, body: &Document) -> bool {
    let rules = format!(
        "[[rule]]\nname = \"r\"\nstage = \"{}\"\nmatch = {matcher}\nstep = {{ delay = \"1s\" }}\n",
        stage.name()
    );
    let book = book(&rules);
    !talk.decide(&book, stage, body).delivery.is_plain()
}

pub(crate) fn talk() -> Talk {
    let mut talk = Talk::new(1, "urn:uuid:D1");
    let request = http::Request::post("https://mdm.example/dm/x?mode=Maintenance&Platform=WoA")
        .header("User-Agent", "MSFT OMA DM Client/1.2.0.1")
        .header(
            "Content-Type",
            "application/vnd.syncml.dm+xml; charset=utf-8",
        )
        .header("X-Two", "a")
        .header("X-Two", "b");
    let (parts, ()) = request.body(()).unwrap().into_parts();
    talk.request = RequestHead {
        method: parts.method,
        uri: parts.uri,
        version: parts.version,
        headers: parts.headers,
    };
    let response = http::Response::builder()
        .status(429)
        .header("Content-Type", "text/html")
        .header("Retry-After", "20");
    let (parts, ()) = response.body(()).unwrap().into_parts();
    talk.response = ResponseHead {
        status: parts.status,
        version: parts.version,
        headers: parts.headers,
    };
    talk.connection.device = ([192, 0, 2, 7], 40_000).into();
    talk.connection.tls = Some(TlsDetails {
        sni: Some("mdm.Example".into()),
        client: Some(Arc::new(ClientCertificate {
            subject: "CN=device-1, OU=contoso".into(),
            issuer: "CN=dmtap CA 1a2b".into(),
            serial: "01F3".into(),
            sha1: "5F3C0000000000000000000000000000000000AB".into(),
            sha256: "77".repeat(32),
            trust: CertificateTrust::Untrusted("it expired".into()),
            chain: Vec::new(),
        })),
        ..TlsDetails::default()
    });
    talk
}

#[test]
fn connection_and_heads_are_matched_at_both_stages() {
    let check = |stage: Stage, matcher: &str, expected: bool| {
        let got = holds(stage, &mut talk(), matcher, &message(1, ""));
        assert_eq!(got, expected, "{stage:?} {matcher}");
    };
    for stage in [Stage::Request, Stage::Response] {
        check(stage, "{ peer = \"192.0.2.7\" }", true);
        check(stage, "{ peer = [\"10.0.0.0/8\", \"192.0.2.0/24\"] }", true);
        check(stage, "{ peer = \"192.0.2.8/32\" }", false);
        check(stage, "{ sni = \"mdm.example\" }", true);
        check(stage, "{ sni = \"*.other\" }", false);
        check(stage, "{ client-cert = {} }", true);
        check(stage, "{ not = { client-cert = {} } }", false);
        let certificate = |keys: &str, expected| {
            check(
                stage,
                &format!("{{ client-cert = {{ {keys} }} }}"),
                expected,
            );
        };
        certificate("subject = \"CN=device-1*\", verdict = \"untrusted\"", true);
        certificate("subject = \"CN=device-2*\"", false);
        certificate("issuer = [\"*contoso*\", \"CN=dmtap CA *\"]", true);
        certificate("serial = \"01:f3\"", true);
        certificate("serial = \"01F4\"", false);
        certificate("thumbprint = \"5f 3c*ab\"", true);
        certificate("thumbprint = \"5f3c\"", false);
        certificate(&format!("thumbprint = \"{}\"", "77".repeat(32)), true);
        certificate("verdict = [\"dmtap-ca\", \"client-ca\"]", false);
        check(stage, "{ host = \"MDM.example\" }", true);
        check(stage, "{ path = \"/dm/*\" }", true);
        check(stage, "{ path = \"/DM/X\" }", true);
        check(stage, "{ path = \"/dm\" }", false);
        check(stage, "{ query = \"mode=maintenance*\" }", true);
        check(stage, "{ query = \"mode=Machine\" }", false);
        check(stage, "{ method = [\"GET\", \"post\"] }", true);
        check(
            stage,
            "{ request-header = { name = \"user-agent\", value = \"msft*\" } }",
            true,
        );
        check(
            stage,
            "{ request-header = { name = \"X-Two\", value = \"b\" } }",
            true,
        );
        check(
            stage,
            "{ request-header = { name = \"X-Two\", value = [\"c\", \"d\"] } }",
            false,
        );
        check(
            stage,
            "{ not = { request-header = { name = \"X-Three\" } } }",
            true,
        );
    }
    check(
        Stage::Request,
        "{ header = { name = \"User-Agent\", value = \"MSFT*\" } }",
        true,
    );
    check(
        Stage::Request,
        "{ header = { name = \"Retry-After\" } }",
        false,
    );
    check(
        Stage::Response,
        "{ header = { name = \"Retry-After\", value = \"20\" } }",
        true,
    );
    check(
        Stage::Response,
        "{ header = [{ name = \"X-Two\" }, { name = \"Retry-After\" }] }",
        true,
    );
    check(Stage::Response, "{ header = { name = \"X-Two\" } }", false);
    check(
        Stage::Request,
        "{ media-type = \"application/vnd.syncml.dm+xml\" }",
        true,
    );
    check(Stage::Response, "{ media-type = \"text/*\" }", true);
    check(Stage::Response, "{ media-type = \"application/*\" }", false);
    check(Stage::Response, "{ http-status = [429, \"5xx\"] }", true);
}

#[test]
fn bodies_are_matched_by_form_language_and_size() {
    let xml = message(1, "");
    let binary = wbxml(&xml);
    let soap = decode(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body><s:Fault/></s:Body></s:Envelope>",
    );
    let provisioning =
        decode("<wap-provisioningdoc><characteristic type=\"APPLICATION\"/></wap-provisioningdoc>");
    let other = decode("<html><body/></html>");
    let check = |matcher: &str, expected: [bool; 5]| {
        let bodies = [&xml, &binary, &soap, &provisioning, &other];
        let got = bodies.map(|body| holds(Stage::Response, &mut talk(), matcher, body));
        assert_eq!(got, expected, "{matcher}");
    };
    check(
        "{ encoding = \"wbxml\" }",
        [false, true, false, false, false],
    );
    check("{ encoding = \"xml\" }", [true, false, true, true, true]);
    check(
        "{ dialect = \"syncml\" }",
        [true, true, false, false, false],
    );
    check(
        "{ dialect = [\"soap\", \"provisioning\"] }",
        [false, false, true, true, false],
    );
    check(
        "{ dialect = \"other\" }",
        [false, false, false, false, true],
    );
    check(
        "{ has = \"Body/Fault\" }",
        [false, false, true, false, false],
    );
    check(
        "{ has = \"SyncHdr/Source\" }",
        [true, true, false, false, false],
    );
    check(
        "{ where = { at = \"SyncHdr/MsgID\", equals = 1 } }",
        [true, true, false, false, false],
    );
    check(
        "{ where = { at = \"characteristic/@type\", equals = \"APPLICATION\" } }",
        [false, false, false, true, false],
    );
    let length = xml.source().len();
    check(
        &format!("{{ body-size = {length} }}"),
        [true, false, false, false, false],
    );
    check(
        &format!("{{ body-size = \"{length}..\" }}"),
        [true, false, false, false, false],
    );
    check(
        "{ body-size = \"..20\" }",
        [false, false, false, false, true],
    );
}

#[test]
fn of_a_body_that_is_no_document_the_header_tells_the_size() {
    let rules = "[[rule]]\nname = \"r\"\nstage = \"request\"\nmatch = { body-size = \"1000..\" }\nstep = { delay = \"1s\" }\n";
    let book = book(rules);
    let mut talk = talk();
    assert!(
        talk.decide_opaque(&book, Stage::Request)
            .delivery
            .is_plain()
    );
    talk.request
        .headers
        .insert("content-length", http::HeaderValue::from_static("1000"));
    assert!(
        !talk
            .decide_opaque(&book, Stage::Request)
            .delivery
            .is_plain()
    );
}

/// A message of the device with this header and body.
fn device_message(number: u32, header: &str, commands: &str) -> Document {
    decode(&format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><SessionID>7</SessionID><MsgID>{number}</MsgID>\
         {header}</SyncHdr><SyncBody>{commands}</SyncBody></SyncML>"
    ))
}

#[test]
fn the_user_is_the_loc_name_or_the_one_of_basic_credentials_and_stays_known() {
    let source = |name: &str| format!("<Source><LocURI>d</LocURI>{name}</Source>");
    let cred = |kind: &str, data: &str| {
        format!(
            "<Cred><Meta><Format xmlns=\"syncml:metinf\">b64</Format><Type xmlns=\"syncml:metinf\">\
             syncml:auth-{kind}</Type></Meta><Data>{data}</Data></Cred>"
        )
    };
    let check = |header: &str, user: &str, expected: bool| {
        for form in [|d: &Document| d.clone(), wbxml] {
            let mut talk = talk();
            let first = form(&device_message(1, header, ""));
            talk.session.observe_message(Message::of(&first).unwrap());
            let later = device_message(2, &source(""), "");
            talk.session.observe_message(Message::of(&later).unwrap());
            let matcher = format!("{{ user = \"{user}\" }}");
            assert_eq!(
                holds(Stage::Request, &mut talk, &matcher, &later),
                expected,
                "{header}"
            );
        }
    };
    check(&source("<LocName>Bruce</LocName>"), "bruce", true);
    check(&source("<LocName>Bruce</LocName>"), "clark", false);
    // Bruce1:OhBehave, the example of DM_Security.
    check(
        &[source(""), cred("basic", "QnJ1Y2UxOk9oQmVoYXZl")].concat(),
        "Bruce*",
        true,
    );
    check(
        &[source(""), cred("md5", "QnJ1Y2UxOk9oQmVoYXZl")].concat(),
        "*",
        false,
    );
    check(
        &[source(""), cred("basic", "no base64!")].concat(),
        "*",
        false,
    );
    let both = [source("<LocName>Clark</LocName>"), cred("md5", "AAAA")].concat();
    check(&both, "Clark", true);
    check(&source(""), "*", false);
}

#[test]
fn packages_follow_from_what_the_device_says() {
    let opening = "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert>";
    let closing = "<Final/>";
    // Each message of the device with the package it is of.
    let check = |said: &[(String, u64)]| {
        let mut talk = talk();
        for (number, (commands, package)) in said.iter().enumerate() {
            let body = device_message(number as u32 + 1, "", commands);
            talk.session.begin_exchange();
            talk.session.observe_message(Message::of(&body).unwrap());
            let mut of = |stage, package| {
                let matcher = format!("{{ package = {package}, exchange = {} }}", number + 1);
                holds(stage, &mut talk, &matcher, &body)
            };
            for other in [1, 3] {
                assert_eq!(of(Stage::Request, other), other == *package, "{said:?}");
                let answered = of(Stage::Response, other + 1);
                assert_eq!(answered, other == *package, "{said:?}");
            }
        }
    };
    let opened = format!("{opening}{closing}");
    let later = closing.to_owned();
    check(&[(opened.clone(), 1), (later.clone(), 3), (later.clone(), 3)]);
    // Package 1 in three messages, the alert in the first.
    let begun = opening.to_owned();
    check(&[
        (begun, 1),
        (String::new(), 1),
        (later.clone(), 1),
        (later.clone(), 3),
    ]);
    // After a 401 it is said again.
    check(&[(opened.clone(), 1), (opened, 1), (later.clone(), 3)]);
    // Without the alert, as in Microsoft's samples.
    check(&[(later.clone(), 1), (later, 3)]);
}

#[test]
fn numbers_are_single_ones_or_ranges() {
    let check = |matcher: &str, expected: [bool; 4]| {
        let got = [1, 2, 4, 5]
            .map(|number| holds(Stage::Request, &mut talk(), matcher, &message(number, "")));
        assert_eq!(got, expected, "{matcher}");
    };
    check("{ message = 2 }", [false, true, false, false]);
    check("{ message = \"2..4\" }", [false, true, true, false]);
    check("{ message = \"2..\" }", [false, true, true, true]);
    check("{ message = \"..2\" }", [true, true, false, false]);
    check("{ message = [1, \"4..9\"] }", [true, false, true, true]);
    check(
        "{ not = { message = \"2..4\" } }",
        [true, false, false, true],
    );
}
