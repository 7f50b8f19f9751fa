//! Traffic as a test suite queries it: sessions with their verdict, and exchanges one after the other.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Site;
use crate::support::echo::Echo;
use crate::support::peers::dmtap;
use crate::support::proxy_process::{self, PATIENCE};

/// A proxy in front of the reference server, with these rules.
pub(super) struct Lab {
    pub(super) site: Site,
    server: std::process::Child,
    folder: tempfile::TempDir,
}

impl Lab {
    pub(super) fn open(rules: &str) -> Self {
        use std::io::{BufRead as _, BufReader};
        let folder = tempfile::tempdir().unwrap();
        let mut server = dmtap()
            .args([
                "server",
                "-p",
                "0",
                "--output",
                "json",
                "--confdir",
                "server",
            ])
            .current_dir(folder.path())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let start: Value = serde_json::from_str(&line).unwrap();
        let mode = format!("reverse:{}", start["listen"][0]["url"].as_str().unwrap());
        let ca = folder.path().join("server/dmtap-ca-cert.pem");
        let arguments = ["-q", "--mode", &mode, "--server-ca", ca.to_str().unwrap()];
        let site = Site::with(Echo::start(), rules, &arguments);
        Self {
            site,
            server,
            folder,
        }
    }

    /// A device has a session through the proxy.
    pub(super) fn session(&self, device: &str) -> std::process::Output {
        let port = self.site.proxy.address.rsplit(':').next().unwrap();
        let url = format!("https://localhost:{port}/");
        dmtap()
            .args(["device", &url, "-k", "--device-id", device])
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    /// Asks until the sessions are those that are waited for.
    pub(super) fn sessions(&self, query: &str, count: usize) -> Value {
        let until = Instant::now() + proxy_process::PATIENCE;
        loop {
            let (status, page) = self.site.json(&format!("GET /sessions{query}"), "");
            assert_eq!(status, 200, "{page}");
            let over = page["sessions"].as_array().unwrap().iter();
            if over.filter(|it| it["state"] == "over").count() >= count {
                return page;
            }
            assert!(Instant::now() < until, "{page}");
            std::thread::yield_now();
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Asks the control API meanwhile; gives the body of the answer.
fn asking(site: &Site, what: &str) -> std::thread::JoinHandle<String> {
    let (control, token, what) = (site.control.clone(), site.token.clone(), what.to_owned());
    std::thread::spawn(move || {
        let bearer = format!("Bearer {token}");
        let fields = [("Host", &*control), ("Authorization", &bearer)];
        proxy_process::ask(&control, &what, &fields, "").body
    })
}

#[test]
fn sessions_are_listed_with_their_verdict_and_shown_with_their_transactions() {
    let fails = "[[rule]]\nname = \"get-fails\"\nstage = \"request\"\n\
                 match = { command = \"Status\", device = \"urn:two\" }\nstep = { set-status = 500 }\n";
    let lab = Lab::open(fails);
    for device in ["urn:one", "urn:two"] {
        let output = lab.session(device);
        assert!(!output.stdout.is_empty(), "{output:?}");
    }
    let page = lab.sessions("", 2);
    let (one, two) = (&page["sessions"][0], &page["sessions"][1]);
    assert_eq!(
        (&one["number"], &one["device"]),
        (&json!(1), &json!("urn:one"))
    );
    assert_eq!(
        (&one["end"]["is"], &two["end"]["is"]),
        (&json!("finished"), &json!("finished"))
    );
    assert_eq!(two["verdict"], "failed", "{two}");
    assert!(two["commands"]["failed"].as_u64() > Some(0), "{two}");
    assert_eq!(two["findings"][0]["rules"], json!(["get-fails"]));
    assert!(one.get("transactions").is_none());
    assert_eq!((&page["last"], &page["more"]), (&json!(2), &json!(false)));

    let (_, first) = lab.site.json("GET /sessions?limit=1", "");
    assert_eq!((&first["last"], &first["more"]), (&json!(1), &json!(true)));
    let (_, rest) = lab.site.json("GET /sessions?after=1", "");
    assert_eq!(rest["sessions"], json!([two]));
    let (_, of_one) = lab.site.json("GET /sessions?device=urn%3Aone", "");
    assert_eq!(of_one["sessions"], json!([one]));

    let (status, whole) = lab.site.json("GET /sessions/2", "");
    assert_eq!((status, &whole["findings"]), (200, &two["findings"]));
    let transactions = whole["transactions"].as_array().unwrap();
    let failed = transactions
        .iter()
        .find(|it| it["answers"][0]["received"] == 500);
    let failed = failed.unwrap_or_else(|| panic!("{whole}"));
    assert_eq!(failed["answers"][0]["rules"], json!(["get-fails"]));
    assert_eq!(lab.site.json("GET /sessions/99", "").0, 404);
    assert_eq!(lab.site.json("GET /sessions/x", "").0, 404);
    assert_eq!(lab.site.json("POST /sessions", "").0, 405);
}

#[test]
fn a_session_that_broke_off_has_its_verdict_at_once() {
    let broken = "[[rule]]\nname = \"cut\"\nstage = \"response\"\nlimit = { skip = 1, per = \"run\" }\nstep.reset = true\n";
    let lab = Lab::open(broken);
    lab.session("urn:one");
    let until = Instant::now() + proxy_process::PATIENCE;
    loop {
        let (status, session) = lab.site.json("GET /sessions/1", "");
        if status == 200 && session["end"]["is"] == "broken-off" {
            assert_eq!(
                (&session["state"], &session["verdict"]),
                (&json!("open"), &json!("failed"))
            );
            assert_eq!(session["findings"][0]["id"], "WHY-03", "{session}");
            return;
        }
        assert!(Instant::now() < until, "{session}");
        std::thread::yield_now();
    }
}

#[test]
fn exchanges_come_one_after_the_other_as_they_are_recorded() {
    let site = Site::open("");
    let (status, none) = site.json("GET /exchanges", "");
    let expected = json!({"exchanges": [], "last": 0, "more": false, "missed": false});
    assert_eq!((status, none), (200, expected));
    // A request that waits gets the exchange as soon as it ends.
    let asked = asking(&site, "GET /exchanges?after=0&wait=30");
    let body = "Password=not-to-be-seen";
    let fields = [
        ("Host", "localhost"),
        ("Authorization", "Bearer not-to-be-seen"),
    ];
    proxy_process::ask(&site.proxy.address, "POST /x", &fields, body);
    let waited: Value = serde_json::from_str(&asked.join().unwrap()).unwrap();
    let exchange = &waited["exchanges"][0];
    assert_eq!(
        (&exchange["exchange"], &waited["last"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(exchange["request"]["event"], "request");
    assert_eq!(exchange["response"]["head"]["status"], 200);
    let text = waited.to_string();
    assert!(
        !text.contains("not-to-be-seen") && text.contains("Password="),
        "{text}"
    );

    for _ in 0..3 {
        site.device();
    }
    let mut after = 1;
    let mut seen = Vec::new();
    while after < 4 {
        let what = format!("GET /exchanges?after={after}&limit=2&wait=30");
        let (_, page) = site.json(&what, "");
        assert_eq!(page["missed"], false);
        let exchanges = page["exchanges"].as_array().unwrap();
        assert!((1..=2).contains(&exchanges.len()), "{page}");
        seen.extend(exchanges.iter().map(|it| it["exchange"].as_u64().unwrap()));
        after = page["last"].as_u64().unwrap();
    }
    assert_eq!(seen, [2, 3, 4]);
    // An exchange that is not known: all that is kept, and that some may be missing.
    let (_, page) = site.json("GET /exchanges?after=77", "");
    assert_eq!(
        (&page["missed"], page["exchanges"].as_array().unwrap().len()),
        (&json!(true), 4)
    );
}

#[test]
fn a_wait_ends_without_an_exchange_and_with_the_run() {
    let site = Site::open("");
    let begun = Instant::now();
    let (status, page) = site.json("GET /exchanges?wait=1", "");
    assert_eq!((status, &page["last"]), (200, &json!(0)));
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(site.json("POST /exchanges?wait=60", "").0, 405);
    for wrong in [
        "after=x",
        "wait=-1",
        "from=3",
        "limit=0",
        "limit=1001",
        "wait=99",
        "after=1&after=2",
    ] {
        let (status, error) = site.json(&format!("GET /exchanges?{wrong}"), "");
        assert_eq!(status, 400, "{wrong}: {error}");
        assert!(error["help"].as_str().unwrap().contains("after"), "{error}");
    }
    for wrong in ["GET /rules?x=1", "PUT /scopes/s?device=a&device=b"] {
        assert_eq!(site.json(wrong, "").0, 400, "{wrong}");
    }
    // One that comes while the run ends is answered, or not taken any more.
    #[cfg(unix)]
    {
        let begun = Instant::now();
        let wait = asking(&site, "GET /exchanges?wait=60");
        site.proxy.signal("-TERM");
        let _ = wait.join();
        assert!(begun.elapsed() < PATIENCE, "it was not cut short");
    }
}

#[test]
fn an_exchange_that_failed_has_the_reason_and_the_answer_of_dmtap() {
    let site = Site::with(
        Echo::start(),
        "",
        &["-q", "--mode", "reverse:http://127.0.0.1:1"],
    );
    assert_eq!(site.device(), 502);
    let (_, page) = site.json("GET /exchanges?wait=30", "");
    let exchange = &page["exchanges"][0];
    assert_eq!(exchange["response"]["own"], true, "{page}");
    let why = exchange["failed"]["why"].as_str().unwrap();
    assert!(why.contains("refused"), "{page}");
    assert_eq!(page["exchanges"].as_array().unwrap().len(), 1);
}

#[test]
fn a_follower_can_ask_for_the_exchanges_of_its_own_device() {
    let lab = Lab::open("");
    for device in ["urn:one", "urn:two"] {
        lab.session(device);
    }
    lab.sessions("", 2);
    let mut after = 0;
    let mut devices = Vec::new();
    loop {
        let what = format!("GET /exchanges?after={after}&limit=1&device=urn%3Atwo");
        let (status, page) = lab.site.json(&what, "");
        assert_eq!(status, 200, "{page}");
        let exchanges = page["exchanges"].as_array().unwrap().iter();
        devices.extend(exchanges.map(|it| it["request"]["session"]["device"].clone()));
        after = page["last"].as_u64().unwrap();
        if page["more"] == false {
            break;
        }
    }
    assert!(devices.len() > 1, "{devices:?}");
    assert!(devices.iter().all(|it| it == "urn:two"), "{devices:?}");
}
