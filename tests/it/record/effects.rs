//! The effects of rules: the secrets in them are masked, and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dmtap::flow::{CapturedMessage, EffectDetail, ParsedBody, RuleEffect};
use dmtap::markup::{self, Hint, Limits};
use dmtap::patch::{Patch, Span};
use dmtap::record::Masking;
use dmtap::record::model::RuleEffectRecord;

use crate::record::stage::{Stage, kind_of};
use crate::record::transcript::{json_lines, read_lines, transcript};

fn message(commands: &str) -> String {
    format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><SessionID>5</SessionID><MsgID>1</MsgID>\
         <Cred><Data>cr3dential</Data></Cred></SyncHdr><SyncBody>{commands}<Final/></SyncBody></SyncML>"
    )
}

fn add(node: &str, data: &str) -> String {
    message(&format!(
        "<Add><CmdID>1</CmdID><Item><Target><LocURI>{node}</LocURI></Target><Data>{data}</Data></Item></Add>"
    ))
}

/// A rule replaced the one place in the body that reads `from`.
fn replaced(message: &mut CapturedMessage, step: &'static str, path: &str, from: &str, to: &str) {
    let body = message.body.sent.clone();
    let patch = match from {
        "" => Patch::default(),
        _ => {
            let at = memchr::memmem::find(&body, from.as_bytes()).unwrap();
            let span = Span::new(at as u32, (at + from.len()) as u32);
            Patch::replacing(span, to.into())
        }
    };
    message.body.sent = patch.apply(&body);
    let decoded = markup::decode(
        message.body.sent.clone(),
        Hint::default(),
        &Limits::default(),
    );
    message.body.sent_document = decoded.ok().map(Into::into);
    message.applied.push(RuleEffect {
        rule: "r".into(),
        changes: vec![EffectDetail {
            path: path.into(),
            step: step.into(),
            kind: kind_of(step),
            before: from.into(),
            after: to.into(),
        }],
        patch,
    });
}

/// A rule did this, and changed nothing in the body that matters here.
fn said(message: &mut CapturedMessage, step: &'static str, path: &str, before: &str, after: &str) {
    replaced(message, step, path, "", "");
    let change = &mut message.applied.last_mut().unwrap().changes[0];
    (change.before, change.after) = (before.into(), after.into());
}

fn effects(stage: &Stage) -> Vec<RuleEffectRecord> {
    let lines = json_lines(&stage.events, Masking::Masked);
    let records = read_lines(&lines).into_iter();
    records.flat_map(|record| record.applied).collect()
}

fn shown(
    body: &str,
    step: &'static str,
    path: &str,
    before: &str,
    after: &str,
) -> (String, String) {
    let mut stage = Stage::new();
    said(
        stage.response(&[], body.to_owned()),
        step,
        path,
        before,
        after,
    );
    let change = effects(&stage).remove(0).changes.remove(0);
    (change.before, change.after)
}

#[test]
fn what_is_no_secret_of_a_change_beside_secrets_is_shown() {
    let wifi = "./Vendor/MSFT/WiFi/Profile/Lab/WlanXml";
    let body = add(wifi, "pr0file");
    let command = "/SyncML/SyncBody/Add";
    let data = "/SyncML/SyncBody/Add/Item/Data";
    let of = |step, path, before: &str, after: &str| {
        let (before, after) = shown(&body, step, path, before, after);
        [before, after]
    };
    let summary = &*format!("Add {wifi}");
    assert_eq!(
        of("refuse", command, summary, "404 Not found"),
        [summary, "404 Not found"]
    );
    assert_eq!(
        of("session-abort", "/SyncML/SyncBody", "", "Alert 1223"),
        ["", "Alert 1223"]
    );
    assert_eq!(
        of("credentials", "/SyncML/SyncHdr/Cred", "", "as before"),
        ["", "as before"]
    );
    assert_eq!(
        of("not applied", data, "", "set-text: why"),
        ["", "set-text: why"]
    );
    assert_eq!(
        of("duplicate", data, "Data pr0file", "the same"),
        ["Data ********", "the same"]
    );
    assert_eq!(of("remove", command, summary, ""), [summary, ""]);
    // The secrets themselves.
    assert_eq!(of("set-text", data, "ab", "cd"), ["********"; 2]);
    assert_eq!(of("remove", data, "Data ab", ""), ["Data ********", ""]);
    assert_eq!(
        of("replace", command, summary, "<Add>ab</Add>"),
        [summary, "********"]
    );
}

#[test]
fn a_text_with_a_secret_in_it_is_shown_without_it() {
    let body = message("").replace(
        "</SyncHdr>",
        "<RespURI>https://h/a?s=resp0nd</RespURI></SyncHdr>",
    );
    let (before, after) = shown(
        &body,
        "resp-uri",
        "/SyncML/SyncHdr/RespURI",
        "https://h/a?s=resp0nd",
        "https://other/a?t=ab",
    );
    assert_eq!(before, "https://h/a?s=********");
    assert_eq!(after, "https://other/a?t=********");
}

