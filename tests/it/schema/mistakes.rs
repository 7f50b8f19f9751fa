//! The schema refuses every form that the loader refuses.

use super::support::{refused, wrong};

/// A rule of this stage with these lines is refused by both.
fn check(stage: &str, lines: &str) {
    let step = match (lines.contains("step"), stage) {
        (true, _) => "",
        (false, "connection") => "step = { tunnel = true }\n",
        (false, _) => "step = { delay = \"1s\" }\n",
    };
    check_file(&format!(
        "[[rule]]\nname = \"a\"\nstage = \"{stage}\"\n{step}{lines}\n"
    ));
}

fn check_file(file: &str) {
    assert!(refused(file).is_some(), "the loader takes\n{file}");
    assert!(wrong(file).is_some(), "the schema takes\n{file}");
}

#[test]
fn slips_in_a_rule() {
    check_file("[rules]\na = 1\n");
    check_file("[rule]\nname = \"a\"\n");
    check_file("[[rule]]\nname = \"a\"\nstage = \"request\"\n");
    check_file("[[rule]]\nname = \"a\"\nstep = { delay = \"1s\" }\n");
    check_file("[[rule]]\nstage = \"request\"\nstep = { delay = \"1s\" }\n");
    check_file("[[rule]]\nname = \" \"\nstage = \"request\"\nstep = { delay = \"1s\" }\n");
    check("reqest", "");
    check("request", "end = false");
    check("request", "ends = true");
    check("request", "step = []");
    check("request", "step = \"delay\"");
    check("connection", "end = true");
    check("connection", "scenario = { name = \"a\", becomes = \"b\" }");
}

#[test]
fn slips_in_a_matcher() {
    for matcher in [
        "comand = \"Get\"",
        "command = \"get\"",
        "command = []",
        "command = [\"Get\", \"Gte\"]",
        "listener = 8443",
        "http-status = 200",
        "not = { http-status = 200 }",
        "soap-fault = \"*\"",
        "any = [{ soap-fault = \"Authorization\" }]",
        "soap-action = 1",
        "any = [{ method = \"POST\" }, { not = { http-status = 200 } }]",
        "not = [{ command = \"Get\" }]",
        "not = {}",
        "any = [{}]",
        "all = []",
        "any = [{ comand = \"Get\" }]",
        "status = 599",
        "status = \"6xx\"",
        "alert = 1",
        "message = 0",
        "message = \"2-4\"",
        "message = \"..\"",
        "body-size = -1",
        "encoding = \"json\"",
        "dialect = \"html\"",
        "host = \"https://mdm.example.com\"",
        "host = \"mdm.example.com:443\"",
        "path = \"ManagementServer\"",
        "path = \"/a?b\"",
        "query = \"?b\"",
        "media-type = \"text/xml; charset=utf-8\"",
        "header = \"User-Agent\"",
        "header = { value = \"MSFT*\" }",
        "header = { name = \"User Agent\" }",
        "data = { equals = \"1\", contains = \"1\" }",
        "data = {}",
        "data = { contains = \"\" }",
        "data = { contain = \"1\" }",
        "data = 1.5",
        "where = { equals = \"1\" }",
        "where = { at = \"Item/Data\" }",
        "answers = \"Header\"",
        "answers = {}",
        "answers = { status = 200 }",
        "session = 5",
        "peer = \"device\"",
    ] {
        check("request", &format!("match = {{ {matcher} }}"));
    }
    check("connection", "match = { command = \"Get\" }");
    check("connection", "match = { listener = 0 }");
}

#[test]
fn slips_in_a_limit_and_a_scenario() {
    for limit in [
        "",
        "times = 0",
        "times = \"1\"",
        "time = 1",
        "chance = 0",
        "chance = 1.5",
        "per = \"session\"",
        "times = 1, per = \"peer\"",
    ] {
        check("request", &format!("limit = {{ {limit} }}"));
    }
    check("connection", "limit = { chance = 0.5 }");
    check("connection", "limit = { times = 1, per = \"session\" }");
    for scenario in [
        "name = \"a\"",
        "becomes = \"b\"",
        "name = \"a\", becomes = \"\"",
        "name = \"a\", state = \"b\"",
    ] {
        check("request", &format!("scenario = {{ {scenario} }}"));
    }
}

#[test]
fn slips_in_a_step() {
    for step in [
        "{}",
        "{ at = \".\" }",
        "{ set-sttus = 500 }",
        "{ delay = \"1s\", reset = true }",
        "{ delay = \"1s\", jitter = \"1s\" }",
        "{ delay = 5 }",
        "{ delay = \"5 h\" }",
        "{ reset = false }",
        "{ answer = 999 }",
        "{ answer = 503, headers = { \"a b\" = \"c\" } }",
        "{ answer = { cod = 599, force = true } }",
        "{ bandwidth = \"10 kbit\" }",
        "{ slicer = { size = 100 } }",
        "{ slicer = { size = 0, delay = \"1s\" } }",
        "{ set-attribute = \"a\" }",
        "{ set-header = \"a\" }",
        "{ replace-text = \"a\" }",
        "{ insert = \"<Item/>\" }",
        "{ insert = \"<Item/>\", before = \".\", after = \".\" }",
        "{ insert = \"Item\", last-in = \"SyncBody\" }",
        "{ set-body = { text = \"a\", file = \"b\" } }",
        "{ set-body = { as = \"message\" } }",
        "{ flip = { length = 1 } }",
        "{ flip = { at = 1, mask = 256 } }",
        "{ truncate = \"100%\" }",
        "{ busy = 500 }",
        "{ busy = 417, retry-after = 3 }",
        "{ challenge = 402 }",
        "{ challenge = 401, scheme = \"basic\", nonce = \"used\" }",
        "{ challenge = 401, scheme = \"sha\" }",
        "{ challenge = 401, nonce = \"!!\" }",
        "{ challenge = 401, nonce = \"\" }",
        "{ break-msgid = \"none\" }",
        "{ wrong-version = \"dtd\" }",
        "{ soap-fault = { error-type = \"InMaintenance\" } }",
        "{ soap-fault = { subcode = \"Authorization\" } }",
        "{ max-msg-size = -1 }",
        "{ set-http-status = 404 }",
        "{ slow-close = \"1s\" }",
        "{ tunnel = true }",
        "{ reset-peer = { after = 5 } }",
        "[{ delay = \"1s\" }, { slow-close = \"1s\" }]",
        "[{ delay = \"1s\" }, \"reset\"]",
    ] {
        check("request", &format!("step = {step}"));
    }
    for step in [
        "{ duplicate-message = true }",
        "{ content-length = \"10\" }",
        "{ content-length = \"+0\" }",
        "{ set-http-status = 199 }",
    ] {
        check("response", &format!("step = {step}"));
    }
    for step in [
        "{ delay = \"1s\" }",
        "{ certificate = \"old\" }",
        "{ tls-max = \"1.1\" }",
        "{ handshake-alert = \"no\" }",
    ] {
        check("connection", &format!("step = {step}"));
    }
    check(
        "request",
        "match = { command = \"Get\" }\nstep = { wrong-size = 0 }",
    );
    check(
        "request",
        "match = { command = \"Atomic\" }\nstep = { atomic-rollback = 404, child = 0 }",
    );
    check(
        "request",
        "match = { command = \"Atomic\" }\nstep = { atomic-rollback = 404, undone = 200 }",
    );
}
