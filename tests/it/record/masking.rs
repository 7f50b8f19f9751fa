//! No secret of the list is in any of the three forms, unless raw records are requested.

use bytes::Bytes;
use dmtap::flow::{CapturedMessage, Event};
use dmtap::markup::{self, Hint, Limits};
use dmtap::record::{EventRecord, Masking, Pcapng, Sink};

use crate::record::message::{PACKAGE_1, wbxml};
use crate::record::stage::{Stage, change, coded, kind_of, note};
use crate::record::transcript::{json_lines, read_lines, transcript};

/// What must not be found; seven characters, like any other secret of some length.
pub(crate) const SECRET: &str = "S3cr3t!";

pub(crate) fn pcapng(events: &[Event], masking: Masking) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sink = Pcapng::new(&mut out).unwrap();
    for (seq, event) in (1..).zip(events) {
        let record = EventRecord::of(seq, event, masking);
        sink.write_event(&record).unwrap();
    }
    sink.finish().unwrap();
    drop(sink);
    out
}

fn holds(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

/// Masked records have no secret, raw ones do; both have what is no secret.
pub(crate) fn check(what: &str, make: impl FnOnce(&mut Stage)) {
    let mut stage = Stage::new();
    make(&mut stage);
    let events = &stage.events;
    for (form, masked, raw) in [
        ("text", transcript(events, Masking::Masked).into(), None),
        (
            "JSON",
            json_lines(events, Masking::Masked),
            Some(json_lines(events, Masking::Raw)),
        ),
        (
            "pcapng",
            pcapng(events, Masking::Masked),
            Some(pcapng(events, Masking::Raw)),
        ),
    ] {
        let text = String::from_utf8_lossy(&masked);
        assert!(
            !holds(&masked, SECRET),
            "{what}: the secret is in the {form}: {text}"
        );
        if let Some(raw) = raw {
            let found = holds(&raw, SECRET) || holds(&raw, "base64");
            assert!(found, "{what}: the secret is not in the raw {form}");
        }
    }
    let records = read_lines(&json_lines(events, Masking::Masked)).into_iter();
    for body in records.filter_map(|record| record.body) {
        assert!(!holds(&body.0, SECRET), "{what}: the secret is in base64");
        if let Some(document) = received(events) {
            assert_eq!(
                body.0.len(),
                document.len(),
                "{what}: masked bodies keep their length"
            );
            let body = Bytes::copy_from_slice(&body.0);
            let decoded = markup::decode(body, Hint::default(), &Limits::default());
            assert!(decoded.is_ok(), "{what}: masked bodies decode: {decoded:?}");
        }
    }
}

/// The source of the first passage, if it decoded.
fn received(events: &[Event]) -> Option<&Bytes> {
    let captured = events.iter().find_map(|event| match event {
        Event::Request(captured) | Event::Response(captured) => Some(captured),
        _ => None,
    });
    Some(captured?.body.parsed.document()?.source())
}

pub(crate) fn in_body(what: &str, body: &str) {
    let body = body.replace("SECRET", SECRET);
    check(what, |stage| {
        stage.request(&[], body);
    });
}

pub(crate) fn in_syncml(what: &str, commands: &str) {
    let header = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><SessionID>5</SessionID>\
        <MsgID>1</MsgID><Source><LocURI>d</LocURI></Source></SyncHdr>";
    in_body(
        what,
        &format!("{header}<SyncBody>{commands}<Final/></SyncBody></SyncML>"),
    );
}

fn in_node(loc_uri: &str) {
    let target = format!("<Target><LocURI>{loc_uri}</LocURI></Target>");
    let add = format!("<Add><CmdID>1</CmdID><Item>{target}<Data>SECRET</Data></Item></Add>");
    in_syncml(loc_uri, &add);
    in_syncml(loc_uri, &format!("<Atomic><CmdID>9</CmdID>{add}</Atomic>"));
    let markup = "<Data><a b=\"SECRET\"><![CDATA[SECRET]]></a>SECRET</Data>";
    in_syncml(loc_uri, &add.replace("<Data>SECRET</Data>", markup));
    let source = target.replace("Target", "Source");
    in_syncml(
        loc_uri,
        &format!(
            "<Results><CmdID>1</CmdID><CmdRef>2</CmdRef><Item>{source}<Data>SECRET</Data></Item></Results>"
        ),
    );
    in_syncml(
        loc_uri,
        &format!(
            "<Results><CmdID>1</CmdID><CmdRef>2</CmdRef><SourceRef>{loc_uri}</SourceRef>\
             <Item><Data>SECRET</Data></Item></Results>"
        ),
    );
}

#[test]
fn header_fields() {
    for (name, value) in [
        ("authorization", "Bearer SECRET"),
        ("authorization", "SECRET"),
        ("proxy-authorization", "Basic SECRET"),
        ("devicetoken", "SECRET"),
        ("cookie", "a=SECRET"),
        ("set-cookie", "a=SECRET; Secure"),
        ("x-syncml-hmac", "algorithm=MD5, username=\"a\", mac=SECRET"),
        ("location", "https://mdm.example.com/?token=SECRET"),
        ("location", "https://mdm.example.com/#access_token=SECRET"),
        ("location", "https://joe:SECRET@mdm.example.com/"),
        ("x-api-key", "SECRET"),
        ("x-auth-token", "SECRET"),
        ("x-ms-authorization", "Bearer SECRET"),
        ("x-client-secret", "SECRET"),
    ] {
        let value = value.replace("SECRET", SECRET);
        check(name, |stage| {
            stage.request(&[(name, &value)], PACKAGE_1);
        });
        check(name, |stage| {
            stage.response(&[(name, &value)], "");
        });
    }
}

#[test]
fn credentials_and_nonces() {
    in_body("Cred", &PACKAGE_1.replace("Y3JlZDE=", "SECRET"));
    in_body(
        "Cred with white space",
        &PACKAGE_1.replace("Y3JlZDE=", "\n  SECRET\n"),
    );
    in_body(
        "Cred in CDATA",
        &PACKAGE_1.replace("Y3JlZDE=", "<![CDATA[SECRET]]>"),
    );
    in_syncml(
        "NextNonce",
        "<Status><CmdID>1</CmdID><Chal><Meta><NextNonce xmlns=\"syncml:metinf\">SECRET</NextNonce></Meta></Chal>\
         <Data>401</Data></Status>",
    );
    in_syncml(
        "AADUserToken",
        "<Alert><CmdID>1</CmdID><Data>1224</Data><Item><Meta><Type xmlns=\"syncml:metinf\">\
         com.microsoft/MDM/AADUserToken</Type></Meta><Data>SECRET</Data></Item></Alert>",
    );
}

#[test]
fn nodes_and_marks_that_repeat_a_secret() {
    in_syncml(
        "nodes and marks",
        "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>1</CmdRef><Cmd>Get</Cmd><TargetRef>./a</TargetRef>\
         <TargetRef>./SECRET</TargetRef><Data>401</Data>\
         <Chal><Meta><NextNonce xmlns=\"syncml:metinf\">SECRET</NextNonce></Meta></Chal></Status>\
         <Alert><CmdID>2</CmdID><Data>1226</Data><Item><Meta><Mark xmlns=\"syncml:metinf\">SECRET</Mark></Meta>\
         <Data>a</Data></Item></Alert>",
    );
}

#[test]
fn errors_that_quote_a_secret() {
    let bearer = format!("Bearer {SECRET}");
    check("an error of XML", |stage| {
        let headers = [("authorization", &*bearer), ("content-type", "text/xml")];
        stage.request(&headers, format!("<a></{SECRET}>"));
    });
}

#[test]
fn queries_of_addresses() {
    let resp = "<RespURI>https://mdm.example.com/a?b=c&amp;d=SECRET</RespURI></SyncHdr>";
    in_body("RespURI", &PACKAGE_1.replace("</SyncHdr>", resp));
    in_body(
        "Target",
        &PACKAGE_1.replace("MDM.svc<", "MDM.svc?d=SECRET<"),
    );
    check("request target", |stage| {
        let captured = stage.request(&[], PACKAGE_1);
        let dmtap::flow::Head::Request(head) = &mut captured.head else {
            unreachable!();
        };
        std::sync::Arc::make_mut(head).uri = format!("https://mdm.example.com/a?d={SECRET}")
            .parse()
            .unwrap();
    });
}

#[test]
fn nodes_that_hold_keys() {
    for node in [
        "./Vendor/MSFT/WiFi/Profile/Lab/WlanXml",
        "./Device/Vendor/MSFT/wifi/profile/Lab/wlanxml",
        "./User/Vendor/MSFT/VPNv2/Work/ProfileXML",
        "./Vendor/MSFT/VPN/Work/Policies",
        "./Vendor/MSFT/ClientCertificateInstall/PFXCertInstall/1/PFXCertBlob",
        "./Vendor/MSFT/ClientCertificateInstall/PFXCertInstall/1/PFXCertPassword",
        "./Vendor/MSFT/ClientCertificateInstall/SCEP/1/Install/Challenge",
        "./SyncML/DMAcc/1/AppAuth/1/AAuthSecret",
        "./SyncML/DMAcc/1/AppAuth/1/AAuthData",
    ] {
        in_node(node);
    }
}

#[test]
fn how_the_installation_of_a_pfx_file_ended_is_no_secret() {
    let shown_in = |command: &str, node: &str, value: &str| {
        let body = format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><SessionID>5</SessionID><MsgID>1</MsgID>\
             <Source><LocURI>d</LocURI></Source></SyncHdr><SyncBody><{command}><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Item><Source><LocURI>{node}\
             </LocURI></Source><Data>{value}</Data></Item></{command}></SyncBody></SyncML>"
        );
        let mut stage = Stage::new();
        stage.request(&[("content-type", "application/vnd.syncml.dm+xml")], body);
        holds(&json_lines(&stage.events, Masking::Masked), value)
    };
    let shown = |node: &str| shown_in("Results", node, "-2146885630");
    let branch = "./Vendor/MSFT/ClientCertificateInstall/PFXCertInstall";
    assert!(shown(&format!("{branch}/1/Status")));
    assert!(!shown(&format!("{branch}/Status")));
    assert!(!shown(&format!("{branch}/1/PFXCertBlob")));
    let status = format!("{branch}/1/Status");
    assert!(!shown_in("Add", &status, "-2146885630"));
    assert!(!shown_in("Results", &status, "hunter2"));
    assert!(!shown(&format!("{branch}/PFXCertInstall/Password/Status")));
    assert!(!shown("./Vendor/MSFT/WiFi/Profile/1/Status"));
}

