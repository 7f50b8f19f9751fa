//! The rules about enrollment answer only their own step, wherever a server has it.

use dmtap::builtin_rules::BUILTIN_RULES;
use dmtap::markup::{Hint, Limits, decode};
use dmtap::proxy::{Authority, BodyCapture, Settings};

use super::super::support::rig::{Rig, in_front_of};

/// Where servers have discovery, policies and enrollment: as Microsoft does, on one path, in other ways.
const PATHS: [[&str; 3]; 5] = [
    [
        "/EnrollmentServer/Discovery.svc",
        "/EnrollmentServer/PolicyService.svc",
        "/EnrollmentServer/EnrollmentService.svc",
    ],
    ["/discover", "/xcep", "/wstep"],
    [
        "/api/mdm/microsoft/discovery",
        "/api/mdm/microsoft/policy",
        "/api/mdm/microsoft/enroll",
    ],
    ["/mdm", "/mdm", "/mdm"],
    // A server with its enrollment where others have their discovery.
    ["/wstep", "/", "/EnrollmentServer/Discovery.svc?a=1"],
];

/// The messages of each step, and whether a request renews.
const MESSAGES: [(&str, usize, bool); 7] = [
    (include_str!("../../data/enrollment/discover.xml"), 0, false),
    (
        include_str!("../../data/enrollment/discover-version-9.xml"),
        0,
        false,
    ),
    (include_str!("../../data/enrollment/policies.xml"), 1, false),
    (
        include_str!("../../data/enrollment/request-issue.xml"),
        2,
        false,
    ),
    (
        include_str!("../../data/enrollment/request-entra.xml"),
        2,
        false,
    ),
    (
        include_str!("../../data/enrollment/request-empty.xml"),
        2,
        false,
    ),
    (
        include_str!("../../data/enrollment/request-renew.xml"),
        2,
        true,
    ),
];

const REQUEST: usize = 2;

#[tokio::test]
async fn each_rule_about_enrollment_acts_at_its_own_step_on_every_path() {
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(directory.path()).unwrap();
    let settings = Settings {
        body_capture: BodyCapture::Annotate,
        ..in_front_of(nowhere, authority.certificate_file())
    };
    let rig = Rig::start(settings).await;
    let mut acted = 0;
    for rule in BUILTIN_RULES
        .iter()
        .filter(|rule| rule.theme == "enrollment")
    {
        rig.rule(rule.text);
        for (number, paths) in PATHS.iter().enumerate() {
            // Every message at the first paths; one message of each step at the others.
            let messages = MESSAGES
                .iter()
                .filter(|(text, ..)| number == 0 || text.len() % 5 != number);
            for (text, step, renews) in messages {
                let mut device = rig.device("h2").await;
                let response = device.post(paths[*step], *text).await;
                let is_fault = response.status() == 500;
                let expected = match rule.name {
                    "not-eligible-to-renew" => *renews,
                    _ => *step == REQUEST,
                };
                let what = format!("{} at {}: {}", rule.name, paths[*step], &text[..200]);
                assert_eq!(is_fault, expected, "{what}");
                if !is_fault {
                    // Nobody answers there.
                    assert_eq!(response.status(), 502, "{what}");
                    continue;
                }
                let limits = Limits::default();
                let answer = decode(response.into_body(), Hint::default(), &limits).unwrap();
                let action = answer.elements().find(|e| e.local() == "Action").unwrap();
                assert!(action.text().ends_with("/RSTRC/wstep"), "{what}");
                acted += 1;
            }
        }
    }
    assert!(acted > 100, "{acted}");
    rig.stop().await;
}
