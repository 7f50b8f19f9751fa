//! Messages to users: each failure once, in plain words, without texts of libraries.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use super::peers::dmtap;

/// What a program prints that shows how it is made.
const OF_LIBRARIES: [&str; 8] = [
    "os error",
    "Error",
    "Kind(",
    "Os {",
    "Some(",
    "rustls",
    "hyper",
    "client error",
];

fn check_words(text: &str) {
    for word in OF_LIBRARIES {
        assert!(!text.contains(word), "{word} in: {text}");
    }
}

/// A proxy in front of a port where nothing listens, and its address.
fn proxy_in_front_of_nothing(
    folder: &std::path::Path,
    out: Stdio,
    err: Stdio,
    more: &[&str],
) -> (Child, String) {
    let record = folder.join("r.jsonl");
    let child = dmtap()
        .args([
            "proxy",
            "--mode",
            "reverse:http://127.0.0.1:1",
            "-p",
            "0",
            "--confdir",
        ])
        .arg(folder)
        .arg("-w")
        .arg(&record)
        .args(more)
        .stdout(out)
        .stderr(err)
        .spawn()
        .unwrap();
    (child, record.display().to_string())
}

/// The address in `listening at …`, once it is in the file.
fn address_in(file: &std::path::Path) -> String {
    loop {
        let text = std::fs::read_to_string(file).unwrap();
        if let Some((_, rest)) = text.split_once("listening at https://")
            && let Some((address, _)) = rest.split_once(' ')
        {
            return address.to_owned();
        }
        std::thread::yield_now();
    }
}

