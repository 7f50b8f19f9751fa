//! `dmtap decode` on the forms in which people share messages, on broken messages, and on notifications.

use super::pasted::dump;
use super::{dmtap_with_input, stdout};

/// A notification of server `contoso` with the password `secret` and a nonce of four zero octets.
const NOTIFICATION: &str = "436815be86f0b699c7185535c3b0e97a02d80000001a2b07636f6e746f736f";

fn wbxml() -> Vec<u8> {
    let xml = "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><MsgID>1</MsgID></SyncHdr>\
               <SyncBody><Final/></SyncBody></SyncML>";
    let encoded = dmtap_with_input(&["encode", "-"], xml.as_bytes());
    assert_eq!(encoded.status.code(), Some(0), "{encoded:?}");
    encoded.stdout
}

#[test]
fn hex_dumps_and_pushes_are_decoded() {
    let wbxml = wbxml();
    let hex: String = wbxml.iter().map(|byte| format!("{byte:02x} ")).collect();
    let push = [b"\x01\x06\x02\xc2\x87".as_slice(), &wbxml].concat();
    let expected = stdout(&dmtap_with_input(&["decode", "-"], &wbxml));
    assert!(expected.contains("<VerDTD>1.2</VerDTD>"), "{expected}");
    for form in [hex.into_bytes(), dump(&wbxml).into_bytes(), push] {
        let output = dmtap_with_input(&["decode", "-"], &form);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(stdout(&output), expected);
    }
}

#[test]
fn annotate_shows_what_stands_in_front_of_the_break() {
    let wbxml = wbxml();
    let xml = b"<SyncML><SyncHdr><VerDTD>1.2</VerDTD></SyncHdr><SyncBody><Add></SyncBody></SyncML>";
    for broken in [&wbxml[..wbxml.len() - 3], xml.as_slice()] {
        let output = dmtap_with_input(&["decode", "-", "--annotate"], broken);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let shown = stdout(&output);
        assert!(shown.contains("VerDTD") && shown.contains("1.2"), "{shown}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("at byte "), "{error}");
        // XML would say that the message could be read.
        let output = dmtap_with_input(&["decode", "-"], broken);
        assert_eq!(
            (output.status.code(), stdout(&output).as_str()),
            (Some(1), "")
        );
    }
}

#[test]
fn a_notification_is_shown_and_its_digest_checked() {
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let arguments = [&["decode", "-"], arguments].concat();
        let output = dmtap_with_input(&arguments, NOTIFICATION.as_bytes());
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let shown = stdout(&output);
        assert!(shown.contains(expected), "{shown}");
    };
    check(&[], 0, "server     contoso\n  SessionID  1A2B\n");
    check(&["--password", "secret"], 0, "0e97a, that of the password");
    check(
        &["--password", "wrong"],
        1,
        "0e97a, not that of the password",
    );
    check(
        &["--password", "secret", "--nonce", "AAAAAA=="],
        0,
        ", that of",
    );
    check(
        &["--password", "secret", "--nonce", "AAAA"],
        1,
        ", not that of",
    );
    check(
        &["--output", "json", "--password", "secret"],
        0,
        "\"digest_fits\":true",
    );
}

#[test]
fn certificates_signed_messages_and_tokens_are_unfolded_and_no_text_is_cut() {
    let certificate = include_str!("../../data/enrollment/root.txt").trim();
    let signed = include_str!("../../data/signature/with-certificate.txt").trim();
    // {"alg":"RS256"}.{"upn":"anna@contoso.example"}
    let token =
        "eyJhbGciOiJSUzI1NiJ9.eyJ1cG4iOiJhbm5hQGNvbnRvc28uZXhhbXBsZSJ9.c2lnbmF0dXJlLW9mLWl0";
    let long = "long ".repeat(60) + "end";
    let results: String = [certificate, signed, token, &long]
        .iter()
        .map(|data| {
            format!(
                "<Results><CmdID>2</CmdID><CmdRef>2</CmdRef><Item><Source><LocURI>./A</LocURI></Source>\
                 <Data>{data}</Data></Item></Results>"
            )
        })
        .collect();
    let message = format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><MsgID>2</MsgID></SyncHdr><SyncBody>{results}<Final/></SyncBody></SyncML>"
    );
    for arguments in [["decode", "-", "--annotate"], ["show", "-", "--full"]] {
        let shown = stdout(&dmtap_with_input(&arguments, message.as_bytes()));
        for expected in [
            "certificate of CN=",
            "signed message (PKCS#7) with",
            "long end",
        ] {
            assert!(
                shown.contains(expected),
                "{arguments:?}, {expected}: {shown}"
            );
        }
        assert!(shown.matches("certificate of ").count() >= 2, "{shown}");
    }
    let tree = stdout(&dmtap_with_input(
        &["decode", "-", "--annotate"],
        message.as_bytes(),
    ));
    assert!(
        tree.contains("{\"upn\":\"anna@contoso.example\"}"),
        "{tree}"
    );
    // Documents in a message of enrollment, too.
    let response = include_bytes!("../../data/enrollment/response.xml");
    for arguments in [["decode", "-", "--annotate"], ["show", "-", "--full"]] {
        let shown = stdout(&dmtap_with_input(&arguments, response));
        assert!(
            shown.matches("thumbprint").count() > 1,
            "{arguments:?}: {shown}"
        );
        assert!(
            shown.contains("wap-provisioningdoc"),
            "{arguments:?}: {shown}"
        );
    }
}
