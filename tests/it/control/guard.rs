//! Requests that the control API does not answer.

use std::process::Output;

use super::echo::Echo;
use super::proxy_process::{Answer, ProxyProcess, ask, exchange, url};
use super::{Site, answering, peers};

/// What the control API says to a request with these fields.
fn refused(site: &Site, fields: &[(&str, &str)]) -> u16 {
    let answer = ask(
        &site.control,
        "POST /rules",
        fields,
        &answering("evil", 500),
    );
    let head = answer.head.to_lowercase();
    assert!(!head.contains("access-control"), "{head}");
    assert!(!answer.body.contains(&site.token), "{answer:?}");
    answer.status
}

#[test]
fn nobody_is_answered_without_the_token() {
    let site = Site::open("");
    assert!(site.token.len() >= 16);
    let host = ("Host", &*site.control);
    let short = format!("Bearer {}", &site.token[1..]);
    let basic = format!("Basic {}", site.token);
    assert_eq!(refused(&site, &[host]), 401);
    for wrong in ["Bearer", "Bearer x", &*short, &*basic, &*site.token] {
        assert_eq!(
            refused(&site, &[host, ("Authorization", wrong)]),
            401,
            "{wrong}"
        );
    }
    let query = format!("GET /rules?token={}", site.token);
    assert_eq!(ask(&site.control, &query, &[host], "").status, 401);
    assert_eq!(site.device(), 200);
}

#[test]
fn no_page_in_a_browser_is_answered_though_it_had_the_token() {
    let site = Site::open("");
    let bearer = format!("Bearer {}", site.token);
    let (host, bearer) = (("Host", &*site.control), ("Authorization", &*bearer));
    let own = format!("http://{}", site.control);
    for origin in ["https://evil.example", "null", &own] {
        assert_eq!(
            refused(&site, &[host, bearer, ("Origin", origin)]),
            403,
            "{origin}"
        );
    }
    assert_eq!(
        refused(&site, &[host, bearer, ("Sec-Fetch-Site", "cross-site")]),
        403
    );
    let port = site.control.rsplit(':').next().unwrap();
    let rebound = format!("evil.example:{port}");
    for other in [&*rebound, "localhost", "127.0.0.1:1", ""] {
        assert_eq!(refused(&site, &[("Host", other), bearer]), 403, "{other}");
    }
    assert_eq!(refused(&site, &[bearer]), 403);
    let preflight = ask(
        &site.control,
        "OPTIONS /rules",
        &[host, ("Origin", "https://evil.example")],
        "",
    );
    assert_eq!(preflight.status, 403);
    assert!(
        !preflight.head.to_lowercase().contains("access-control"),
        "{preflight:?}"
    );
    let localhost = format!("localhost:{port}");
    assert_eq!(
        ask(
            &site.control,
            "GET /rules",
            &[("Host", &localhost), bearer],
            ""
        )
        .status,
        200
    );
    assert_eq!(site.device(), 200);
}

#[test]
fn a_body_is_bounded() {
    let site = Site::open("");
    let head = format!(
        "POST /rules HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n",
        site.control, site.token
    );
    let announced = exchange(
        &site.control,
        &format!("{head}Content-Length: 1048577\r\n\r\n"),
    );
    assert_eq!(announced.status, 413, "{announced:?}");
    let comments = "# much\n".repeat(1000);
    assert_eq!(
        site.ask("POST /rules", &(comments + &answering("a", 503)))
            .status,
        201
    );
}

/// Asks for the control API through the proxy; the token is right.
fn through(site: &Site, target: &str) -> Answer {
    let bearer = format!("Bearer {}", site.token);
    let fields = [("Host", &*site.control), ("Authorization", &*bearer)];
    ask(&site.proxy.address, &format!("GET {target}"), &fields, "")
}

#[test]
fn it_is_not_reachable_through_a_regular_proxy() {
    let site = Site::with(Echo::start(), "", &["--mode", "regular"]);
    let port = site.control.rsplit(':').next().unwrap();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let answer = through(&site, &format!("http://{host}:{port}/rules"));
        assert_eq!(answer.status, 502, "{host}: {answer:?}");
        assert!(!answer.body.contains("rules\""), "{answer:?}");
    }
    // In a tunnel the request comes after the answer to CONNECT.
    let request = format!(
        "CONNECT {control} HTTP/1.1\r\nHost: {control}\r\n\r\nGET /rules HTTP/1.1\r\nHost: {control}\r\n\
         Authorization: Bearer {}\r\nConnection: close\r\n\r\n",
        site.token,
        control = site.control,
    );
    let answer = exchange(&site.proxy.address, &request);
    assert!(answer.body.contains(" 502 "), "{answer:?}");
    assert!(!answer.body.contains("\"rules\""), "{answer:?}");
}

