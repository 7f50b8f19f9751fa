//! Files that hold no session or that break: dmtap's reports and its advice.

use std::fs;

use tempfile::TempDir;

use super::log::shown;
use super::peers::dmtap;
use super::traffic_files::session;
use super::{run, stdout};

/// What `dmtap` prints about a file on standard output and on standard error, and its exit code.
fn printed(verb: &str, file: impl AsRef<[u8]>) -> (Option<i32>, String) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("report.bin"), file).unwrap();
    let output = run(dmtap().current_dir(&folder).args([verb, "report.bin"]));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), stdout(&output) + &error)
}

/// A notification of `contoso` whose digest begins with this octet.
fn notification(first: u8) -> Vec<u8> {
    let digest = [&[first][..], &[0x68; 15]].concat();
    [&digest[..], b"\x02\xd8\x00\x00\x00\x1a\x2b\x07contoso"].concat()
}

#[test]
fn a_notification_is_from_the_server_and_no_broken_message() {
    // A digest may begin as WBXML does.
    for first in [0x65, 1, 2, 3, b'<'] {
        let file = notification(first);
        let (code, text) = printed("show", &file);
        assert_eq!(code, Some(0), "{text}");
        for expected in ["server → device", "LOG-02", "contoso", "session 1A2B"] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        for verb in ["why", "lint"] {
            let (code, text) = printed(verb, &file);
            assert_eq!(code, Some(0), "{verb}: {text}");
            assert!(!text.contains("XML-01"), "{verb}: {text}");
        }
    }
}

#[test]
fn numbers_of_a_log_hide_no_message() {
    let [one, two, ..] = session();
    let buckets = format!("10:00 buckets {:?}\n", [0; 20]);
    let arrays = [&one, &two].map(|text| format!("10:01 [info] body={:?}\n", text.as_bytes()));
    for log in [
        format!("{buckets}{one}\n{two}\n"),
        format!("{buckets}{}", arrays.concat()),
    ] {
        let events = shown(log, &[]);
        let from: Vec<_> = events
            .iter()
            .map(|it| it.from.as_deref().unwrap())
            .collect();
        assert_eq!(from, ["device", "server"]);
    }
}

#[test]
fn two_messages_of_a_server_in_a_row_are_two_responses() {
    let [_, two, _, four] = session();
    let events = shown(format!("{two}\nand\n{four}\n"), &[]);
    let exchanges: Vec<_> = events.iter().map(|it| it.exchange.unwrap()).collect();
    assert_eq!(exchanges, [1, 2]);
}

#[test]
fn text_in_windows_1252_is_read_where_it_says_so() {
    let [one, ..] = session();
    let declared = |encoding: &str| format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>{one}");
    let with = |encoding: &str, octets: &[u8]| {
        let text = declared(encoding);
        let (front, behind) = text.split_once("<Data>en</Data>").unwrap();
        [
            front.as_bytes(),
            b"<Data>",
            octets,
            b"</Data>",
            behind.as_bytes(),
        ]
        .concat()
    };
    for file in [
        with("windows-1252", b"f\xfcr 5 \x80"),
        with("ISO-8859-1", b"f\xfcr"),
        with("windows-1252", b"en"),
    ] {
        for verb in ["why", "lint"] {
            let (_, text) = printed(verb, &file);
            for unexpected in ["UTF-8", "charset", "XML-01"] {
                assert!(!text.contains(unexpected), "{verb}: {text}");
            }
        }
    }
    let (_, text) = printed("show", with("windows-1252", b"f\xfcr 5 \x80"));
    assert!(text.contains("für 5 €"), "{text}");
    // Whoever declares nothing sends UTF-8.
    let (code, text) = printed("lint", with("UTF-8", b"f\xfcr"));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("not valid UTF-8"), "{text}");
}

