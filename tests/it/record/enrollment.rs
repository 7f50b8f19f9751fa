//! The messages of an enrollment in `tests/data/record/enrollment`: none of the three forms of a record has their
//! secrets, and each shows everything else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use dmtap::flow::Head;
use dmtap::markup::{self, Hint, Limits};
use dmtap::record::Masking;

use crate::record::literals::Literals;
use crate::record::masking::pcapng;
use crate::record::stage::Stage;
use crate::record::transcript::{json_lines, read_lines, transcript};

const FOLDER: &str = "tests/data/record/enrollment";

fn read(name: &str) -> Option<String> {
    std::fs::read_to_string(format!("{FOLDER}/{name}")).ok()
}

/// Base64 in lines of 76 characters.
fn in_lines(encoded: &str) -> String {
    let lines: Vec<&str> = (0..encoded.len())
        .step_by(76)
        .map(|at| &encoded[at..encoded.len().min(at + 76)])
        .collect();
    lines.join("\r\n") + "\r\n"
}

/// First line, fields and body.
type HttpMessage = (String, Vec<(String, String)>, String);

/// A message from its file, its provisioning document put in.
fn message(name: &str) -> Option<HttpMessage> {
    let text = read(name)?;
    let document = BASE64.encode(read("provisioning.xml")?);
    let text = text
        .replace("{{base64 provisioning.xml}}", &document)
        .replace("{{base64-lines provisioning.xml}}", &in_lines(&document));
    let (head, body) = text.split_once("\n\n")?;
    let mut lines = head.lines();
    let first = lines.next()?.to_owned();
    let fields = lines.filter_map(|line| line.split_once(": "));
    let fields = fields.map(|(name, value)| (name.into(), value.into()));
    Some((first, fields.collect(), body.to_owned()))
}

fn conversation() -> Stage {
    let mut stage = Stage::new();
    for number in 1.. {
        let Some((first, fields, body)) = message(&format!("{number:02}-req.http")) else {
            assert!(number > 6, "{number}");
            return stage;
        };
        let fields: Vec<_> = fields.iter().map(|(n, v)| (&**n, &**v)).collect();
        let Head::Request(head) = &mut stage.request(&fields, body).head else {
            unreachable!();
        };
        let (_, path) = first.split_once(' ').unwrap();
        std::sync::Arc::make_mut(head).uri =
            format!("https://mdm.example.com{path}").parse().unwrap();
        let (_, fields, body) = message(&format!("{number:02}-rsp.http")).unwrap();
        let fields: Vec<_> = fields.iter().map(|(n, v)| (&**n, &**v)).collect();
        stage.response(&fields, body);
    }
    unreachable!()
}

fn records(stage: &Stage, masking: Masking) -> Vec<(String, Vec<u8>)> {
    vec![
        ("r.txt".into(), transcript(&stage.events, masking).into()),
        ("r.jsonl".into(), json_lines(&stage.events, masking)),
        ("r.pcapng".into(), pcapng(&stage.events, masking)),
    ]
}

#[test]
fn records_of_an_enrollment_hide_its_secrets_and_show_the_rest() {
    let stage = conversation();
    let literals = Literals::read(&read("literals.txt").unwrap());
    let unknown = literals.not_hidden_from(&records(&stage, Masking::Raw));
    assert!(unknown.is_empty(), "no message holds {unknown:?}");
    let wrong = literals.wrong(&records(&stage, Masking::Masked));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The masked body of an answer with one token, and the text of that token as it was.
fn token(value_type: &str, text: &str) -> (String, String) {
    let attribute = match value_type {
        "" => String::new(),
        _ => format!(" ValueType=\"{value_type}\""),
    };
    let body = format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:w=\"urn:wsse\"><s:Body>\
         <w:BinarySecurityToken{attribute}>{text}</w:BinarySecurityToken></s:Body></s:Envelope>"
    );
    (masked(&body), body)
}

fn masked(body: &str) -> String {
    let mut stage = Stage::new();
    stage.request(&[], body.to_owned());
    let lines = json_lines(&stage.events, Masking::Masked);
    let mut bodies = read_lines(&lines).into_iter().filter_map(|it| it.body);
    let body = bodies.next().unwrap();
    body.text().unwrap().to_owned()
}

#[test]
fn a_token_is_shown_or_hidden_by_its_value_type() {
    let csr = "MIHPMHgCAQAwFjEUMBIGA1UEAwwLREVWSUNFLTAwMDEw";
    for (value_type, is_shown) in [
        (
            "http://schemas.microsoft.com/windows/pki/2009/01/enrollment#PKCS10",
            true,
        ),
        (
            "http://schemas.microsoft.com/windows/pki/2009/01/enrollment#PKCS7",
            true,
        ),
        (
            "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#PKCS7",
            true,
        ),
        (
            "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3",
            true,
        ),
        ("urn:a:PKCS10", true),
        ("urn:ietf:params:oauth:token-type:jwt", false),
        (
            "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentUserToken",
            false,
        ),
        (
            "http://schemas.microsoft.com/ConfigurationManager/Enrollment/DeviceEnrollmentUserToken",
            false,
        ),
        ("http://example.com/PKCS10/Other", false),
        ("http://example.com/#Kerberos", false),
        ("", false),
    ] {
        let (masked, body) = token(value_type, csr);
        assert_eq!(masked == body, is_shown, "{value_type}: {masked}");
        assert_eq!(masked.len(), body.len());
        // The same in a message that breaks off.
        let torn = body.replace("</s:Envelope>", "");
        let masked = self::masked(&torn);
        assert_eq!(masked == torn, is_shown, "torn, {value_type}: {masked}");
    }
    // What says that it is a request and is something else.
    for text in [
        "eyJhbGciOiJub25lIn0",
        "c2VjcmV0",
        "secret",
        "{\"a\":1}",
        "<a>MIHP</a>",
    ] {
        let (masked, body) = token("urn:a#PKCS10", text);
        assert_ne!(masked, body, "{text}");
    }
}

