//! `dmtap demo --enroll`: devices stay on dmtap, or the demo names the host that they left for; exit codes of `dmtap doctor`.

use std::fs;
use std::process::{Command, Output};

use dmtap::record::jsonl;
use tempfile::TempDir;

use crate::support::literals::Literals;

fn demo(folder: &TempDir, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dmtap"));
    command.arg("demo").arg("--enroll").args(options);
    command
        .current_dir(folder.path())
        .env("HOME", folder.path());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn devices_stay_on_dmtap_and_records_hold_no_secret() {
    let folder = TempDir::new().unwrap();
    for options in [&[][..], &["--stay", "full"]] {
        let output = demo(&folder, options);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let shown = text(&output.stdout);
        let connected: Vec<_> = shown
            .lines()
            .filter_map(|line| line.trim().strip_prefix("the device connected to "))
            .collect();
        assert_eq!(connected.len(), 2, "{shown}");
        for hosts in connected {
            assert!(
                hosts.starts_with("dmtap.test:") && !hosts.contains(','),
                "{hosts}"
            );
        }
        for encoding in ["XML", "WBXML"] {
            let first = format!("session in {encoding} at https://dmtap.test:");
            let sessions: Vec<_> = shown.lines().filter(|line| line.contains(&first)).collect();
            assert_eq!(sessions.len(), 2, "{shown}");
            assert!(
                sessions[1].contains("/ManagementServer/Moved.svc"),
                "{sessions:?}"
            );
        }
        swapped(&shown);
        let records = records(&folder);
        let literals = Literals::read(&literals(&records));
        let wrong = literals.wrong(&records);
        assert!(wrong.is_empty(), "{options:?}: {}", wrong.join("\n"));
    }
}

/// Each device enrolls and renews: the server names its certificate and the key of dmtap, dmtap those of the device.
fn swapped(shown: &str) {
    let after = |text: &str| -> Vec<String> {
        let lines = shown
            .lines()
            .filter_map(|line| line.trim().strip_prefix(text));
        lines.map(str::to_owned).collect()
    };
    let (server, device) = (after("the server issued "), after("dmtap issued "));
    assert_eq!((server.len(), device.len()), (4, 4), "{shown}");
    let mut words: Vec<&str> = server
        .iter()
        .chain(&device)
        .flat_map(|line| {
            let thumbprint = line.split(' ').next();
            [thumbprint, line.rsplit(' ').next()]
        })
        .flatten()
        .collect();
    assert!(
        words
            .iter()
            .all(|word| word.len() == 40 || word.len() == 16),
        "{words:?}"
    );
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 16, "eight certificates, eight keys: {shown}");
    assert!(
        server
            .iter()
            .all(|line| line.contains(" by CN=dmtap simulated enrollment CA "))
    );
    assert!(
        device
            .iter()
            .all(|line| line.contains(" by O=dmtap, CN=dmtap CA "))
    );
    assert_eq!(after("both for O=dmtap simulated server, CN=").len(), 4);
    assert_eq!(after("renewed: certificate ").len(), 2);
}

