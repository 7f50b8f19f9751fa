//! The device enrolls at the server, without a network between them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dmtap::peer::enroll::{
    CsrForm, EnrollProfile, EnrollServer, EnrollingDevice, Enrollment, EnrollmentCa, Login,
    PresentedCertificate, PrivateKey, RefusedAnswer, Sites, Step, User,
};
use dmtap::peer::{Encoding, Tree};
use http::{HeaderValue, Request, Response, StatusCode, header};

const NOW: Duration = Duration::from_secs(1_790_000_000);
const PASSWORD: &str = "Tr0ub4dor&3";
const TOKEN: &str = "token of bob";

#[test]
fn a_device_enrolls_with_both_requests_and_both_logins() {
    for form in [CsrForm::Windows10, CsrForm::Windows11] {
        let mut server = server();
        let alice = enroll(&mut server, alice(form), |_| {}, |_, _| {}).unwrap();
        let bob = enroll(&mut server, bob(form), |_| {}, |_, _| {}).unwrap();
        assert_eq!(
            [alice.encoding, bob.encoding],
            [Encoding::Xml, Encoding::Wbxml]
        );
        assert_eq!(
            alice.address,
            "https://mdm.example:8443/ManagementServer/MDM.svc"
        );
        let granted: Vec<_> = server
            .granted()
            .iter()
            .map(|g| (&*g.user, &*g.thumbprint))
            .collect();
        let known = [
            ("alice@example", &*alice.thumbprint),
            ("bob@example", &*bob.thumbprint),
        ];
        assert_eq!(granted, known, "{form:?}");
    }
}

#[test]
fn messages_have_the_ids_and_addresses_that_windows_sends() {
    let mut requests = Vec::new();
    let keep = |request: &mut Request<Bytes>| requests.push(request.clone());
    enroll(&mut server(), alice(CsrForm::Windows10), keep, |_, _| {}).unwrap();
    let lines: Vec<_> = requests
        .iter()
        .map(|r| format!("{} {}", r.method(), r.uri()))
        .collect();
    let expected = [
        "GET https://enroll.example:8443/EnrollmentServer/Discovery.svc",
        "POST https://enroll.example:8443/EnrollmentServer/Discovery.svc",
        "POST https://mdm.example:8443/EnrollmentServer/Policy.svc",
        "POST https://mdm.example:8443/EnrollmentServer/Enrollment.svc",
    ];
    assert_eq!(lines, expected);
    let ids = [
        "urn:uuid:748132ec-a575-4329-b01b-6171a9cf8478",
        "urn:uuid:72048B64-0F19-448F-8C2E-B4C661860AA0",
        "urn:uuid:0d5a1441-5891-453b-becf-a2e5f6ea3749",
    ];
    for (request, id) in requests[1..].iter().zip(ids) {
        let body = std::str::from_utf8(request.body()).unwrap();
        assert!(body.contains(id), "{body}");
        assert!(body.contains(&format!(
            "<a:To s:mustUnderstand=\"1\">{}</a:To>",
            request.uri()
        )));
    }
}

