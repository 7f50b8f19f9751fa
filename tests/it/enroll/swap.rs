//! dmtap enrolls in place of the device, or leaves everything as it is.

use std::path::PathBuf;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dmtap::dm::certificate::thumbprint;
use http::{Response, StatusCode};

use super::lab::{Change, Lab, with_document};
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_enrolls_with_its_key_and_dmtap_with_its_own() {
    let bench = Bench::new(false).await;
    let lab = Lab::in_front_of((&bench.authority, bench.trust()), bench.address, |_| {}).await;
    let bob = EnrollProfile::new("bob@dmtap.test".into(), token(), CsrForm::Windows11);
    for profile in [alice(), bob] {
        let id = profile.device_id.clone();
        let key = new_key().unwrap();
        let enrollment = lab.enroll_with(profile, key.clone()).await.unwrap();
        let granted = bench.service.granted();
        let granted = &granted.last().unwrap().thumbprint;
        assert_ne!(&enrollment.thumbprint, granted);
        let stored = lab.store().find(&id).unwrap();
        assert_eq!(&stored.server_certificate.thumbprint, granted);
        assert_eq!(stored.device_certificate.thumbprint, enrollment.thumbprint);
        let (server, device) = (&stored.server_certificate, &stored.device_certificate);
        assert_eq!(server.subject, device.subject);
        assert_eq!(server.serial, device.serial);
        assert_eq!(server.not_after, device.not_after);
        assert_ne!(server.issuer, device.issuer);
        let answer = lab.answer();
        let rules: Vec<_> = answer.applied.iter().map(|effect| &*effect.rule).collect();
        assert_eq!(rules, ["stay", "swap-client-identity"]);
        let client = lab.client_of(&enrollment, &key);
        let mut device = EnrolledDevice::new(enrollment, id);
        for session_id in ["1", "2"] {
            let session = device.session(&client, session_id, RetryPolicy::default());
            session.await.unwrap();
        }
    }
    let notes: Vec<_> = lab.notes().iter().map(|note| note.id).collect();
    assert_eq!(notes, ["SWAP-01", "SWAP-01"]);
    assert_eq!(lab.store().list().unwrap().0.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_leaves_the_answer_of_the_server_as_it_is() {
    let check = async |change: Arc<Change>, expected: &str| {
        let lab = Lab::with_answers(change, |settings| settings.stay.extent = None).await;
        lab.enroll(alice()).await.unwrap_err();
        let notes = lab.notes();
        let texts: Vec<_> = notes.iter().map(|note| &*note.text).collect();
        assert_eq!(notes.len(), 1, "{texts:?}");
        assert_eq!(notes[0].id, "SWAP-02");
        assert!(texts[0].contains(expected), "{texts:?}");
        // A server that refuses may miss a subject that it can read.
        let is_refusal =
            expected.starts_with("the fault") || expected.starts_with("the server answered");
        assert_eq!(texts[0].contains("--csr-strict"), is_refusal, "{texts:?}");
        let answer = lab.answer();
        assert_eq!(answer.body.sent, answer.body.received);
        assert!(answer.applied.is_empty());
        assert!(lab.store().list().unwrap().0.is_empty());
    };
    check(
        Arc::new(|mut answer| {
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            let fault = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body><s:Fault><s:Code>\
                         <s:Value>s:Receiver</s:Value><s:Subcode><s:Value>s:Authorization</s:Value></s:Subcode></s:Code>\
                         <s:Reason><s:Text>no</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>";
            answer
                .headers_mut()
                .insert("content-length", fault.len().into());
            *answer.body_mut() = fault.into();
            Some(answer)
        }),
        "the fault s:Authorization",
    )
    .await;
    check(
        Arc::new(|mut answer| {
            *answer.status_mut() = StatusCode::BAD_REQUEST;
            answer.headers_mut().insert("content-length", 2.into());
            *answer.body_mut() = "no".into();
            Some(answer)
        }),
        "the server answered with HTTP 400 Bad Request",
    )
    .await;
    check(
        Arc::new(|answer| {
            Some(with_document(answer, |document| {
                document.replace("\"EncodedCertificate\"", "\"Another\"")
            }))
        }),
        "no certificate in the provisioning document is for dmtap's key",
    )
    .await;
    check(
        Arc::new(|answer| {
            Some(with_document(answer, |document| {
                let start = document.rfind("<characteristic type=\"My\"").unwrap();
                let end = start
                    + document[start..]
                        .find("<characteristic type=\"WSTEP\"")
                        .unwrap();
                let own = format!("{}</characteristic>", &document[start..end]);
                document.replacen(&own[..30], &format!("{own}{}", &own[..30]), 1)
            }))
        }),
        "2 certificates in the provisioning document",
    )
    .await;
    check(
        Arc::new(|answer| Some(with_document(answer, |_| "<other/>".into()))),
        "the answer holds no provisioning document",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serial_number_that_a_device_has_already_gives_way_to_a_random_one_and_a_note_says_so() {
    let first = Lab::with_answers(Arc::new(Some), |settings| settings.stay.extent = None).await;
    first.enroll(alice()).await.unwrap();
    // Another server, which counts from the same number.
    let confdir = first.confdir.path().to_owned();
    let second = Lab::with_answers(Arc::new(Some), |settings| {
        settings.stay.extent = None;
        settings.confdir = Some(confdir);
    })
    .await;
    second.enroll(alice()).await.unwrap();
    let stored = first.store().list().unwrap().0;
    let [one, other] = &stored[..] else {
        panic!("{stored:?}");
    };
    assert_eq!(
        one.server_certificate.serial,
        other.server_certificate.serial
    );
    assert_ne!(
        one.device_certificate.serial,
        other.device_certificate.serial
    );
    let has_note = |lab: &Lab| {
        let notes = lab.notes();
        assert_eq!(notes.len(), 1, "{notes:?}");
        notes[0].text.contains("random serial number")
    };
    assert!(!has_note(&first) && has_note(&second));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_takes_nothing_leaves_the_answer_as_it_is() {
    let lab = Lab::with_answers(Arc::new(Some), |settings| settings.stay.extent = None).await;
    let folder: PathBuf = lab.confdir.path().join("identities");
    std::fs::write(&folder, "a file").unwrap();
    lab.enroll(alice()).await.unwrap_err();
    let notes = lab.notes();
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].text.contains(&*folder.display().to_string()),
        "{}",
        notes[0].text
    );
    let answer = lab.answer();
    assert_eq!(answer.body.sent, answer.body.received);
    // The device may come back when there is room again.
    std::fs::remove_file(folder).unwrap();
    let enrollment = lab.enroll(alice()).await.unwrap();
    let stored = lab.store().list().unwrap().0;
    assert_eq!(stored.len(), 1);
    assert_eq!(
        stored[0].device_certificate.thumbprint,
        enrollment.thumbprint
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_leaves_nothing_behind_and_the_next_enrollment_works() {
    let asked = Arc::new(Mutex::new(0));
    let change = move |answer| {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        (*asked > 1).then_some(answer)
    };
    let lab = Lab::with_answers(Arc::new(change), |_| {}).await;
    lab.enroll(alice()).await.unwrap_err();
    assert!(lab.store().list().unwrap().0.is_empty());
    lab.enroll(alice()).await.unwrap();
    assert_eq!(lab.store().list().unwrap().0.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_enrollments_than_the_limit_pass_as_they_are() {
    let lab = Lab::with_answers(Arc::new(Some), |settings| settings.limits.enrollments = 0).await;
    // The certificate that the server issues is then for the device's own key.
    let enrollment = lab.enroll(alice()).await.unwrap();
    let notes = lab.notes();
    assert_eq!(notes.len(), 1);
    let text = &notes[0].text;
    assert!(text.contains("0 enrollments are under way"), "{text}");
    assert!(lab.store().list().unwrap().0.is_empty());
    assert_eq!(enrollment.thumbprint.len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_device_gets_the_document_of_the_server_but_for_one_certificate() {
    let lab = Lab::with_answers(Arc::new(Some), |settings| settings.stay.extent = None).await;
    lab.enroll(alice()).await.unwrap();
    let answer = lab.answer();
    let inside = |body: &Bytes| {
        let mut document = String::new();
        let whole = Response::new(body.clone());
        let document_of = Mutex::new(&mut document);
        with_document(whole, |inner| {
            **document_of.lock().unwrap() = inner.clone();
            inner
        });
        document
    };
    let (before, after) = (inside(&answer.body.received), inside(&answer.body.sent));
    let stored = lab.store().list().unwrap().0.remove(0);
    let (server, device) = (&stored.server_certificate, &stored.device_certificate);
    let expected = before
        .replace(&server.der, &device.der)
        .replace(&server.thumbprint, &device.thumbprint);
    assert_eq!(after, expected);
    assert_ne!(after, before);
    let der = STANDARD.decode(&device.der).unwrap();
    assert_eq!(thumbprint(&der), device.thumbprint);
}
