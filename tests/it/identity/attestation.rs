//! The built-in rules that make devices leave attestation out, on messages of real servers.

use dmtap::builtin_rules::BUILTIN_RULES;
use dmtap::markup::{Hint, Limits, decode};

use crate::support::rig::{Rig, in_front_of};
use crate::support::server::Server;

/// The built-in rules, in one file.
fn built_in() -> String {
    let rules = BUILTIN_RULES.iter();
    let rules = rules.filter(|rule| rule.theme == "attestation");
    rules.map(|rule| rule.text).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_built_in_rules_lower_the_version_and_leave_software_keys_only() {
    let folder = tempfile::tempdir().unwrap();
    // It sends back what it gets.
    let server = Server::start(folder.path(), &["h2"]).await;
    let mut settings = in_front_of(server.address, &server.ca);
    settings.stay.extent = None;
    let rig = Rig::start(settings).await;
    rig.rule(&built_in());
    let check = async |message: &'static str, name: &str, expected: &[&str]| {
        let mut device = rig.device("h2").await;
        let mut request = device.request("POST", "/x", message);
        let media_type = "application/soap+xml; charset=utf-8".parse().unwrap();
        request.headers_mut().insert("content-type", media_type);
        let answer = device.send(request).await.unwrap().into_body();
        let decoded = decode(answer, Hint::default(), &Limits::default()).unwrap();
        let found = decoded.elements().filter(|element| element.local() == name);
        let found: Vec<_> = found.map(|element| element.text().into_owned()).collect();
        assert_eq!(found, expected);
    };
    let discovery = include_str!("../../data/enrollment/discover-response.xml");
    check(discovery, "EnrollmentVersion", &["4.0"]).await;
    let policies = include_str!("../../data/enrollment/policies-response.xml");
    let software = "Microsoft Software Key Storage Provider";
    assert!(policies.contains("Microsoft Platform Crypto Provider"));
    check(policies, "provider", &[software]).await;
    rig.stop().await;
}