#[test]
fn who_is_not_known_gets_the_fault_that_windows_shows() {
    let wrong = |login: Login| EnrollProfile {
        login,
        ..alice(CsrForm::Windows10)
    };
    let refused = enroll(
        &mut server(),
        wrong(Login::Password("guess".into())),
        |_| {},
        |_, _| {},
    );
    let Err(RefusedAnswer::Fault { code, hresult, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        (&*code, hresult.as_deref()),
        ("s:Authentication", Some("0x80180002"))
    );
    let refused = enroll(
        &mut server(),
        wrong(Login::Token("guess".into())),
        |_| {},
        |_, _| {},
    );
    let expected = RefusedAnswer::Login {
        asked: "OnPremise".into(),
        given: "Federated",
    };
    assert_eq!(refused.unwrap_err(), expected);
}

#[test]
fn a_redirect_is_followed_only_where_the_user_allows_it() {
    let to = "https://mdm.example:8443/EnrollmentServer/Discovery.svc";
    let profile = alice(CsrForm::Windows11);
    let refused = enroll(
        &mut server().redirecting(),
        profile.clone(),
        |_| {},
        |_, _| {},
    );
    let expected = RefusedAnswer::Redirect {
        step: "the GET of discovery",
        to: to.into(),
    };
    assert_eq!(refused.unwrap_err(), expected);
    let allowing = EnrollProfile {
        allows_redirects: true,
        ..profile
    };
    let mut asked = Vec::new();
    let keep = |request: &mut Request<Bytes>| asked.push(request.uri().to_string());
    enroll(&mut server().redirecting(), allowing, keep, |_, _| {}).unwrap();
    assert_eq!(asked[1..3], [to, to]);
}

#[test]
fn the_server_refuses_a_message_that_is_for_another_address() {
    let other_host = |request: &mut Request<Bytes>| {
        let uri = request
            .uri()
            .to_string()
            .replace("https://mdm.", "https://other.");
        *request.uri_mut() = uri.parse().unwrap();
    };
    let refused = enroll(
        &mut server(),
        alice(CsrForm::Windows10),
        other_host,
        |_, _| {},
    );
    let refused = refused.unwrap_err();
    let is_misdirected = matches!(
        &refused,
        RefusedAnswer::Http {
            step: "GetPolicies",
            status: StatusCode::MISDIRECTED_REQUEST,
            ..
        }
    );
    assert!(is_misdirected, "{refused}");
    let other_to = |request: &mut Request<Bytes>| {
        replace_in(request.body_mut(), ">https://mdm.", ">https://proxy.");
    };
    let refused = enroll(
        &mut server(),
        alice(CsrForm::Windows10),
        other_to,
        |_, _| {},
    );
    let Err(RefusedAnswer::Fault { code, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(code, "a:DestinationUnreachable");
}

#[test]
fn a_chunked_answer_is_refused() {
    let chunked = |step: usize, response: &mut Response<Bytes>| {
        if step == 2 {
            response.headers_mut().remove(header::CONTENT_LENGTH);
            let value = HeaderValue::from_static("chunked");
            response
                .headers_mut()
                .insert(header::TRANSFER_ENCODING, value);
        }
    };
    let refused = enroll(&mut server(), alice(CsrForm::Windows10), |_| {}, chunked);
    assert_eq!(refused.unwrap_err(), RefusedAnswer::Chunked("Discover"));
}

#[test]
fn policy_and_enrollment_must_have_one_host() {
    let apart = |step: usize, response: &mut Response<Bytes>| {
        if step == 2 {
            let (from, to) = (
                "mdm.example:8443/EnrollmentServer/Policy",
                "x.example/Policy",
            );
            replace_in(response.body_mut(), from, to);
        }
    };
    let refused = enroll(&mut server(), alice(CsrForm::Windows10), |_| {}, apart);
    let (policy, enrollment) = ("x.example".into(), "mdm.example".into());
    assert_eq!(
        refused.unwrap_err(),
        RefusedAnswer::Hosts { policy, enrollment }
    );
}

#[test]
fn a_document_without_what_is_optional_is_accepted() {
    let enrolled = with_document(|document| {
        let criteria = document
            .find("<parm name=\"SSLCLIENTCERTSEARCHCRITERIA\"")
            .unwrap();
        let end = criteria + document[criteria..].find("/>").unwrap() + 2;
        let document = format!("{}{}", &document[..criteria], &document[end..]);
        let renewal = document.find("<parm name=\"ServerURL\"").unwrap();
        let end = renewal + document[renewal..].find("/>").unwrap() + 2;
        format!("{}{}", &document[..renewal], &document[end..])
    });
    let enrolled = enrolled.unwrap();
    assert!(!enrolled.certificate.is_empty());
    let renewal = enrolled.renewal.unwrap();
    assert!(renewal.starts_with("https://"), "{renewal}");
}

#[test]
fn a_wrong_provisioning_document_is_refused_by_its_flaw() {
    let check = |from: &str, to: &str, expected: &str| {
        let refused = with_document(|document| {
            assert!(document.contains(from), "{from}");
            document.replacen(from, to, 1)
        });
        let why = refused.unwrap_err().to_string();
        assert!(why.starts_with(expected), "{why}");
    };
    let check_criteria = |to| {
        check(
            "Subject=CN%3D",
            to,
            "SSLCLIENTCERTSEARCHCRITERIA finds no certificate: ",
        );
    };
    check_criteria("Subject=CN%3DX");
    check(
        "My%5CUser",
        "My%5CSystem",
        "SSLCLIENTCERTSEARCHCRITERIA finds no certificate: ",
    );
    let data = "<parm name=\"AAUTHDATA\" value=\"";
    check(
        data,
        "<parm name=\"OTHER\" value=\"",
        "APPAUTH CLIENT has no AAUTHDATA",
    );
    check(
        "AAUTHLEVEL\" value=\"APPSRV",
        "AAUTHLEVEL\" value=\"CLIENT",
        "APPAUTH APPSRV has no characteristic",
    );
    check(
        "PROVIDER-ID\" value=\"dmtap-sim\"",
        "PROVIDER-ID\" value=\"other\"",
        "PROVIDER-ID is \"other\", and DMClient/Provider has \"dmtap-sim\"",
    );
    check(
        "\"w7\"",
        "\"w4\"",
        "the answer to RequestSecurityToken cannot be used: the provisioning document has no w7",
    );
}

#[test]
fn a_thumbprint_that_is_not_the_sha_1_is_refused() {
    let refused = with_document(|document| {
        let at = document.find("\"User\"><characteristic type=\"").unwrap() + 29;
        let mut changed = document.clone();
        let digit = if &document[at..=at] == "0" { "1" } else { "0" };
        changed.replace_range(at..=at, digit);
        changed
    });
    let Err(RefusedAnswer::Thumbprint { store, name, sha1 }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        (&*store, name.len(), &name[1..]),
        ("My\\User", 40, &sha1[1..])
    );
}

#[test]
fn a_certificate_for_another_key_is_refused() {
    let (mut server, profile) = (server(), alice(CsrForm::Windows10));
    // The whole answer to another device of the same name.
    let mut other = None;
    let keep = |_: usize, response: &mut Response<Bytes>| other = Some(response.clone());
    run(&mut server, profile.clone(), key(1), |_| {}, keep).unwrap();
    let other = other.unwrap();
    let swap = |step: usize, response: &mut Response<Bytes>| {
        if step == 4 {
            *response = other.clone();
        }
    };
    let refused = run(&mut server, profile, key(0), |_| {}, swap);
    assert!(
        matches!(refused, Err(RefusedAnswer::ForeignKey(_))),
        "{refused:?}"
    );
}

#[test]
fn the_list_of_addresses_moves_the_device() {
    let enrolled = enroll(&mut server(), alice(CsrForm::Windows10), |_| {}, |_, _| {}).unwrap();
    let tree = enrolled.in_tree(Tree::default());
    assert!(tree.get(&enrolled.address_list()).is_ok());
    assert_eq!(enrolled.next_address(""), enrolled.address);
    assert_eq!(
        enrolled.next_address("<https://a/b><https://c/>"),
        "https://a/b"
    );
    assert_eq!(enrolled.next_address("https://a/b"), "https://a/b");
}

/// What the device makes of a provisioning document that `change` changed.
fn with_document(change: impl Fn(&String) -> String) -> Result<Enrollment, RefusedAnswer> {
    let changed = |step: usize, response: &mut Response<Bytes>| {
        if step != 4 {
            return;
        }
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        let from = body.find("<BinarySecurityToken").unwrap();
        let from = from + body[from..].find('>').unwrap() + 1;
        let to = from + body[from..].find('<').unwrap();
        let document = String::from_utf8(STANDARD.decode(&body[from..to]).unwrap()).unwrap();
        let token = STANDARD.encode(change(&document));
        *response.body_mut() = format!("{}{token}{}", &body[..from], &body[to..]).into();
    };
    enroll(&mut server(), alice(CsrForm::Windows10), |_| {}, changed)
}

#[test]
fn sessions_take_the_last_certificate_of_the_device_and_no_other() {
    let mut server = server();
    let profile = alice(CsrForm::Windows10);
    let id = profile.device_id.clone();
    let refused =
        |server: &mut EnrollServer, shown: Option<&[u8]>, device: &str, expected: &str| {
            let shown = shown.map(|der| PresentedCertificate(der.to_vec()));
            let why = server.admit(shown.as_ref(), device, NOW).unwrap_err();
            assert!(why.contains(expected), "{why}");
        };
    let enrollment = enroll(&mut server, profile.clone(), |_| {}, |_, _| {}).unwrap();
    let first = enrollment.certificate.clone();
    refused(&mut server, None, &id, "take a client certificate");
    refused(
        &mut server,
        Some(&first),
        "another",
        "and the device is another",
    );
    let mut foreign = first.clone();
    *foreign.last_mut().unwrap() ^= 1;
    refused(
        &mut server,
        Some(&foreign),
        &id,
        "is not by the CA of this server",
    );
    let shown = |der: &[u8]| PresentedCertificate(der.to_vec());
    server.admit(Some(&shown(&first)), &id, NOW).unwrap();
    let years = NOW + Duration::from_secs(3 * 365 * 24 * 3600);
    server.admit(Some(&shown(&first)), &id, years).unwrap_err();
    // A renewal must come on a connection that shows the certificate which signs it.
    let renew = |server: &mut EnrollServer, shown: Option<&[u8]>| {
        let url = "https://mdm.example:8443/EnrollmentServer/Enrollment.svc"
            .parse()
            .unwrap();
        let old = (&*first, &*key(0));
        let renewing = EnrollingDevice::renew(profile.clone(), key(1), old, url);
        let (mut device, mut request) = renewing.unwrap();
        if let Some(shown) = shown {
            request
                .extensions_mut()
                .insert(PresentedCertificate(shown.to_vec()));
        }
        device.answer(&server.answer(&request, NOW))
    };
    assert!(matches!(
        renew(&mut server, None),
        Err(RefusedAnswer::Fault { .. })
    ));
    let Ok(Step::Enrolled(renewed)) = renew(&mut server, Some(&first)) else {
        panic!("it is not renewed");
    };
    // Its answer may be lost: the old certificate is good until the new one is used.
    server.admit(Some(&shown(&first)), &id, NOW).unwrap();
    server
        .admit(Some(&shown(&renewed.certificate)), &id, NOW)
        .unwrap();
    refused(&mut server, Some(&first), &id, "is not the last");
    let node = "./Vendor/MSFT/CertificateStore/MY/WSTEP/CertThumprint";
    let compare = |thumbprint: &str| {
        let values = [(node.to_owned(), thumbprint.to_owned())];
        EnrollServer::compare(&shown(&renewed.certificate), &values)
    };
    compare(&renewed.thumbprint.to_ascii_lowercase()).unwrap();
    assert!(compare(&enrollment.thumbprint).unwrap_err().contains(node));
}

fn replace_in(body: &mut Bytes, from: &str, to: &str) {
    let text = std::str::from_utf8(body).unwrap().replace(from, to);
    *body = text.into();
}

fn enroll(
    server: &mut EnrollServer,
    profile: EnrollProfile,
    on_request: impl FnMut(&mut Request<Bytes>),
    on_response: impl FnMut(usize, &mut Response<Bytes>),
) -> Result<Enrollment, RefusedAnswer> {
    run(server, profile, key(0), on_request, on_response)
}

/// Requests and responses pass through `on_request` and `on_response`, which counts from 1.
fn run(
    server: &mut EnrollServer,
    profile: EnrollProfile,
    key: Arc<PrivateKey>,
    mut on_request: impl FnMut(&mut Request<Bytes>),
    mut on_response: impl FnMut(usize, &mut Response<Bytes>),
) -> Result<Enrollment, RefusedAnswer> {
    let url = "https://enroll.example:8443/EnrollmentServer/Discovery.svc"
        .parse()
        .unwrap();
    let (mut device, mut request) = EnrollingDevice::begin(profile, key, url);
    for step in 1..10 {
        on_request(&mut request);
        let mut response = server.answer(&request, NOW);
        on_response(step, &mut response);
        match device.answer(&response)? {
            Step::Send(next) => request = *next,
            Step::Enrolled(enrolled) => return Ok(*enrolled),
        }
    }
    panic!("the enrollment does not end");
}

fn server() -> EnrollServer {
    let sites = Sites {
        discovery: "https://enroll.example:8443".into(),
        management: "https://mdm.example:8443".into(),
        sessions: "https://mdm.example:8443".into(),
    };
    let user = |name: &str, login, encoding| User {
        name: name.into(),
        login,
        encoding,
    };
    let users = vec![
        user(
            "alice@example",
            Login::Password(PASSWORD.into()),
            Encoding::Xml,
        ),
        user("bob@example", Login::Token(TOKEN.into()), Encoding::Wbxml),
    ];
    let ca = EnrollmentCa::new("Test CA", key(2), 1, NOW).unwrap();
    EnrollServer::new(sites, users, ca, 100)
}

fn alice(form: CsrForm) -> EnrollProfile {
    EnrollProfile::new(
        "alice@example".into(),
        Login::Password(PASSWORD.into()),
        form,
    )
}

fn bob(form: CsrForm) -> EnrollProfile {
    EnrollProfile::new("bob@example".into(), Login::Token(TOKEN.into()), form)
}

/// Keys made once for all tests: of two devices and of the CA.
fn key(number: usize) -> Arc<PrivateKey> {
    static KEYS: OnceLock<[Arc<PrivateKey>; 3]> = OnceLock::new();
    let made = |_| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        Arc::new(PrivateKey::from_pkcs8(pkcs8.as_ref()).unwrap())
    };
    KEYS.get_or_init(|| [0, 1, 2].map(made))[number].clone()
}
