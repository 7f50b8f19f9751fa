//! The cause that is reported for a failed command, and the next step.

use dmtap::record::analysis::AnalysedSession;
use dmtap::record::model::SessionFinding;

use super::causes::findings;
use super::{analysed, blocks, script};

const POLICY: &str = "./Device/Vendor/MSFT/Policy/Config";

/// The only pending finding about a command with CmdID 1 that got this Status, with its lines.
fn failed(command: &str, status: &str) -> (SessionFinding, String) {
    let kind = command.trim_start_matches('<');
    let kind = kind.split(['>', ' ']).next().unwrap();
    let command = match command.starts_with('<') {
        true => format!("  {command}\n"),
        false => format!("  1 {command}\n"),
    };
    let status = format!("  1 Status 1/1 {kind} {status}\n");
    let found = findings(&command, &status);
    let [finding] = &found[..] else {
        panic!("{command}: {found:#?}");
    };
    let text = format!("{}\n{}", finding.why.join("\n"), finding.next);
    (finding.clone(), text)
}

/// A Replace with CmdID 1, as it stands in a message.
fn replace(node: &str, format: &str, data: &str) -> String {
    format!(
        "<Replace><CmdID>1</CmdID><Item><Target><LocURI>{node}</LocURI></Target><Meta><Format xmlns=\"syncml:metinf\">\
         {format}</Format></Meta><Data>{data}</Data></Item></Replace>"
    )
}

#[track_caller]
fn check(command: &str, status: &str, has: &[&str], lacks: &[&str]) {
    let (_, text) = failed(command, status);
    for words in has {
        assert!(text.contains(words), "{command}: no {words:?} in\n{text}");
    }
    for words in lacks {
        assert!(!text.contains(words), "{command}: {words:?} in\n{text}");
    }
}

#[test]
fn windows_may_add_a_node_on_replace_so_that_its_404_has_several_causes() {
    let is_certain = "Replace creates no node";
    for node in [
        "./Device/Vendor/MSFT/Policy/ConfigOperations/ADMXInstall/App/Policy/File",
        "./Device/Vendor/MSFT/WiFi/Profile/Office/WlanXml",
        "./User/Vendor/MSFT/VPNv2/Office/ProfileXML",
    ] {
        let command = format!("Replace {node} = 1");
        let both = ["Add the node", "spelling", "editions"];
        check(&command, "404", &both, &[is_certain]);
    }
    // Elsewhere the standard holds.
    check(
        "Replace ./A/B = 1",
        "404",
        &[is_certain, "send Add"],
        &["editions"],
    );
}

#[test]
fn a_write_that_found_no_file_is_about_the_name_of_the_policy() {
    let node = format!("{POLICY}/Search/PreventIndexingEncryptedStoresOrItems");
    let (no_policy, never) = ("no policy of this name", "never configured");
    for command in [format!("Replace {node} = 1"), format!("Add {node} = 1")] {
        for status in ["500 0x80070002", "404 0x80070002"] {
            check(&command, status, &[no_policy, "typo", "build"], &[never]);
        }
    }
    let got = "404 0x80070002";
    check(&format!("Get {node}"), got, &["Nobody set"], &[no_policy]);
    let wifi = "Replace ./Vendor/MSFT/WiFi/Profile/A/WlanXml = 1";
    check(wifi, "500 0x80070002", &[], &[no_policy, never]);
}

#[test]
fn a_mistake_in_the_loc_uri_is_the_cause() {
    for (node, mistake) in [
        (
            format!("{POLICY}/ApplicationManagement/ RequirePrivateStoreOnly"),
            "a blank at the beginning or the end of a segment",
        ),
        (format!("{POLICY}//Camera/AllowCamera"), "an empty segment"),
        (format!("{POLICY}/Camera/AllowCamera/"), "ends with /"),
        ("/Vendor/MSFT/Reboot".to_owned(), "begins with /"),
    ] {
        let command = replace(&node, "int", "1");
        for status in ["404 0x80070002", "500"] {
            let has = [mistake, "URI-0", "LocURI"];
            check(&command, status, &has, &["spelling", "typo"]);
        }
    }
    // Windows takes line breaks around, and blanks in a name.
    for node in [
        format!("&#10;  {POLICY}/Camera/AllowCamera&#10;"),
        "./Vendor/MSFT/WiFi/Profile/My Wifi/WlanXml".to_owned(),
    ] {
        check(&replace(&node, "int", "1"), "404", &[], &["URI-0"]);
    }
}