#[test]
fn lint_points_into_the_file_also_where_its_text_was_decoded() {
    let [_, two, ..] = session();
    // What is broken stands behind the octets, on the line that they are on.
    let broken = two.replace("<Replace>", "<!--OCTETS--><Replace><1>");
    let place = |front: &[u8], octets: &[u8]| {
        let (before, behind) = broken.split_once("OCTETS").unwrap();
        let file = [front, before.as_bytes(), octets, behind.as_bytes()].concat();
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("report.xml"), file).unwrap();
        let words = ["lint", "--output", "json", "report.xml"];
        let output = run(dmtap().current_dir(&folder).args(words));
        let text = stdout(&output) + &String::from_utf8_lossy(&output.stderr);
        let mut lines = text.lines();
        let line = lines.find(|line| line.contains("XML-01")).expect(&text);
        let note: serde_json::Value = serde_json::from_str(line).unwrap();
        ["at", "line", "column"].map(|field| note[field].as_u64().unwrap())
    };
    let [utf8, latin] = ["UTF-8", "iso-8859-1"]
        .map(|name| format!("<?xml version=\"1.0\" encoding=\"{name}\"?>").into_bytes());
    let [at, line, column] = place(&utf8, b"abc");
    let longer = latin.len() as u64 - utf8.len() as u64;
    for octets in [b"abc", b"f\xfcr", b"\x80\xe9\xfc"] {
        let expected = [at + longer, line, column + longer];
        assert_eq!(place(&latin, octets), expected, "{octets:?}");
    }
    let marked = [b"\xef\xbb\xbf", &utf8[..]].concat();
    assert_eq!(place(&marked, b"abc"), [at + 3, line, column]);
}

/// As `why` and `show` end with such a file.
#[test]
fn lint_says_what_a_file_is_that_holds_no_message_of_syncml() {
    let other = "no message of SyncML or enrollment stands in it";
    let soap = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
        <GetStatus xmlns=\"urn:printer\"/></s:Body></s:Envelope>";
    let fragment = "<Get><CmdID>1</CmdID><Item><Target><LocURI>./X</LocURI></Target></Item></Get>";
    for (file, what, why) in [
        ("<note><to>x</to></note>", "XML with the root note", other),
        ("<html/>", "XML with the root html", other),
        ("<!doctype html><p>a & b", "HTML", other),
        (soap, "XML with the root Envelope", other),
    ] {
        for verb in ["lint", "why", "show"] {
            let (code, text) = printed(verb, file);
            assert_eq!(code, Some(2), "{verb} {file}: {text}");
            assert!(text.contains(why), "{verb} {file}: {text}");
            assert!(text.contains(what) || verb != "lint", "{file}: {text}");
        }
    }
    for verb in ["why", "show"] {
        let (code, text) = printed(verb, fragment);
        assert_eq!(code, Some(2), "{verb}: {text}");
        let why = "`dmtap lint` judges a file";
        assert!(text.contains(why), "{verb}: {text}");
    }
    let discover = include_str!("../../data/enrollment/discover.xml");
    let account =
        "<wap-provisioningdoc version=\"1.1\"><characteristic type=\"X\"/></wap-provisioningdoc>";
    for (file, what) in [
        (
            discover.as_bytes(),
            "report.bin is SOAP of enrollment, not judged",
        ),
        (
            account.as_bytes(),
            "report.bin is a provisioning document, not judged",
        ),
        (
            &notification(0x65),
            "report.bin is a notification (package 0), not judged",
        ),
    ] {
        let (code, text) = printed("lint", file);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains(what), "{text}");
        assert!(text.contains("1 no message of SyncML"), "{text}");
    }
}

#[test]
fn a_fragment_of_a_page_that_names_syncml_is_no_broken_message() {
    let page = "<li><span>[11:43] 'SyncML_Outgoing'</span><ul>\n<li>SyncML message 3\n";
    let (_, lint) = printed("lint", page);
    assert!(!lint.contains("XML-01"), "{lint}");
}

