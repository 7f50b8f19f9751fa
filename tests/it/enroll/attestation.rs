//! The built-in rules about attestation: a device with a TPM leaves its attestation out, and the swap has no warning.

use dmtap::builtin_rules::BUILTIN_RULES;
use dmtap::flow::event::Event;
use dmtap::rules::{RuleSet, load};

use super::lab::Lab;
use super::*;
use crate::builtin_rules::tried;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_rule_about_attestation_makes_the_device_leave_its_proof_out() {
    let bench = Bench::new(false).await;
    let mut acted = Vec::new();
    let rules = BUILTIN_RULES.iter();
    let rules = rules.filter(|rule| rule.theme == "attestation");
    for rule in [None].into_iter().chain(rules.map(Some)) {
        let lab = Lab::in_front_of((&bench.authority, bench.trust()), bench.address, |_| {}).await;
        if let Some(rule) = rule {
            let rules = load::parse(rule.name, rule.text).unwrap();
            lab.rules
                .publish(Arc::new(RuleSet::from_rules(rules).unwrap()), &[]);
        }
        let profile = EnrollProfile {
            attests: true,
            ..EnrollProfile::new("bob@dmtap.test".into(), token(), CsrForm::Windows11)
        };
        lab.enroll(profile).await.unwrap();
        let ids: Vec<_> = lab.notes().iter().map(|note| note.id).collect();
        match rule {
            None => assert_eq!(ids, ["SWAP-03", "SWAP-01"]),
            Some(rule) => {
                assert_eq!(ids, ["SWAP-01"], "{}", rule.name);
                let events = lab.log.events();
                let tried = tried::again(rule, &events);
                assert_eq!(tried.differences, [""; 0], "{}", rule.name);
                assert!(tried.acted > 0 && tried.rewritten > 0, "{tried:?}");
                let applied = events.into_iter().flat_map(|event| match event {
                    Event::Response(message) => message.applied.clone(),
                    _ => Vec::new(),
                });
                acted.extend(
                    applied
                        .map(|effect| effect.rule)
                        .filter(|name| name == rule.name),
                );
            }
        }
    }
    assert_eq!(acted, ["enrollment-version-4", "software-keys"]);
}
