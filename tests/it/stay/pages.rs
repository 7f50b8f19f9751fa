//! Pages, and the JSON of linked enrollment: URLs that are rewritten, and notes about the others.

use std::time::Duration;

use bytes::Bytes;
use dmtap::stay::{note_linked_enrollment_urls, note_undecoded, note_untyped_page, rewrite_page};

use super::map;
use crate::support::cpu_time::cpu_time;

#[test]
fn urls_of_a_page_lead_to_dmtap_and_what_leads_past_it_is_noted() {
    // Each page, how it leaves (empty: as it came), and its notes.
    let check = |html: &str, leaves: &str, expected: &[(&str, &str)]| {
        let outcome = rewrite_page(html.as_bytes(), html.as_bytes(), &map());
        let found: Vec<_> = outcome
            .notes
            .iter()
            .map(|note| (note.severity.name(), &*note.text))
            .collect();
        assert_eq!(found.len(), expected.len(), "{html}: {found:?}");
        for ((severity, text), (expected_severity, part)) in found.iter().zip(expected) {
            assert_eq!(severity, expected_severity, "{html}: {text}");
            assert!(text.contains(part), "{html}: {text}");
        }
        let Some(effect) = &outcome.effect else {
            assert_eq!(leaves, "", "{html}");
            return;
        };
        assert!(!effect.changes.is_empty());
        let left = effect.patch.apply(&Bytes::copy_from_slice(html.as_bytes()));
        assert_eq!(String::from_utf8(left.to_vec()).unwrap(), leaves);
    };
    check(
        r#"<form method="post" action="https://mdm.example.com/sts?a=1&amp;b=ü">"#,
        r#"<form method="post" action="https://lab.test:8443/sts?a=1&amp;b=ü">"#,
        &[],
    );
    // What is only named may be a part of a token, and stays.
    check(
        "<a href='https://DM.example.com:9443/x'>b</a> https://dm.example.com:9443/y",
        "<a href='https://dm.lab.test/x'>b</a> https://dm.example.com:9443/y",
        &[(
            "warning",
            "the page names dm.example.com:9443 outside of links",
        )],
    );
    let token = "<input type='hidden' name='wresult' value='&lt;t Issuer=&quot;https://mdm.example.com/&quot;'>";
    check(
        token,
        "",
        &[("warning", "the page names mdm.example.com outside of links")],
    );
    check(
        r#"<meta http-equiv="refresh" content="0; URL='https://mdm.example.com'"><img src = "https://mdm.example.com/i">"#,
        r#"<meta http-equiv="refresh" content="0; URL='https://lab.test:8443'"><img src = "https://lab.test:8443/i">"#,
        &[],
    );
    check(
        r#"<meta http-equiv="refresh" content="0; URL='https://login.example.net/'">"#,
        "",
        &[(
            "info",
            "the sign-in page is at login.example.net (refresh of the page)",
        )],
    );
    check(
        "<script>window.location.href = \"https://login.example.net\";window.location.replace( 'https://b.example.net/')",
        "",
        &[
            ("info", "login.example.net (script)"),
            ("info", "b.example.net (script)"),
        ],
    );
    // A URL inside of a value, of text or of a comment is no address of the page.
    for part in [
        r#"<input type="hidden" value="eyJ?u=1&amp;url=https://mdm.example.com/t">"#,
        r#"<div data-x="metadata=https://mdm.example.com/t">"#,
        r#"<input value=" href=https://mdm.example.com/t">"#,
        "<p>see url=https://mdm.example.com/t",
        "<!-- <a href='https://mdm.example.com/t'> -->",
        "<script>var relocation = 'https://mdm.example.com/t'</script>",
    ] {
        check(part, "", &[("warning", "the page names mdm.example.com")]);
    }
    check(
        r#"<a href="https://login.example.net/?return_url=https://mdm.example.com/t">"#,
        "",
        &[("warning", "the page names mdm.example.com")],
    );
    check(
        "<A title='>' HREF=https://mdm.example.com/t?a=1><script>location='https://mdm.example.com/t'</script>\
         <button/formaction=\" https://mdm.example.com\"",
        "<A title='>' HREF=https://lab.test:8443/t?a=1><script>location='https://lab.test:8443/t'</script>\
         <button/formaction=\" https://lab.test:8443\"",
        &[],
    );
    // Without a scheme, and with references and escapes.
    check(
        "<script src=\"//mdm.example.com/s.js\"></script><form action='//dm.example.com:9443'><a href=//mdm.example.com>",
        "<script src=\"https://lab.test:8443/s.js\"></script><form action='https://dm.lab.test'><a href=https://lab.test:8443>",
        &[],
    );
    check(
        "<a href=\"https:&#x2f;&#x2F;mdm.example.com&#47;a?b&#61;c\"><form action=\"&sol;&sol;mdm&period;example.com\">",
        "<a href=\"https://lab.test:8443&#47;a?b&#61;c\"><form action=\"https://lab.test:8443\">",
        &[],
    );
    check(
        r#"<script>location.href = "https:\/\/dm.example.com:9443\/x"; location = '\/\/mdm.example.com\/'</script>"#,
        r#"<script>location.href = "https://dm.lab.test\/x"; location = 'https://lab.test:8443\/'</script>"#,
        &[],
    );
    check(
        r#"<form action="https&colon;//login.example.net/x"><a href="//help.example.net">"#,
        "",
        &[("info", "login.example.net (action of a form)")],
    );
    check(
        r#"<meta http-equiv="Content-Security-Policy" content="form-action https://mdm.example.com; img-src https://cdn.example.net">"#,
        r#"<meta http-equiv="Content-Security-Policy" content="form-action https://lab.test:8443; img-src https://cdn.example.net">"#,
        &[],
    );
    check(
        r#"<meta http-equiv="refresh" content="0;https://mdm.example.com/x"><meta http-equiv=refresh content="1, '//mdm.example.com'">"#,
        r#"<meta http-equiv="refresh" content="0;https://lab.test:8443/x"><meta http-equiv=refresh content="1, 'https://lab.test:8443'">"#,
        &[],
    );
    // Plain text under the type of a page: Discovery is answered so to GET.
    check(
        "https://mdm.example.com/EnrollmentServer/Discovery.svc",
        "",
        &[],
    );
    // Links to others, dmtap itself, other schemes and relative URLs are no matter.
    check(
        "<a href='https://help.example.net/'>?</a><form action='https://lab.test:8443/x'><form action='/x'>\
         <form action=\"ms-app://s-1-15-2\"> ä://b ://",
        "",
        &[],
    );
}

