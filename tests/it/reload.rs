//! Rule files that change while traffic runs.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "helpers of tests fail by panicking, and are shared by several files"
)]

use crate::support::echo;
use crate::support::peers;
use crate::support::proxy_process;

use std::fs;
use std::path::Path;

use echo::Echo;
use proxy_process::{ProxyProcess, answering};
use tempfile::TempDir;

/// A rule that sends a file's content instead of the response.
fn sending(name: &str, file: &str) -> String {
    format!(
        "[[rule]]\nname = \"{name}\"\nstage = \"response\"\nstep = {{ set-body = {{ file = \"{file}\" }} }}\n"
    )
}

struct Site {
    folder: TempDir,
    echo: Echo,
}

impl Site {
    fn open(files: &[(&str, String)]) -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
            echo: Echo::start(),
        };
        for (name, text) in files {
            fs::write(site.path(name), text).unwrap();
        }
        site
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn proxy(&self, rules: &[&Path]) -> ProxyProcess {
        let mode = format!("reverse:http://{}", self.echo.address);
        let mut arguments = vec!["-q", "--mode", &mode, "--rules"];
        arguments.extend(rules.iter().map(|path| path.to_str().unwrap()));
        ProxyProcess::start(&arguments)
    }
}

#[test]
fn a_rule_that_is_saved_takes_effect_at_the_next_exchange() {
    let site = Site::open(&[("a.toml", answering("a", 503))]);
    let file = site.path("a.toml");
    let mut proxy = site.proxy(&[&file]);
    assert_eq!(proxy.post("hi").status, 503);

    fs::write(&file, answering("a", 500)).unwrap();
    let line = proxy.line("reloaded");
    assert!(
        line.contains("a.toml") && line.contains("1 rule in force"),
        "{line}"
    );
    assert_eq!(proxy.post("hi").status, 500);

    // As editors do it: another file is put in the place of this one.
    let swap = site.path("a.toml.swp");
    fs::write(&swap, answering("a", 404) + &answering("b", 400)).unwrap();
    fs::rename(&swap, &file).unwrap();
    let line = proxy.line("reloaded");
    assert!(line.contains("2 rules in force"), "{line}");
    assert_eq!(proxy.post("hi").status, 404);
}

#[test]
fn an_exchange_under_way_keeps_the_rules_it_began_with() {
    let site = Site::open(&[("a.toml", answering("a", 503).replace("POST", "NONE"))]);
    let mut proxy = site.proxy(&[&site.path("a.toml")]);
    let address = proxy.address.clone();
    let running = std::thread::spawn(move || {
        proxy_process::ask(&address, "POST /slow", &[("Host", "localhost")], "hi")
    });
    site.echo.wait_for_request();
    fs::write(site.path("a.toml"), answering("a", 500)).unwrap();
    proxy.line("reloaded");
    site.echo.open_gate();
    let answer = running.join().unwrap();
    assert_eq!((answer.status, &*answer.body), (200, "hi"));
    assert_eq!(proxy.post("hi").status, 500);
}

#[test]
fn a_broken_edit_changes_nothing_and_says_why_once() {
    let site = Site::open(&[
        ("a.toml", answering("a", 503)),
        ("b.toml", answering("b", 500)),
    ]);
    let (a, b) = (site.path("a.toml"), site.path("b.toml"));
    let mut proxy = site.proxy(&[&a, &b]);

    fs::write(&a, answering("a", 404).replace("answer", "anwser")).unwrap();
    proxy.line("not reloaded, the rules in force stay");
    proxy.line("there is no step `anwser`");
    proxy.line("a.toml:5");
    proxy.line("did you mean `answer`?");
    assert_eq!(proxy.post("hi").status, 503);

    // Nothing of a book that is wrong somewhere is taken.
    fs::write(&b, answering("b", 400)).unwrap();
    proxy.line("not reloaded, the rules in force stay");
    assert_eq!(proxy.post("hi").status, 503);
    fs::write(&a, answering("a", 404)).unwrap();
    let line = proxy.line("reloaded, ");
    assert!(line.contains("a.toml") && line.contains("b.toml"), "{line}");
    assert_eq!(proxy.said.matches("anwser").count(), 4, "{}", proxy.said);
    assert_eq!(proxy.post("hi").status, 404);

    // A name of another file is an error like others.
    fs::write(&b, answering("a", 400)).unwrap();
    proxy.line("two rules are named `a`");
    assert_eq!(proxy.post("hi").status, 404);
    fs::write(&b, answering("b", 400)).unwrap();
    proxy.line("the files say what is in force already");
}

