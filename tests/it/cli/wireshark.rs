//! What Wireshark and tshark print of a session: `why` and `lint` read it, or name the print that has the bytes.

use std::fmt::Write as _;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dmtap::markup::wbxml::{WbxmlOptions, encode};
use dmtap::markup::{Hint, Limits, decode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::peers::dmtap;
use super::traffic_files::session;
use super::{run, stdout};

/// The halves of two exchanges, with their heads, in this encoding.
fn halves(is_wbxml: bool) -> [Vec<u8>; 4] {
    let kind = if is_wbxml { "wbxml" } else { "xml" };
    bodies(is_wbxml).map(|(is_request, body)| {
        let first = match is_request {
            true => "POST /dm HTTP/1.1\r\nHost: mdm.example",
            false => "HTTP/1.1 200 OK",
        };
        let length = body.len();
        let fields =
            format!("Content-Type: application/vnd.syncml.dm+{kind}\r\nContent-Length: {length}");
        [format!("{first}\r\n{fields}\r\n\r\n").as_bytes(), &body].concat()
    })
}

/// The messages of the session, each with whether the device sent it.
fn bodies(is_wbxml: bool) -> [(bool, Vec<u8>); 4] {
    let mut is_request = false;
    session().map(|text| {
        is_request = !is_request;
        let document = decode(
            Bytes::from(text.clone()),
            Hint::default(),
            &Limits::default(),
        )
        .unwrap();
        match is_wbxml {
            true => (
                is_request,
                encode(&document, &WbxmlOptions::default())
                    .unwrap()
                    .to_vec(),
            ),
            false => (is_request, text.into_bytes()),
        }
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The rows of a dump, in pieces of two segments.
fn dump(bytes: &[u8], at: usize, indent: &str) -> String {
    let row = |(row, octets): (usize, &[u8])| {
        let hex: Vec<_> = octets.iter().map(|byte| format!("{byte:02x}")).collect();
        let (left, right) = hex.split_at(hex.len().min(8));
        let left = format!("{}  {}", left.join(" "), right.join(" "));
        let shown = octets.iter().map(|byte| {
            if byte.is_ascii_graphic() {
                *byte as char
            } else {
                '.'
            }
        });
        format!(
            "{indent}{:08X}  {left:<48} {}\n",
            at + row * 16,
            shown.collect::<String>()
        )
    };
    bytes.chunks(16).enumerate().map(row).collect()
}

/// A stream as tshark follows it; `line` prints a half.
fn follow(is_wbxml: bool, mut line: impl FnMut(bool, &[u8]) -> String) -> String {
    let edge = "=".repeat(67);
    let mut is_request = false;
    let lines = halves(is_wbxml).map(|half| {
        is_request = !is_request;
        line(is_request, &half)
    });
    let lines = lines.concat();
    format!(
        "\n{edge}\nFollow: tcp,any\nFilter: tcp.stream eq 0\nNode 0: a:1\nNode 1: b:80\n{lines}{edge}\n"
    )
}

fn packets(is_wbxml: bool, body: impl Fn(&[u8]) -> (&'static str, Value)) -> Vec<Value> {
    let packets = bodies(is_wbxml).into_iter().enumerate().map(|(second, (is_request, bytes))| {
        let kind = if is_wbxml { "wbxml" } else { "xml" };
        let mut http = json!({
            "http.content_type": format!("application/vnd.syncml.dm+{kind}"),
            "http.content_length_header": bytes.len().to_string(),
        });
        match is_request {
            true => {
                http["POST /dm HTTP/1.1\\r\\n"] = json!({"http.request.method": "POST"});
                http["http.request.full_uri"] = "https://mdm.example/dm".into();
            }
            false => http["HTTP/1.1 200 OK\\r\\n"] = json!({"http.response.code": "200"}),
        }
        let (name, value) = body(&bytes);
        http[name] = value;
        let frame = json!({"frame.time_epoch": format!("179604972{second}.5")});
        // Other layers have the words of the message once more.
        let xml = json!({"xml.tag": "<SyncML xmlns=", "xml.cdata": "<CmdID>1"});
        json!({"_source": {"layers": {"frame": frame, "tcp": {"tcp.stream": "0"}, "http": http, "xml": xml}}})
    });
    packets.collect()
}

/// The same packets for Elasticsearch.
fn for_elastic(packets: &[Value]) -> String {
    let packet = |packet: &Value| {
        let text = packet["_source"]
            .to_string()
            .replace("\"http.", "\"http_http_");
        text.replace("\"frame.", "\"frame_frame_")
            .replace("request.", "request_")
            + "\n"
    };
    packets.iter().map(packet).collect()
}

/// Exit code and output of a verb over this file.
fn printed(verb: &str, file: impl AsRef<[u8]>) -> (Option<i32>, String) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), file).unwrap();
    let output = run(dmtap().current_dir(&folder).args([verb, "file"]));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), stdout(&output) + &error)
}

