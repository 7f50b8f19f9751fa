//! A session that reuses the SessionID of the one before: many devices use one SessionID for all sessions.

use dmtap::flow::lint::Profile;

use super::{Heads, Messages, base, ids, lint};

/// The answer that ends a session, with the numbers of the first one.
fn last_answer() -> String {
    base()["s2"]
        .replace("<MsgID>2<", "<MsgID>1<")
        .replace("<MsgRef>2<", "<MsgRef>1<")
        .replace(
            "<Final/>",
            &(2..=5)
                .map(|id| {
                    let cmd = if id == 5 { "Replace" } else { "Alert" };
                    format!(
                        "<Status><CmdID>{id}</CmdID><MsgRef>1</MsgRef><CmdRef>{id}</CmdRef><Cmd>{cmd}</Cmd><Data>200</Data></Status>"
                    )
                })
                .chain(["<Final/>".to_owned()])
                .collect::<String>(),
        )
}

/// A first message as a device writes it another time.
fn first_again() -> String {
    base()["d1"].replace("<Data>0</Data>", "<Data>1</Data>")
}

#[test]
fn nobody_is_blamed_for_counting_from_1_in_the_next_session() {
    let base = base();
    let first_with_cred = first_again()
        .replace(
            "<Source><LocURI>urn:dev:1</LocURI></Source><Meta>",
            "<Source><LocURI>urn:dev:1</LocURI><LocName>u</LocName></Source><Cred><Meta>\
             <Format xmlns=\"syncml:metinf\">b64</Format>\
             <Type xmlns=\"syncml:metinf\">syncml:auth-md5</Type></Meta>\
             <Data>MTIzNDU2Nzg5MDEyMzQ1Ng==</Data></Cred><Meta>",
        )
        .replace("<Alert><CmdID>2</CmdID><Data>1201</Data></Alert>", "");
    let check = |what: &str, messages: &[&str], expected: &[&str]| {
        let names = ["d1", "s1", "d2", "s2", "d3", "s3", "d4", "s4"];
        let messages: Messages = names
            .into_iter()
            .zip(messages)
            .map(|(name, text)| (name.to_owned(), (*text).to_owned()))
            .collect();
        for as_wbxml in [false, true] {
            let notes = lint(&(messages.clone(), Heads::new()), Profile::Auto, as_wbxml);
            assert_eq!(ids(&notes), expected, "{what}: {notes:#?}");
        }
    };
    let (d1, s1, d2, s2) = (&base["d1"], &base["s1"], &base["d2"], &base["s2"]);
    let (again, last) = (&first_again(), &last_answer());
    let sync = [again, s1, d2, s2].map(|it| it.replace("DM/1.2", "SyncML/1.2"));
    check(
        "one of data synchronization follows",
        &[d1, s1, d2, s2, &sync[0], &sync[1], &sync[2], &sync[3]],
        &[],
    );
    check(
        "the session is over",
        &[d1, s1, d2, s2, again, s1, d2, s2],
        &[],
    );
    check("it had one exchange", &[d1, last, again, s1, d2, s2], &[]);
    check(
        "the device says the same once more",
        &[d1, last, d1, s1, d2, s2],
        &[],
    );
    check(
        "the device left the session at its first answer",
        &[d1, s1, again, s1, d2, s2],
        &["PKG-09"],
    );
    let of_alert = "<Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Cmd>Alert</Cmd><Data>200</Data></Status>";
    let answer = s1.replace(of_alert, "");
    check(
        "the message has credentials and no alert",
        &[d1, s1, d2, s2, &first_with_cred, &answer],
        &["PKG-01"],
    );
    // Its number and its nonce stay those of the one that was lost.
    let of_header = "<Cmd>SyncHdr</Cmd><Data>200";
    let chal = "<Cmd>SyncHdr</Cmd><Chal><Meta><Format xmlns=\"syncml:metinf\">b64</Format>\
        <Type xmlns=\"syncml:metinf\">syncml:auth-md5</Type>\
        <NextNonce xmlns=\"syncml:metinf\">MTIzNDU2Nzg5MDEyMzQ1Ng==</NextNonce></Meta></Chal><Data>200";
    let lost = &s1.replace(of_header, chal);
    let written_anew = &lost.replace("<Data>blue</Data>", "<Data>red</Data>");
    assert!(lost != s1 && written_anew != lost);
    check(
        "the answer was lost, and the server writes it anew",
        &[d1, lost, d1, written_anew, d2, s2],
        &[],
    );
}
