//! Files: full disks, files of other users, files without an end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::{Proxy, peers, run};

/// dmtap, unable to write more than so many blocks of 512 bytes to any file.
fn limited(blocks: u32, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
    command.arg(peers::dmtap().get_program()).args(arguments);
    command
}

#[test]
fn a_disk_that_is_full_at_the_first_start_keeps_no_part_of_a_ca() {
    let folder = tempfile::tempdir().unwrap();
    let confdir = folder.path().join("conf");
    let arguments = ["proxy", "--mode", "regular", "-p", "0", "--confdir", "conf"];
    let (code, said) = run(limited(0, &arguments).current_dir(folder.path()));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("dmtap-ca.pem"), "{said}");
    let left: Vec<_> = fs::read_dir(&confdir).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");

    let token = folder.path().join("token");
    let arguments = [
        "proxy",
        "--mode",
        "regular",
        "-p",
        "0",
        "--control",
        "0",
        "--control-token-file",
        "token",
    ];
    let (code, said) = run(limited(0, &arguments).current_dir(folder.path()));
    assert_eq!(code, Some(2), "{said}");
    assert!(!token.exists(), "{said}");
}

#[test]
fn a_second_dmtap_is_kept_from_a_record_in_use() {
    let (proxy, _stderr) = Proxy::start(&["-q", "-w", "r.jsonl"]);
    assert_eq!(proxy.post("hi"), 200);
    let before = proxy.read_until("r.jsonl", |text| text.contains("\"event\":\"response\""));
    for file in ["r.jsonl", "+r.jsonl"] {
        let mut second = peers::dmtap();
        second.args(["proxy", "--mode", "regular", "-p", "0", "--confdir", "conf"]);
        let (code, said) = run(second.args(["-w", file]).current_dir(proxy.folder.path()));
        assert_eq!(code, Some(2), "{said}");
        let expected = "r.jsonl: another dmtap is writing it: name another file";
        assert!(said.contains(expected), "{said}");
    }
    assert!(proxy.read("r.jsonl").starts_with(&before));
}

#[test]
fn a_record_is_not_written_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("precious"), "kept").unwrap();
    std::os::unix::fs::symlink("precious", folder.path().join("r.jsonl")).unwrap();
    let mut command = peers::dmtap();
    command.args(["proxy", "--mode", "regular", "-p", "0", "--confdir", "conf"]);
    let (code, said) = run(command.args(["-w", "r.jsonl"]).current_dir(folder.path()));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("r.jsonl: it is a link to precious"), "{said}");
    let kept = fs::read_to_string(folder.path().join("precious")).unwrap();
    assert_eq!(kept, "kept");
}

#[test]
fn files_without_an_end_are_refused_in_clear_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let fifo = Command::new("mkfifo").arg(path.join("fifo")).status();
    assert!(fifo.unwrap().success());
    let rule = |file: &str| {
        format!(
            "[[rule]]\nname = 'a'\nstage = 'response'\nstep = {{ set-body = {{ file = '{file}' }} }}\n"
        )
    };
    fs::write(path.join("zero.toml"), rule("/dev/zero")).unwrap();
    fs::write(path.join("fifo.toml"), rule("fifo")).unwrap();
    let check = |arguments: &[&str], expected: &str| {
        let (code, said) = run(peers::dmtap().args(arguments).current_dir(path));
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    };
    check(
        &["decode", "/dev/zero"],
        "/dev/zero: it is longer than 256 MiB",
    );
    check(
        &["encode", "/dev/zero"],
        "/dev/zero: it is longer than 256 MiB",
    );
    check(
        &["rules", "try", "--rule", "not-found", "/dev/zero"],
        "/dev/zero: it is longer than 256 MiB",
    );
    check(&["rules", "check", "zero.toml"], "it is not a regular file");
    check(&["rules", "check", "fifo.toml"], "it is not a regular file");
    check(&["rules", "check", "/dev/zero"], "it is longer than 16 MiB");
    check(
        &["server", "-p", "0", "--plan", "/dev/zero"],
        "it is longer than 16 MiB",
    );
    let proxy = ["proxy", "--mode", "regular", "-p", "0", "--confdir", "conf"];
    check(
        &[&proxy[..], &["--server-ca", "/dev/zero"]].concat(),
        "/dev/zero: it is longer than 4 MiB",
    );
    for (pipe, record) in [("pipe.jsonl", "pipe.jsonl"), ("more.txt", "+more.txt")] {
        let made = Command::new("mkfifo").arg(path.join(pipe)).status();
        assert!(made.unwrap().success());
        check(
            &[&proxy[..], &["-w", record]].concat(),
            "it is a pipe that nobody reads",
        );
    }
}

#[test]
fn secrets_that_others_can_read_are_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let open = |name: &str, mode| {
        fs::set_permissions(path.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::create_dir(path.join("conf")).unwrap();
    open("conf", 0o755);
    fs::write(path.join("token"), "0123456789abcdef0123").unwrap();
    open("token", 0o644);
    let mut command = peers::dmtap();
    command.args(["proxy", "--mode", "regular", "-p", "0", "--confdir", "conf"]);
    command.args(["--control", "0", "--control-token-file", "token"]);
    command
        .current_dir(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // The port of the control API is the last that is announced.
    let lines = lines.map(Result::unwrap);
    let said: Vec<String> = lines.take_while(|l| !l.contains("control at")).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    for expected in [
        "conf: others may look into this folder",
        "token: others may read this token",
    ] {
        assert!(said.iter().any(|l| l.contains(expected)), "{said:?}");
    }
}
