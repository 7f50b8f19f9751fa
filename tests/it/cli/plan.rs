//! Plans of `dmtap server`: the manual describes them correctly.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::peers::dmtap;
use tempfile::TempDir;

/// A server that is ended with the test.
struct Server {
    child: Child,
    port: String,
}

impl Server {
    fn start(folder: &TempDir, plan: &str) -> Self {
        Self::start_with(folder, plan, &[])
    }

    fn start_with(folder: &TempDir, plan: &str, options: &[&str]) -> Self {
        fs::write(folder.path().join("plan.toml"), plan).unwrap();
        let mut command = dmtap();
        command.current_dir(folder).args(["server", "-p", "0"]);
        command.args(["--plan", "plan.toml", "--confdir", "ca"]);
        command.args(options).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        said.read_line(&mut line).unwrap();
        let port = line.split(':').nth(2).unwrap().split('/').next().unwrap();
        let port = port.to_owned();
        Self { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The examples of the manual that are plans.
fn plans() -> Vec<String> {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plans.md");
    let manual = fs::read_to_string(manual).unwrap();
    let blocks = manual.split("```toml\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap().to_owned());
    blocks
        .filter(|block| block.contains("[[package]]"))
        .collect()
}

#[test]
fn the_plan_of_the_manual_is_worked_through_as_the_manual_shows() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plans.md");
    let manual = fs::read_to_string(manual).unwrap();
    let shown = manual.split("```console\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    let plans = plans();
    assert_eq!(plans.len(), 1);
    let folder = TempDir::new().unwrap();
    let server = Server::start(&folder, &plans[0]);
    let url = format!("https://localhost:{}/", server.port);
    let mut command = dmtap();
    command.current_dir(&folder).args(["device", &url]);
    let output = command
        .args(["--ca", "ca/dmtap-ca-cert.pem"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let (_, expected) = shown.split_once('\n').unwrap();
    assert_eq!(said.trim_end(), expected.trim_end());
}

#[test]
fn a_device_says_on_its_command_line_what_it_takes() {
    let folder = TempDir::new().unwrap();
    let node = "./Device/Vendor/MSFT/DMTap/Notice";
    let text = "x".repeat(3000);
    let plan = format!("[[package]]\ncommands = [{{ add = ['{node}', '{text}'] }}]\n");
    let server = Server::start(&folder, &plan);
    let url = format!("https://localhost:{}/", server.port);
    let check = |flags: &[&str], expected: &[&str]| {
        let mut command = dmtap();
        command.current_dir(&folder).args(["device", &url]);
        command.args(["--ca", "ca/dmtap-ca-cert.pem"]).args(flags);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let codes: Vec<_> = said.lines().map(|line| &line[..3]).collect();
        assert_eq!(codes, expected, "{said}");
    };
    check(&[], &["200"]);
    check(&["--max-msg-size", "2000"], &["213", "213", "200"]);
    check(&["--max-obj-size", "2999"], &[]);
}

#[test]
fn the_help_of_the_server_names_all_keys_of_a_plan() {
    let output = dmtap().args(["server", "--help"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    for key in ["package", "commands", "max-msg-size", "max-obj-size"] {
        assert!(said.contains(key), "{key} is missing in:\n{said}");
    }
}

#[test]
fn a_slip_in_a_plan_is_reported_with_its_place() {
    let folder = TempDir::new().unwrap();
    let check = |plan: &str, expected: &str| {
        fs::write(folder.path().join("plan.toml"), plan).unwrap();
        let mut command = dmtap();
        command.current_dir(&folder).args(["server", "-p", "0"]);
        let output = command.args(["--plan", "plan.toml"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected), "{expected} is missing in:\n{said}");
    };
    check(
        "[[package]]\ncommands = [{ fetch = './A' }]\n",
        "plan.toml:2:15: ",
    );
    check("[[packet]]\ncommands = []\n", "packet");
    check("[[package]]\ncommands = [{ add = './A' }]\n", "plan.toml");
}

#[test]
fn the_server_prints_what_devices_answer() {
    let folder = TempDir::new().unwrap();
    let plan = "[[package]]\ncommands = [{ get = './DevDetail/SwV' }, { get = './Nowhere' }]\n";
    for (form, expected) in [
        (
            "text",
            [
                "device answered: 200 OK ",
                "device answered: 404 Not found ",
            ],
        ),
        ("json", ["\"status\":200", "\"status\":404"]),
    ] {
        let mut server = Server::start_with(&folder, plan, &["--output", form]);
        let stdout = server.child.stdout.take().unwrap();
        let url = format!("https://localhost:{}/", server.port);
        let mut command = dmtap();
        command.current_dir(&folder).args(["device", &url]);
        let output = command.args(["--ca", "ca/dmtap-ca-cert.pem"]).output();
        assert_eq!(output.unwrap().status.code(), Some(0));
        // A server that says nothing is not waited for.
        let pid = server.child.id().to_string();
        let kill = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(kill.unwrap().success());
        let mut lines = BufReader::new(stdout).lines();
        if form == "json" {
            let start = lines.next().unwrap().unwrap();
            assert!(start.contains("\"event\":\"start\""), "{start}");
        }
        for (expected, node) in expected.iter().zip(["./DevDetail/SwV", "./Nowhere"]) {
            let line = lines.next().unwrap().unwrap();
            assert!(line.contains(expected) && line.contains(node), "{line}");
        }
    }
}