const PROVISIONING: &str = "<wap-provisioningdoc><characteristic type=\"APPLICATION\">\
    <parm name=\"ADDR\" value=\"https://a/x\"/><characteristic type=\"APPAUTH\">\
    <parm name=\"AAUTHSECRET\" value=\"s3cret\"/></characteristic></characteristic></wap-provisioningdoc>";

#[test]
fn an_address_in_a_provisioning_document_is_shown_and_the_secret_beside_it_is_not() {
    let envelope = |document: &str| {
        let document = BASE64.encode(document);
        format!(
            "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:w=\"urn:w\"><s:Body>\
             <w:BinarySecurityToken ValueType=\"urn:a/DeviceEnrollmentProvisionDoc\">{document}\
             </w:BinarySecurityToken></s:Body></s:Envelope>"
        )
    };
    let token = "/Envelope/Body/BinarySecurityToken!/wap-provisioningdoc/characteristic";
    let other = PROVISIONING.replace("https://a/x", "https://b/longer");
    let mut stage = Stage::new();
    let captured = stage.response(&[], envelope(PROVISIONING));
    replaced(
        captured,
        "set-attribute",
        &format!("{token}/parm@value"),
        &BASE64.encode(PROVISIONING),
        &BASE64.encode(&other),
    );
    let change = &mut captured.applied[0].changes[0];
    (change.before, change.after) = ("https://a/x".into(), "https://b/longer".into());
    said(
        captured,
        "set-attribute",
        &format!("{token}/characteristic/parm@value"),
        "ab",
        "s3cret",
    );
    let effects = effects(&stage);
    let change = &effects[0].changes[0];
    assert_eq!(
        (&*change.before, &*change.after),
        ("https://a/x", "https://b/longer")
    );
    let splice = &effects[0].splices[0];
    let with = BASE64.decode(splice.with.text().unwrap()).unwrap();
    assert_eq!(
        String::from_utf8(with).unwrap(),
        other.replace("s3cret", "******")
    );
    assert_eq!(splice.bytes, None);
    let change = &effects[1].changes[0];
    assert_eq!((&*change.before, &*change.after), ("********", "********"));
    assert!(transcript(&stage.events, Masking::Masked).contains("https://b/longer"));
}

#[test]
fn the_mask_of_a_long_value_is_short_in_splices_and_its_length_stands_beside_it() {
    let node = "./Vendor/MSFT/WiFi/Profile/Lab/WlanXml";
    let long = "pr0file-".repeat(500);
    let mut stage = Stage::new();
    let captured = stage.response(&[], add(node, "x"));
    let data = "/SyncML/SyncBody/Add/Item/Data";
    replaced(captured, "set-text", data, ">x<", &format!(">{long}<"));
    // A second rule acts on what the first one made.
    replaced(captured, "set-text", data, &long, "sh0rt-profile");
    replaced(
        captured,
        "set-text",
        "/SyncML/SyncHdr/MsgID",
        "<MsgID>1",
        "<MsgID>2",
    );
    let effects = effects(&stage);
    let splice = |at: usize| &effects[at].splices[0];
    assert_eq!(splice(0).with.text(), Some(">********<"));
    assert_eq!(splice(0).bytes, Some(4002));
    assert_eq!(splice(1).with.text(), Some("********"));
    assert_eq!(splice(1).bytes, Some(13));
    assert_eq!(splice(2).with.text(), Some("<MsgID>2"));
    assert_eq!(splice(2).bytes, None);
}

/// What comes of it is no document: nothing of it is shown.
#[test]
fn a_splice_that_breaks_the_document_is_hidden() {
    let mut stage = Stage::new();
    let captured = stage.response(&[], add("./Vendor/MSFT/WiFi/a", "pr0file"));
    let data = "/SyncML/SyncBody/Add/Item/Data";
    replaced(captured, "set-text", data, "pr0file", "oth3r</b>");
    assert!(matches!(captured.body.parsed, ParsedBody::Document(..)));
    let effects = effects(&stage);
    assert_eq!(effects[0].splices[0].with.text(), Some("********"));
}