#[test]
fn a_hostile_page_takes_time_in_proportion_to_its_length() {
    let spent = |piece: &str| {
        let text = piece.repeat((1 << 20) / piece.len());
        let before = cpu_time();
        let _ = rewrite_page(text.as_bytes(), text.as_bytes(), &map());
        cpu_time() - before
    };
    for piece in [
        "a://",
        "https://a",
        "<a href=",
        "<!--",
        "<a '",
        "<script>location=",
        "<=\"",
        "<a href='https://mdm.example.com/'>",
        "<script>location=//a",
        "<a href=//&#",
        "location=/",
    ] {
        let time = spent(piece);
        assert!(time < Duration::from_secs(20), "{piece}: {time:?}");
    }
}

#[test]
fn what_a_rule_wrote_into_a_page_stays() {
    let received = b"<a href='https://mdm.example.com/a'>";
    let changed =
        b"<a href='https://mdm.example.com/a'><a href='https://mdm.example.com/by-a-rule'>";
    let outcome = rewrite_page(changed, received, &map());
    assert_eq!(outcome.effect.unwrap().patch.splices().len(), 1);
}

#[test]
fn the_json_of_linked_enrollment_is_noted() {
    let check = |json: &str, expected: &[&str]| {
        let notes = note_linked_enrollment_urls(json.as_bytes(), &map());
        let texts: Vec<&str> = notes.iter().map(|note| &*note.text).collect();
        assert_eq!(texts, expected);
    };
    check(
        r#"{"EnrollmentServiceUrl": "https://enrollment.dm.example.net/x", "EnrollmentPolicyServiceUrl":"https://lab.test:8443/y"}"#,
        &[
            "this leads the device to enrollment.dm.example.net (EnrollmentServiceUrl), past dmtap, which rewrites no URL \
             in this place; a rule can (replace-text, or -B)",
        ],
    );
    check(r#"{"EnrollmentServiceUrl": null}"#, &[]);
    // Pages are no matter, unless their server is in the map.
    check(
        r#"{"AuthenticationServiceUrl": "https://login.example.net/", "TouUrl": "https://mdm.example.com/tou"}"#,
        &[
            "this leads the device to mdm.example.com (TouUrl), past dmtap, which rewrites no URL in this place; a rule can \
             (replace-text, or -B)",
        ],
    );
    check(r#"{"url": "https://enrollment.dm.example.net/x"}"#, &[]);
}

#[test]
fn a_page_without_a_media_type_that_leads_past_dmtap_is_noted() {
    let check = |body: &str, expected: &[&str]| {
        let outcome = note_untyped_page(body.as_bytes(), &map());
        assert!(outcome.effect.is_none());
        let ids: Vec<&str> = outcome.notes.iter().map(|note| note.id).collect();
        assert_eq!(ids, expected, "{body}");
    };
    let form = "<form action='https://mdm.example.com/sts'>";
    check(&format!("\n<!DOCTYPE html><html>{form}"), &["STAY-06"]);
    check(&format!("<HTML>{form}"), &["STAY-06"]);
    check("<html><form action='/sts'>", &[]);
    // Whatever a message calls an attribute, it is no page.
    check(&format!("<Envelope>{form}"), &[]);
}

#[test]
fn a_message_that_does_not_decode_and_leads_past_dmtap_is_noted() {
    let check = |body: &[u8], expected: &[&str]| {
        let notes = note_undecoded(body, &map());
        let ids: Vec<&str> = notes.iter().map(|note| note.id).collect();
        assert_eq!(ids, expected);
    };
    let latin = b"<Envelope><Url>https://mdm.example.com/a</Url><Name>\xe9</Name></Envelope>";
    check(latin, &["STAY-01"]);
    check(b"<Envelope><Url>https://login.example.net/a</Url>", &[]);
    check(b"<Envelope><Url>https://lab.test:8443/a</Url>", &[]);
}
