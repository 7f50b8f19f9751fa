//! Ways to accept a connection, seen with curl and openssl.

use std::process::{Command, Stdio};
use std::time::Duration;

use dmtap::flow::Event;

use super::curl::{Curled, Http, Lab, rule};
use super::peers::have;

/// A rule of connections with keys of its own.
fn admit(keys: &str, step: &str) -> String {
    format!("{}{keys}\n", rule("connection", step))
}

async fn curl(rules: &str) -> (Curled, Lab) {
    let lab = Lab::new(rules).await;
    let curled = lab.post(Http::One, b"hi").await;
    (curled, lab)
}

/// What `openssl s_client` says of the handshake.
async fn s_client(lab: &Lab, arguments: &str) -> (bool, String) {
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-connect", &lab.rig.address.to_string()])
        .args(["-servername", "localhost", "-CAfile"])
        .arg(lab.rig.ca())
        .args(arguments.split_whitespace())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.success(), text)
}

/// Why the one connection was refused, after the event that rules acted on it.
async fn reported(lab: &Lab) -> String {
    let rule = lab.rig.log.until(|event| match event {
        Event::ConnectionDecided { applied, .. } => Some(applied[0].rule.clone()),
        _ => None,
    });
    assert_eq!(rule.await, "fault");
    let why = lab.rig.log.until(|event| match event {
        Event::Refused { why, .. } => Some(why.clone()),
        _ => None,
    });
    why.await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flawed_certificate_is_refused_for_its_flaw() {
    if !have("curl") {
        return;
    }
    for (flaw, reason) in [
        ("expired", "certificate has expired"),
        ("not-yet-valid", "certificate is not yet valid"),
        (
            "wrong-host",
            "no alternative certificate subject name matches target host name 'localhost'",
        ),
        ("untrusted", "unable to get local issuer certificate"),
        ("self-signed", "self-signed certificate"),
        ("wrong-purpose", "certificate purpose"),
        ("weak", "certificate key too weak"),
    ] {
        let (curled, lab) = curl(&admit("", &format!("{{ certificate = {flaw:?} }}"))).await;
        assert_eq!(curled.code, 60, "{flaw}: {}", curled.error);
        assert!(curled.error.contains(reason), "{flaw}: {}", curled.error);
        // curl looks at the name when the handshake is over, and leaves.
        if flaw != "wrong-host" {
            let why = reported(&lab).await;
            assert!(why.contains("the device"), "{flaw}: {why}");
            // What the rule is for is not to be mended.
            assert!(why.ends_with(", as rule `fault` intends"), "{flaw}: {why}");
            assert!(!why.contains("install"), "{flaw}: {why}");
        }
        // Whoever looks away is served.
        let curled = lab
            .curl(&["-k", "--ciphers", "DEFAULT@SECLEVEL=0"], b"hi")
            .await;
        assert_eq!(
            (curled.code, &curled.body[..]),
            (0, &b"hi"[..]),
            "{flaw}: {}",
            curled.error
        );
        lab.rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_weak_key_signs_in_both_versions_of_tls() {
    if !have("openssl") {
        return;
    }
    let lab = Lab::new(&admit("", r#"{ certificate = "weak" }"#)).await;
    for version in ["-tls1_2", "-tls1_3"] {
        let lax = format!("{version} -cipher DEFAULT@SECLEVEL=0 -verify_return_error");
        let (_, text) = s_client(&lab, &lax).await;
        assert!(text.contains("Server public key is 1024 bit"), "{text}");
        assert!(text.contains("Verify return code: 0 (ok)"), "{text}");
    }
    lab.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_tls_have_a_floor_and_a_ceiling() {
    if !have("openssl") {
        return;
    }
    for (step, good, bad) in [
        (r#"{ tls-max = "1.2" }"#, "-tls1_2", "-tls1_3"),
        (r#"{ tls-min = "1.3" }"#, "-tls1_3", "-tls1_2"),
    ] {
        let lab = Lab::new(&admit("", step)).await;
        let (_, text) = s_client(&lab, good).await;
        assert!(text.contains("Verify return code: 0 (ok)"), "{text}");
        let (success, text) = s_client(&lab, bad).await;
        assert!(
            !success && text.contains("alert protocol version"),
            "{text}"
        );
        lab.rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_ends_in_an_alert_in_silence_or_in_nothing() {
    if !have("curl") {
        return;
    }
    for (step, reason) in [
        (
            r#"{ handshake-alert = "handshake_failure" }"#,
            "alert handshake failure",
        ),
        (
            r#"{ handshake-alert = "unrecognized_name" }"#,
            "unrecognized name",
        ),
        (
            r#"{ handshake-alert = "internal_error" }"#,
            "alert internal error",
        ),
        (r#"{ handshake-stall = "150ms" }"#, "SSL_connect"),
        ("{ handshake-close = true }", "SSL_connect"),
    ] {
        let (curled, lab) = curl(&admit("", step)).await;
        assert_eq!(curled.code, 35, "{step}: {}", curled.error);
        assert!(curled.error.contains(reason), "{step}: {}", curled.error);
        assert!(!curled.error.contains("reset"), "{step}: {}", curled.error);
        if step.contains("stall") {
            assert!(curled.took >= Duration::from_millis(150));
        }
        let why = reported(&lab).await;
        let done = match step.contains("alert") {
            true => "answered with the TLS alert ",
            false => "closed the connection after ",
        };
        assert!(why.starts_with(&format!("rule `fault`: {done}")), "{why}");
        lab.rig.stop().await;
    }
    let lab = Lab::new(&admit("", r#"{ handshake-stall = "30s" }"#)).await;
    let curled = lab.curl(&["-k", "--max-time", "0.3"], b"hi").await;
    assert_eq!(curled.code, 28, "{}", curled.error);
    lab.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_is_reset() {
    if !have("curl") {
        return;
    }
    // The first is refused before a byte of it is read, the second when its ClientHello is there.
    for keys in ["", "match = { sni = \"local*\" }"] {
        let (curled, lab) = curl(&admit(keys, "{ refuse-connection = true }")).await;
        // 7: the reset came before curl had looked at the connection.
        let is_early = keys.is_empty();
        assert!(
            curled.code == 35 || curled.code == 7 && is_early,
            "{}",
            curled.error
        );
        let words = if curled.code == 7 {
            "connect"
        } else {
            "reset by peer"
        };
        assert!(curled.error.contains(words), "{}", curled.error);
        assert_eq!(reported(&lab).await, "rule `fault`: reset the connection");
        lab.rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_leads_to_the_server_itself() {
    if !have("curl") {
        return;
    }
    let lab = Lab::new(&admit("", "{ tunnel = true }")).await;
    let ca = lab.server.ca.display().to_string();
    for http in ["--http1.1", "--http2"] {
        let curled = lab.curl(&[http, "--cacert", &ca], b"hi").await;
        assert_eq!(
            (curled.code, &curled.body[..]),
            (0, &b"hi"[..]),
            "{}",
            curled.error
        );
    }
    let curled = lab.post(Http::One, b"hi").await;
    assert_eq!(curled.code, 60, "{}", curled.error);
    let log = lab.rig.stop().await;
    assert_eq!(log.names()[..3], ["admitted", "opened", "closed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_knows_its_proxy_is_received_the_same_way() {
    if !have("curl") {
        return;
    }
    let lab = Lab::regular("").await;
    let proxy = format!("http://{}", lab.rig.address);
    let (ours, theirs) = (lab.rig.ca(), lab.server.ca.clone());
    let (ours, theirs) = (ours.display().to_string(), theirs.display().to_string());
    for (keys, step, ca, code) in [
        ("", r#"{ certificate = "expired" }"#, &ours, 60),
        (
            "match = { sni = \"localhost\", host = \"localhost\" }",
            r#"{ certificate = "expired" }"#,
            &ours,
            60,
        ),
        (
            "match = { host = \"elsewhere\" }",
            r#"{ certificate = "expired" }"#,
            &ours,
            0,
        ),
        (
            "match = { host = \"localhost\" }",
            "{ refuse-connection = true }",
            &ours,
            35,
        ),
        ("", "{ tunnel = true }", &theirs, 0),
        (
            "match = { sni = \"localhost\" }",
            "{ tunnel = true }",
            &theirs,
            0,
        ),
        ("", r#"{ handshake-alert = "access_denied" }"#, &ours, 35),
    ] {
        lab.rig.rule(&admit(keys, step));
        let curled = lab
            .curl_server(&["-x", &proxy, "--cacert", ca], b"hi")
            .await;
        assert_eq!(curled.code, code, "{keys} {step}: {}", curled.error);
    }
    // Deliveries end the connection of a tunnel as they end any other.
    lab.rig.rule(&rule("response", "{ limit-data = 3 }"));
    let curled = lab
        .curl_server(&["--http1.1", "-x", &proxy, "--cacert", &ours], b"hello")
        .await;
    assert_eq!(
        (curled.code, &curled.body[..]),
        (18, &b"hel"[..]),
        "{}",
        curled.error
    );
    lab.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_tls_is_spared_what_is_about_handshakes() {
    if !have("curl") {
        return;
    }
    let keys = "match = { host = \"localhost\" }";
    let lab = Lab::new(&admit(keys, r#"{ certificate = "expired" }"#)).await;
    let url = format!("http://localhost:{}/", lab.rig.address.port());
    let curled = lab.curl_url(&[], b"hi", url.clone()).await;
    // The server speaks TLS, and this proxy in front of it does not mind.
    assert_eq!(curled.code, 0, "{}", curled.error);
    let step = lab.rig.log.until(|event| match event {
        Event::ConnectionDecided { applied, .. } => Some(applied[0].changes[0].step.to_string()),
        _ => None,
    });
    assert_eq!(step.await, "not applied");
    lab.rig.rule(&rule("response", "{ limit-data = 1 }"));
    let curled = lab.curl_url(&[], b"hi", url).await;
    assert_eq!(
        (curled.code, curled.body.len()),
        (18, 1),
        "{}",
        curled.error
    );
    lab.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_of_connections_tells_them_apart() {
    if !have("curl") {
        return;
    }
    let step = "{ refuse-connection = true }";
    let check = async |keys: &str, refused: &[bool]| {
        let lab = Lab::new(&admit(keys, step)).await;
        for refused in refused {
            let curled = lab.post(Http::One, b"hi").await;
            assert_eq!(curled.code != 0, *refused, "{keys}: {}", curled.error);
        }
        lab.rig.stop().await;
    };
    check("match = { peer = \"127.0.0.0/8\" }", &[true]).await;
    check("match = { peer = \"10.0.0.0/8\" }", &[false]).await;
    check("match = { listener = \"127.0.0.1:*\" }", &[true]).await;
    check("match = { listener = 1 }", &[false]).await;
    check("match = { sni = \"localhost\" }", &[true]).await;
    check("match = { sni = \"*.example.com\" }", &[false]).await;
    check("match = { host = [\"other\", \"localhost\"] }", &[true]).await;
    check("match = { host = \"other\" }", &[false]).await;
    check("limit = { skip = 1, times = 1 }", &[false, true, false]).await;
    check("limit = { times = 1, per = \"peer\" }", &[true, false]).await;
}
