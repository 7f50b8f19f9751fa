//! The store, and the verbs that use it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use dmtap::identity::Strings;
use dmtap::identity::{CertificateParts, CertificationRequest};
use dmtap::proxy::{CertificateDetails, IdentityId, IdentityStore, StoredIdentity};
use rustls::pki_types::pem::PemObject;

use super::*;

/// A stored identity of a device.
fn stored(confdir: &Path, device_id: &str) -> StoredIdentity {
    let (ca, csr) = (server_ca(), request(FORMS[0]));
    let csr = CertificationRequest::read(&csr).unwrap();
    let server = issued(&ca, &csr.with_key(own_key(), Strings::Kept).unwrap(), 7);
    let authority = authority(confdir);
    let issuer = authority.issuer().unwrap();
    let parts = CertificateParts::read(&server).unwrap();
    let serial = Some(device_id.len() as u128 * 2);
    let device = parts.reissued(csr.public_key(), &issuer, serial).unwrap();
    let identity = StoredIdentity {
        v: 1,
        id: IdentityId::of(&device),
        device_id: device_id.into(),
        server: "mdm.example.com:443".into(),
        hosts: Vec::new(),
        created: "2026-11-29T12:00:00Z".into(),
        server_certificate: CertificateDetails::of(&server).unwrap(),
        device_certificate: CertificateDetails::of(&device).unwrap(),
        renews: None,
    };
    let pem = dmtap::proxy::identity_pem(&[&server], own_key());
    IdentityStore::of(confdir).add(&identity, &pem).unwrap();
    identity
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn dmtap(confdir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dmtap"))
        .arg("identity")
        .args(arguments)
        .arg("--confdir")
        .arg(confdir)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn pem_file(confdir: &Path, identity: &StoredIdentity) -> PathBuf {
    let folder = confdir.join("identities").join(identity.id.as_str());
    folder.join("identity.pem")
}

#[test]
fn an_identity_is_stored_for_its_owner_alone_and_read_again() {
    let confdir = tempfile::tempdir().unwrap();
    let confdir = confdir.path();
    let identity = stored(confdir, "device-1");
    let file = pem_file(confdir, &identity);
    let folder = file.parent().unwrap();
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&folder.join("identity.json")), 0o600);
    assert_eq!(mode(folder), 0o700);
    assert_eq!(mode(folder.parent().unwrap()), 0o700);
    let names = std::fs::read_dir(folder.parent().unwrap()).unwrap().count();
    assert_eq!(names, 1, "nothing is left beside");
    let store = IdentityStore::of(confdir);
    assert_eq!(store.list().unwrap().0, std::slice::from_ref(&identity));
    for name in [
        identity.id.as_str(),
        &identity.id.as_str()[..6],
        "DEVICE-1",
        &identity.server_certificate.thumbprint.to_lowercase(),
    ] {
        assert_eq!(store.find(name).unwrap(), identity, "{name}");
    }
    said(folder, "rsa -in identity.pem -check -noout");
}

#[test]
fn a_file_that_others_may_read_is_refused_with_the_line_that_mends_it() {
    let check = |path: &Path, confdir: &Path, mode: u32, remedy: &str| {
        let set = |mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
        let before = std::fs::metadata(path).unwrap().permissions().mode();
        set(mode).unwrap();
        let (code, _, why) = dmtap(confdir, &["list"]);
        assert_eq!(code, 2, "{why}");
        assert!(
            why.contains(&format!("chmod {remedy} {}", path.display())),
            "{why}"
        );
        set(before).unwrap();
    };
    let confdir = tempfile::tempdir().unwrap();
    let confdir = confdir.path();
    let identity = stored(confdir, "device-1");
    let file = pem_file(confdir, &identity);
    check(&file, confdir, 0o644, "600");
    check(file.parent().unwrap(), confdir, 0o755, "700");
    check(&confdir.join("identities"), confdir, 0o750, "700");
    assert_eq!(dmtap(confdir, &["list"]).0, 0);
}

