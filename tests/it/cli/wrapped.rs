//! Messages inside the wrapping of mail, source code and other programs.

use std::fs;
use std::io::{Cursor, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dmtap::record::EventRecord;
use serde_json::json;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::log::{formatted, known, messages, shown};
use super::peers::dmtap;
use super::traffic_files::session;
use super::{run, stdout};

/// The first messages of a demo, each as a text.
fn texts() -> (Vec<EventRecord>, Vec<String>) {
    let messages: Vec<_> = messages().into_iter().take(4).collect();
    let texts = messages.iter().map(formatted).collect();
    (messages, texts)
}

/// Pieces of a text of so many characters.
fn cut(text: &str, column: usize) -> Vec<String> {
    let text: Vec<char> = text.chars().collect();
    text.chunks(column)
        .map(|piece| piece.iter().collect())
        .collect()
}

fn check(what: &str, file: impl AsRef<[u8]>) {
    let (messages, _) = texts();
    let events = shown(&file, &[]);
    let found: Vec<_> = events.iter().map(known).collect();
    let expected: Vec<_> = messages.iter().map(known).collect();
    assert_eq!(
        found,
        expected,
        "{what}: {}",
        String::from_utf8_lossy(file.as_ref())
    );
}

/// How source code writes pieces of a literal.
type Form = fn(&[String]) -> String;

#[test]
fn literals_of_source_code_are_joined_wherever_they_are_cut() {
    let (_, texts) = texts();
    let escaped = |text: &str| {
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace("\r\n", "\\n")
    };
    let forms: [(&str, Form); 7] = [
        ("Java, + in front", |it| {
            format!("String m =\n      \"{}\";\n", it.join("\"\n      + \""))
        }),
        ("Go, + behind", |it| {
            format!("var m = \"{}\"\n", it.join("\" +\n\t\""))
        }),
        ("C++", |it| {
            format!("const char *m =\n  \"{}\";\n", it.join("\"\n  \""))
        }),
        ("Python", |it| {
            format!("m = (\n    \"{}\"\n)\n", it.join("\"\n    \""))
        }),
        ("append", |it| {
            format!("sb.append(\"{}\");\n", it.join("\")\n      .append(\""))
        }),
        ("append, alone", |it| {
            format!("sb.append(\"{}\");\n", it.join("\");\n  sb.append(\""))
        }),
        ("C# +=", |it| {
            format!("string m = \"{}\";\n", it.join("\";\n  m += \""))
        }),
    ];
    for (what, form) in forms {
        // A piece must not end within an escape.
        for pieces in [40, 97] {
            let code: String = { texts.iter() }
                .map(|text| {
                    let pieces = cut(&text.replace("\r\n", ""), pieces);
                    form(&pieces.iter().map(|it| escaped(it)).collect::<Vec<_>>())
                })
                .collect();
            check(what, code);
        }
        let in_elements: String = { texts.iter() }
            .map(|text| {
                let text = text.replace("\r\n", "").replace('<', "\n<");
                form(&text.trim().lines().map(escaped).collect::<Vec<_>>())
            })
            .collect();
        check(what, in_elements);
    }
}

#[test]
fn lines_that_were_cut_at_a_column_are_joined() {
    let (_, texts) = texts();
    let one_line = |text: &String| text.replace("\r\n", "");
    let wrapped = texts
        .iter()
        .map(one_line)
        .map(|text| cut(&text, 76).join("\n") + "\n");
    check("76 columns", wrapped.collect::<String>());
    // A value in lines of its own stays as it is.
    let [one, two, ..] = session();
    let pem = "MIIBszCCARygAwIBAgIBADANBgkqhkiG9w0BAQUFADAcMRowGAYDVQQDDBFkbXRh\n".repeat(9);
    let log = format!(
        "{one}\n{}\n",
        two.replace("<Data>1</Data>", &format!("<Data>\n{pem}</Data>"))
    );
    let body = shown(&log, &[])[1].body.as_ref().unwrap().0.clone();
    assert!(String::from_utf8_lossy(&body).contains(&pem));
}

#[test]
fn mail_forms_and_pages_are_read() {
    let (_, texts) = texts();
    let all: String = texts
        .iter()
        .map(|text| text.replace("\r\n", "") + "\n")
        .collect();
    let head = "From: a@example.com\nMIME-Version: 1.0\nContent-Transfer-Encoding: any\n\n";
    // No line is cut within an escape.
    let line = |line: &str| {
        cut(line, 60)
            .join("=\n")
            .replace('=', "=3D")
            .replace("=3D\n", "=\n")
            + "\n"
    };
    let quoted: String = all.lines().map(line).collect();
    check("quoted-printable", format!("{head}Hi,\n\n{quoted}"));
    let packed = cut(&STANDARD.encode(format!("Hi,\n\n{all}")), 76).join("\n");
    check("base64 in lines", format!("{head}{packed}\n"));
    let percent = percent_encoding::utf8_percent_encode(&all, percent_encoding::NON_ALPHANUMERIC);
    check("percent", format!("POST body={percent}\n"));
    check(
        "a form",
        format!("body={}\n", percent.to_string().replace("%20", "+")),
    );
    let hex = all
        .replace('&', "&#x26;")
        .replace('<', "&#x3C;")
        .replace('>', "&#x3E;")
        .replace('"', "&#X22;");
    check("numbers in hex", format!("<pre>{hex}</pre>"));
}

#[test]
fn a_message_over_several_lines_of_a_log_is_put_together() {
    let (_, texts) = texts();
    let texts: Vec<_> = texts
        .iter()
        .map(|it| it.replace(['\r', '\n'], ""))
        .collect();
    let log = |width: usize, first: &str, line: &dyn Fn(usize, usize, &str, &str) -> String| {
        let messages = texts.iter().enumerate().map(|(second, text)| {
            let pieces = cut(text, width);
            let last = pieces.len() - 1;
            let lines = pieces.iter().enumerate().map(|(number, piece)| {
                let label = if number == 0 { first } else { "" };
                let end = if number == last { "F" } else { "P" };
                line(second, number, end, &format!("{label}{piece}"))
            });
            lines.collect::<String>()
        });
        messages.collect::<String>()
    };
    for width in [150, 301, 1000] {
        for label in ["", "sent: "] {
            let logcat = |second: usize, number: usize, _: &str, piece: &str| {
                format!("11-30 10:00:{second:02}.{number:03}  1234  1256 D DMEngine: {piece}\n")
            };
            check("logcat", log(width, label, &logcat));
            let other = "11-30 10:00:00.001  1234  1257 I Wifi: <scan>\n";
            check(
                "logcat with others",
                log(width, label, &|second, number, end, piece| {
                    logcat(second, number, end, piece) + other
                }),
            );
            check(
                "containerd",
                log(width, label, &|second, number, end, piece| {
                    format!("2026-11-30T10:00:{second:02}.{number:09}Z stdout {end} {piece}\n")
                }),
            );
        }
    }
    // nginx escapes what stands in quotes.
    let nginx = texts.iter().map(|it| {
        format!(
            "10.0.0.9 - - \"POST /dm\" 200 \"{}\"\n",
            it.replace('"', "\\x22")
        )
    });
    check("nginx", nginx.collect::<String>());
}

#[test]
fn long_lines_in_a_log_of_docker_are_put_together() {
    let (_, texts) = texts();
    let mut log = String::new();
    for (number, text) in texts.iter().enumerate() {
        let pieces = cut(&(text.replace("\r\n", "") + "\n"), 300);
        for (at, piece) in pieces.iter().enumerate() {
            log += &format!(
                "{}\n",
                json!({"log": piece, "stream": "stderr", "time": format!("2024-03-01T10:00:0{number}.{at}Z")})
            );
            log += &format!(
                "{}\n",
                json!({"log": "other\n", "stream": "stdout", "time": "2024-03-01T10:00:09Z"})
            );
        }
    }
    check("docker", log);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// A ZIP of files, each stored or deflated.
fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (number, (name, content)) in files.iter().enumerate() {
        let method = match number % 2 {
            0 => CompressionMethod::Deflated,
            _ => CompressionMethod::Stored,
        };
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let chunk =
        |chunk: &[u8]| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
    [
        body.chunks(100).flat_map(chunk).collect(),
        b"0\r\n\r\n".to_vec(),
    ]
    .concat()
}

fn response(fields: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.syncml.dm+xml\r\n{fields}\r\n");
    [head.as_bytes(), body].concat()
}

fn request(body: &str) -> Vec<u8> {
    format!(
        "POST /dm HTTP/1.1\r\nHost: mdm.example\r\nContent-Type: application/vnd.syncml.dm+xml\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[test]
fn each_list_of_bytes_in_a_log_is_a_message() {
    let (_, texts) = texts();
    for separator in [" ", ", "] {
        let lines = texts.iter().map(|text| {
            let bytes: Vec<_> = text.bytes().map(|byte| byte.to_string()).collect();
            format!(
                "10:22:10 DEBUG [main] body=[{}] done\n",
                bytes.join(separator)
            )
        });
        check("lists of bytes", lines.collect::<String>());
    }
}

#[test]
fn dumps_of_messages_and_pages_that_show_the_source_of_pages_are_read() {
    let (_, texts) = texts();
    let dump = |text: &String| {
        let row = |(row, bytes): (usize, &[u8])| {
            let pairs = bytes.chunks(2).map(|pair| {
                let octets = pair.iter().map(|byte| format!("{byte:02x}"));
                octets.collect::<String>()
            });
            let characters = String::from_utf8_lossy(bytes).replace(['\r', '\n'], ".");
            let pairs = pairs.collect::<Vec<_>>().join(" ");
            format!("{:08x}: {pairs:<39}  {characters}\n", row * 16)
        };
        let rows = text.as_bytes().chunks(16).enumerate().map(row);
        rows.collect::<String>() + "\n"
    };
    check("xxd", texts.iter().map(dump).collect::<String>());
    let escaped = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('"', "&quot;")
    };
    let page = texts
        .iter()
        .map(|text| format!("<pre>{}</pre>\n", escaped(&escaped(text))));
    check("a page of a page", page.collect::<String>());
}

#[test]
fn chunks_and_codings_of_saved_http_are_undone() {
    let [one, two, three, four] = session();
    let plain = shown(format!("{one}\n{two}\n{three}\n{four}\n"), &[]);
    let expected: Vec<_> = plain.iter().map(known).collect();
    let check = |what: &str, file: Vec<u8>| {
        let events = shown(file, &[]);
        let found: Vec<_> = events.iter().map(known).collect();
        assert_eq!(found, expected, "{what}");
        events
    };
    check(
        "gzip",
        gzip(format!("{one}\n{two}\n{three}\n{four}\n").as_bytes()),
    );
    let answers = [
        response("Transfer-Encoding: chunked\r\n", &chunked(two.as_bytes())),
        response(
            "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n",
            &chunked(&gzip(four.as_bytes())),
        ),
    ];
    let file = |name: &str, content: &[u8]| (format!("raw/{name}"), content.to_vec());
    let saz = zip(&[
        file("10_c.txt", &request(&three)),
        file("10_s.txt", &answers[1]),
        file("9_c.txt", &request(&one)),
        file("9_s.txt", &answers[0]),
        file("9_m.xml", b"<Session><SessionTimers ClientBeginRequest=\"2024-03-01T10:00:00.1234567+01:00\"/></Session>"),
    ]);
    let events = check("SAZ", saz);
    assert_eq!(events[0].at, "2024-03-01T09:00:00.123456Z");
    assert_eq!(events[1].head.as_ref().unwrap().status, Some(200));
    let item = |request: &[u8], response: &[u8]| {
        format!(
            "<item><url><![CDATA[https://mdm.example/dm]]></url><request base64=\"true\"><![CDATA[{}]]></request>\
             <status>200</status><responselength>{}</responselength><mimetype>XML</mimetype>\
             <response base64=\"true\"><![CDATA[{}]]></response></item>\n",
            STANDARD.encode(request),
            response.len(),
            STANDARD.encode(response)
        )
    };
    let items = format!(
        "<?xml version=\"1.0\"?>\n<items burpVersion=\"2024.1\">\n{}{}</items>\n",
        item(&request(&one), &answers[0]),
        item(&request(&three), &answers[1])
    );
    check("Burp", items.into_bytes());
    // As text, in which the line breaks lost their CR.
    let text = [
        request(&one),
        answers[0].clone(),
        b"\r\n".to_vec(),
        three.into(),
        four.into(),
    ]
    .concat();
    let text = String::from_utf8(text).unwrap();
    check("text", text.clone().into_bytes());
    check("text with LF", text.replace("\r\n", "\n").into_bytes());
}

#[test]
fn an_answer_in_a_coding_that_is_not_known_is_a_message_that_could_not_be_read() {
    let [one, ..] = session();
    let answer = response("Content-Encoding: secret\r\n", b"any");
    let file = |name: &str, content: &[u8]| (format!("raw/{name}"), content.to_vec());
    let saz = zip(&[
        file("1_c.txt", &request(&one)),
        file("1_s.txt", &answer),
        file("2_c.txt", &request(&one)),
        file("2_s.txt", b""),
    ]);
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("report.saz"), saz).unwrap();
    let output = run(dmtap().current_dir(&folder).args(["why", "report.saz"]));
    let why = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{why}");
    for expected in [
        "WHY-15",
        "content coding: secret is not known",
        "no answer came (the file has no response)",
    ] {
        assert!(why.contains(expected), "{expected}: {why}");
    }
}

/// What `dmtap show` prints about a file on standard output, and on standard error.
fn printed(file: &[u8]) -> (String, String) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("report.bin"), file).unwrap();
    let output = run(dmtap().current_dir(&folder).args(["show", "report.bin"]));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (stdout(&output), error)
}