#[test]
fn a_mistake_that_the_command_shows_is_the_cause() {
    // A policy of an ADMX file takes text.
    for status in ["500 0x8007000d", "404 0x80070002", "405", "400"] {
        check(
            &replace(
                &format!("{POLICY}/ADMX_WindowsExplorer/NoDrives"),
                "int",
                "3",
            ),
            status,
            &["ADMX", "int", "<enabled/>"],
            &["typo"],
        );
    }
    check(
        &replace(
            &format!("{POLICY}/ADMX_WindowsExplorer/NoDrives"),
            "chr",
            "&lt;enabled/&gt;",
        ),
        "404",
        &[],
        &["ADMX"],
    );
    // A CSP of the device, or of the user.
    for command in [
        "Replace ./User/Vendor/MSFT/LAPS/Policies/BackupDirectory = 1",
        "Get ./User/Vendor/MSFT/BitLocker/Status",
    ] {
        for status in ["404", "405"] {
            let has = ["is below ./Device only", "./Device/Vendor/MSFT/"];
            check(
                command,
                status,
                &has,
                &["spelling", "send Add", "access types"],
            );
        }
    }
    check(
        "Replace ./Device/Vendor/MSFT/PDE/EnablePersonalDataEncryption = 1",
        "404",
        &["is below ./User only", "./User/Vendor/MSFT/PDE"],
        &["spelling", "send Add"],
    );
    check(
        "Replace ./User/Vendor/MSFT/VPNv2/A/ProfileXML = 1",
        "404",
        &[],
        &["is below"],
    );
}

#[test]
fn a_policy_that_does_not_take_a_command_may_want_another_format() {
    let node = format!("{POLICY}/Update/TargetReleaseVersion");
    check(
        &replace(&node, "int", "1"),
        "405",
        &["sent with format int", "format", "access types"],
        &[],
    );
    check(
        &format!("Exec {node}"),
        "405",
        &["access types"],
        &["format"],
    );
}

/// The sessions of a device that answers these commands of the server in the next message.
fn sessions(rounds: &[(&str, &str)]) -> Vec<AnalysedSession> {
    let mut script = "session 1 09:12:00\n> 1\n  2 Alert 1201\n".to_owned();
    for (at, (server, device)) in rounds.iter().enumerate() {
        let (this, next) = (at + 1, at + 2);
        let own = if at == 0 {
            "  9 Status 1/2 Alert 200\n"
        } else {
            ""
        };
        script += &format!(
            "< {this}\n{own}{server}> {next}\n{}",
            device.replace('#', &this.to_string())
        );
    }
    script += "< -\n";
    analysed(&script::records(&script))
}

