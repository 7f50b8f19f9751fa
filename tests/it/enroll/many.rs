//! More simultaneous enrollments than dmtap swaps.

use std::sync::Mutex;

use super::lab::Lab;
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_300_enrollments_at_once_as_many_as_the_limit_are_swapped_whole_and_the_others_pass_as_they_are()
 {
    // The server answers when all requests are there.
    let barrier = Arc::new(tokio::sync::Barrier::new(DEVICES));
    let lab = Lab::with_held_answers(barrier, |settings| {
        assert_eq!(settings.limits.enrollments, 256);
        settings.limits.enrollments = LIMIT;
    });
    let lab = lab.await;
    let key = new_key().unwrap();
    let enrolled = Arc::new(Mutex::new(Vec::new()));
    let mut devices = tokio::task::JoinSet::new();
    // Each stands for 50 devices, which share its connection.
    let clients: Vec<_> = (0..6).map(|_| lab.client()).collect();
    let url = "https://one.dmtap.test/EnrollmentServer/Discovery.svc";
    for number in 0..DEVICES {
        let client = clients[number % clients.len()].clone();
        let (key, enrolled) = (key.clone(), enrolled.clone());
        devices.spawn(async move {
            let profile = EnrollProfile {
                device_id: format!("{number:032X}"),
                csr: CsrForm::Windows11,
                ..alice()
            };
            let enrollment = enroll(&client, profile, key, url.parse().unwrap());
            let enrollment = enrollment.await.unwrap();
            enrolled.lock().unwrap().push(enrollment);
        });
    }
    devices.join_all().await;
    let stored = lab.store().list().unwrap().0;
    assert_eq!(stored.len(), LIMIT);
    let notes = lab.notes();
    let refused = notes.iter().filter(|note| note.id == "SWAP-02");
    let texts: Vec<_> = refused.map(|note| &*note.text).collect();
    assert_eq!(texts.len(), DEVICES - LIMIT);
    assert!(
        texts
            .iter()
            .all(|text| text.contains("32 enrollments are under way"))
    );
    // Each device has a certificate for its key: one of dmtap's with an identity, or the server's own.
    let enrolled = enrolled.lock().unwrap();
    let own = stored.iter().map(|it| &it.device_certificate.thumbprint);
    let own: std::collections::HashSet<_> = own.collect();
    let swapped = enrolled
        .iter()
        .filter(|it| own.contains(&it.thumbprint))
        .count();
    assert_eq!((enrolled.len(), swapped), (DEVICES, LIMIT));
}

const DEVICES: usize = 300;
/// The default is 256, for which dmtap makes keys for half a minute.
const LIMIT: usize = 32;
