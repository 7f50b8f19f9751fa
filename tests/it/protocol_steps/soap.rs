//! Faults of enrollment, and answers with header fields.

use dmtap::markup::{Hint, Limits, decode};
use dmtap::proxy::{Authority, BodyCapture, Settings};
use dmtap::rules::step::SoapFault;

use super::rig::{Rig, in_front_of};

const REQUEST: &str = "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' \
    xmlns:a='http://www.w3.org/2005/08/addressing'><s:Header><a:Action s:mustUnderstand='1'>x</a:Action>\
    <a:MessageID> urn:uuid:0d5a1441 </a:MessageID></s:Header><s:Body/></s:Envelope>";

async fn rig(rule: &str) -> Rig {
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(directory.path()).unwrap();
    let settings = Settings {
        look: BodyCapture::Annotate,
        ..in_front_of(nowhere, authority.certificate_file())
    };
    let rig = Rig::start(settings).await;
    rig.rule(rule);
    rig
}

#[tokio::test]
async fn every_pair_of_codes_is_answered_in_the_envelope_s_own_version() {
    let rig = rig("").await;
    for (subcode, _) in SoapFault::SUBCODES {
        for (error_type, _) in SoapFault::ERROR_TYPES {
            check(
                &rig,
                REQUEST,
                subcode,
                error_type,
                "application/soap+xml; charset=utf-8",
            )
            .await;
        }
    }
    let old = REQUEST.replace(
        "http://www.w3.org/2003/05/soap-envelope",
        "http://schemas.xmlsoap.org/soap/envelope/",
    );
    check(
        &rig,
        &old,
        "s:Authorization",
        "UserLicense",
        "text/xml; charset=utf-8",
    )
    .await;
    rig.stop().await;
}

async fn check(rig: &Rig, request: &str, subcode: &str, error_type: &str, media_type: &str) {
    rig.rule(&format!(
        "[[rule]]\nname = \"fault\"\nstage = \"request\"\n\
         step = {{ soap-fault = {{ subcode = \"{subcode}\", error-type = \"{error_type}\", message = \"5 < 6\" }} }}\n"
    ));
    let response = rig
        .device("http/1.1")
        .await
        .post("/EnrollmentService.svc", request.to_owned())
        .await;
    assert_eq!(response.status(), 500);
    assert_eq!(response.headers()["content-type"], media_type);
    let document = decode(response.into_body(), Hint::default(), &Limits::default()).unwrap();
    let root = document.root();
    let space = if media_type.starts_with("text") {
        "xmlsoap"
    } else {
        "2003/05"
    };
    assert!(root.foreign_namespace().unwrap().contains(space));
    let text = |name: &str| {
        let found: Vec<String> = document
            .elements()
            .filter(|e| e.local() == name)
            .map(|e| e.text().into_owned())
            .collect();
        found.join(" ")
    };
    assert_eq!(text("RelatesTo"), "urn:uuid:0d5a1441");
    assert!(text("Action").ends_with("/RSTRC/wstep"));
    assert_eq!(text("ErrorType"), error_type);
    assert_eq!(text("Message"), "5 < 6");
    assert!(format!("{} {}", text("Value"), text("faultcode")).contains(subcode));
}

#[tokio::test]
async fn an_answer_has_the_header_fields_it_is_given() {
    let rig = rig(
        "[[rule]]\nname = \"later\"\nstage = \"request\"\nstep = { answer = 503, content-type = \"text/html\", \
         body = \"<p>later</p>\", headers = { Retry-After = \"30\", X-Two = [\"a\", \"b\"] } }\n",
    )
    .await;
    let response = rig.device("http/1.1").await.post("/", "x").await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "30");
    assert_eq!(response.headers()["content-type"], "text/html");
    assert_eq!(response.headers().get_all("x-two").iter().count(), 2);
    assert_eq!(response.body(), "<p>later</p>");
    rig.stop().await;
}
