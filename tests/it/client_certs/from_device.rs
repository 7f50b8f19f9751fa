//! What dmtap requests from devices: `--request-client-cert`, and the identity for a device's certificate.

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};

use dmtap::proxy::{Authority, CertificateDetails, IdentityId, IdentityStore, StoredIdentity};
use rcgen::{Issuer, KeyPair};

use super::{Lab, certificates, port, private, text_of};
use crate::support::peers::have;
use crate::support::running::Running;

/// A device with a certificate of dmtap's CA, and the identity that dmtap has at the server for it.
struct Swapped {
    /// SHA-1 of the server's certificate, as nginx writes it.
    fingerprint: String,
    id: IdentityId,
    file: String,
}

fn swapped(lab: &Lab, name: &str) -> Swapped {
    let confdir = lab.path("conf");
    Authority::load_or_create(&confdir).unwrap();
    let read = |name: &str| fs::read_to_string(confdir.join(name)).unwrap();
    let ca_key = KeyPair::from_pem(&read("dmtap-ca.pem")).unwrap();
    let ca = Issuer::from_ca_cert_pem(&read("dmtap-ca-cert.pem"), ca_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    let kind = rcgen::DnType::CommonName;
    params.distinguished_name.push(kind, name);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let device = params.signed_by(&key, &ca).unwrap();
    let file = lab.path(&format!("{name}.device.pem"));
    fs::write(&file, device.pem() + &key.serialize_pem()).unwrap();
    private(&file);

    let fingerprint = lab.client(name);
    let upstream = fs::read_to_string(lab.path(&format!("{name}.pem"))).unwrap();
    let id = IdentityId::of(device.der());
    let identity = StoredIdentity {
        v: 1,
        id: id.clone(),
        device_id: name.into(),
        server: "localhost:443".into(),
        hosts: Vec::new(),
        created: "2026-01-01T00:00:00Z".into(),
        server_certificate: CertificateDetails::of(&certificates(&upstream)[0]).unwrap(),
        device_certificate: CertificateDetails::of(device.der()).unwrap(),
        renews: None,
    };
    IdentityStore::of(&confdir)
        .add(&identity, &upstream)
        .unwrap();
    Swapped {
        fingerprint,
        id,
        file: text_of(&file).to_owned(),
    }
}

#[test]
fn two_devices_in_alternation_are_always_themselves_to_nginx() {
    let (true, true) = (have("curl"), have("nginx")) else {
        return;
    };
    let lab = Lab::open();
    let devices = ["device-a", "device-b"].map(|name| swapped(&lab, name));
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let nginx = lab.nginx(protocol);
        let mode = format!("reverse:https://localhost:{}", port(&nginx));
        let proxy = lab.dmtap(&["--mode", &mode]);
        for (version, shown) in [("http1.1", "HTTP/1.1"), ("http2", "HTTP/2.0")] {
            let mut config = String::new();
            for number in 0..50 {
                write!(
                    config,
                    "url = \"https://localhost:{}/\"\n{version}\ncacert = \"{}\"\ncert = \"{}\"\nnext\n",
                    port(&proxy),
                    lab.path("conf/dmtap-ca-cert.pem").display(),
                    devices[number % 2].file
                )
                .unwrap();
            }
            let file = lab.path("curl.conf");
            fs::write(&file, config.trim_end_matches("next\n")).unwrap();
            let output = lab.curl(&["-K", text_of(&file)]);
            let output = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.lines().count(), 50, "{output}");
            for (number, line) in output.lines().enumerate() {
                let fingerprint = &devices[number % 2].fingerprint;
                let expected = format!("{fingerprint} {protocol} {shown} ");
                assert!(line.starts_with(&expected), "{number}: {line}, {expected}");
            }
        }
        // A device without a certificate gets none of theirs.
        let got = lab.get(&proxy, &[]);
        assert!(
            got.contains("No required SSL certificate was sent"),
            "{got}"
        );
    }
}

#[test]
fn a_removed_identity_is_not_presented_any_more() {
    let (true, true) = (have("curl"), have("openssl")) else {
        return;
    };
    let lab = Lab::open();
    let device = swapped(&lab, "device-a");
    let server = lab.openssl_server(&["-Verify", "1"]);
    let mode = format!("reverse:https://localhost:{}", port(&server));
    let proxy = lab.dmtap(&["--mode", &mode]);
    let get = || lab.get(&proxy, &["-w", "%{http_code}", "--cert", &device.file]);
    let got = get();
    assert!(got.ends_with("200"), "{got}");
    let store = IdentityStore::of(&lab.path("conf"));
    store.remove(&device.id).unwrap();
    let got = get();
    assert!(got.ends_with("502"), "{got}");
    let expected = "(alert 116). dmtap has none for device CN=device-a: enroll through dmtap";
    assert!(got.contains(expected), "{got}");
}

/// What openssl shows of a handshake with dmtap.
fn handshake(proxy: &Running, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect"])
        .arg(format!("127.0.0.1:{}", port(proxy)))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&shown).into_owned()
}

