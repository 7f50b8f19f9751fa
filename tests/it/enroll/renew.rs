//! Renewals through dmtap: signed again by dmtap, on connections that present the old identity.

use dmtap::app::enroll_device::renew;

use super::lab::Lab;
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_is_swapped_and_the_old_identity_stays_until_the_new_one_is_used() {
    let bench = Bench::new(false).await;
    let lab = Lab::in_front_of((&bench.authority, bench.trust()), bench.address, |_| {}).await;
    let profile = alice();
    let (first, second) = (new_key().unwrap(), new_key().unwrap());
    let enrollment = lab.enroll_with(profile.clone(), first.clone()).await;
    let enrollment = enrollment.unwrap();
    let client = lab.client_of(&enrollment, &first);
    let old = lab.store().list().unwrap().0.remove(0);
    let renewed = renew(
        &client,
        profile.clone(),
        &enrollment,
        &first,
        second.clone(),
    )
    .await;
    let renewed = renewed.unwrap();
    assert_ne!(renewed.thumbprint, enrollment.thumbprint);
    let granted = bench.service.granted();
    assert_eq!(granted.len(), 2);
    let new = lab.store().find(&renewed.thumbprint).unwrap();
    assert_eq!(new.renews, Some(old.id.clone()));
    assert_eq!(new.server_certificate.thumbprint, granted[1].thumbprint);
    assert_eq!(lab.store().list().unwrap().0.len(), 2);
    let notes: Vec<_> = lab.notes().iter().map(|note| note.id).collect();
    assert_eq!(notes, ["SWAP-01", "SWAP-01"]);
    // Somebody else's key does not renew, and neither does an identity that is gone: both pass as they are.
    let stranger = renew(&client, profile.clone(), &renewed, &first, second).await;
    assert!(
        matches!(stranger, Err(EnrollError::Answered(_))),
        "{stranger:?}"
    );
    lab.store().remove(&old.id).unwrap();
    let gone = renew(&client, profile, &enrollment, &first, new_key().unwrap()).await;
    assert!(matches!(gone, Err(EnrollError::Answered(_))), "{gone:?}");
    let notes = lab.notes();
    let texts: Vec<_> = notes[2..].iter().map(|note| &*note.text).collect();
    assert!(texts[0].contains("its signature is wrong"), "{texts:?}");
    assert!(
        texts[1].contains(&enrollment.thumbprint) && texts[1].contains("no identity"),
        "{texts:?}"
    );
    assert_eq!(texts.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_identity_is_renewed_without_the_option_and_nothing_else_is_swapped() {
    let bench = Bench::new(false).await;
    let in_front = || (&bench.authority, bench.trust());
    let first = Lab::in_front_of(in_front(), bench.address, |_| {}).await;
    let (profile, key) = (alice(), new_key().unwrap());
    let enrollment = first.enroll_with(profile.clone(), key.clone()).await;
    let enrollment = enrollment.unwrap();
    let confdir = first.confdir.path().to_owned();
    let second = Lab::in_front_of(in_front(), bench.address, |settings| {
        settings.confdir = Some(confdir);
        settings.swap = dmtap::proxy::SwapSettings::Off;
    });
    let second = second.await;
    second.enroll(alice()).await.unwrap();
    assert_eq!(second.notes().len(), 0);
    let client = second.client_of(&enrollment, &key);
    let new = new_key().unwrap();
    let id = profile.device_id.clone();
    let renewed = renew(&client, profile, &enrollment, &key, new.clone()).await;
    let renewed = renewed.unwrap();
    let stored = first.store().find(&renewed.thumbprint).unwrap();
    let granted = bench.service.granted();
    assert_eq!(stored.server_certificate.thumbprint, granted[2].thumbprint);
    let notes: Vec<_> = second.notes().iter().map(|note| note.id).collect();
    assert_eq!(notes, ["SWAP-01"]);
    let mut device = EnrolledDevice::new(renewed.clone(), id);
    let client = second.client_of(&renewed, &new);
    let session = device.session(&client, "1", RetryPolicy::default());
    session.await.unwrap();
}

/// The answer to a renewal does not reach the device.
const LOST: &str = r#"
[[rule]]
name = "lost"
stage = "response"

[rule.match]
has = "Body/RequestSecurityTokenResponseCollection"

[[rule.step]]
reset = true
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_lost_renewal_the_old_identity_is_good_for_sessions_and_for_another_renewal() {
    let bench = Bench::new(false).await;
    let lab = Lab::in_front_of((&bench.authority, bench.trust()), bench.address, |_| {}).await;
    let (profile, key) = (alice(), new_key().unwrap());
    let enrollment = lab.enroll_with(profile.clone(), key.clone()).await.unwrap();
    let client = lab.client_of(&enrollment, &key);
    let rules = dmtap::rules::load::parse("lost.toml", LOST).unwrap();
    let rules = dmtap::rules::RuleSet::from_rules(rules).unwrap();
    lab.rules.publish(Arc::new(rules), &[]);
    let lost = renew(
        &client,
        profile.clone(),
        &enrollment,
        &key,
        new_key().unwrap(),
    )
    .await;
    assert!(
        matches!(lost, Err(EnrollError::NoResponse { .. })),
        "{lost:?}"
    );
    assert_eq!(bench.service.granted().len(), 2);
    lab.rules.publish(Arc::default(), &[]);
    let mut device = EnrolledDevice::new(enrollment, profile.device_id.clone());
    let session = device.session(&client, "1", RetryPolicy::default());
    session.await.unwrap();
    let new = new_key().unwrap();
    let renewed = renew(&client, profile, &device.enrollment, &key, new.clone()).await;
    let renewed = renewed.unwrap();
    let client = lab.client_of(&renewed, &new);
    device.renewed(renewed);
    let session = device.session(&client, "2", RetryPolicy::default());
    session.await.unwrap();
}