fn is_read(what: &str, file: impl AsRef<[u8]>) {
    let (code, why) = printed("why", &file);
    assert_eq!(code, Some(1), "{what}: {why}");
    assert!(
        why.contains("✖ Replace ./Vendor/MSFT/Node: 405"),
        "{what}: {why}"
    );
    assert!(!why.contains("WHY-15"), "{what}: {why}");
    let (_, lint) = printed("lint", &file);
    assert!(
        lint.contains("0 errors") && lint.contains("in 4 messages"),
        "{what}: {lint}"
    );
}

fn is_refused(what: &str, file: impl AsRef<[u8]>) {
    for verb in ["why", "lint", "show"] {
        let (code, text) = printed(verb, &file);
        assert_eq!(code, Some(2), "{what}: {text}");
        assert!(
            text.contains("`tshark -r FILE -T json -x"),
            "{what}: {text}"
        );
        assert!(!text.contains("XML-01"), "{what}: {text}");
    }
}

#[test]
fn a_stream_that_wireshark_follows_is_read_in_every_form_that_has_its_bytes() {
    for is_wbxml in [false, true] {
        let what = |form: &str| format!("{form}, WBXML {is_wbxml}");
        let (mut sent, mut received) = (0, 0);
        let rows = |is_request: bool, half: &[u8]| {
            let (at, indent) = match is_request {
                true => (&mut sent, ""),
                false => (&mut received, "\t"),
            };
            let middle = half.len() / 2;
            let rows = [&half[..middle], &half[middle..]].map(|piece| {
                let rows = dump(piece, *at, indent);
                *at += piece.len();
                rows
            });
            rows.concat()
        };
        is_read(&what("hex"), follow(is_wbxml, rows));
        let raw = |is_request: bool, half: &[u8]| {
            let indent = if is_request { "" } else { "\t" };
            let pieces = half
                .chunks(200)
                .map(|piece| format!("{indent}{}\n", hex(piece)));
            pieces.collect::<String>()
        };
        is_read(&what("raw"), follow(is_wbxml, raw));
        let lines = halves(is_wbxml).map(|half| raw(true, &half)).concat();
        is_read(&what("raw in the window"), lines);
        let yaml = |half: Vec<u8>| {
            let pieces = half.chunks(300).map(|piece| {
                let lines = STANDARD.encode(piece);
                let lines = lines
                    .as_bytes()
                    .chunks(64)
                    .map(|it| format!("      {}\n", str::from_utf8(it).unwrap()));
                format!(
                    "  - packet: 4\n    peer: 0\n    data: !!binary |\n{}",
                    lines.collect::<String>()
                )
            });
            pieces.collect::<String>()
        };
        is_read(
            &what("YAML"),
            format!(
                "peers:\n  - peer: 0\npackets:\n{}",
                halves(is_wbxml).map(yaml).concat()
            ),
        );
        let array = |half: Vec<u8>| {
            let octets: Vec<_> = half.iter().map(|it| format!("0x{it:02x}")).collect();
            format!(
                "char peer0_0[] = {{ /* Packet 4 */\n{} }};\n",
                octets.join(", ")
            )
        };
        is_read(&what("C"), halves(is_wbxml).map(array).concat());
    }
    let text = |is_request: bool, half: &[u8]| {
        let indent = if is_request { "" } else { "\t" };
        let pieces = half
            .chunks(300)
            .map(|it| format!("{indent}{}\n{}\n", it.len(), str::from_utf8(it).unwrap()));
        pieces.collect::<String>()
    };
    is_read("ASCII in segments", follow(false, text));
}

#[test]
fn packets_in_json_are_read_by_their_bodies() {
    let text = |body: &[u8]| ("http.file_data", String::from_utf8_lossy(body).into());
    is_read("json", json!(packets(false, text)).to_string());
    is_read("ek", for_elastic(&packets(false, text)));
    let pairs = |body: &[u8]| {
        let pairs: Vec<_> = body.iter().map(|it| format!("{it:02x}")).collect();
        ("http.file_data", pairs.join(":").into())
    };
    let raw = |body: &[u8]| ("http.file_data_raw", json!([hex(body), 54, 3, 0, 30]));
    for is_wbxml in [false, true] {
        is_read("json of 4.2", json!(packets(is_wbxml, pairs)).to_string());
        is_read("ek of 4.2", for_elastic(&packets(is_wbxml, pairs)));
        is_read("json -x", json!(packets(is_wbxml, raw)).to_string());
    }
}

#[test]
fn an_error_of_http_in_json_of_packets_is_named() {
    let text = |body: &[u8]| ("http.file_data", String::from_utf8_lossy(body).into());
    let mut packets = packets(false, text);
    packets[1]["_source"]["layers"]["http"] = json!({
        "HTTP/1.1 503 x\\r\\n": {"http.response.code": "503"},
        "http.content_type": "text/plain",
        "http.content_length_header": "4",
        "http.file_data": "busy",
    });
    let (_, why) = printed("why", json!(packets[..2]).to_string());
    assert!(why.contains("503") && why.contains("busy"), "{why}");
}

