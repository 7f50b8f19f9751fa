//! Separate rules for tests that run at the same time.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use super::traffic::Lab;
use super::{Site, answering};
use crate::support::device::Device;
use crate::support::echo::Echo;
use crate::support::proxy_process::{self, Answer};

impl Site {
    /// Asks the control API about a scope.
    fn ask_in(&self, scope: &str, what: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let fields = [
            ("Host", &*self.control),
            ("Authorization", &bearer),
            ("X-Dmtap-Scope", scope),
        ];
        proxy_process::ask(&self.control, what, &fields, body)
    }

    fn json_in(&self, scope: &str, what: &str, body: &str) -> (u16, Value) {
        let answer = self.ask_in(scope, what, body);
        let value = serde_json::from_str(&answer.body);
        (
            answer.status,
            value.unwrap_or_else(|_| panic!("{answer:?}")),
        )
    }

    /// The status a device gets whose requests name a scope.
    fn device_in(&self, scope: &str) -> u16 {
        let fields = [("Host", "localhost"), ("X-Dmtap-Scope", scope)];
        proxy_process::ask(&self.proxy.address, "POST /", &fields, "hi").status
    }
}

fn names(list: &Value) -> Vec<&str> {
    let rules = list["rules"].as_array().unwrap().iter();
    rules.map(|rule| rule["name"].as_str().unwrap()).collect()
}

#[test]
fn two_tests_at_the_same_time_do_not_undo_each_other() {
    let site = Site::open(&answering("of-file", 418).replace("POST", "PUT"));
    for (scope, status) in [("one", 503), ("two", 410)] {
        let (code, rule) = site.json_in(scope, "PUT /rules/busy", &answering("busy", status));
        assert_eq!(code, 201, "{rule}");
        assert_eq!(rule["name"], format!("{scope}/busy"));
        assert_eq!(rule["scope"], scope);
    }
    let statuses = || {
        [
            site.device_in("one"),
            site.device_in("two"),
            site.device_in("three"),
            site.device(),
        ]
    };
    assert_eq!(statuses(), [503, 410, 200, 200]);
    // What one asks for is about its own rules alone.
    assert_eq!(
        names(&site.json_in("one", "GET /rules", "").1),
        ["one/busy"]
    );
    assert_eq!(names(&site.json("GET /rules", "").1), ["of-file"]);
    assert_eq!(site.ask("DELETE /rules/busy", "").status, 404);
    assert_eq!(site.ask("DELETE /rules/one%2Fbusy", "").status, 404);
    assert_eq!(
        site.ask_in("one", "POST /rules/of-file/disable", "").status,
        404
    );
    let (_, rule) = site.json_in("two", "GET /rules/busy", "");
    assert_eq!(
        (&rule["hits"]["messages"], &rule["run"]["messages"]),
        (&json!(1), &json!(1))
    );

    assert_eq!(site.ask_in("one", "POST /reset", "").status, 204);
    let hits =
        |scope: &str| site.json_in(scope, "GET /rules/busy", "").1["hits"]["messages"].clone();
    assert_eq!((hits("one"), hits("two")), (json!(0), json!(1)));
    assert_eq!(site.ask("POST /restore", "").status, 200);
    assert_eq!(site.ask("POST /reload", "").status, 200);
    assert_eq!(statuses(), [503, 410, 200, 200]);
    assert_eq!(hits("one"), json!(1));

    assert_eq!(
        site.ask_in("one", "POST /rules/busy/disable", "").status,
        200
    );
    assert_eq!(statuses(), [200, 410, 200, 200]);
    let (code, rule) = site.json_in("two", "PUT /rules/busy", &answering("busy", 500));
    assert_eq!((code, &rule["enabled"]), (200, &json!(true)));
    assert_eq!(statuses(), [200, 500, 200, 200]);
    let (_, scopes) = site.json("GET /scopes", "");
    let expected = json!([
        {"name": "one", "device": null, "rules": 1},
        {"name": "two", "device": null, "rules": 1},
    ]);
    assert_eq!(scopes["scopes"], expected);
    let (code, left) = site.json_in("two", "POST /restore", "");
    assert_eq!((code, names(&left).len()), (200, 0));
    assert_eq!(statuses(), [200, 200, 200, 200]);
    assert_eq!(site.ask_in("one", "DELETE /rules/busy", "").status, 204);
    assert_eq!(site.json("GET /scopes", "").1["scopes"], json!([]));
}