#[test]
fn enrollment_and_provisioning() {
    let soap = |inner: &str| {
        format!(
            "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:w=\"urn:wsse\" \
             xmlns:ac=\"urn:ac\"><s:Body>{inner}</s:Body></s:Envelope>"
        )
    };
    let password = "<w:Password w:Type=\"PasswordText\">SECRET</w:Password>";
    in_body("wsse:Password", &soap(password));
    let token = "<w:BinarySecurityToken ValueType=\"urn:a\">SECRET</w:BinarySecurityToken>";
    in_body("wsse:BinarySecurityToken", &soap(token));
    in_body(
        "EnrollmentData",
        &soap("<EnrollmentData>SECRET</EnrollmentData>"),
    );
    let item =
        "<ac:ContextItem Name=\"EnrollmentData\"><ac:Value>SECRET</ac:Value></ac:ContextItem>";
    in_body("EnrollmentData as context item", &soap(item));
    for name in ["AAUTHSECRET", "AAUTHDATA"] {
        let parm = format!(
            "<wap-provisioningdoc><characteristic type=\"APPAUTH\"><parm name=\"{name}\" value=\"{SECRET}\"/>\
             </characteristic></wap-provisioningdoc>"
        );
        check(name, |stage| {
            stage.response(&[], parm);
        });
    }
    in_body("wresult", "wa=wsignin1.0&wresult=SECRET&wctx=1");
}

