//! `--client-certs`: the certificates that dmtap presents to servers.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::{Lab, issuer, port, text_of};
use crate::support::peers::have;
use crate::support::rig::{Rig, in_front_of};
use crate::support::server;

#[test]
fn nginx_sees_the_certificate_of_the_host_in_alternation() {
    let (true, true) = (have("curl"), have("nginx")) else {
        return;
    };
    let lab = Lab::open();
    fs::create_dir(lab.path("hosts")).unwrap();
    let hosts = ["a.example.com", "b.example.com"].map(|host| {
        let fingerprint = lab.client(host);
        let pem = format!("{host}.pem");
        fs::rename(lab.path(&pem), lab.path("hosts").join(&pem)).unwrap();
        (host, fingerprint)
    });
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let nginx = lab.nginx(protocol);
        let port = port(&nginx);
        let resolve = hosts.clone().map(|(h, _)| format!("{h}:{port}:127.0.0.1"));
        let proxy = lab.dmtap(&[
            "--mode",
            "regular",
            "--client-certs",
            text_of(&lab.path("hosts")),
            "--resolve",
            &resolve[0],
            "--resolve",
            &resolve[1],
        ]);
        for (version, shown) in [("http1.1", "HTTP/1.1"), ("http2", "HTTP/2.0")] {
            let mut config = String::new();
            for number in 0..100 {
                let (host, _) = hosts[number % 2];
                let ca = lab.path("conf/dmtap-ca-cert.pem");
                write!(
                    config,
                    "url = \"https://{host}:{port}/\"\n{version}\nproxy = \"http://{}\"\ncacert = \"{}\"\nnext\n",
                    proxy.address,
                    ca.display()
                )
                .unwrap();
            }
            let file = lab.path("curl.conf");
            fs::write(&file, config.trim_end_matches("next\n")).unwrap();
            let output = lab.curl(&["-K", text_of(&file)]);
            let output = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.lines().count(), 100, "{output}");
            for (number, line) in output.lines().enumerate() {
                let (_, fingerprint) = &hosts[number % 2];
                let expected = format!("{fingerprint} {protocol} {shown} ");
                assert!(line.starts_with(&expected), "{number}: {line}, {expected}");
            }
        }
    }
}

#[test]
fn one_file_is_for_every_server() {
    let (true, true) = (have("curl"), have("nginx")) else {
        return;
    };
    let lab = Lab::open();
    let fingerprint = lab.client("device");
    let nginx = lab.nginx("TLSv1.2 TLSv1.3");
    let mode = format!("reverse:https://localhost:{}", port(&nginx));
    let file = lab.path("device.pem");
    let proxy = lab.dmtap(&["--mode", &mode, "--client-certs", text_of(&file)]);
    for version in ["--http1.1", "--http2"] {
        let got = lab.get(&proxy, &[version]);
        assert!(got.starts_with(&format!("{fingerprint} TLSv1.3 ")), "{got}");
    }
}

#[test]
fn a_server_that_misses_or_refuses_the_certificate_is_named_with_the_alert_and_the_remedy() {
    let (true, true) = (have("curl"), have("openssl")) else {
        return;
    };
    let lab = Lab::open();
    lab.client_by(&issuer("another CA"), "stranger");
    let stranger = lab.path("stranger.pem");
    let stranger = ["--client-certs", text_of(&stranger)];
    let none = "localhost asks for a client certificate (alert N). dmtap has none for device 127.0.0.1: \
                enroll through dmtap with --swap-client-identity, give one with --client-certs, or pass this host untouched (a rule with tunnel)";
    let refused = "check the dates of the certificate and that localhost trusts its issuer, or give another with --client-certs";
    let cases: [(&str, &str, &[&str], &str); 4] = [
        ("-tls1_3", "116", &[], none),
        ("-tls1_2", "40", &[], none),
        ("-tls1_3", "48", &stranger, refused),
        ("-tls1_2", "48", &stranger, refused),
    ];
    for (version, alert, arguments, text) in cases {
        let server = lab.openssl_server(&["-Verify", "1", version]);
        let mode = format!("reverse:https://localhost:{}", port(&server));
        let record = lab.path(&format!("{alert}{version}{}.jsonl", arguments.len()));
        let mut all = vec!["--mode", &mode, "-w", text_of(&record)];
        all.extend(arguments);
        let proxy = lab.dmtap(&all);
        let got = lab.get(&proxy, &["-w", " %{http_code}", "-d", "x"]);
        let expected = text.replace("alert N", &format!("alert {alert}"));
        assert!(got.contains(&expected), "{version} {alert}: {got}");
        assert!(
            got.contains(&format!("(alert {alert})")),
            "{version}: {got}"
        );
        assert!(got.ends_with(" 502"), "{got}");
        assert_eq!(got.lines().count(), 2, "one line and the status: {got}");
        assert_eq!(proxy.terminate(), Some(0));
        let record = fs::read_to_string(&record).unwrap();
        assert!(record.contains(&expected), "{record}");
    }
}

/// The first message of a management session.
const MESSAGE: &str = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
    <SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI>https://localhost/dm</LocURI></Target><Source><LocURI>urn:uuid:1\
    </LocURI></Source></SyncHdr><SyncBody><Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Final/></SyncBody></SyncML>";