#[test]
fn codes_in_a_text_without_messages_point_to_explain() {
    for (text, expected) in [
        (
            "./Device/Vendor/MSFT/Policy/Config/A: status 216, ./B: status 500\n",
            "dmtap explain 216",
        ),
        (
            "Event 404: MDM ConfigurationManager: Command failure status. Result: (0x82B00001)\n",
            "dmtap explain 0x82B00001",
        ),
        (
            "Unknown Win32 Error code: 0x80192ee7).\n",
            "dmtap explain 0x80192EE7",
        ),
    ] {
        for verb in ["show", "why", "lint"] {
            let (code, text) = printed(verb, text);
            assert_ne!(code, Some(0), "{text}");
            assert!(text.contains(expected), "{verb}: {text}");
        }
    }
    let (_, text) = printed("why", "10:00 status 1234, nothing else\n");
    assert!(!text.contains("explain"), "{text}");
}

#[test]
fn what_breaks_a_message_is_named_with_its_remedy() {
    let [_, two, ..] = session();
    let inner = "<?xml version=\"1.0\"?><WLANProfile><name>N</name></WLANProfile>";
    let unescaped = two.replace("<Data>1</Data>", &format!("<Data>\n{inner}</Data>"));
    for verb in ["why", "lint"] {
        let (code, text) = printed(verb, &unescaped);
        assert_eq!(code, Some(1), "{text}");
        assert!(
            text.contains("must be escaped, or stand in CDATA"),
            "{verb}: {text}"
        );
        assert!(!text.contains("--max-body"), "{verb}: {text}");
    }
    let start = unescaped.find("<Replace>").unwrap();
    let end = unescaped.find("<Final/>").unwrap();
    let (_, text) = printed("why", &unescaped[start..end]);
    assert!(text.contains("unescaped within the commands"), "{text}");
    for dash in ["\u{2014}", "\u{2013}"] {
        let commented = two.replace("<Replace>", &format!("<!{dash} set it --><Replace>"));
        let (_, text) = printed("lint", &commented);
        assert!(
            text.contains("a typographic dash stands where -- must"),
            "{text}"
        );
    }
    let stray = two.replace("MSFT/Node", "MSFT/ Node");
    let (_, text) = printed("lint", &stray);
    assert!(
        text.contains("take it out") && !text.contains("percent-encoded"),
        "{text}"
    );
    let inside = two.replace("MSFT/Node", "MSFT/A Node");
    let (_, text) = printed("lint", &inside);
    assert!(text.contains("percent-encoded"), "{text}");
}

#[test]
fn every_reader_of_files_ends_alike_with_files_that_have_no_message_and_with_broken_ones() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file.bin");
    let rules = folder.path().join("rules.toml");
    fs::write(
        &rules,
        "[[rule]]\nname = 'r'\nstage = 'request'\nstep.delay = '1ms'\n",
    )
    .unwrap();
    let rules = rules.to_str().unwrap();
    let [whole, ..] = session();
    let half = &whole[..whole.len() / 2];
    // What each verb ends with: 1, what was asked for failed; 2, this file is not for it.
    let table: [(&str, &[u8], [i32; 5]); 5] = [
        ("text", b"hello world\n", [2, 2, 2, 2, 2]),
        ("picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", [2, 2, 2, 2, 2]),
        ("empty file", b"", [2, 2, 2, 2, 2]),
        ("broken message", half.as_bytes(), [1, 0, 1, 1, 1]),
        ("message", whole.as_bytes(), [0, 0, 0, 0, 0]),
    ];
    for (name, content, expected) in table {
        fs::write(&file, content).unwrap();
        let verbs: [&[&str]; 5] = [
            &["decode"],
            &["show"],
            &["why"],
            &["lint"],
            &["rules", "try", rules],
        ];
        let code = |verb: &&[&str]| {
            let output = run(dmtap().args(*verb).arg(&file));
            output.status.code().unwrap()
        };
        assert_eq!(verbs.each_ref().map(code), expected, "{name}");
    }
}

#[test]
fn numbers_in_brackets_in_a_log_hide_no_message_and_are_none() {
    let [one, two, ..] = session();
    let log = format!("systemd[1]: Started mdm. args=[7,8] {{1}}\n{one}\n{two}\n");
    assert_eq!(shown(log, &[]).len(), 2);
    let (code, text) = printed("why", "x[0] = y[1];\n");
    assert_eq!(code, Some(2), "{text}");
}
