//! What keeps devices on the proxy, on the command line; the certificate that they must trust.

use super::{dmtap, run, stdout};

#[test]
fn the_rule_stay_prints_every_kind_of_url() {
    let output = run(dmtap().args(["rules", "show", "stay"]));
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    for kind in dmtap::rules::stay::kind::all() {
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
    check(&with(&["--stay", "maybe"]), "one of on, off, full");
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
        output.stdout
    };
    let pem = export(&[]);
    assert_eq!(
        pem,
        std::fs::read(folder.path().join("dmtap-ca-cert.pem")).unwrap()
    );
    let der = export(&["--format", "cer"]);
    assert!(der.starts_with(&[0x30, 0x82]));
    let file = folder.path().join("out.cer");
    assert!(export(&[file.to_str().unwrap()]).is_empty());
    assert_eq!(std::fs::read(file).unwrap(), der);
}
