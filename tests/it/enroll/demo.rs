//! `dmtap demo --enroll`: devices stay on dmtap, or the demo names the host that they left for; exit codes of `dmtap doctor`.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

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
        for form in ["jsonl", "txt", "pcapng"] {
            let record = folder
                .path()
                .join("dmtap-demo")
                .join(format!("demo.{form}"));
            let record = text(&fs::read(record).unwrap());
            assert!(record.contains("/ManagementServer/MDM.svc"), "{form}");
            for secret in SECRETS {
                assert!(!record.contains(secret), "{form}: {secret}");
            }
        }
    }
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

/// Passwords and tokens of the demo and of its accounts, and what they look like in base64.
const SECRETS: [&str; 6] = [
    "Tr0ub4dor",
    "the-token-of-a-sign-in-page",
    "dGhlLXRva2VuLW9mLWEtc2lnbi1pbi1wYWdl",
    "OhBehave",
    "Serv3rSecret",
    "T2hCZWhhdm",
];

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
