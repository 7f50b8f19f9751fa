//! Lines of the README for users to paste.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

#[test]
fn server_proxy_and_device_find_each_other_in_a_fresh_home() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let mut blocks = readme.split("```sh\n").skip(1);
    let lines = blocks
        .find(|block| block.starts_with("dmtap server"))
        .unwrap();
    let lines = lines.split("```").next().unwrap();
    assert_eq!(lines.lines().count(), 3, "{lines}");
    // The ports are anybody's; free ones stand for them.
    let (server, proxy) = (free_port(), free_port());
    let lines = lines
        .replace("8443", &server)
        .replace("8080", &proxy)
        .replace("dmtap proxy ", &format!("dmtap proxy -q -p {proxy} "));
    let home = TempDir::new().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_dmtap")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    // What is left in the background ends with its group, and holds no pipe that the test waits for.
    let out = fs::File::create(home.path().join("out")).unwrap();
    let mut shell = Command::new("sh")
        .args(["-c", &lines])
        .env("HOME", home.path())
        .env_remove("DMTAP_CONFDIR")
        .env("PATH", format!("{}:{path}", program.display()))
        .stderr(out.try_clone().unwrap())
        .stdout(out)
        .process_group(0)
        .spawn()
        .unwrap();
    let status = shell.wait().unwrap();
    let group = format!("-{}", shell.id());
    let ended = Command::new("kill").args(["--", &group]).status().unwrap();
    let said = fs::read_to_string(home.path().join("out")).unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("200 OK") && ended.success(), "{said}");
}

#[test]
fn the_lines_for_ci_find_the_port_and_give_their_verdicts() {
    if !crate::support::peers::have("jq") {
        return;
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let mut blocks = readme.split("```sh\n").skip(1);
    let lines = blocks
        .find(|block| block.contains("--require-hits"))
        .unwrap();
    let lines = lines.split("```").next().unwrap();
    let home = TempDir::new().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_dmtap")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let port = free_port();
    let lines = lines
        .replace("8443", &port)
        .replace("ca.pem", "conf/dmtap-ca-cert.pem")
        .replace("./run-my-suite", "dmtap device -k");
    let plan = "[[package]]\ncommands = [{ add = [\"./Device/Vendor/MSFT/DMTap/Greeting\", \"hello\"] }]\n";
    fs::write(home.path().join("plan.toml"), plan).unwrap();
    let run = |plan: &str, lines: &str| {
        let server = format!(
            "dmtap server -p {port} {plan} --output json > server.json & server=$!\n\
             until grep -q start server.json; do sleep 0.1; done\n"
        );
        let out = fs::File::create(home.path().join("out")).unwrap();
        let status = Command::new("sh")
            .args([
                "-c",
                &format!("{server}({lines})\ncode=$?\nkill $server\nexit $code\n"),
            ])
            .current_dir(home.path())
            .env("DMTAP_CONFDIR", "conf")
            .env("PATH", format!("{}:{path}", program.display()))
            .stderr(out.try_clone().unwrap())
            .stdout(out)
            .status();
        let said = fs::read_to_string(home.path().join("out")).unwrap();
        (status.unwrap().code(), said)
    };
    let own = "--plan plan.toml";
    let (code, said) = run(own, &lines);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 errors, "), "{said}");
    // A node that the server asks for and that is not there.
    let (code, said) = run("", &lines);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("404 Not found"), "{said}");
    // A fault that never happens.
    let (code, said) = run(
        own,
        &lines.replace("--rule command-fails", "--rule device-cap"),
    );
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("never acted"), "{said}");
    // A suite that fails.
    let (code, said) = run(own, &lines.replace("dmtap device -k", "sh -c 'exit 3'"));
    assert_eq!(code, Some(1), "no rule acted: {said}");
}

fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

#[test]
fn the_lines_for_offline_use_run_after_a_demo() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let mut blocks = readme.split("```sh\n").skip(1);
    let lines = blocks
        .find(|block| block.starts_with("dmtap demo\n"))
        .unwrap();
    let lines = lines.split("```").next().unwrap();
    let home = TempDir::new().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_dmtap")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    for line in lines.lines() {
        let output = Command::new("sh")
            .args(["-c", line])
            .current_dir(home.path())
            .env("PATH", format!("{}:{path}", program.display()))
            .output()
            .unwrap();
        // `why` finds what the demo made fail; `rules try` has nothing to forbid.
        let code = output.status.code().unwrap();
        let is_failing = line.contains("why") || line.contains("try");
        assert!(code == 0 || code == 1 && is_failing, "{line}: {output:?}");
    }
}