#[test]
fn scenarios_and_limits_of_scopes_are_their_own() {
    let site = Site::open("");
    let once = |status: u16| {
        let scenario = "scenario = { name = \"s\", requires = \"started\", becomes = \"over\", per = \"run\" }\n";
        answering("once", status) + scenario
    };
    assert_eq!(site.ask("POST /rules", &once(500)).status, 201);
    for scope in ["one", "two"] {
        assert_eq!(site.ask_in(scope, "POST /rules", &once(503)).status, 201);
    }
    let statuses = || [site.device_in("one"), site.device_in("two")];
    // The rule of no scope acts on every exchange, and first.
    assert_eq!((site.device(), site.device()), (500, 200));
    assert_eq!((statuses(), statuses()), ([503, 503], [200, 200]));
    assert_eq!(site.ask_in("one", "POST /reset", "").status, 204);
    assert_eq!(statuses(), [503, 200]);
    assert_eq!(site.ask("POST /reset", "").status, 204);
    assert_eq!((site.device(), statuses()), (500, [200, 200]));
}

#[test]
fn a_scenario_of_no_scope_that_is_named_as_one_of_a_scope_has_a_state_of_its_own() {
    let site = Site::open("");
    let once = |scenario: &str, status: u16| {
        let states = "requires = \"started\", becomes = \"over\", per = \"run\"";
        let name = format!("once-{status}");
        answering(&name, status) + &format!("scenario = {{ name = \"{scenario}\", {states} }}\n")
    };
    let added = site.ask_in("one", "POST /rules", &once("s", 503));
    assert_eq!(added.status, 201);
    assert_eq!(site.device_in("one"), 503);
    // The state of the scope's scenario is `over`, and it stays so when the others are set back.
    assert_eq!(site.ask("POST /rules", &once("one/s", 500)).status, 201);
    assert_eq!([site.device(), site.device()], [500, 200]);
    assert_eq!(site.ask("POST /reset", "").status, 204);
    assert_eq!([site.device(), site.device_in("one")], [500, 200]);
}

/// A server that gives the head of each request.
fn heads() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, heads) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            stream
                .write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
                .unwrap();
            if sender.send(head).is_err() {
                return;
            }
        }
    });
    (address, heads)
}

#[test]
fn no_server_gets_the_name_of_a_scope_and_without_a_control_api_the_field_passes() {
    let (server, heads) = heads();
    let mode = format!("reverse:http://{server}");
    let fields = [
        ("Host", "localhost"),
        ("X-Before", "1"),
        ("X-Dmtap-Scope", "one"),
        ("X-Behind", "2"),
    ];
    let site = Site::with(Echo::start(), "", &["-q", "--mode", &mode]);
    let answer = proxy_process::ask(&site.proxy.address, "GET /", &fields, "");
    assert_eq!(answer.status, 204);
    let head = heads.recv().unwrap().to_lowercase();
    assert!(head.contains("x-before: 1\r\nx-behind: 2\r\n"), "{head}");
    // The record has what the device sent.
    let (_, page) = site.json("GET /exchanges?wait=30", "");
    assert!(page.to_string().contains("x-dmtap-scope"), "{page}");

    let plain = proxy_process::ProxyProcess::start(&["-q", "--mode", &mode]);
    proxy_process::ask(&plain.address, "GET /", &fields, "");
    let head = heads.recv().unwrap().to_lowercase();
    assert!(
        head.contains("x-before: 1\r\nx-dmtap-scope: one\r\nx-behind: 2\r\n"),
        "{head}"
    );
}

#[test]
fn the_exchanges_of_a_device_belong_to_the_scope_that_it_is_bound_to() {
    let lab = Lab::open("");
    let (code, scope) = lab.site.json("PUT /scopes/mine?device=urn%3Atwo", "");
    let expected = json!({"name": "mine", "device": "urn:two", "rules": 0});
    assert_eq!((code, scope), (201, expected));
    let fails = "[[rule]]\nname = \"get-fails\"\nstage = \"request\"\n\
                 match = { command = \"Status\" }\nstep = { set-status = 500 }\n";
    let (code, rule) = lab.site.json_in("mine", "PUT /rules/get-fails", fails);
    assert_eq!(code, 201, "{rule}");
    for device in ["urn:one", "urn:two"] {
        lab.session(device);
    }
    let page = lab.sessions("", 2);
    let failed =
        |page: &Value, at: usize| page["sessions"][at]["commands"]["failed"].as_u64().unwrap();
    let unbound = failed(&page, 0);
    assert!(failed(&page, 1) > unbound, "{page}");
    assert_eq!(
        page["sessions"][1]["findings"][0]["rules"],
        json!(["mine/get-fails"])
    );
    // Bound to another device, its rules act there.
    let (code, _) = lab.site.json("PUT /scopes/mine?device=urn%3Athree", "");
    assert_eq!(code, 200);
    for device in ["urn:two", "urn:three"] {
        lab.session(device);
    }
    let page = lab.sessions("?after=2", 2);
    assert_eq!(failed(&page, 0), unbound, "{page}");
    assert!(failed(&page, 1) > unbound, "{page}");
    assert_eq!(lab.site.ask("DELETE /scopes/mine", "").status, 204);
    assert_eq!(lab.site.ask("DELETE /scopes/mine", "").status, 404);
    lab.session("urn:three");
    let page = lab.sessions("?after=4", 1);
    assert_eq!(failed(&page, 0), unbound, "{page}");
}