#[test]
fn a_file_that_is_gone_keeps_its_rules_until_another_brings_them() {
    let site = Site::open(&[("a.toml", answering("a", 503))]);
    let mut proxy = site.proxy(&[site.folder.path()]);
    fs::remove_file(site.path("a.toml")).unwrap();
    proxy.line("its rules stay in force");
    assert_eq!(proxy.post("hi").status, 503);

    fs::write(site.path("b.toml"), answering("a", 500)).unwrap();
    proxy.line("b.toml reloaded, 1 rule in force");
    assert_eq!(proxy.post("hi").status, 500);
}

#[test]
fn a_folder_takes_files_in_order_of_their_names_and_new_ones_too() {
    let site = Site::open(&[("b.toml", answering("b", 503))]);
    let mut proxy = site.proxy(&[site.folder.path()]);
    assert_eq!(proxy.post("hi").status, 503);
    fs::write(site.path("a.toml"), answering("a", 500)).unwrap();
    proxy.line("a.toml reloaded, 2 rules in force");
    assert_eq!(proxy.post("hi").status, 500);
}

#[test]
fn a_file_that_a_rule_names_takes_effect_when_it_is_saved() {
    let site = Site::open(&[("a.toml", sending("a", "bodies/a.txt"))]);
    fs::create_dir(site.path("bodies")).unwrap();
    fs::write(site.path("bodies/a.txt"), "one").unwrap();
    let mut proxy = site.proxy(&[&site.path("a.toml")]);
    assert_eq!(proxy.post("hi").body, "one");
    fs::write(site.path("bodies/a.txt"), "two").unwrap();
    let line = proxy.line("reloaded");
    assert!(line.contains("a.txt reloaded, 1 rule in force"), "{line}");
    assert_eq!(proxy.post("hi").body, "two");

    // Without it nothing is changed, and it may come back.
    fs::remove_file(site.path("bodies/a.txt")).unwrap();
    proxy.line("not reloaded, the rules in force stay");
    assert_eq!(proxy.post("hi").body, "two");
    fs::write(site.path("bodies/a.txt"), "three").unwrap();
    proxy.line("a.txt reloaded");
    assert_eq!(proxy.post("hi").body, "three");

    // A file that a rule names only now is watched as well, and so is its folder.
    fs::create_dir(site.path("others")).unwrap();
    fs::write(site.path("others/c.txt"), "four").unwrap();
    fs::write(site.path("a.toml"), sending("a", "others/c.txt")).unwrap();
    proxy.line("a.toml reloaded");
    assert_eq!(proxy.post("hi").body, "four");
    fs::write(site.path("others/c.txt"), "five").unwrap();
    proxy.line("c.txt reloaded");
    assert_eq!(proxy.post("hi").body, "five");
}

#[test]
fn folders_inside_a_folder_are_read_and_watched_also_new_ones() {
    let site = Site::open(&[("b.toml", answering("b", 503))]);
    let mut proxy = site.proxy(&[site.folder.path()]);
    assert_eq!(proxy.post("hi").status, 503);
    fs::create_dir_all(site.path("a/deep")).unwrap();
    fs::write(site.path("a/deep/a.toml"), answering("a", 500)).unwrap();
    let line = proxy.line("reloaded");
    assert!(line.contains("2 rules in force"), "{line}");
    assert_eq!(
        proxy.post("hi").status,
        500,
        "a/deep/a.toml stands in front of b.toml"
    );
    fs::write(site.path("a/deep/a.toml"), answering("a", 404)).unwrap();
    proxy.line("a.toml reloaded");
    assert_eq!(proxy.post("hi").status, 404);
    fs::rename(site.path("a"), site.path("c")).unwrap();
    proxy.line("reloaded, 2 rules in force");
    assert_eq!(proxy.post("hi").status, 503);
}