#[test]
fn wbxml_strings_and_opaque_data() {
    let media_type = ("content-type", "application/vnd.syncml.dm+wbxml");
    for (what, body) in [
        ("Cred", wbxml(SECRET, "nonce", "profile")),
        ("NextNonce", wbxml("cred", SECRET, "profile")),
        ("WlanXml", wbxml("cred", "nonce", SECRET)),
    ] {
        check(what, |stage| {
            stage.request(&[media_type], body);
        });
    }
    let mut torn = wbxml(SECRET, SECRET, "profile");
    torn.truncate(torn.len() - 3);
    check("a torn message", |stage| {
        stage.request(&[media_type], torn);
    });
}

/// `<SyncML><SyncHdr><Cred><Data>` with a reference into the string table.
#[test]
fn wbxml_string_table() {
    let mut body = vec![0x03, 0xA4, 0x01, 0x6A, 0x0C, b'a', b'b', b'c', 0x00];
    body.extend(SECRET.as_bytes());
    body.push(0x00);
    body.extend([0x6D, 0x6C, 0x4E, 0x4F, 0x83, 0x04, 0x01, 0x01, 0x01, 0x01]);
    check("STR_T", |stage| {
        stage.request(&[], body);
    });
}

/// More than can be looked for in other places: no text is shown, and what frames the texts stays.
#[test]
fn secrets_that_are_too_many_to_look_for() {
    let keys: Vec<String> = (b'a'..=b'i')
        .map(|letter| char::from(letter).to_string().repeat(500_000))
        .collect();
    let mut xml = String::from("<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><Meta>");
    xml += "<MaxMsgSize xmlns=\"syncml:metinf\">1</MaxMsgSize></Meta></SyncHdr><SyncBody>";
    for key in &keys {
        xml += "<Add><Item><Target><LocURI>./X/Password</LocURI></Target><Data>";
        xml += key;
        xml += "</Data></Item></Add>";
    }
    xml += &format!(
        "<Results><Data><![CDATA[{SECRET}]]> &amp; {SECRET}</Data></Results></SyncBody></SyncML>"
    );
    check("XML", |stage| {
        stage.request(&[], xml);
    });
    let mut body = vec![0x03, 0xA4, 0x01, 0x6A, 0x0C, b'a', b'b', b'c', 0x00];
    body.extend(SECRET.as_bytes());
    body.extend([0x00, 0x6D, 0x6B]);
    for key in &keys {
        body.extend([0x45, 0x54, 0x6E, 0x57, 0x03]);
        body.extend(b"./X/Password\0\x01\x01\x4F\x03");
        body.extend(key.as_bytes());
        body.extend([0x00, 0x01, 0x01, 0x01]);
    }
    body.extend([0x62, 0x4F, 0x83, 0x04, 0x01, 0x01, 0x01, 0x01]);
    check("WBXML", |stage| {
        stage.request(&[], body);
    });
}