/// In the value of a command the secrets are masked, what is around them is shown.
#[test]
fn a_value_with_a_secret_in_it_is_shown_around_it() {
    let policy = "&lt;enabled/&gt;&lt;Data id=\"ProxyPassword\" value=\"p4ss\"/&gt;&lt;Data id=\"b\" value=\"c\"/&gt;";
    let text = |node: &str, data: &str| {
        let mut stage = Stage::new();
        stage.response(&[], add(node, data));
        let lines = json_lines(&stage.events, Masking::Masked);
        let records = read_lines(&lines).into_iter();
        let mut commands = records.flat_map(|record| record.commands);
        let data = commands.next().unwrap().items.remove(0).data.unwrap();
        (data.text.to_string(), data.bytes, data.masked, data.cut)
    };
    let shown =
        "<enabled/><Data id=\"ProxyPassword\" value=\"********\"/><Data id=\"b\" value=\"c\"/>";
    assert_eq!(text("./a", policy), (shown.into(), 73, true, false));
    let long = "pr0file-".repeat(500);
    let hidden = ("********".into(), 4000, true, false);
    assert_eq!(text("./Vendor/MSFT/WiFi/a", &long), hidden);
    let hidden = ("********".into(), 2, true, false);
    assert_eq!(text("./Vendor/MSFT/WiFi/a", " \n"), hidden);
    let long = format!("password=p4ss {}", "é".repeat(200));
    let (text, _, masked, cut) = text("./a", &long);
    assert!(text.starts_with("password=******** é"), "{text}");
    assert!(masked && cut);
}

/// Each changed value of a provisioning document is one line of its own that names its place and both values; the
/// secret beside them is masked.
#[test]
fn changes_inside_a_provisioning_document_are_shown_except_its_secrets() {
    let inner = "<wap-provisioningdoc><characteristic type=\"APPLICATION\"><parm name=\"ADDR\" value=\"https://mdm.example.com/a\"/>\
                 <parm name=\"NAME\" value=\"https://mdm.example.com/a\"/><characteristic type=\"APPAUTH\">\
                 <parm name=\"AAUTHSECRET\" value=\"s3cret-of-server\"/></characteristic></characteristic></wap-provisioningdoc>";
    let token = "RequestSecurityTokenResponseCollection/RequestSecurityTokenResponse/RequestedSecurityToken";
    let (open, close) = token
        .split('/')
        .fold((String::new(), String::new()), |(open, close), name| {
            (format!("{open}<{name}>"), format!("</{name}>{close}"))
        });
    let body = format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body>{open}<BinarySecurityToken \
         ValueType=\"urn:a/DeviceEnrollmentProvisionDoc\">{}</BinarySecurityToken>{close}</s:Body></s:Envelope>",
        BASE64.encode(inner)
    );
    let front =
        format!("/Envelope/Body/{token}/BinarySecurityToken!/wap-provisioningdoc/characteristic");
    let mut stage = Stage::new();
    let message = stage.response(&[], body);
    for (place, before, after) in [
        (
            "parm[1]@value",
            "https://mdm.example.com/a",
            "https://dmtap.example/a",
        ),
        (
            "parm[2]@value",
            "https://mdm.example.com/a",
            "https://dmtap.example/a",
        ),
        (
            "characteristic/parm@value",
            "s3cret-of-server",
            "an0ther-secret",
        ),
    ] {
        said(
            message,
            "set-attribute",
            &format!("{front}/{place}"),
            before,
            after,
        );
    }
    let shown = transcript(&stage.events, Masking::Masked);
    let lines: Vec<_> = shown
        .lines()
        .filter_map(|line| line.split_once("✎ rule r: "))
        .collect();
    let lines: Vec<_> = lines.iter().map(|(_, change)| *change).collect();
    assert_eq!(
        lines,
        [
            "changed APPLICATION/ADDR: https://mdm.example.com/a → https://dmtap.example/a",
            "changed APPLICATION/NAME: https://mdm.example.com/a → https://dmtap.example/a",
            "changed APPLICATION/APPAUTH/AAUTHSECRET: ******** → ********",
        ]
    );
}

#[test]
fn urls_that_a_rule_changed_are_shown_whole_and_on_a_line_of_their_own_where_they_are_long() {
    let long = format!("https://mdm.example.com/{}?a=1", "segment/".repeat(12));
    let [before, after] = ["https://mdm.example.com/x", &*long].map(str::to_owned);
    let mut stage = Stage::new();
    let message = stage.request(&[], "<Envelope><Body><Url>x</Url></Body></Envelope>");
    change_of(message, "/Envelope/Body/Url", &before, &after);
    change_of(
        message,
        "/Envelope/Body/Url",
        &"words ".repeat(20),
        &"other ".repeat(20),
    );
    let shown = transcript(&stage.events, Masking::Masked);
    let shown = shown.split_once("✎ rule r: ").unwrap().1;
    let lines: Vec<_> = shown.lines().map(str::trim_end).collect();
    assert_eq!(
        lines[0], "changed Envelope/Body/Url: https://mdm.example.com/x",
        "{shown}"
    );
    assert_eq!(
        lines[1].trim_start_matches([' ', '│']),
        format!("→ {after}"),
        "{shown}"
    );
    // Other texts are cut as ever.
    assert!(
        lines[2].contains("…  → other") || lines[2].contains("… → other"),
        "{shown}"
    );
    assert!(lines[2].chars().count() < 170, "{shown}");
}

fn change_of(message: &mut CapturedMessage, path: &str, before: &str, after: &str) {
    said(message, "set-text", path, before, after);
}
