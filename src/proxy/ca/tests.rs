//! Tests of the authority: the files that it makes, and those that it refuses.

use x509_parser::extensions::{GeneralName, ParsedExtension};

use super::*;

fn made() -> (tempfile::TempDir, Authority) {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(directory.path()).unwrap();
    (directory, authority)
}

fn error_after(change: impl FnOnce(&Path)) -> String {
    let (directory, _) = made();
    change(directory.path());
    let error = Authority::load_or_create(directory.path()).unwrap_err();
    error.to_string()
}

#[test]
fn the_first_start_makes_three_files_and_the_next_one_loads_them() {
    let directory = tempfile::tempdir().unwrap();
    let confdir = directory.path().join("deep").join("conf");
    let first = Authority::load_or_create(&confdir).unwrap();
    let second = Authority::load_or_create(&confdir).unwrap();
    assert_eq!(first.certificate(), second.certificate());
    let mut names: Vec<_> = fs::read_dir(&confdir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["dmtap-ca-cert.cer", "dmtap-ca-cert.pem", "dmtap-ca.pem"]
    );
    let public = fs::read(confdir.join("dmtap-ca-cert.pem")).unwrap();
    assert_eq!(
        certificates(&public).unwrap(),
        [first.certificate().clone()]
    );
    assert!(!String::from_utf8(public).unwrap().contains("PRIVATE"));
}

#[cfg(unix)]
#[test]
fn the_private_key_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let confdir = directory.path().join("conf");
    Authority::load_or_create(&confdir).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&confdir), 0o700);
    assert_eq!(mode(&confdir.join("dmtap-ca.pem")), 0o600);
}

#[test]
fn every_installation_has_a_ca_of_its_own() {
    let ((_a, one), (_b, other)) = (made(), made());
    let facts = |authority: &Authority| {
        let (_, c) = x509_parser::parse_x509_certificate(authority.certificate()).unwrap();
        (c.subject().to_string(), c.raw_serial_as_string())
    };
    let ((subject, serial), (other_subject, other_serial)) = (facts(&one), facts(&other));
    assert_ne!(subject, other_subject);
    assert_ne!(serial, other_serial);
    assert!(subject.contains("dmtap CA "), "{subject}");
}

#[test]
fn the_ca_is_valid_for_ten_years() {
    let (_directory, authority) = made();
    let (_, ca) = x509_parser::parse_x509_certificate(authority.certificate()).unwrap();
    let validity = ca.validity();
    let days = (validity.not_after.timestamp() - validity.not_before.timestamp()) / 86_400;
    assert_eq!(days, 3650);
    assert!(ca.is_ca());
}

#[test]
fn a_leaf_is_what_systems_accept() {
    let (_directory, authority) = made();
    let (_, ca) = x509_parser::parse_x509_certificate(authority.certificate()).unwrap();
    let check = |name: &str, expected: GeneralName<'_>| {
        let leaf = authority.leaf(&[name]).unwrap();
        let (_, leaf) = x509_parser::parse_x509_certificate(&leaf.cert[0]).unwrap();
        let validity = leaf.validity();
        let days = (validity.not_after.timestamp() - validity.not_before.timestamp()) / 86_400;
        assert_eq!(days, 199);
        let age = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let back = age.as_secs() as i64 - validity.not_before.timestamp();
        assert!((172_800..172_900).contains(&back), "{back}");
        let san = leaf.subject_alternative_name().unwrap().unwrap();
        assert_eq!(san.value.general_names, [expected]);
        let usage = leaf.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.server_auth && !usage.client_auth);
        let key_of = |c: &x509_parser::certificate::X509Certificate<'_>| {
            c.iter_extensions()
                .find_map(|e| match e.parsed_extension() {
                    ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
                    _ => None,
                })
        };
        let issuer = leaf
            .iter_extensions()
            .find_map(|e| match e.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    id.key_identifier.as_ref().map(|id| id.0.to_vec())
                }
                _ => None,
            });
        assert!(issuer.is_some() && issuer == key_of(&ca));
        leaf.verify_signature(Some(ca.public_key())).unwrap();
    };
    check("mdm.example.com", GeneralName::DNSName("mdm.example.com"));
    check("127.0.0.1", GeneralName::IPAddress(&[127, 0, 0, 1]));
    let v6 = "2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap();
    check("2001:db8::1", GeneralName::IPAddress(&v6.octets()));
    let long = format!("{}.example.com", "a".repeat(60));
    check(&long, GeneralName::DNSName(&long));
}

#[test]
fn broken_files_are_named() {
    let check = |change: &dyn Fn(&Path), expected: &str| {
        let error = error_after(change);
        assert!(error.contains(expected), "{error}");
    };
    let secret = |p: &Path| p.join("dmtap-ca.pem");
    check(
        &|p| fs::write(secret(p), "junk").unwrap(),
        "it holds no certificate",
    );
    check(
        &|p| fs::write(secret(p), fs::read(p.join("dmtap-ca-cert.pem")).unwrap()).unwrap(),
        "no private key",
    );
    check(
        &|p| fs::remove_file(secret(p)).unwrap(),
        "it is missing, but",
    );
    check(
        &|p| {
            let (_other, authority) = made();
            fs::write(p.join("dmtap-ca-cert.cer"), pem_of(authority.certificate())).unwrap();
        },
        "dmtap-ca-cert.cer: it does not hold the certificate of",
    );
    check(
        &|p| {
            let (other, _) = made();
            let ours = fs::read_to_string(secret(p)).unwrap();
            let theirs = fs::read_to_string(secret(other.path())).unwrap();
            let cut = |pem: &str| pem.find("-----BEGIN CERT").unwrap();
            let mixed = format!("{}{}", &ours[..cut(&ours)], &theirs[cut(&theirs)..]);
            fs::write(secret(p), mixed).unwrap();
        },
        "do not belong together",
    );
}