fn get(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[cfg(unix)]
fn end(mut child: Child) {
    let id = child.id().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(killed.unwrap().success());
    child.wait().unwrap();
}

#[cfg(unix)]
#[test]
fn a_failure_is_printed_once_where_transcript_and_log_lead_to_the_same_place() {
    let why = "the server refused the connection: nothing listens at its address and port";
    let count = |text: &str| text.matches(why).count();
    let folder = tempfile::tempdir().unwrap();
    let both = folder.path().join("both.txt");
    let file = File::create(&both).unwrap();
    let again = file.try_clone().unwrap();
    let (child, _) = proxy_in_front_of_nothing(folder.path(), file.into(), again.into(), &[]);
    let answer = get(&address_in(&both));
    assert_eq!(count(&answer), 1, "{answer}");
    check_words(&answer);
    end(child);
    let text = std::fs::read_to_string(&both).unwrap();
    assert_eq!(count(&text), 1, "{text}");
    assert!(text.contains('✖'), "{text}");

    // Apart, each has it: whoever reads the log alone must see what fails.
    let (out, err) = (folder.path().join("out.txt"), folder.path().join("err.txt"));
    let [out_file, err_file] = [&out, &err].map(|path| File::create(path).unwrap());
    let (child, _) =
        proxy_in_front_of_nothing(folder.path(), out_file.into(), err_file.into(), &[]);
    get(&address_in(&err));
    end(child);
    for file in [out, err] {
        let text = std::fs::read_to_string(file).unwrap();
        assert_eq!(count(&text), 1, "{text}");
    }

    // Without a transcript the log is what is left.
    let quiet = folder.path().join("quiet.txt");
    let file = File::create(&quiet).unwrap();
    let again = file.try_clone().unwrap();
    let (child, _) = proxy_in_front_of_nothing(folder.path(), file.into(), again.into(), &["-q"]);
    get(&address_in(&quiet));
    end(child);
    let text = std::fs::read_to_string(quiet).unwrap();
    assert_eq!(count(&text), 1, "{text}");
}

#[test]
fn options_with_which_nobody_would_learn_anything_are_refused() {
    for (options, words) in [
        (&["-q", "--output", "json"][..], "leave it out"),
        (&["--timeout", "0"], "write 10m to wait long"),
    ] {
        // Without the refusal, the missing file would end it.
        let run = ["proxy", "--mode", "regular", "--rules", "missing.toml"];
        let output = dmtap().args(run).args(options).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn what_cannot_be_read_or_opened_is_named_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(
        path("no.pem"),
        "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    std::fs::write(path("torn.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
    std::fs::write(
        path("der.pem"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    std::fs::write(path("bad.jsonl"), "{\"v\":1,\"seq\":\n{\"v\":1}\n").unwrap();
    std::fs::write(path("plan.toml"), "session = \"x\"\n").unwrap();
    let (missing, confdir) = (path("missing"), path("conf"));
    let reverse = "reverse:https://localhost:1";
    let proxy = |more: &[&str]| {
        let mut command = dmtap();
        command.args(["proxy", "-p", "0", "--confdir", &confdir, "--mode", reverse]);
        command.args(more);
        command
    };
    let verb = |arguments: &[&str]| {
        let mut command = dmtap();
        command.args(arguments);
        command
    };
    for (mut command, expected) in [
        (
            proxy(&["--server-ca", &missing]),
            "No such file or directory",
        ),
        (
            proxy(&["--server-ca", &path("no.pem")]),
            "its base64 is damaged",
        ),
        (
            proxy(&["--server-ca", &path("torn.pem")]),
            "a section has no END line",
        ),
        (
            proxy(&["--server-ca", &path("der.pem")]),
            "cannot be read as X.509",
        ),
        (
            proxy(&["--certs", &path("torn.pem")]),
            "a section has no END line",
        ),
        (
            proxy(&["-w", &path("none/x.jsonl")]),
            "No such file or directory",
        ),
        (proxy(&["--rules", &missing]), "No such file or directory"),
        (verb(&["show", &missing]), "No such file or directory"),
        (
            verb(&["show", &path("bad.jsonl")]),
            "it ends in the middle of a JSON value",
        ),
        (verb(&["decode", &missing]), "No such file or directory"),
        (
            verb(&["rules", "check", &missing]),
            "No such file or directory",
        ),
        (
            verb(&["server", "--plan", &missing]),
            "No such file or directory",
        ),
        (
            verb(&["server", "--plan", &path("plan.toml")]),
            "plan.toml:1:1: unknown field `session`",
        ),
        (
            verb(&["proxy", "--mode", "reverse:https://a b"]),
            "is not a URL",
        ),
        (
            verb(&["device", "https://127.0.0.1:1/", "-k"]),
            "nothing listens at its address and port",
        ),
    ] {
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{command:?}");
        assert!(text.contains(expected), "{expected} is missing in: {text}");
        check_words(&text);
    }
}

#[test]
fn a_port_that_is_taken_says_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    for verb in [&["proxy", "--mode", "regular"][..], &["server"]] {
        let mut command = dmtap();
        command
            .args(verb)
            .args(["-p", &port, "--confdir"])
            .arg(folder.path());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("choose another port, with -p"), "{text}");
        check_words(&text);
    }
}

#[test]
fn localhost_is_an_address_to_listen_at() {
    let folder = tempfile::tempdir().unwrap();
    for verb in [&["proxy", "--mode", "regular"][..], &["server"]] {
        let mut command = dmtap();
        command
            .args(verb)
            .args(["--listen-host", "localhost", "-p", "0", "--confdir"]);
        let mut child = command
            .arg(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            line.contains("listening at ") && line.contains("://127.0.0.1:"),
            "{line}"
        );
    }
    let output = dmtap()
        .args([
            "proxy",
            "--mode",
            "regular",
            "--listen-host",
            "no such host",
        ])
        .output();
    let text = String::from_utf8_lossy(&output.unwrap().stderr).into_owned();
    assert!(
        text.contains("--listen-host") && text.contains("an address of this machine"),
        "{text}"
    );
}

#[test]
fn a_home_that_is_no_folder_names_confdir() {
    for home in ["/dev/null", "/proc/self"] {
        let mut command = dmtap();
        command.args(["proxy", "--mode", "regular", "-p", "0"]);
        let output = command
            .env("HOME", home)
            .env_remove("DMTAP_CONFDIR")
            .output();
        let text = String::from_utf8_lossy(&output.unwrap().stderr).into_owned();
        assert!(text.contains("--confdir FOLDER"), "{home}: {text}");
        check_words(&text);
    }
}

/// A record with two events.
fn record(folder: &std::path::Path) -> String {
    let out = folder.join("err.txt");
    let (child, record) = proxy_in_front_of_nothing(
        folder,
        Stdio::null(),
        File::create(&out).unwrap().into(),
        &[],
    );
    get(&address_in(&out));
    end(child);
    record
}

#[cfg(unix)]
#[test]
fn show_has_colours_where_they_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let record = record(folder.path());
    for (arguments, variable, expected) in [
        (&[][..], None, false),
        (&["--color", "auto"], None, false),
        (&["--color", "always"], None, true),
        (&["--color", "always"], Some("NO_COLOR=1"), true),
        (&["--color", "never"], Some("CLICOLOR_FORCE=1"), false),
        (&[], Some("CLICOLOR_FORCE=1"), true),
        (&[], Some("CLICOLOR_FORCE=0"), false),
    ] {
        let mut command = dmtap();
        command.arg("show").args(arguments).arg(&record);
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        if let Some((name, value)) = variable.and_then(|it| it.split_once('=')) {
            command.env(name, value);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("GET"), "{text}");
        assert_eq!(
            text.contains("\x1b["),
            expected,
            "{arguments:?} {variable:?}: {text}"
        );
    }
}

#[cfg(unix)]
#[test]
fn show_gives_json_lines_without_the_damaged_ones() {
    let folder = tempfile::tempdir().unwrap();
    let record = record(folder.path());
    let whole = std::fs::read_to_string(&record).unwrap();
    let show = |text: &str| {
        std::fs::write(&record, text).unwrap();
        let output = dmtap()
            .args(["show", "--output", "json", &record])
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (run, whole) = whole.split_once('\n').unwrap();
    assert!(run.contains("\"event\":\"run\""), "{run}");
    let whole = whole.to_owned();
    assert!(whole.lines().count() > 2);
    let record_text = format!("{run}\n{whole}");
    assert_eq!(show(&record_text), (Some(0), record_text));
    let (begin, rest) = whole.split_once('\n').unwrap();
    assert_eq!(
        show(&format!("{begin}\n{{\"v\":1,\n{rest}")),
        (Some(1), whole.clone())
    );
}

#[test]
fn help_offers_no_json_where_there_is_none_and_no_file_that_an_installation_lacks() {
    let help = |arguments: &[&str]| {
        let output = dmtap().args(arguments).arg("--help").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    for verb in ["encode", "completions"] {
        let text = help(&[verb]);
        assert!(!text.contains("--output"), "{text}");
        assert!(text.contains("--color"), "{text}");
    }
    let output = dmtap()
        .args(["completions", "bash", "--output", "json"])
        .output();
    assert_eq!(output.unwrap().status.code(), Some(2));
    let verbs: [&[&str]; 14] = [
        &[],
        &["proxy"],
        &["demo"],
        &["device"],
        &["server"],
        &["decode"],
        &["encode"],
        &["show"],
        &["rules"],
        &["rules", "check"],
        &["rules", "list"],
        &["rules", "try"],
        &["rules", "schema"],
        &["completions"],
    ];
    for verb in verbs {
        let text = help(verb);
        for file in ["docs/", ".md", "README"] {
            assert!(!text.contains(file), "{verb:?}: {text}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.toml");
    std::fs::write(
        &file,
        "[[rule]]\nname = 'x'\nmatch = { nonsense = 1 }\nstep.nonsense = 1\n",
    )
    .unwrap();
    let output = dmtap().args(["rules", "check"]).arg(file).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("dmtap rules schema") && !text.contains("docs/"),
        "{text}"
    );
}

#[test]
fn a_wrong_mode_names_all_modes_and_a_folder_without_identities_says_so() {
    let output = dmtap().args(["proxy", "--mode", "foo"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("reverse:http://host[:port]"), "{errors}");
    let folder = tempfile::tempdir().unwrap();
    let mut list = dmtap();
    list.args(["identity", "list", "--confdir"])
        .arg(folder.path());
    let output = list.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "no identities\n");
}

#[cfg(unix)]
#[test]
fn a_probe_of_the_port_is_neither_a_warning_nor_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let both = folder.path().join("both.txt");
    let file = File::create(&both).unwrap();
    let again = file.try_clone().unwrap();
    let (child, record) = proxy_in_front_of_nothing(folder.path(), file.into(), again.into(), &[]);
    let mut probe = TcpStream::connect(address_in(&both)).unwrap();
    probe.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(probe.read(&mut [0]).unwrap(), 0);
    end(child);
    let text = std::fs::read_to_string(&both).unwrap();
    assert!(!text.contains("WARN"), "{text}");
    assert!(!text.contains("connection not served"), "{text}");
    let why = dmtap().arg("why").arg(record).output().unwrap();
    assert!(
        !String::from_utf8_lossy(&why.stdout).contains('✖'),
        "{why:?}"
    );
}
