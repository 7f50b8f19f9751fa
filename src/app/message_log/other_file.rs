//! Files without a message: the kind of each, and the remedy.

use bytes::Bytes;
use memchr::memmem;

use super::MOST_BYTES;
use super::event_lines;
use super::find::in_plain_utf8;
use super::packed_file::unzipped;
use super::wireshark;

/// Returns the kind and the remedy of a file that dmtap does not read, by its first bytes.
pub(in crate::app) fn of_other_program(file: &[u8]) -> Option<&'static str> {
    // The root element of a message in WBXML with an unknown document type.
    let is_syncml = file
        .get(ACTIVE_SYNC.len())
        .is_some_and(|it| it & 0x3f == SYNCML);
    let mut known = KNOWN.iter();
    let known = known
        .find(|(begins, _)| file.starts_with(begins) && !(is_syncml && *begins == ACTIVE_SYNC));
    let known = known.map(|(_, what)| *what);
    known.or_else(|| wireshark::is_without_bytes(file).then_some(PRINT))
}

/// Returns the reason why a file that is not a record shows nothing.
pub(in crate::app) fn nothing_found(file: &Bytes) -> String {
    if let Some(what) = of_other_program(file) {
        return what.to_owned();
    }
    if let Some((files, _)) = unzipped(file, MOST_BYTES) {
        let mut files = files.iter();
        let known = files.find_map(|(name, file)| Some((name, of_other_program(file)?)));
        let inside = known.map_or(String::new(), |(name, what)| format!("; {name}: {what}"));
        return format!("this is a ZIP without a message of SyncML or enrollment in it{inside}");
    }
    let text = in_plain_utf8(file);
    let has = |name: &str| memmem::find(&text, name.as_bytes()).is_some();
    if has("MDMEnterpriseDiagnosticsReport") || has("MDM Diagnostic Report") {
        return REPORT.to_owned();
    }
    if has(" bytes captured (") {
        return PRINT.to_owned();
    }
    let why = match has("<LocURI>") || has("<CmdID>") {
        true if memmem::find_iter(&text, b"<?xml").any(|at| is_in_data(&text[..at])) => {
            "an XML document stands unescaped within the commands: put it in CDATA, or write &lt; for each < of it"
        }
        true => {
            "its commands of SyncML stand in no message: `dmtap lint` judges a file that has nothing but commands"
        }
        false => NO_MESSAGE,
    };
    let hint = event_lines::first_code(&text).map_or(String::new(), |code| {
        format!("; `dmtap explain {code}` says what its code means")
    });
    format!("this is not a record, and {why}{hint}")
}

/// Whether a text ends at the beginning of a value.
fn is_in_data(text: &[u8]) -> bool {
    text.trim_ascii_end().ends_with(b"<Data>")
}

const NO_MESSAGE: &str = "no message of SyncML or enrollment stands in it: dmtap reads the JSON lines that `-w FILE.jsonl` \
                          writes, and files with messages in them";
/// The beginnings of files of other programs, each with the remedy.
const KNOWN: [(&[u8], &str); 6] = [
    (
        &[0x0a, 0x0d, 0x0d, 0x0a],
        "this is a pcapng: if dmtap wrote it, the record in JSON lines (.jsonl) beside it has its sessions; of any other one \
         `tshark -r FILE -T json -x > FILE.json` prints what dmtap reads",
    ),
    (b"\xd4\xc3\xb2\xa1", CAPTURE),
    (b"\xa1\xb2\xc3\xd4", CAPTURE),
    (
        b"ElfFile\0",
        "this is a Windows event log in its own format (.evtx): `wevtutil qe FILE.evtx /lf:true /f:RenderedXml > FILE.xml` on \
         Windows writes it as text, which dmtap reads",
    ),
    (
        b"MSCF",
        "this is a cabinet (.cab): unpack it first, with `expand FILE.cab -F:* FOLDER` on Windows or cabextract elsewhere",
    ),
    (
        ACTIVE_SYNC,
        "this is WBXML of ActiveSync (mail, contacts, calendar), which has nothing to do with OMA DM",
    ),
];
const CAPTURE: &str = "this is a capture of packets (pcap): `tshark -r FILE -T json -x > FILE.json` prints what dmtap reads; for HTTPS add \
                       `-o tls.keylog_file:KEYS`";
const PRINT: &str = "this print of Wireshark, tshark or tcpdump does not have the bytes of the messages: \
                     `tshark -r FILE -T json -x > FILE.json` prints what dmtap reads, and so does Follow, TCP or TLS Stream, with \
                     \"Show data as: Raw\"";
const REPORT: &str = "this is a report of MdmDiagnosticsTool, which has settings in force and no messages: what failed stands in the \
                      event log (DeviceManagement-Enterprise-Diagnostics-Provider/Admin), and SyncMLViewer or dmtap proxy record \
                      messages";
/// WBXML 1.3, an unknown document type, UTF-8, and no string table ([MS-ASWBXML] 2.1.2.1).
const ACTIVE_SYNC: &[u8] = &[0x03, 0x01, 0x6a, 0x00];
/// The token of `SyncML` without its flags (OMA-SyncML-RepPro 8).
const SYNCML: u8 = 0x2d;