#[test]
fn a_name_that_a_disabled_rule_of_no_scope_has_is_taken_in_a_scope_too() {
    let site = Site::open("");
    let outside = site.ask("POST /rules", &answering("one/busy", 500));
    assert_eq!(outside.status, 201);
    let disabled = site.ask("POST /rules/one%2Fbusy/disable", "");
    assert_eq!(disabled.status, 200);
    let (code, error) = site.json_in("one", "PUT /rules/busy", &answering("busy", 503));
    assert_eq!(code, 409, "{error}");
    assert_eq!(site.device_in("one"), 200);
}

#[test]
fn a_request_over_http_2_names_its_scope_too() {
    let site = Site::open("");
    let rule = site.ask_in("one", "POST /rules", &answering("busy", 503));
    assert_eq!(rule.status, 201);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let stream = tokio::net::TcpStream::connect(&site.proxy.address).await;
        let mut device = Device::over(stream.unwrap(), "h2").await;
        for (scope, status) in [("one", 503), ("two", 200)] {
            let mut request = device.request("POST", "/", "hi");
            let value = http::HeaderValue::from_static(scope);
            request.headers_mut().insert("x-dmtap-scope", value);
            assert_eq!(device.send(request).await.unwrap().status(), status);
        }
    });
}

#[test]
fn scopes_whose_names_differ_only_in_case_are_two() {
    let site = Site::open("");
    for (scope, status) in [("one", 503), ("ONE", 410)] {
        let (code, rule) = site.json_in(scope, "PUT /rules/busy", &answering("busy", status));
        assert_eq!(code, 201, "{rule}");
    }
    let statuses = ["one", "ONE", "One"].map(|scope| site.device_in(scope));
    assert_eq!(statuses, [503, 410, 200]);
}

#[test]
fn a_body_that_a_rule_of_one_scope_broke_does_not_concern_rules_of_others() {
    let lab = Lab::open("");
    let (code, _) = lab.site.json("PUT /scopes/one?device=urn%3Aone", "");
    assert_eq!(code, 201);
    let breaks = "[[rule]]\nname = \"breaks\"\nstage = \"request\"\nstep = { truncate = 20 }\n";
    let looks = "[[rule]]\nname = \"looks\"\nstage = \"request\"\n\
                 match = { command = \"Status\" }\nstep = { set-status = 500 }\n";
    for (scope, rule) in [("one", breaks), ("one", looks), ("two", looks)] {
        let (code, rule) = lab.site.json_in(scope, "POST /rules", rule);
        assert_eq!(code, 201, "{rule}");
    }
    lab.session("urn:one");
    let (_, page) = lab.site.json("GET /exchanges?wait=30", "");
    let applied = page["exchanges"][0]["request"]["applied"]
        .as_array()
        .unwrap();
    let applied: Vec<_> = applied
        .iter()
        .map(|it| it["rule"].as_str().unwrap())
        .collect();
    assert_eq!(applied, ["one/breaks", "one/looks"], "{page}");
}

#[test]
fn what_cannot_be_in_a_scope_is_refused() {
    let site = Site::open("");
    for wrong in ["a b", "a/b", "", &"x".repeat(65)] {
        let (code, error) = site.json_in(wrong, "GET /rules", "");
        assert_eq!(code, 400, "{wrong}: {error}");
    }
    assert_eq!(site.ask("PUT /scopes/a%20b", "").status, 400);
    let connection =
        "[[rule]]\nname = \"c\"\nstage = \"connection\"\nstep.refuse-connection = true\n";
    let (code, error) = site.json_in("one", "POST /rules", connection);
    assert_eq!(code, 400);
    assert!(
        error["error"]
            .as_str()
            .unwrap()
            .contains("`c` is about connections"),
        "{error}"
    );
    assert_eq!(
        site.json("GET /scopes", "").1["scopes"],
        json!([]),
        "nothing is left of it"
    );
    let twice = answering("a", 500) + &answering("a", 501);
    assert_eq!(site.ask_in("one", "POST /rules", &twice).status, 400);
    assert_eq!(
        site.ask_in("one", "POST /rules", &answering("a", 500))
            .status,
        201
    );
    let (code, error) = site.json_in("one", "POST /rules", &answering("a", 500));
    assert_eq!(code, 409, "{error}");
    let (code, error) = site.json_in("one", "GET /rules/b", "");
    assert_eq!(
        (
            code,
            error["help"]
                .as_str()
                .unwrap()
                .contains("GET /rules lists all")
        ),
        (404, true)
    );
}