#[test]
fn a_damaged_identity_is_named_and_removed_and_the_others_go_on() {
    let confdir = tempfile::tempdir().unwrap();
    let confdir = confdir.path();
    let kept = stored(confdir, "kept");
    for (file, content) in [
        ("identity.pem", Some("junk\n")),
        ("identity.pem", Some("")),
        ("identity.pem", None),
        ("identity.json", Some("{")),
        ("identity.json", Some("")),
        ("identity.json", None),
    ] {
        let identity = stored(confdir, "device-1");
        let path = pem_file(confdir, &identity).with_file_name(file);
        match content {
            Some(content) => std::fs::write(&path, content).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let remedy = format!("dmtap identity remove {} removes it", identity.id);
        let (code, list, why) = dmtap(confdir, &["list"]);
        assert_eq!((code, list.lines().count()), (1, 1), "{list}{why}");
        assert!(list.starts_with(kept.id.as_str()), "{list}");
        let begin = format!("error: {}: ", path.display());
        assert!(why.starts_with(&begin) && why.contains(&remedy), "{why}");
        let (code, _, why) = dmtap(confdir, &["show", &identity.id.as_str()[..8]]);
        assert!(code == 2 && why.contains(&remedy), "{why}");
        let (code, _, why) = dmtap(confdir, &["remove", identity.id.as_str()]);
        assert_eq!(code, 0, "{why}");
        assert_eq!(dmtap(confdir, &["list"]).0, 0);
    }
}

#[test]
fn a_beginning_that_a_damaged_identity_has_too_removes_none() {
    let confdir = tempfile::tempdir().unwrap();
    let confdir = confdir.path();
    // Names are hex, so two of these begin with the same digit.
    let mut all: Vec<_> = (1..=17)
        .map(|length| stored(confdir, &"d".repeat(length)))
        .collect();
    all.sort_by(|one, other| one.id.cmp(&other.id));
    let begin = |at: usize| &all[at].id.as_str()[..1];
    let first = (0..16).find(|at| begin(*at) == begin(at + 1)).unwrap();
    let same = all
        .iter()
        .filter(|it| it.id.as_str().starts_with(begin(first)));
    for identity in same.skip(1) {
        std::fs::write(pem_file(confdir, identity), "junk\n").unwrap();
        let (code, _, why) = dmtap(confdir, &["remove", begin(first)]);
        assert!(code == 1 && why.contains("write more of it"), "{why}");
    }
    std::fs::write(pem_file(confdir, &all[first]), "junk\n").unwrap();
    let (code, _, why) = dmtap(confdir, &["remove", begin(first)]);
    assert!(code == 1 && why.contains("write more of it"), "{why}");
}

#[test]
fn what_the_system_does_not_read_is_no_damaged_identity() {
    let confdir = tempfile::tempdir().unwrap();
    let confdir = confdir.path();
    let identity = stored(confdir, "device-1");
    let path = pem_file(confdir, &identity);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    let (code, _, why) = dmtap(confdir, &["show", identity.id.as_str()]);
    assert_eq!(code, 2, "{why}");
    assert!(
        why.contains("identity.pem: ") && !why.contains("damaged"),
        "{why}"
    );
}

#[test]
fn the_verbs_list_show_export_import_and_remove() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, other) = (one.path(), other.path());
    let first = stored(one, "device-1");
    stored(one, "the second device");
    let (code, list, _) = dmtap(one, &["list"]);
    assert_eq!((code, list.lines().count()), (0, 2), "{list}");
    let (_, shown, _) = dmtap(one, &["show", "device-1"]);
    assert!(
        shown.contains(&first.device_certificate.thumbprint),
        "{shown}"
    );
    assert!(!shown.contains("PRIVATE"), "{shown}");
    let (_, json, _) = dmtap(one, &["list", "--output", "json"]);
    for line in json.lines() {
        let read: StoredIdentity = serde_json::from_str(line).unwrap();
        assert!(read.device_id.contains("device"));
    }
    let path = other.join("exported.pem");
    let (code, _, why) = dmtap(one, &["export", "device-1", path.to_str().unwrap()]);
    assert_eq!(code, 0, "{why}");
    assert!(why.contains("holds a private key"), "{why}");
    assert_eq!(mode(&path), 0o600);
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(&path);
    assert!(key.is_ok());
    assert_eq!(
        dmtap(one, &["export", "device-1", path.to_str().unwrap()]).0,
        1,
        "it is there"
    );
    let (code, _, why) = dmtap(other, &["import", path.to_str().unwrap()]);
    assert_eq!(code, 0, "{why}");
    let imported = IdentityStore::of(other).list().unwrap().0;
    assert_eq!(imported, std::slice::from_ref(&first));
    let pem = |confdir| IdentityStore::of(confdir).pem(&first.id).unwrap();
    assert_eq!(pem(one), pem(other));
    let (code, _, why) = dmtap(one, &["remove", "device-1"]);
    assert_eq!(code, 0, "{why}");
    assert_eq!(IdentityStore::of(one).list().unwrap().0.len(), 1);
    let (code, _, why) = dmtap(one, &["show", "device-1"]);
    assert_eq!(code, 1);
    assert!(why.contains("there is no identity device-1"), "{why}");
}