#[test]
fn a_packed_file_that_is_not_read_whole_says_so() {
    let [one, two, ..] = session();
    let noise: String = (0..4_000_u32)
        .map(|number| format!("{}\n", number.wrapping_mul(2_654_435_761)))
        .collect();
    let whole = gzip(format!("{one}\n{two}\n{noise}").as_bytes());
    let (shown, error) = printed(&whole);
    assert!(
        shown.contains("Alert") && !error.contains("read whole"),
        "{error}"
    );
    let (shown, error) = printed(&whole[..whole.len() - 2_000]);
    assert!(shown.contains("Alert"), "{shown}{error}");
    assert!(
        error.contains("note: the gzip is not read whole"),
        "{error}"
    );

    let files = [("1.txt", &one), ("2.txt", &two)];
    let files = files.map(|(name, text)| (name.to_owned(), text.clone().into_bytes()));
    let mut archive = zip(&files);
    let (_, error) = printed(&archive);
    assert!(!error.contains("read whole"), "{error}");
    // The second file gets a method of compression that is not known.
    let at = memchr::memmem::rfind(&archive, b"PK\x01\x02").unwrap();
    archive[at + 10] = 99;
    let (shown, error) = printed(&archive);
    assert!(shown.contains("Alert"), "{shown}{error}");
    assert!(
        error.contains("note: the ZIP is not read whole: 1 file"),
        "{error}"
    );
}
