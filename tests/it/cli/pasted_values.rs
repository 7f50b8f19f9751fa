//! Values that report a failure, and mistakes that lint finds, in files that people paste.

use super::pasted::printed;

#[test]
fn a_value_that_reports_a_failure_is_found_without_a_session() {
    let check = |values: &[(&str, &str)], expected: Option<&str>| {
        let items = values.iter().map(|(node, value)| {
            format!(
                "<Item><Source><LocURI>./Device/Vendor/MSFT/{node}</LocURI></Source><Data>{value}</Data></Item>"
            )
        });
        let text = format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr/><SyncBody><Results><CmdID>3</CmdID><MsgRef>1</MsgRef>\
             <CmdRef>2</CmdRef>{}</Results><Final/></SyncBody></SyncML>",
            items.collect::<String>()
        );
        let (code, why, error) = printed("why", &text);
        assert_eq!(code, Some(i32::from(expected.is_some())), "{why}{error}");
        assert!(why.contains(expected.unwrap_or("nothing pending")), "{why}");
    };
    let scep = "ClientCertificateInstall/SCEP/a/Status";
    let error = "ClientCertificateInstall/SCEP/a/ErrorCode";
    check(
        &[(scep, "16")],
        Some("Status gave 16 the action failed, in Results for CmdID 2 of message 1"),
    );
    check(&[(error, "-2145844848")], Some("-2145844848 (0x80190190)"));
    // An error of an earlier attempt.
    check(&[(scep, "1"), (error, "-2145844848")], None);
    check(
        &[(error, "0"), ("Policy/Config/Camera/AllowCamera", "16")],
        None,
    );
    let package = "EnterpriseDesktopAppManagement/MSI/%7BA%7D/LastError";
    check(&[(package, "1603")], Some("read the installer's own log"));
}

#[test]
fn why_names_what_lint_finds_in_a_refused_command_of_a_file() {
    let header = |from: &str, to: &str, id: u8| {
        format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
             <SessionID>1</SessionID><MsgID>{id}</MsgID><Target><LocURI>{to}</LocURI></Target>\
             <Source><LocURI>{from}</LocURI></Source></SyncHdr><SyncBody>"
        )
    };
    let check = |command: &str, kind: &str, expected: &str| {
        let (server, device) = ("https://mdm.contoso.example/x", "urn:uuid:0001");
        let status = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>";
        let text = format!(
            "{}{status}{command}<Final/></SyncBody></SyncML>\n{}{status}<Status><CmdID>2</CmdID><MsgRef>1</MsgRef>\
             <CmdRef>5</CmdRef><Cmd>{kind}</Cmd><Data>500</Data></Status><Final/></SyncBody></SyncML>\n",
            header(server, device, 1),
            header(device, server, 2)
        );
        let (code, why, error) = printed("why", &text);
        assert_eq!(code, Some(1), "{why}{error}");
        assert!(why.contains(expected), "{expected}: {why}");
        assert!(!why.contains("set SyncApplicationVersion"), "{why}");
    };
    let write = |format: &str, data: &str| {
        format!(
            "<Replace><CmdID>5</CmdID><Item><Target><LocURI>./Device/Vendor/MSFT/Policy/Config/Camera/AllowCamera</LocURI>\
             </Target><Meta><Format xmlns=\"syncml:metinf\">{format}</Format></Meta>{data}</Item></Replace>"
        )
    };
    let value = "<Data>Disabled</Data>";
    check(
        &write("int", value),
        "Replace",
        "Its value may be why: the Format is int, and Data is not a number (ITM-03).",
    );
    check(&write("int", ""), "Replace", "which may be why: ");
}

#[test]
fn an_answer_of_enrollment_alone_is_not_pending() {
    let (code, why, error) = printed("why", crate::enrollment::data("discover-response.xml"));
    assert_eq!(code, Some(0), "{why}{error}");
    for expected in [
        "· Enrollment goes no further than Discover",
        "the answer stands in x1; the request is not in the record",
    ] {
        assert!(why.contains(expected), "{expected}: {why}");
    }
}

#[test]
fn a_device_that_stops_at_an_indented_answer_may_do_so_because_of_that() {
    let message = |session: u8, (from, to): (&str, &str), between: &str, body: &str| {
        format!(
            "<SyncML xmlns=\"SYNCML:SYNCML1.2\">{between}<SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
             <SessionID>{session}</SessionID><MsgID>1</MsgID><Target><LocURI>{to}</LocURI></Target>\
             <Source><LocURI>{from}</LocURI></Source></SyncHdr>{between}<SyncBody>{body}<Final/></SyncBody></SyncML>\n\n"
        )
    };
    let (server, device) = ("https://mdm.contoso.example/x", "urn:uuid:0001");
    let begins = |session| {
        let alert = "<Alert><CmdID>2</CmdID><Data>1201</Data></Alert>";
        message(session, (device, server), "", alert)
    };
    let check = |between: &str| {
        let get = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>\
                   <Get><CmdID>5</CmdID><Item><Target><LocURI>./DevDetail/SwV</LocURI></Target></Item></Get>";
        let answer = message(1, (server, device), between, get);
        let (_, why, error) = printed("why", begins(1) + &answer + &begins(2));
        assert!(why.contains("the device began another one"), "{why}{error}");
        assert_eq!(
            why.contains("Windows 8.1 stops"),
            !between.is_empty(),
            "{why}"
        );
    };
    check("\n  ");
    check("");
}