#[test]
fn a_node_that_is_asked_for_and_then_added_was_no_failure() {
    const NODE: &str = "./Vendor/MSFT/NodeCache/MS%20DM%20Server";
    let get = format!("  1 Get {NODE}\n  2 Get {NODE}/CacheVersion\n  3 Get {NODE}/ChangedNodes\n");
    let lacks = "  1 Status #/1 Get 404\n  2 Status #/2 Get 404\n  3 Status #/3 Get 404\n";
    let add = format!("  1 Add {NODE}\n  2 Add {NODE}/CacheVersion = 1\n");
    let answered = |first: u16, second: u16| {
        format!("  1 Status #/1 Add {first}\n  2 Status #/2 Add {second}\n")
    };
    let found = |added: (u16, u16)| {
        let answers = answered(added.0, added.1);
        let sessions = sessions(&[(&get, lacks), (&add, &answers)]);
        let pending = sessions[0].summary.findings.iter().filter(|it| it.pending);
        (
            pending.count(),
            sessions[0].summary.commands.failed,
            blocks(&sessions),
        )
    };
    let (pending, failed, text) = found((200, 200));
    assert_eq!((pending, failed), (0, 0), "{text}");
    assert!(
        text.contains("asked") && text.contains("then added"),
        "{text}"
    );
    let (pending, ..) = found((500, 404));
    assert!(pending > 0);
    // A node that is misspelt stays one, though what is around it comes later.
    let misspelt = format!("  1 Get {NODE}/ChangdNodes\n");
    let sessions_of = [
        (&*misspelt, "  1 Status #/1 Get 404\n"),
        (&*add, &*answered(200, 200)),
    ];
    let found = sessions(&sessions_of);
    assert!(found[0].summary.findings.iter().any(|it| it.pending));
    // What comes before makes up for nothing; nor does a second Add for a node that was lost.
    let lost = [
        (&*add, &*answered(200, 200)),
        (&*get, lacks),
        (&*add, &*answered(200, 200)),
    ];
    let found = sessions(&lost);
    assert!(found[0].summary.findings.iter().any(|it| it.pending));
    let answers = answered(200, 200);
    let sessions = sessions(&[(&add, &answers), (&get, lacks)]);
    assert!(sessions[0].summary.findings.iter().any(|it| it.pending));
}

#[test]
fn a_write_that_failed_and_came_in_another_way_is_no_failure() {
    const NODE: &str = "./Vendor/MSFT/NetworkProxy/ProxyServer/Exceptions";
    let pending = |first: &str, code: &str, second: &str, then: &str| {
        let kind = |command: &str| command.split(' ').next().unwrap().to_owned();
        let sessions = sessions(&[
            (
                &format!("  1 {first}\n"),
                &format!("  1 Status #/1 {} {code}\n", kind(first)),
            ),
            (
                &format!("  1 {second}\n"),
                &format!("  1 Status #/1 {} {then}\n", kind(second)),
            ),
        ]);
        let summary = &sessions[0].summary;
        let pending = summary.findings.iter().filter(|it| it.pending).count();
        assert_eq!(
            pending,
            summary.commands.failed as usize,
            "{}",
            blocks(&sessions)
        );
        pending
    };
    let add = |value: &str| format!("Add {NODE} = {value}");
    let replace = |value: &str| format!("Replace {NODE} = {value}");
    assert_eq!(pending(&add("a"), "418", &replace("a"), "200"), 0);
    assert_eq!(pending(&replace("a"), "404", &add("a"), "200"), 0);
    assert_eq!(
        pending(&format!("Delete {NODE}"), "404", &add("a"), "200"),
        0
    );
    // Another value, another node, or it failed again.
    assert_eq!(pending(&add("a"), "418", &replace("b"), "200"), 1);
    assert_eq!(
        pending(&add("a"), "418", "Replace ./Vendor/MSFT/WiFi/B = a", "200"),
        1
    );
    assert_eq!(pending(&add("a"), "418", &replace("a"), "500"), 2);
    // What Results do not show is not known from a later write.
    assert_eq!(pending(&format!("Get {NODE}"), "500", &add("a"), "200"), 1);
}

#[test]
fn the_failure_of_a_command_that_is_not_in_the_record_has_windows_own_error() {
    let script = "session 1 09:12:00\n> 2\n  1 Status 1/0 SyncHdr 200\n  \
                  2 Status 1/7a Add 500 0x80070005 ./Vendor/MSFT/WiFi/Profile/A\n";
    let text = blocks(&analysed(&script::records(script)));
    for words in [
        "500 Command failed for Add ./Vendor/MSFT/WiFi/Profile/A (message 1, CmdID 7a)",
        "0x80070005 E_ACCESSDENIED",
        "a log from the device's first message to the last",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("start dmtap"), "{text}");
}

