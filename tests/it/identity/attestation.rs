//! The rules of docs/enrollment.md with which devices leave attestation out.

use dmtap::markup::{Hint, Limits, decode};

use crate::support::rig::{Rig, in_front_of};
use crate::support::server::Server;

/// The rule file of the documentation.
fn documented() -> &'static str {
    let page = include_str!("../../../docs/enrollment.md");
    let block = page.split("```toml\n").nth(1).unwrap();
    block.split("```").next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_rules_lower_the_version_and_leave_software_keys_only() {
    let folder = tempfile::tempdir().unwrap();
    // It sends back what it gets.
    let server = Server::start(folder.path(), &["h2"]).await;
    let mut settings = in_front_of(server.address, &server.ca);
    settings.stay.extent = None;
    let rig = Rig::start(settings).await;
    rig.rule(documented());
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