#[test]
fn without_the_swap_the_server_refuses_dmtap_and_one_line_says_what_helps() {
    let folder = TempDir::new().unwrap();
    let output = demo(&folder, &["--no-swap"]);
    assert_eq!(output.status.code(), Some(1));
    let why = text(&output.stderr);
    let line = why.lines().find(|line| line.starts_with("error: "));
    let line = line.unwrap_or_else(|| panic!("{why}"));
    for part in [
        "dm.dmtap.test asks for a client certificate (alert 116). dmtap has none for device ",
        "enroll through dmtap with --swap-client-identity",
        "--client-certs",
        "a rule with tunnel",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

/// The three records of the demo, each with its name.
fn records(folder: &TempDir) -> Vec<(String, Vec<u8>)> {
    let record = |form| {
        let name = format!("demo.{form}");
        let path = folder.path().join("dmtap-demo").join(&name);
        (name, fs::read(path).unwrap())
    };
    ["jsonl", "txt", "pcapng"].map(record).into()
}

/// What the records must hide and show: [`LITERALS`], and the thumbprints of the certificates that the devices got.
fn literals(records: &[(String, Vec<u8>)]) -> String {
    let (_, lines) = &records[0];
    let mut list = LITERALS.to_owned();
    let mut thumbprints = 0;
    for record in lines.split(|byte| *byte == b'\n') {
        let Some(enrollment) = jsonl::read(record).ok().and_then(|r| r.enrollment) else {
            continue;
        };
        for thumbprint in enrollment
            .granted
            .iter()
            .filter_map(|g| g.facts.get("thumbprint"))
        {
            assert_eq!(thumbprint.len(), 40, "{thumbprint}");
            list += &format!("shown | {thumbprint}\ntranscript | {thumbprint}\n");
            thumbprints += 1;
        }
    }
    assert_eq!(thumbprints, 8, "of a CA and a device, twice, and renewed");
    list
}

#[test]
fn a_device_that_leaves_is_named_with_its_host() {
    let folder = TempDir::new().unwrap();
    let output = demo(&folder, &["--stay", "off"]);
    assert_eq!(output.status.code(), Some(1));
    let why = text(&output.stderr);
    assert!(
        why.contains("a device left dmtap for mdm.dmtap.test:"),
        "{why}"
    );
}

/// Passwords and tokens of the demo and of its accounts are hidden; addresses and certificates are shown.
const LITERALS: &str = "\
hidden | Tr0ub4dor&3
hidden | Tr0ub4dor
hidden | the-token-of-a-sign-in-page
hidden | dGhlLXRva2VuLW9mLWEtc2lnbi1pbi1wYWdl
hidden | OhBehave
hidden | Serv3rSecret
shown | alice@dmtap.test
shown | /ManagementServer/MDM.svc
shown | dmtap simulated enrollment CA
shown | DEFAULTENCODING
transcript | alice@dmtap.test
transcript | /ManagementServer/MDM.svc
transcript | CN=dmtap simulated enrollment CA
";

#[test]
fn doctor_fails_where_one_check_fails_and_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let run = |form: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dmtap"));
        command.args([
            "doctor",
            "--output",
            form,
            "--server",
            &format!("https://{closed}"),
        ]);
        command.arg("--confdir").arg(folder.path());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let shown = run("text");
    assert!(shown.contains("failed  server port: "), "{shown}");
    assert!(
        shown.contains("to do: check the port and firewalls"),
        "{shown}"
    );
    let lines = run("json");
    let wrong = lines.lines().filter(|line| line.contains("\"ok\":false"));
    assert_eq!(wrong.count(), 2, "the CA and the port: {lines}");
}

#[test]
fn rules_tried_on_a_record_see_requests_as_rules_in_the_proxy_do() {
    let folder = TempDir::new().unwrap();
    let rule = "[[rule]]\nname = 'to-server'\nstage = 'request'\nmatch = { soap-action = 'Discover', where = { at = \
                '/Envelope/Header/To', contains = 'enterpriseenrollment' } }\nstep = { set-header = 'x-seen', value = '1' }\n";
    fs::write(folder.path().join("rule.toml"), rule).unwrap();
    let output = demo(&folder, &["--rules", "rule.toml", "--require-hits"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let record = folder.path().join("dmtap-demo/demo.jsonl");
    let tried = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dmtap"));
        command.args(["rules", "try", "rule.toml", "dmtap-demo/demo.jsonl"]);
        text(&command.current_dir(folder.path()).output().unwrap().stdout)
    };
    let shown = tried();
    assert!(shown.contains(": 2 of 44 messages acted on\n"), "{shown}");
    assert!(!shown.contains("with dmtap's addresses"), "{shown}");

    // What a mask hides, or a damaged record lacks, is reported as unknown.
    let lines = fs::read_to_string(&record).unwrap();
    let first = r#""splices":[{"start":"#;
    for hidden in [
        r#""splices":[{"bytes":99,"start":"#,
        r#""splices":[{"start":9999"#,
    ] {
        assert!(lines.contains(first));
        fs::write(&record, lines.replace(first, hidden)).unwrap();
        let shown = tried();
        assert!(shown.contains(": 0 of 44 messages acted on\n"), "{shown}");
        assert!(
            shown.contains(" requests with dmtap's addresses"),
            "{shown}"
        );
    }
}