#[test]
fn openssl_is_asked_for_a_certificate_only_where_that_is_wanted() {
    if !have("openssl") {
        return;
    }
    let lab = Lab::open();
    lab.client("device");
    let file = lab.path("device.pem");
    let files = ["--client-certs", text_of(&file)];
    let forward = ["--forward-client-cert", "der"];
    let named = [
        "--request-client-cert",
        "ask",
        "--request-client-cert",
        "other.example=none",
    ];
    let none = ["--request-client-cert", "none"];
    let cases: [(&[&str], &str, bool); 6] = [
        (&[], "localhost", false),
        (&files, "localhost", true),
        (&forward, "localhost", true),
        (&named, "localhost", true),
        (&named, "other.example", false),
        (&[files, none].concat(), "localhost", false),
    ];
    for (arguments, name, asks) in cases {
        let all = [&["--mode", "reverse:https://localhost:1"], arguments].concat();
        let proxy = lab.dmtap(&all);
        for version in ["-tls1_2", "-tls1_3"] {
            let shown = handshake(&proxy, &["-servername", name, version]);
            let asked = shown.contains("Requested Signature Algorithms");
            assert_eq!(asked, asks, "{arguments:?} {name} {version}: {shown}");
            assert!(!shown.contains("Acceptable client certificate CA names"));
        }
    }
}

#[test]
fn require_refuses_all_but_the_two_cas_and_the_record_says_who_came() {
    let (true, true) = (have("curl"), have("nginx")) else {
        return;
    };
    let lab = Lab::open();
    let own = swapped(&lab, "own-device");
    lab.client_by(&super::issuer("a stranger's CA"), "stranger");
    lab.client("known");
    let record = lab.path("require.jsonl");
    let (ca, saved) = (lab.path("clients-ca.pem"), text_of(&record).to_owned());
    let nginx = lab.nginx("TLSv1.3");
    let mode = format!("reverse:https://localhost:{}", port(&nginx));
    let proxy = lab.dmtap(&[
        "--mode",
        &mode,
        "--request-client-cert",
        "require",
        "--client-ca",
        text_of(&ca),
        "-w",
        &saved,
    ]);
    let url = format!("https://localhost:{}/", port(&proxy));
    let [known, stranger] = ["known.pem", "stranger.pem"].map(|name| lab.path(name));
    for version in ["1.2", "1.3"] {
        let get = |certificate: &[&str]| {
            let mut all = vec!["--tls-max", version, "-o", "/dev/null", &url];
            all.extend(certificate);
            lab.curl(&all).status.success()
        };
        assert!(!get(&[]), "none is refused");
        assert!(!get(&["--cert", text_of(&stranger)]), "a stranger is");
        assert!(get(&["--cert", text_of(&known)]));
        assert!(get(&["--cert", &own.file]));
    }
    assert_eq!(proxy.terminate(), Some(0));
    let lines = fs::read_to_string(&record).unwrap();
    let events: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let presented: Vec<_> = events
        .iter()
        .filter(|event| event["event"] == "opened")
        .map(|event| {
            let of = &event["connection"]["tls"]["client_certificate"];
            ["subject", "issuer", "verdict"].map(|key| of[key].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(presented.len(), 4, "{presented:?}");
    let check = |at: usize, subject: &str, issuer: &str, verdict: &str| {
        assert_eq!(presented[at][0], subject);
        assert!(presented[at][1].contains(issuer), "{presented:?}");
        assert_eq!(presented[at][2], verdict);
    };
    for at in [0, 2] {
        check(at, "CN=known", "CN=CA of the clients", "client-ca");
        check(at + 1, "CN=own-device", "CN=dmtap CA", "dmtap-ca");
    }
    let refused: Vec<_> = events
        .iter()
        .filter(|event| event["event"] == "refused")
        .map(|event| event["why"].as_str().unwrap())
        .collect();
    let count = |part: &str| refused.iter().filter(|why| why.contains(part)).count();
    assert_eq!(count("presented no client certificate"), 2, "{refused:?}");
    let stranger = "refused: its issuer is not known here; --client-ca FILE";
    assert_eq!(count(stranger), 2, "{refused:?}");
}

#[test]
fn require_holds_for_the_name_in_the_request_and_in_clear_text() {
    let (true, true) = (have("curl"), have("nginx")) else {
        return;
    };
    let lab = Lab::open();
    let device = swapped(&lab, "device-a");
    let nginx = lab.nginx("TLSv1.3");
    let mode = format!("reverse:https://localhost:{}", port(&nginx));
    let policy = "--request-client-cert";
    let open = "signin.example=none";
    let proxy = lab.dmtap(&["--mode", &mode, policy, "require", policy, open]);
    let at = port(&proxy);
    let resolve = format!("signin.example:{at}:127.0.0.1");
    let status = |arguments: &[&str]| {
        let fixed = ["--resolve", &resolve, "-w", "%{http_code}"];
        let output = lab.curl(&[&fixed, arguments].concat());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let [sign_in, local, clear] = [
        format!("https://signin.example:{at}/"),
        format!("https://localhost:{at}/"),
        format!("http://localhost:{at}/"),
    ];
    let refused = |got: &str, code: &str| {
        assert!(got.ends_with(code), "{got}");
        assert!(got.contains("needs a client certificate"), "{got}");
    };
    refused(&status(&["-H", "Host: localhost", &sign_in]), "421");
    refused(&status(&[&clear]), "403");
    let got = status(&[&sign_in]);
    assert!(!got.contains("needs a client certificate"), "{got}");
    let got = status(&["--cert", &device.file, &local]);
    assert!(got.ends_with("200"), "{got}");
}