#[test]
fn it_is_not_reachable_through_a_reverse_proxy_in_front_of_it() {
    let port = free_port().to_string();
    let mode = format!("reverse:http://localhost:{port}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let file = file.to_str().unwrap();
    let proxy = ProxyProcess::start(&[
        "--mode",
        &mode,
        "--control",
        &port,
        "--control-token-file",
        file,
    ]);
    let token = std::fs::read_to_string(file).unwrap();
    let bearer = format!("Bearer {}", token.trim());
    let fields = [("Host", "localhost"), ("Authorization", &*bearer)];
    let answer = ask(&proxy.address, "GET /rules", &fields, "");
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(!answer.body.contains("rules\""), "{answer:?}");
    let control = format!("127.0.0.1:{port}");
    let fields = [("Host", &*control), ("Authorization", &*bearer)];
    assert_eq!(ask(&control, "GET /rules", &fields, "").status, 200);
}

/// A port below the range from which the system takes ports by itself.
fn free_port() -> u16 {
    let start = 12_000 + (std::process::id() % 8_000) as u16;
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (start..20_000).find(is_free).expect("a free port")
}

#[test]
fn a_token_that_was_chosen_is_not_shown() {
    let token = "chosen-by-somebody";
    let variables = [("DMTAP_CONTROL_TOKEN", token)];
    let arguments = [
        "--mode",
        "reverse:http://localhost:1",
        "--control",
        "[::1]:0",
    ];
    let arguments = match std::net::TcpListener::bind("[::1]:0") {
        Ok(_) => arguments,
        Err(_) => arguments.map(|word| if word == "[::1]:0" { "0" } else { word }),
    };
    let mut proxy = ProxyProcess::start_with(&variables, &arguments);
    let control = url(&proxy.line("control at"));
    let bearer = format!("Bearer {token}");
    let fields = [("Host", &*control), ("Authorization", &*bearer)];
    assert_eq!(ask(&control, "GET /version", &fields, "").status, 200);
    assert!(!proxy.said.contains(token), "{}", proxy.said);
}

#[test]
fn other_machines_are_let_in_only_where_that_is_asked_for() {
    let start = |more: &[&str]| -> Output {
        let folder = tempfile::tempdir().unwrap();
        let mut command = peers::dmtap();
        command.env("DMTAP_CONFDIR", folder.path());
        command.args(["proxy", "--mode", "reverse:http://localhost:1", "-p", "0"]);
        command.args(more).output().unwrap()
    };
    let check = |more: &[&str], expected: &str| {
        let output = start(more);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    };
    check(&["--control", "0.0.0.0:0"], "--control-anywhere");
    check(&["--control", "nine"], "a port, such as 9090");
    check(&["--control-anywhere"], "--control");
}

#[test]
fn a_token_that_is_too_short_is_reported_with_where_it_was_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "short").unwrap();
    let file = file.to_str().unwrap();
    let check = |more: &[&str], expected: &str| {
        let mut command = peers::dmtap();
        command.env("DMTAP_CONFDIR", folder.path());
        command.env("DMTAP_CONTROL_TOKEN", "short");
        command.args(["proxy", "--mode", "reverse:http://localhost:1", "-p", "0"]);
        let output = command.args(["--control", "0"]).args(more).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    };
    check(&[], "error: DMTAP_CONTROL_TOKEN: a token has 16 characters");
    let expected = format!("error: {file}: a token has 16 characters");
    check(&["--control-token-file", file], &expected);
}

#[test]
fn the_log_says_why_somebody_was_not_answered() {
    let mut site = Site::open("");
    let control = site.control.clone();
    assert_eq!(refused(&site, &[("Host", &control)]), 401);
    let line = site.proxy.line("POST /rules refused");
    assert!(
        line.contains("POST /rules refused: the token is missing"),
        "{line}"
    );
}