#[test]
fn what_failed_is_not_said_to_go_on() {
    const SCEP: &str = "./Device/Vendor/MSFT/ClientCertificateInstall/SCEP/A";
    let sessions = sessions(&[
        (
            &format!("  1 Exec {SCEP}/Install/Enroll\n"),
            "  1 Status #/1 Exec 202\n",
        ),
        (
            &format!("  1 Get {SCEP}/ErrorCode\n"),
            &format!("  1 Status #/1 Get 200\n  2 Results #/1 {SCEP}/ErrorCode = -2146885619\n"),
        ),
    ]);
    let ids: Vec<_> = sessions[0]
        .summary
        .findings
        .iter()
        .map(|it| &*it.id)
        .collect();
    assert_eq!(ids, ["WHY-01"], "{}", blocks(&sessions));
}

#[test]
fn who_unenrolled_the_device_is_named_and_nothing_is_pending() {
    let findings = |sessions: &[AnalysedSession]| {
        let findings = sessions.iter().flat_map(|it| it.summary.findings.clone());
        findings
            .map(|it| (it.id.to_string(), it.pending))
            .collect::<Vec<_>>()
    };
    let note = [("WHY-03".to_owned(), false)];
    for code in ["200", "202"] {
        let status = format!("  1 Status #/1 Exec {code}\n");
        let exec = "  1 Exec ./Vendor/MSFT/DMClient/Provider/A/Unenroll = A\n";
        let by_server = sessions(&[(exec, &status)]);
        let text = blocks(&by_server);
        assert_eq!(findings(&by_server), note, "{text}");
        assert!(text.contains("The server unenrolled the device"), "{text}");
        assert!(!text.contains("later session"), "{text}");
    }
    let refused = sessions(&[(
        "  1 Exec ./Vendor/MSFT/DMClient/Unenroll = A\n",
        "  1 Status #/1 Exec 500\n",
    )]);
    assert_eq!(findings(&refused), [("WHY-01".to_owned(), true)]);
    // That of declared configuration beside it.
    let linked = sessions(&[(
        "  1 Exec ./Vendor/MSFT/DMClient/Provider/A/LinkedEnrollment/Unenroll\n",
        "  1 Status #/1 Exec 202\n",
    )]);
    assert_eq!(findings(&linked), [("WHY-09".to_owned(), true)]);
    let by_user = analysed(&script::records(
        "session 1 09:12:00\n> 1\n  2 Alert 1201\n  3 Alert 1226 com.microsoft:mdm.unenrollment.userrequest 1\n< 1\n  1 Status 1/2 Alert 200\n  2 Status 1/3 Alert 200\n",
    ));
    let text = blocks(&by_user);
    assert_eq!(findings(&by_user), note, "{text}");
    assert!(text.contains("The user unenrolled the device"), "{text}");
}

#[test]
fn nothing_is_concluded_from_data_synchronization() {
    let of = |proto: &str| {
        let mut records = script::records(
            "session 1 09:12:00\n> 1\n  2 Alert 200\n< 1\n  1 Status 1/2 Alert 508\n  2 Alert 201\n> 2\n  \
             1 Status 1/2 Alert 200\n< 2\n  1 Status 2/0 SyncHdr 200\n",
        );
        let messages = records.iter_mut().filter_map(|it| it.message.as_mut());
        messages.for_each(|it| it.proto = Some(proto.into()));
        analysed(&records)
    };
    let sync = of("SyncML/1.1");
    let text = blocks(&sync);
    let ids: Vec<_> = sync[0]
        .summary
        .findings
        .iter()
        .map(|it| (&*it.id, it.pending))
        .collect();
    assert_eq!(ids, [("WHY-15", false)], "{text}");
    assert!(text.contains("data synchronization"), "{text}");
    assert!(
        of("DM/1.2")[0]
            .summary
            .findings
            .iter()
            .any(|it| it.code == Some(508))
    );
}