#[test]
fn a_device_that_calls_itself_by_the_name_of_an_identity_hides_none() {
    let folder = tempfile::tempdir().unwrap();
    let victim = stored(folder.path(), "device-a");
    let other = stored(folder.path(), victim.id.as_str());
    let store = IdentityStore::of(folder.path());
    assert_eq!(store.list().unwrap().0.len(), 2);
    let found = store.find(victim.id.as_str()).unwrap();
    assert_eq!(found.device_id, "device-a");
    let found = store.find(other.id.as_str()).unwrap();
    assert_eq!(found.device_id, victim.id.as_str());
}

#[test]
fn a_key_of_another_identity_is_not_imported() {
    let folder = tempfile::tempdir().unwrap();
    let identity = stored(folder.path(), "device-a");
    let store = IdentityStore::of(folder.path());
    let exported = String::from_utf8(store.export(&identity).unwrap()).unwrap();
    let (rest, _) = exported.split_once("-----BEGIN PRIVATE KEY-----").unwrap();
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let mixed = format!("{rest}{key}");
    let before = std::fs::read(pem_file(folder.path(), &identity)).unwrap();
    let error = store
        .import(mixed.as_bytes(), Path::new("mixed"))
        .unwrap_err();
    assert!(error.to_string().starts_with("mixed: "), "{error}");
    let after = std::fs::read(pem_file(folder.path(), &identity)).unwrap();
    assert_eq!(after, before);
}

#[test]
fn what_was_not_exported_is_not_imported() {
    let confdir = tempfile::tempdir().unwrap();
    let confdir = confdir.path();
    let identity = stored(confdir, "device-1");
    let exported = IdentityStore::of(confdir).export(&identity).unwrap();
    let text = String::from_utf8(exported).unwrap();
    let (head, pem) = text.split_once('\n').unwrap();
    let store = IdentityStore::of(&confdir.join("other"));
    let check = |text: String, expected: &str| {
        let refused = store.import(text.as_bytes(), Path::new("f.pem"));
        let why = refused.unwrap_err().to_string();
        assert!(
            why.starts_with("f.pem: ") && why.contains(expected),
            "{why}"
        );
    };
    check(pem.into(), "--client-certs");
    check(head.into(), "its first certificate");
    let key = pem.find("-----BEGIN PRIVATE").unwrap();
    check(format!("{head}\n{}", &pem[..key]), "no private key");
    check(format!("{head}\n{}", &pem[key..]), "its first certificate");
    assert!(store.list().unwrap().0.is_empty());
}

#[test]
fn what_a_power_failure_left_is_no_identity() {
    let confdir = tempfile::tempdir().unwrap();
    let confdir = confdir.path();
    let identity = stored(confdir, "device-1");
    let folder = confdir.join("identities");
    std::fs::create_dir(folder.join(format!(".{}.77.new", identity.id))).unwrap();
    let store = IdentityStore::of(confdir);
    assert_eq!(store.list().unwrap().0.len(), 1);
    // Written anew as a whole, where one that was begun lies in the way.
    let own = format!(".{}.{}.new", identity.id, std::process::id());
    std::fs::create_dir(folder.join(own)).unwrap();
    let pem = String::from_utf8(store.pem(&identity.id).unwrap()).unwrap();
    let renamed = StoredIdentity {
        device_id: "another".into(),
        ..identity
    };
    store.add(&renamed, &pem).unwrap();
    assert_eq!(store.list().unwrap().0, [renamed]);
}
