//! Requests and enrollments that got no answer of the server.
use super::{analysed, blocks, script};

/// An event of exchange 1, with more fields.
pub(super) fn event(seq: u64, event: &str, more: serde_json::Value) -> dmtap::record::EventRecord {
    let mut record = serde_json::json!({
        "v": 1, "seq": seq, "event": event, "at": "2026-03-04T05:06:07.000000Z", "at_us": 1_772_600_767_000_000_u64,
        "connection": {"id": 1, "server": "mdm.example.com:443"}, "exchange": 1,
    });
    let fields = more.as_object().unwrap().clone();
    record.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(record).unwrap()
}

#[test]
fn an_enrollment_that_the_server_does_not_answer_is_pending() {
    let head =
        |status: u16| serde_json::json!({"status": status, "version": "HTTP/1.1", "headers": []});
    // What dmtap changes in each request is not why the server gives no answer.
    let changed = |rule: &str| {
        serde_json::json!({"rule": rule, "changes": [
            {"path": "/Envelope/Header/To", "step": "set-text", "before": "https://a.example/", "after": "https://b.example/"},
        ]})
    };
    let asked = |enrollment: serde_json::Value| {
        let applied = [changed("stay"), changed("swap-client-identity")];
        event(
            1,
            "request",
            serde_json::json!({"from": "device", "applied": applied, "enrollment": enrollment}),
        )
    };
    let answered = [
        event(
            2,
            "failed",
            serde_json::json!({"from": "server", "why": "the server closed the connection without answering"}),
        ),
        event(
            3,
            "response",
            serde_json::json!({"from": "server", "own": true, "head": head(502)}),
        ),
    ];
    let of = |enrollment: serde_json::Value| {
        let [failed, own] = answered.clone();
        analysed(&[asked(enrollment), failed, own])
    };
    let sessions = of(serde_json::json!({"message": "RequestSecurityToken"}));
    let text = blocks(&sessions);
    let finding = &sessions[0].summary.findings[0];
    assert!(finding.pending && finding.id == "WHY-13", "{text}");
    assert!(finding.rules.is_empty(), "{text}");
    assert!(
        finding.what.contains("got no answer of the server"),
        "{text}"
    );
    assert!(
        text.contains("closed the connection without answering"),
        "{text}"
    );
    assert!(finding.next.contains("the server's log"), "{text}");
    assert_eq!(finding.by, None, "{text}");
    // A strict server may break at the subject that Windows 10 writes.
    let sessions = of(serde_json::json!({
        "message": "RequestSecurityToken",
        "csr": {"strings": "PrintableString"},
    }));
    let next = &sessions[0].summary.findings[0].next;
    assert!(next.contains("--csr-strict"), "{next}");
}

#[test]
fn a_request_without_a_session_that_the_server_does_not_answer_is_pending() {
    let fields = [["content-type", "application/vnd.syncml.dm+xml"]];
    let head = serde_json::json!({"method": "POST", "uri": "https://mdm.example.com/", "version": "HTTP/1.1", "headers": fields});
    let found = |from: &str, why: &str, cause: Option<&str>| {
        let help = why.split_once("; ").map(|(_, help)| help);
        let sessions = analysed(&[
            event(
                1,
                "request",
                serde_json::json!({"from": "device", "head": head}),
            ),
            event(
                2,
                "failed",
                serde_json::json!({"from": from, "why": why, "cause": cause, "help": help}),
            ),
        ]);
        blocks(&sessions)
    };
    for (why, cause, next) in [
        (
            "the server's name cannot be resolved: check the name, or the network",
            Some("unresolved"),
            "next: check the name of the server, or the network",
        ),
        (
            "the server refused the connection: nothing listens at its address and port",
            Some("nothing-listens"),
            "next: start the server, or correct its address and port",
        ),
        (
            "server certificate not trusted: its issuer is not known here; use --server-ca FILE to trust its CA, or -k to accept any",
            Some("not-connected"),
            "next: use --server-ca FILE to trust its CA, or -k to accept any",
        ),
        (
            "no connection to the server: network is unreachable",
            Some("not-connected"),
            "dmtap doctor --server URL",
        ),
        (
            "the server closed the connection without answering",
            None,
            "next: look at the server's log at 05:06:07 UTC",
        ),
        (
            "a cause that only a later version knows",
            Some("abducted"),
            "next: look at the server's log at 05:06:07 UTC",
        ),
    ] {
        let text = found("server", why, cause);
        for words in [
            "✖ 1 request without a session got no answer of the server    WHY-03",
            &format!("x1: {why}")[..30],
            next,
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert_eq!(
            text.contains("server's log"),
            next.contains("server's log"),
            "{text}"
        );
        assert_eq!(found("device", why, cause), "");
    }
}

#[test]
fn requests_of_any_kind_are_pending_if_the_server_never_answered() {
    let head = serde_json::json!({"method": "GET", "uri": "https://mdm.example.com/", "version": "HTTP/1.1", "headers": []});
    let why = "the server refused the connection: nothing listens at its address and port";
    let asked = |number: u64| {
        let request = serde_json::json!({"from": "device", "head": head, "exchange": number});
        event(number * 2 - 1, "request", request)
    };
    let failed = |number: u64| {
        let failure = serde_json::json!({"from": "server", "why": why, "cause": "nothing-listens", "exchange": number});
        event(number * 2, "failed", failure)
    };
    let answered = |own: bool| {
        let head = serde_json::json!({"status": 200, "version": "HTTP/1.1", "headers": []});
        let answer = serde_json::json!({"from": "server", "head": head, "own": own, "exchange": 3});
        event(5, "response", answer)
    };
    let both = [asked(1), failed(1), asked(2), failed(2)];
    let expected = "✖ 2 requests without a session got no answer of the server    WHY-03";
    let found = blocks(&analysed(&both));
    assert!(
        found.contains(expected) && found.contains("next: start the server"),
        "{found}"
    );
    let with = |last| blocks(&analysed(&[both.as_slice(), &[last]].concat()));
    assert!(with(answered(true)).contains(expected));
    assert_eq!(with(answered(false)), "");
}

#[test]
fn a_server_that_was_not_reached_refused_nothing() {
    let mut records = script::records(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\nfail server cause=not-connected server certificate not trusted: its issuer is not known here; \
         use --server-ca FILE to trust its CA, or -k to accept any\n< - http=502\n",
    );
    records.last_mut().unwrap().own = true;
    let sessions = analysed(&records);
    let text = blocks(&sessions);
    let finding = &sessions[0].summary.findings[0];
    assert!(!text.contains("efused"), "{text}");
    assert!(!text.contains("server's log"), "{text}");
    assert!(finding.by.is_none(), "{text}");
    assert!(finding.next.starts_with("use --server-ca FILE"), "{text}");
}

#[test]
fn what_dmtap_itself_changes_in_a_request_is_not_why_the_server_gives_no_answer() {
    let mut records = script::records(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\nrule stay /SyncML/SyncHdr/Target/LocURI https://a.example/\nfail server the server closed the connection \
         without answering\n< - http=502\n",
    );
    records.last_mut().unwrap().own = true;
    let sessions = analysed(&records);
    let text = blocks(&sessions);
    let finding = &sessions[0].summary.findings[0];
    assert!(finding.rules.is_empty(), "{text}");
    assert!(finding.next.contains("the server's log"), "{text}");
}
