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
        body_capture: BodyCapture::Annotate,
        ..in_front_of(nowhere, authority.certificate_file())
    };
    let rig = Rig::start(settings).await;
    rig.rule(rule);
    rig
}

#[tokio::test]
async fn every_pair_of_codes_is_answered_in_the_envelope_s_own_version() {
    let rig = rig("").await;
    for subcode in SoapFault::SUBCODES {
        for error_type in SoapFault::ERROR_TYPES {
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

/// What a fault answers, and the Action that it has.
#[tokio::test]
async fn a_fault_has_the_action_of_the_step_that_it_answers() {
    let rig = rig(
        "[[rule]]\nname = \"fault\"\nstage = \"request\"\nstep = { soap-fault = { subcode = \"s:MessageFormat\" } }\n",
    )
    .await;
    let discover = include_str!("../../data/enrollment/discover.xml");
    let policies = include_str!("../../data/enrollment/policies.xml");
    let issue = include_str!("../../data/enrollment/request-issue.xml");
    let renew = include_str!("../../data/enrollment/request-renew.xml");
    let other_prefix = discover
        .replace("<s:", "<soapenv:")
        .replace("</s:", "</soapenv:")
        .replace(" s:", " soapenv:")
        .replace("xmlns:s=", "xmlns:soapenv=");
    let no_prefix = discover
        .replace("<s:", "<")
        .replace("</s:", "</")
        .replace(" s:", " ")
        .replace("xmlns:s=", "xmlns=");
    let old = policies.replace(
        "http://www.w3.org/2003/05/soap-envelope",
        "http://schemas.xmlsoap.org/soap/envelope/",
    );
    assert_ne!(old, policies);
    let action_only = REQUEST.replace(
        ">x<",
        ">http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy/IPolicy/GetPolicies<",
    );
    for (request, action) in [
        (discover, "/IDiscoveryService/DiscoverResponse"),
        (&other_prefix, "/IDiscoveryService/DiscoverResponse"),
        (&no_prefix, "/IDiscoveryService/DiscoverResponse"),
        (policies, "/IPolicy/GetPoliciesResponse"),
        (&old, "/IPolicy/GetPoliciesResponse"),
        (&action_only, "/IPolicy/GetPoliciesResponse"),
        (issue, "/RSTRC/wstep"),
        (renew, "/RSTRC/wstep"),
        (REQUEST, "/RSTRC/wstep"),
    ] {
        let mut device = rig.device("http/1.1").await;
        let response = device.post("/x", request.to_owned()).await;
        assert_eq!(response.status(), 500, "{request}");
        let document = decode(response.into_body(), Hint::default(), &Limits::default()).unwrap();
        let found = document.elements().find(|e| e.local() == "Action").unwrap();
        assert!(
            found.text().ends_with(action),
            "{request}: {}",
            found.text()
        );
        let version = |text: &str| text.contains("http://schemas.xmlsoap.org/soap/envelope/");
        let answered = document.root().foreign_namespace().unwrap();
        assert_eq!(version(answered), version(request), "{request}");
    }
    // The name of an element has a case.
    let lower = discover.replace("Envelope", "envelope");
    let response = rig.device("http/1.1").await.post("/x", lower).await;
    assert_eq!(response.status(), 502);
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