/// What `dmtap VERB` prints of a record.
fn printed(verb: &str, record: &std::path::Path) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dmtap"));
    let output = command.arg(verb).arg(record).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_record_says_what_the_server_was_shown_and_why_names_a_certificate_that_it_missed() {
    let (true, true) = (have("curl"), have("nginx")) else {
        return;
    };
    let lab = Lab::open();
    let fingerprint = lab.client("device").to_uppercase();
    lab.client_by(&issuer("another CA"), "stranger");
    let nginx = lab.nginx("TLSv1.2 TLSv1.3");
    let mode = format!("reverse:https://localhost:{}", port(&nginx));
    let record_of = |name: &str, arguments: &[&str]| {
        let record = lab.path(&format!("{name}.jsonl"));
        let mut all = vec!["--mode", &mode, "-w", text_of(&record)];
        all.extend(arguments);
        let proxy = lab.dmtap(&all);
        for _ in 0..2 {
            let media_type = "content-type: application/vnd.syncml.dm+xml";
            lab.get(&proxy, &["-H", media_type, "-d", MESSAGE]);
        }
        assert_eq!(proxy.terminate(), Some(0));
        let text = fs::read_to_string(&record).unwrap();
        let responses = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let responses: Vec<serde_json::Value> = responses
            .filter(|event: &serde_json::Value| event["event"] == "response")
            .collect();
        assert_eq!(responses.len(), 2, "{text}");
        let auth = responses.iter().map(|event| event["client_auth"].clone());
        (record, auth.collect::<Vec<_>>())
    };
    let device = lab.path("device.pem");
    let (record, auth) = record_of("known", &["--client-certs", text_of(&device)]);
    for auth in auth {
        assert_eq!(auth["asked"], true, "{auth}");
        assert_eq!(auth["shown"]["subject"], "CN=device", "{auth}");
        assert_eq!(auth["shown"]["sha1"], fingerprint, "{auth}");
        assert_eq!(auth["shown"]["identity"], serde_json::Value::Null, "{auth}");
    }
    let shown = printed("show", &record);
    let line = format!(
        "the server asked for a client certificate: CN=device · SHA-1 {fingerprint} · of --client-certs"
    );
    assert!(shown.contains(&line), "{shown}");

    let (record, auth) = record_of("none", &[]);
    assert_eq!(auth[0], serde_json::json!({"asked": true}));
    let shown = printed("show", &record);
    assert!(
        shown.contains("client certificate: dmtap had none"),
        "{shown}"
    );
    let why = printed("why", &record);
    for part in [
        "WHY-08",
        "No required SSL certificate was sent",
        "dmtap had none to show",
        "--swap-client-identity",
        "--client-certs",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }

    let stranger = lab.path("stranger.pem");
    let (record, _) = record_of("stranger", &["--client-certs", text_of(&stranger)]);
    let why = printed("why", &record);
    for part in [
        "The SSL certificate error",
        "dmtap showed CN=stranger",
        "next: give the certificate that the server issued",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
}

#[test]
fn a_pfx_is_refused_with_the_line_that_converts_it() {
    if !have("openssl") {
        return;
    }
    let lab = Lab::open();
    lab.client("device");
    let (pem, pfx) = (lab.path("device.pem"), lab.path("device.pfx"));
    let made = std::process::Command::new("openssl")
        .args(["pkcs12", "-export", "-passout", "pass:x"])
        .args(["-in", text_of(&pem), "-out", text_of(&pfx)])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let refused = crate::support::peers::dmtap()
        .args(["proxy", "-p", "0", "--mode", "regular", "--confdir"])
        .arg(lab.path("conf"))
        .args(["--client-certs", text_of(&pfx)])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let why = String::from_utf8_lossy(&refused.stderr);
    let line = format!(
        "openssl pkcs12 -in {} -out {} -nodes",
        pfx.display(),
        pem.display()
    );
    assert!(why.contains(&line) && why.contains("-legacy"), "{why}");
}

#[test]
fn a_key_that_others_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::open();
    lab.client("device");
    let file = lab.path("device.pem");
    let warned = |mode: u32| {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let mut child = crate::support::peers::dmtap()
            .args(["proxy", "-q", "-p", "0", "--mode", "regular", "--confdir"])
            .arg(lab.path("conf"))
            .args(["--client-certs", text_of(&file)])
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let lines = lines.map_while(Result::ok);
        let before: Vec<String> = lines
            .take_while(|line| !line.contains("listening"))
            .collect();
        child.kill().unwrap();
        child.wait().unwrap();
        before.concat()
    };
    assert_eq!(warned(0o600), "");
    assert!(warned(0o644).contains("device.pem: others may read this private key: chmod 600 it"));
}

#[tokio::test]
async fn a_reset_at_the_first_request_names_renegotiation() {
    let folder = tempfile::tempdir().unwrap();
    let (acceptor, ca) = server::tls(folder.path(), &["http/1.1"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(tcp).await else {
                continue;
            };
            let _ = stream.read(&mut [0; 4096]).await;
            stream.get_ref().0.set_zero_linger().unwrap();
        }
    });
    let rig = Rig::start(in_front_of(address, &ca)).await;
    let got = rig.device("http/1.1").await.post("/", "x").await;
    assert_eq!(got.status(), 502);
    let text = String::from_utf8_lossy(got.body()).into_owned();
    let expected = "localhost may ask for the certificate after the request (renegotiation), which current TLS \
                    libraries refuse; on IIS: netsh http update sslcert … clientcertnegotiation=enable";
    assert!(text.contains(expected), "{text}");
    rig.stop().await;
}
