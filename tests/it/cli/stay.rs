//! The options that keep devices on the proxy, and the certificate that devices must trust.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::{dmtap, run, stdout};

#[test]
fn the_rule_stay_prints_every_kind_of_url() {
    let output = run(dmtap().args(["rules", "show", "stay"]));
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    for kind in dmtap::stay::kind::all() {
        assert!(text.contains(kind.name), "{}", kind.name);
    }
}

#[test]
fn options_that_do_not_fit_are_named() {
    let check = |arguments: &[&str], expected: &str| {
        let folder = tempfile::tempdir().unwrap();
        let output = run(dmtap()
            .arg("proxy")
            .args(arguments)
            .arg("--confdir")
            .arg(folder.path()));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(expected), "{text}");
    };
    let reverse = ["--mode", "reverse:https://a.example"];
    let with = |more: &[&'static str]| [&reverse[..], more].concat();
    check(
        &["--mode", "regular", "--stay", "on"],
        "need --mode reverse:",
    );
    check(
        &["--mode", "regular", "--public", "https://a.example"],
        "need --mode reverse:",
    );
    check(
        &with(&["--stay", "maybe"]),
        "[possible values: on, off, full]",
    );
    check(&with(&["--map", "https://x.example"]), "PUBLIC=SERVER");
    check(
        &with(&["--map", "https://x.example/path=https://b.example"]),
        "not of the form https://host[:port]",
    );
    let twice = [
        "--map",
        "https://x.example=https://b.example",
        "--map",
        "https://X.example:443=https://c.example",
    ];
    check(&with(&twice), "https://x.example stands for two servers");
    check(
        &with(&["--resolve", "a.example:443"]),
        "not of the form HOST:PORT:ADDRESS",
    );
}

#[test]
fn the_certificate_is_exported_as_text_and_as_der() {
    let folder = tempfile::tempdir().unwrap();
    let export = |arguments: &[&str]| {
        let output = run(dmtap()
            .args(["ca", "export", "--confdir"])
            .arg(folder.path())
            .args(arguments));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        (output.stdout, String::from_utf8(output.stderr).unwrap())
    };
    let (pem, created) = export(&[]);
    assert!(created.starts_with("created a new CA in "), "{created}");
    assert_eq!(
        pem,
        std::fs::read(folder.path().join("dmtap-ca-cert.pem")).unwrap()
    );
    let (der, silent) = export(&["--format", "cer"]);
    assert_eq!(silent, "");
    assert!(der.starts_with(&[0x30, 0x82]));
    let file = folder.path().join("out.cer");
    let (nothing, wrote) = export(&[file.to_str().unwrap()]);
    assert!(nothing.is_empty());
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
    let hash: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    assert!(wrote.contains("out.cer: O=dmtap, CN=dmtap CA "), "{wrote}");
    assert!(
        wrote.trim_end().ends_with(&format!(", SHA-256 {hash}")),
        "{wrote}"
    );
    assert_eq!(std::fs::read(file).unwrap(), der);
}

#[test]
fn the_printed_command_enrolls_a_device_at_the_server_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = dmtap();
    server
        .args(["server", "-p", "0", "--enroll", "--confdir"])
        .arg(folder.path());
    server.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut server = server.spawn().unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut find =
        |start: &str| lines.find_map(|line| line.trim().strip_prefix(start).map(str::to_owned));
    let direct = find("try: dmtap ").unwrap();
    let through = find("through dmtap: dmtap proxy ").unwrap();
    let enroll = find("then: dmtap device enroll ").unwrap();
    let output = run(dmtap().args(direct.split(' ')));
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let sessions = String::from_utf8(output.stdout).unwrap();
    assert!(
        sessions.contains("404 Get ./Device/Vendor/MSFT/DMTap/Greeting"),
        "{sessions}"
    );
    for part in [
        "--resolve enterpriseenrollment.dmtap.test:",
        "--resolve mdm.dmtap.test:",
        "--server-ca",
    ] {
        assert!(through.contains(part), "{through}");
    }
    assert!(enroll.starts_with("https://localhost:8080/"), "{enroll}");
    // Nobody listens now: no host was connected to, and --ca is --root-ca.
    let output = run(dmtap().args(direct.replace("--root-ca", "--ca").split(' ')));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[test]
fn options_of_an_enrolling_server_need_enroll() {
    for option in [
        ["--user", "a@example.com=b"],
        ["--token-user", "a@example.com=b"],
        ["--discovery-name", "a.example"],
        ["--management-name", "a.example"],
        ["--redirect", "-p8443"],
    ] {
        let output = run(dmtap().arg("server").args(option));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{option:?}: {text}");
        assert!(text.contains("--enroll"), "{option:?}: {text}");
    }
}

#[test]
fn a_record_without_events_says_so_and_decode_names_show() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("empty.jsonl");
    std::fs::write(&file, "").unwrap();
    let shown = run(dmtap().arg("show").arg(&file));
    assert_eq!(shown.status.code(), Some(2), "{shown:?}");
    let text = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert!(text.contains("empty.jsonl is empty"), "{text}");
    let line = "{\"v\":1,\"seq\":1,\"event\":\"closed\",\"at\":\"2026-11-29T10:00:00.000000Z\",\"at_us\":1,\
                \"connection\":{\"id\":1}}\n";
    std::fs::write(&file, line).unwrap();
    let shown = run(dmtap().arg("show").arg(&file));
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    assert!(shown.stderr.is_empty(), "{shown:?}");
    let decoded = run(dmtap().arg("decode").arg(&file));
    let text = String::from_utf8_lossy(&decoded.stderr).into_owned();
    assert_eq!(decoded.status.code(), Some(2), "{text}");
    assert!(
        text.contains("is a record of dmtap") && text.contains("dmtap show "),
        "{text}"
    );
}