/// A dump of the packets of the session, as `tcpdump -X` prints it, behind a header of this link and up to this length. The
/// first part of each message is sent twice, and its end once more with the rest.
fn dumped(link: &[u8], is_wbxml: bool, most: usize) -> String {
    dumped_in_order(link, is_wbxml, most, |_, parts| parts)
}

/// Puts the parts of the message with this number in another order.
type Order = fn(usize, [&[u8]; 3]) -> [&[u8]; 3];

/// The same, with the packets of each message in another order.
fn dumped_in_order(link: &[u8], is_wbxml: bool, most: usize, order: Order) -> String {
    let mut sent = [0_u32; 2];
    let mut text = String::new();
    for (number, half) in halves(is_wbxml).iter().enumerate() {
        let side = number % 2;
        let ports = [[0xc8, 0x22, 0x1f, 0x90], [0x1f, 0x90, 0xc8, 0x22]][side];
        let (first, rest) = (&half[..half.len() / 2], &half[half.len() / 3..]);
        for payload in order(number, [first, first, rest]) {
            let before = half.len() / 3 * usize::from(payload == rest);
            let number = (sent[side] + before as u32).to_be_bytes();
            let tcp = [
                &ports[..],
                &number,
                &[0; 4],
                &[0x50, 0x18],
                &[0; 6],
                payload,
            ]
            .concat();
            let length = (20 + tcp.len() as u16).to_be_bytes();
            let addresses = [[192, 0, 2, 1, 192, 0, 2, 2], [192, 0, 2, 2, 192, 0, 2, 1]][side];
            let ip = [
                &[0x45, 0][..],
                &length,
                &[0, 0, 0, 0, 64, 6, 0, 0],
                &addresses,
                &tcp,
            ]
            .concat();
            text +=
                "10:12:01.123456 IP 192.0.2.1.51234 > 192.0.2.2.8080: Flags [P.], length 9: HTTP\n";
            let packet = [link, &ip].concat();
            for (row, octets) in packet[..packet.len().min(most)].chunks(16).enumerate() {
                let pairs: Vec<String> = octets.chunks(2).map(hex).collect();
                let shown =
                    String::from_utf8_lossy(octets).replace(|it: char| !it.is_ascii_graphic(), ".");
                let _ = writeln!(
                    text,
                    "\t0x{:04x}:  {:<39}  {shown}",
                    row * 16,
                    pairs.join(" ")
                );
            }
        }
        sent[side] += half.len() as u32;
    }
    text
}

#[test]
fn a_dump_of_packets_that_are_whole_is_read() {
    let ethernet = [&[2; 12][..], &[8, 0]].concat();
    for link in [&[][..], &ethernet, &[2, 0, 0, 0]] {
        is_read("tcpdump -X", dumped(link, true, usize::MAX));
        is_read("tcpdump -X of XML", dumped(link, false, usize::MAX));
    }
    is_refused("tcpdump -X -s 96", dumped(&[], true, 96));
}

#[test]
fn packets_that_overtake_others_are_put_in_their_order() {
    for is_wbxml in [true, false] {
        // The numbers of the first two are not known before they come.
        let text =
            dumped_in_order(
                &[],
                is_wbxml,
                usize::MAX,
                |number, [one, two, rest]| match number {
                    0 | 1 => [one, two, rest],
                    _ => [rest, one, two],
                },
            );
        is_read("tcpdump -X", text);
    }
}

#[test]
fn a_print_without_the_bytes_is_refused_with_the_one_that_has_them() {
    let cut = |body: &[u8]| {
        let begin = body.split(|it| *it == 0).next().unwrap();
        ("http.file_data", String::from_utf8_lossy(begin).into())
    };
    is_refused("json of WBXML", json!(packets(true, cut)).to_string());
    is_refused("ek of WBXML", for_elastic(&packets(true, cut)));
    let shown = |_: bool, half: &[u8]| {
        let shown = half.iter().map(|it| match it {
            b'\r' | b'\n' | 0x20..0x7f => char::from(*it),
            _ => '.',
        });
        format!("{}\n{}\n", half.len(), shown.collect::<String>())
    };
    is_refused("ASCII of WBXML", follow(true, shown));
    let [half, ..] = halves(false);
    let headers = [&[2; 12][..], &[8, 0, 0x45, 0], &[0; 7], &[6], &[0; 30]].concat();
    let packet = dump(&[&headers, &half[..]].concat(), 0, "");
    is_refused("-x", packet);
    let tree = "Frame 4: 535 bytes on wire (4280 bits), 535 bytes captured (4280 bits)\n\
                WAP Binary XML, Version: 1.3\n    Data representation\n        \
                Level | State | Codepage | WBXML Token Description         | Rendering\n            \
                1 | Tag   | T   0    |   Known Tag 0x2D           (.C) |    <SyncML>\n            \
                1 | Tag   | T   0    |   END (Known Tag 0x2D)          |    </SyncML>\n";
    is_refused("-V", tree);
    is_refused(
        "-V of XML",
        "Frame 4: 535 bytes on wire (4280 bits), 535 bytes captured (4280 bits)\n",
    );
}