#[cfg(unix)]
#[test]
fn a_file_behind_a_link_and_the_signal_are_noticed() {
    let site = Site::open(&[("real.toml", answering("a", 503))]);
    let link = site.path("links");
    fs::create_dir(&link).unwrap();
    let link = link.join("a.toml");
    std::os::unix::fs::symlink(site.path("real.toml"), &link).unwrap();
    let mut proxy = site.proxy(&[&link]);
    fs::write(site.path("real.toml"), answering("a", 500)).unwrap();
    proxy.line("reloaded");
    assert_eq!(proxy.post("hi").status, 500);

    if !proxy_process::hears_sighup() {
        return;
    }
    proxy.signal("-HUP");
    proxy.line("the files say what is in force already, 1 rule");
}

#[cfg(unix)]
#[test]
fn a_rule_that_stays_the_same_goes_on_counting() {
    let once = |name: &str, status: u16| {
        answering(name, status) + "limit = { times = 1, per = \"run\" }\n"
    };
    let site = Site::open(&[("a.toml", once("a", 503) + &once("b", 500))]);
    let mut proxy = site.proxy(&[&site.path("a.toml")]);
    assert_eq!(proxy.post("hi").status, 503);
    fs::write(
        site.path("a.toml"),
        once("b", 400) + "# a comment\n" + &once("a", 503),
    )
    .unwrap();
    proxy.line("reloaded");
    assert_eq!(proxy.post("hi").status, 400, "b says something else now");
    assert_eq!(proxy.post("hi").status, 200, "a has had its turn");
    let (_, rest) = proxy.end();
    for expected in [
        "what the rules did:",
        "  b  acted on 1 message",
        "  a  acted on 1 message",
    ] {
        assert!(rest.contains(expected), "{expected} is missing in:\n{rest}");
    }
}

#[test]
fn what_chance_is_drawn_from_is_said_where_a_rule_uses_it() {
    let site = Site::open(&[("a.toml", answering("a", 503) + "limit = { chance = 0.5 }\n")]);
    let mut proxy = site.proxy(&[&site.path("a.toml")]);
    proxy.line("random choices use --seed 0");
    let seen: Vec<u16> = (0..8).map(|_| proxy.post("hi").status).collect();
    assert!(seen.contains(&503) && seen.contains(&200), "{seen:?}");
    let again = site.proxy(&[&site.path("a.toml")]);
    let second: Vec<u16> = (0..8).map(|_| again.post("hi").status).collect();
    assert_eq!(seen, second);
}

#[cfg(unix)]
#[test]
fn the_summary_is_the_last_line_of_json_and_no_damage_to_a_record() {
    let site = Site::open(&[("a.toml", answering("a", 503))]);
    let mode = format!("reverse:http://{}", site.echo.address);
    let file = site.path("a.toml");
    let proxy = ProxyProcess::start(&[
        "--output",
        "json",
        "--mode",
        &mode,
        "--rules",
        file.to_str().unwrap(),
    ]);
    assert_eq!(proxy.post("hi").status, 503);
    let (out, _) = proxy.end();
    let last: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "rules");
    assert_eq!(last["rules"][0]["name"], "a");
    assert_eq!(last["rules"][0]["hits"]["messages"], 1);
    let record = site.path("out.jsonl");
    fs::write(&record, out).unwrap();
    let shown = peers::dmtap().arg("show").arg(&record).output().unwrap();
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
}

#[test]
fn a_record_that_is_overwritten_is_reported_at_the_start() {
    let site = Site::open(&[]);
    let mode = format!("reverse:http://{}", site.echo.address);
    let said = |name: &str, plus: &str| {
        let record = format!("{plus}{}", site.path(name).display());
        let proxy = ProxyProcess::start(&["-q", "--mode", &mode, "-w", &record]);
        proxy.said.clone()
    };
    let file = site.path("a.jsonl").display().to_string();
    let reported = format!("{file} was there: overwritten; `-w +{file}` appends");
    assert!(!said("a.jsonl", "").contains("was there"));
    fs::write(&file, "{}\n").unwrap();
    assert!(!said("a.jsonl", "+").contains("was there"));
    let again = said("a.jsonl", "");
    assert!(again.contains(&reported), "{again}");
    fs::write(site.path("a.pcapng"), "x").unwrap();
    let frames = said("a.pcapng", "");
    assert!(
        frames.contains("a.pcapng was there: overwritten\n"),
        "{frames}"
    );
}
