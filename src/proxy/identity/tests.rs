//! Tests of identities: the hosts that they go to, and their removal.

use std::path::Path;

use super::identities::Identities;
use super::*;
use crate::identity::KeyKind;
use crate::identity::enrollment::Asked;
use crate::markup::{Hint, Limits, decode};
use crate::proxy::ca::Authority;
use crate::proxy::client_identity::tests::pem;
use crate::proxy::settings::{Settings, SwapSettings};

fn settings(confdir: &Path) -> Settings {
    Settings {
        confdir: Some(confdir.to_owned()),
        ..Settings::reverse("https://mdm.example".parse().unwrap())
    }
}

/// Stores an identity, which may renew another one. Returns the identity and the SHA-256 of its device's certificate.
fn store(confdir: &Path, created: &str, renews: Option<IdentityId>) -> (StoredIdentity, [u8; 32]) {
    let der = |pem: &str| crate::proxy::ca::certificates(pem.as_bytes()).unwrap()[0].to_vec();
    let [(server, _), (device, _)] = [pem(), pem()];
    let device = der(&device);
    let identity = StoredIdentity {
        v: 1,
        id: IdentityId::of(&device),
        device_id: "device".into(),
        server: "MDM.example:443".into(),
        hosts: vec!["dm.example".into()],
        created: created.into(),
        server_certificate: CertificateDetails::of(&der(&server)).unwrap(),
        device_certificate: CertificateDetails::of(&device).unwrap(),
        renews,
    };
    IdentityStore::of(confdir).add(&identity, &server).unwrap();
    (identity, stored::sha256(&device))
}

#[test]
fn an_identity_goes_to_its_server_and_to_hosts_that_this_one_named_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, hash) = store(folder.path(), "2026-01-01T00:00:00Z", None);
    let identities = Identities::new(&settings(folder.path())).unwrap();
    let goes = |identities: &Identities, host: &str| {
        let found = identities.of_certificate(&hash, host).is_some();
        assert_eq!(identities.go_to(host), found, "{host}");
        found
    };
    for host in ["mdm.example", "MDM.example.", "dm.example"] {
        assert!(goes(&identities, host), "{host}");
    }
    for host in ["example", "sign-in.example", "mdm.example.net", ""] {
        assert!(!goes(&identities, host), "{host}");
    }
    assert!(identities.of_certificate(&[0; 32], "mdm.example").is_none());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async { identities.add_hosts(&hash, vec!["moved.example".into()]) });
    drop(runtime);
    assert!(goes(&identities, "moved.example"));
    // The new host is stored.
    let again = Identities::new(&settings(folder.path())).unwrap();
    assert!(goes(&again, "moved.example") && goes(&again, "dm.example"));
    let stored = IdentityStore::of(folder.path())
        .find(identity.id.as_str())
        .unwrap();
    assert_eq!(stored.server_certificate, identity.server_certificate);
}

#[test]
fn an_old_identity_stays_for_90_days_unless_the_new_one_is_used() {
    let check = |now: &str, uses: bool, expected: usize| {
        let folder = tempfile::tempdir().unwrap();
        // The dates are far ahead, because a proxy reads the clock at its start.
        let (old, _) = store(folder.path(), "2100-01-01T00:00:00Z", None);
        let (_, hash) = store(folder.path(), "2100-06-01T00:00:00Z", Some(old.id));
        let identities = Identities::new(&settings(folder.path())).unwrap();
        let stored = IdentityStore::of(folder.path());
        identities.retire_old(&stored.list().unwrap().0, now.parse().unwrap());
        if uses {
            identities.of_certificate(&hash, "mdm.example").unwrap();
        }
        assert_eq!(stored.list().unwrap().0.len(), expected, "{now}");
    };
    check("2100-06-01T00:00:01Z", false, 2);
    check("2100-08-30T00:00:00Z", false, 2);
    check("2100-08-30T00:00:01Z", false, 1);
    check("2100-06-01T00:00:01Z", true, 1);
}