#[test]
fn bodies_that_do_not_decode() {
    let broken = PACKAGE_1
        .replace("Y3JlZDE=", "SECRET")
        .replace("</SyncBody>", "</Oops>");
    in_body("broken XML", &broken);
    check("broken inside a content coding", |stage| {
        let coding = ("content-encoding", "deflate");
        stage.request(&[coding], format!("x{SECRET}x"));
    });
    check("a document inside a content coding", |stage| {
        let coding = ("content-encoding", "gzip");
        let captured = stage.request(&[coding], PACKAGE_1.replace("Y3JlZDE=", SECRET));
        coded(captured, b"gzip would be here");
    });
}

#[test]
fn what_rules_changed_and_what_notes_quote() {
    let cred = "/SyncML/SyncHdr/Cred/Data";
    check("after", |stage| {
        change(
            stage.request(&[], PACKAGE_1),
            "wrong-password",
            "set-text",
            cred,
            SECRET,
        );
    });
    check("before", |stage| {
        let body = PACKAGE_1.replace("Y3JlZDE=", SECRET);
        change(
            stage.request(&[], body),
            "wrong-password",
            "set-text",
            cred,
            "other",
        );
    });
    check("elsewhere", |stage| {
        let body = PACKAGE_1.replace("Y3JlZDE=", SECRET);
        let alert = "/SyncML/SyncBody/Alert[2]/Item/Data";
        let captured: &mut CapturedMessage = stage.request(&[], body);
        change(
            captured,
            "confused",
            "set-text",
            alert,
            &format!("it was {SECRET}"),
        );
    });
    check("note", |stage| {
        let captured = stage.request(&[], PACKAGE_1.replace("Y3JlZDE=", SECRET));
        let text = format!("Cred {SECRET} is no base64");
        captured
            .notes
            .push(note(dmtap::flow::Severity::Error, &text));
    });
    check("a change that does not decode", |stage| {
        let captured = stage.request(&[], PACKAGE_1.replace("Y3JlZDE=", SECRET));
        captured.body.sent = format!("<Oops>{SECRET}").into();
    });
}

/// A rule did something to the whole of a message.
fn applied(
    captured: &mut CapturedMessage,
    step: &'static str,
    reported: (&str, &str),
    patch: dmtap::patch::Patch,
) {
    captured.body.sent = patch.apply(&captured.body.received);
    captured.applied.push(dmtap::flow::RuleEffect {
        rule: "r".into(),
        changes: vec![dmtap::flow::EffectDetail {
            path: String::new(),
            step: step.into(),
            kind: kind_of(step),
            before: reported.0.into(),
            after: reported.1.into(),
        }],
        patch,
    });
}

#[test]
fn secrets_that_rules_put_into_heads_and_bytes_are_masked() {
    use dmtap::patch::{Patch, Span};
    for (before, after) in [
        ("authorization: Basic SECRET", ""),
        ("", "set-cookie: id=SECRET"),
        ("x-token: SECRET", "x-token: SECRET"),
    ] {
        check(before, |stage| {
            let reported = [before, after].map(|text| text.replace("SECRET", SECRET));
            let captured = stage.request(&[], "<a/>");
            applied(
                captured,
                "set-header",
                (&reported[0], &reported[1]),
                Patch::default(),
            );
        });
    }
    let body = format!(
        "<SyncML><SyncHdr><Cred><Data>{SECRET}</Data></Cred></SyncHdr><SyncBody/></SyncML>"
    );
    check("a body cut off behind its secret", |stage| {
        let captured = stage.request(&[], body.clone());
        let cut = Span::new(body.len() as u32 - 4, body.len() as u32);
        applied(
            captured,
            "truncate",
            ("", ""),
            Patch::replacing(cut, Vec::new()),
        );
    });
    check("a body with a secret that is no document", |stage| {
        let captured = stage.request(&[], "<a/>");
        let broken = body.replace("</SyncML>", "").into_bytes();
        applied(
            captured,
            "set-body",
            ("", ""),
            Patch::replacing(Span::new(0, 4), broken),
        );
    });
}