#[test]
fn a_provisioning_document_is_masked_inside_its_base64_and_keeps_all_else() {
    let long = "s3cret-".repeat(40);
    let inner = format!(
        "<wap-provisioningdoc><characteristic type=\"APPLICATION\"><parm name=\"ADDR\" value=\"https://h/a\"/>\
         <characteristic type=\"APPAUTH\"><parm name=\"AAUTHSECRET\" value=\"{long}\"/><parm name=\"AAUTHNAME\" \
         value=\"joe\"/><parm name=\"AAUTHDATA\" value=\"ab\"/></characteristic></characteristic></wap-provisioningdoc>"
    );
    let expected = inner
        .replace(&long, &"*".repeat(long.len()))
        .replace("\"ab\"", "\"**\"");
    let provisioning = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentProvisionDoc";
    // Padded in each way.
    for more in ["", " ", "  "] {
        let encoded = BASE64.encode(format!("{inner}{more}"));
        let expected = BASE64.encode(format!("{expected}{more}"));
        let no_padding = |text: &str| text.trim_end_matches('=').to_owned();
        let in_cdata = |text: &str| format!("<![CDATA[{text}]]>");
        let indented = |text: &str| format!("\n\t{}  ", in_lines(text));
        for form in [
            &(|text: &str| text.to_owned()) as &dyn Fn(&str) -> String,
            &no_padding,
            &in_cdata,
            &indented,
            &in_lines,
        ] {
            let (masked, body) = token(provisioning, &form(&encoded));
            assert_eq!(masked, body.replace(&form(&encoded), &form(&expected)));
        }
        // White space written as references.
        let references = |text: &str| in_lines(text).replace("\r\n", "&#13;\n");
        let (masked, body) = token(provisioning, &references(&encoded));
        assert_eq!(
            masked,
            body.replace(&references(&encoded), &references(&expected))
        );
    }
}

#[test]
fn a_provisioning_document_that_cannot_be_read_is_hidden() {
    let provisioning = "urn:a/DeviceEnrollmentProvisionDoc";
    let torn = "<wap-provisioningdoc><characteristic type=\"APPAUTH\"><parm name=\"AAUTHSECRET\" value=\"s3cret\"/>";
    let encoded = BASE64.encode(torn);
    for text in [
        encoded.clone(),
        in_lines(&encoded),
        format!("{}!", &encoded[..40]),
        // A reference where the secret is encoded.
        BASE64
            .encode(format!("{torn}</characteristic></wap-provisioningdoc>"))
            .replace("czNj", "&#99;zNj"),
        "s3cret".into(),
    ] {
        let (masked, body) = token(provisioning, &text);
        let shown = masked.split("ProvisionDoc\">").nth(1).unwrap();
        let shown = shown.split("</w:").next().unwrap();
        let is_masked = |c: char| "*\r\n&#;1380 ".contains(c);
        assert!(shown.chars().all(is_masked), "{text} gave {masked}");
        assert_eq!(masked.len(), body.len());
    }
}

/// Base64 in a value of the management tree, and inside a document that stands in base64 itself.
#[test]
fn base64_is_masked_inside_wherever_a_document_stands_in_it() {
    let document =
        |value: &str| format!("<a><parm name=\"password\" value=\"{value}\"/><b>kept</b></a>");
    let (plain, hidden) = (document("s3cr"), document("****"));
    let twice = |text: &str| BASE64.encode(format!("<c><d>{}</d></c>", BASE64.encode(text)));
    for form in [
        &(|text: &str| BASE64.encode(text)) as &dyn Fn(&str) -> String,
        &twice,
    ] {
        for holder in [
            "<x><y>DATA</y></x>",
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncBody><Add><Item><Data>DATA</Data></Item></Add></SyncBody></SyncML>",
        ] {
            let body = holder.replace("DATA", &form(&plain));
            assert_eq!(
                masked(&body),
                holder.replace("DATA", &form(&hidden)),
                "{body}"
            );
        }
    }
}

/// A masked body is read as the body is.
#[test]
fn masked_answers_of_an_enrollment_decode() {
    let stage = conversation();
    let lines = json_lines(&stage.events, Masking::Masked);
    let mut documents = 0;
    for record in read_lines(&lines) {
        let Some(body) = &record.body else {
            continue;
        };
        let body = Bytes::copy_from_slice(&body.0);
        let Ok(document) = markup::decode(body, Hint::default(), &Limits::default()) else {
            continue;
        };
        let tokens = document
            .elements()
            .filter(|e| e.local() == "BinarySecurityToken");
        let opened = tokens.filter(|t| t.embedded(&Limits::default()).is_some());
        documents += opened.count();
    }
    assert_eq!(documents, 2);
}