#[test]
fn a_damaged_identity_does_not_keep_the_others_from_their_servers() {
    let folder = tempfile::tempdir().unwrap();
    let (damaged, of_damaged) = store(folder.path(), "2026-01-01T00:00:00Z", None);
    let (_, hash) = store(folder.path(), "2026-01-01T00:00:00Z", None);
    let own = folder.path().join("identities").join(damaged.id.as_str());
    std::fs::write(own.join("identity.json"), "{").unwrap();
    let identities = Identities::new(&settings(folder.path())).unwrap();
    let found = |hash| identities.of_certificate(hash, "mdm.example").is_some();
    assert!(found(&hash) && !found(&of_damaged));
}

#[test]
fn what_a_run_did_not_finish_is_gone_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, _) = store(folder.path(), "2026-01-01T00:00:00Z", None);
    let (lost, _) = store(folder.path(), "2026-01-01T00:00:00Z", None);
    let identities = folder.path().join("identities");
    let own = identities.join(identity.id.as_str());
    // No process has this number.
    let left = |id: &IdentityId, what: &str| identities.join(format!(".{id}.4194999.{what}"));
    for what in ["new", "gone", "old"] {
        let draft = left(&identity.id, what);
        std::fs::create_dir(&draft).unwrap();
        std::fs::copy(own.join("identity.pem"), draft.join("identity.pem")).unwrap();
    }
    std::fs::rename(identities.join(lost.id.as_str()), left(&lost.id, "old")).unwrap();
    std::fs::create_dir(identities.join(".other")).unwrap();
    Identities::new(&settings(folder.path())).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(&identities)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected = vec![
        ".other".to_owned(),
        identity.id.to_string(),
        lost.id.to_string(),
    ];
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn keys_have_the_bits_that_the_server_wants_and_names_of_hosts_are_compared_without_dots() {
    let folder = tempfile::tempdir().unwrap();
    let identities = Identities::new(&Settings {
        swap: SwapSettings::Hosts(vec!["MDM.example".into()]),
        ..settings(folder.path())
    });
    let identities = identities.unwrap();
    assert!(identities.swaps("mdm.example.") && !identities.swaps("dm.example"));
    let server = "mdm.example:443";
    assert_eq!(identities.key_bits(server, 2048), 2048);
    identities.want_key_bits(server, 3072);
    assert_eq!(identities.key_bits(server, 2048), 3072);
    assert_eq!(identities.key_bits(server, 4096), 4096);
    assert_eq!(identities.key_bits("other.example:443", 2048), 2048);
    let key = OwnKey::generate(KeyKind::Rsa(3000)).unwrap();
    let public_key = crate::identity::Signer::public_key(&key);
    assert_eq!(KeyKind::of(public_key), Some(KeyKind::Rsa(3072)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_more_than_15_minutes_is_not_swapped() {
    let folder = tempfile::tempdir().unwrap();
    let identities = Identities::new(&settings(folder.path())).unwrap();
    let authority = Authority::load_or_create(folder.path()).unwrap();
    let limits = Limits::default();
    let read = |text: &'static str| decode(text.into(), Hint::default(), &limits).unwrap();
    let request = read(include_str!(
        "../../../tests/data/enrollment/request-issue.xml"
    ));
    let response = read(include_str!("../../../tests/data/enrollment/response.xml"));
    let asked = Asked::of(&request).unwrap();
    let mut texts = Vec::new();
    for minutes in [14, 16] {
        let (swap, _) = identities.begin(&asked, "mdm.example:443").await.unwrap();
        tokio::time::advance(std::time::Duration::from_secs(minutes * 60)).await;
        let answered = swap.answered(&identities, &authority, &response, Vec::new(), &limits);
        texts.push(answered.err().unwrap());
    }
    // The first answer fails because its certificate is for another key.
    assert!(texts[0].contains("for dmtap's key"), "{texts:?}");
    assert_eq!(texts[1], "the answer came after more than 15 minutes");
}