#[test]
fn a_document_that_is_not_what_its_loc_uri_says_is_the_cause() {
    const PLACE: &str = "Vendor/MSFT/DeclaredConfiguration/Host/Complete/Documents";
    let document = |context: &str, id: &str| {
        format!(
            "&lt;DeclaredConfiguration context=\"{context}\" schema=\"1.0\" id=\"{id}\" checksum=\"A0\" \
             osdefinedscenario=\"MSFTVPN\"&gt;&lt;/DeclaredConfiguration&gt;"
        )
    };
    const ID: &str = "DCA000B5-397D-40A1-AABF-40B25078A7F9";
    let node = |scope: &str| format!("./{scope}/{PLACE}/{ID}/Document");
    for (scope, context) in [("Device", "user"), ("User", "Device")] {
        let command = replace(&node(scope), "chr", &document(context, ID));
        let has = [&*format!("context=\"{context}\""), "correct its context"];
        check(&command, "500 0x80070002", &has, &["event log"]);
    }
    let other = format!("{ID}1");
    let command = replace(&node("Device"), "chr", &document("Device", &other));
    let has = [
        &*format!("id=\"{other}\""),
        "the id that stands in its LocURI",
    ];
    check(&command, "500 0x8000FFFF", &has, &["event log"]);
    let command = replace(
        &node("Device"),
        "chr",
        &document("device", &ID.to_lowercase()),
    );
    check(
        &command,
        "500 0x8000FFFF",
        &["event log"],
        &["names the document"],
    );
}

#[test]
fn an_installation_that_nobody_asked_about_is_named() {
    const JOB: &str = "./Device/Vendor/MSFT/EnterpriseDesktopAppManagement/MSI/%7BA%7D";
    let exec = format!("  1 Exec {JOB}/DownloadInstall\n");
    let notes = |more: &[(&str, &str)]| {
        let mut rounds = vec![(&*exec, "  1 Status #/1 Exec 200\n")];
        rounds.extend(more);
        let sessions = sessions(&rounds);
        let findings = sessions[0].summary.findings.iter();
        findings
            .map(|it| (it.id.to_string(), it.pending))
            .collect::<Vec<_>>()
    };
    assert_eq!(notes(&[]), [("WHY-09".to_owned(), false)]);
    let get = format!("  1 Get {JOB}/Status\n");
    let done = format!("  1 Status #/1 Get 200\n  2 Results #/1 {JOB}/Status = 70\n");
    assert_eq!(notes(&[(&get, &done)]), []);
}

#[test]
fn an_interior_node_that_is_there_already_has_no_value_to_change() {
    let node = "./Device/Vendor/MSFT/VPNv2/Contoso";
    let add = |format: &str, data: &str| replace(node, format, data).replace("Replace>", "Add>");
    check(
        &add("node", ""),
        "418",
        &["nothing, if"],
        &["send Replace", "value:"],
    );
    check(&add("chr", "1"), "418", &["send Replace"], &["nothing, if"]);
}

#[test]
fn what_is_not_supported_is_told_with_the_editions_of_its_csp() {
    let command = "Replace ./Vendor/MSFT/Personalization/LockScreenImageUrl = x";
    let has = ["Editions: Enterprise, Education", "check which editions"];
    check(command, "500 0x80070032", &has, &["event log"]);
    check(command, "500 0x80070005", &["event log"], &["Editions"]);
}

#[test]
fn a_cause_that_is_known_has_its_own_advice() {
    let cases = "\
Replace ./Device/Vendor/MSFT/Policy/Config/LocalUsersAndGroups/Configure = x|500 0x80070534|mistyped or missing account
Add ./Vendor/MSFT/ClientCertificateInstall/PFXCertInstall/C/PFXCertPassword = x|500 0x80070056|correct the password
Replace ./Vendor/MSFT/DMClient/Provider/MDM/FirstSyncStatus/IsSyncDone = true|500 0x86000011|access types
Exec ./Vendor/MSFT/EnterpriseModernAppManagement/AppInstallation/A_b/HostedInstall|404|Add the node above it first
Exec ./Vendor/MSFT/RemoteLock/Lock|404|no desktop edition";
    for case in cases.lines() {
        let [command, status, has] = case.split('|').collect::<Vec<_>>()[..] else {
            panic!("{case}");
        };
        check(
            command,
            status,
            &[has],
            &["event log", "editions and versions"],
        );
    }
    let reboot = "Exec ./Device/Vendor/MSFT/Reboot/RebootNow";
    check(reboot, "404", &["spelling"], &["Add the node"]);
}
