//! A list of literals that records must hide or show, and the check of files against it.
//!
//! Each line is `KIND | LITERAL`: `hidden` is in none of the files, `shown` is in every file that keeps bodies
//! (`.jsonl`, `.pcapng`), `transcript` is in every `.txt`. A literal counts in plain form, escaped as in XML or JSON,
//! or inside base64, once or twice, with or without line breaks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use memchr::memmem;

#[derive(Default)]
pub(crate) struct Literals {
    hidden: Vec<String>,
    shown: Vec<String>,
    transcript: Vec<String>,
}

impl Literals {
    pub(crate) fn read(list: &str) -> Self {
        let mut literals = Self::default();
        for line in list.lines().filter(|line| !line.starts_with('#')) {
            let Some((kind, literal)) = line.split_once(" | ") else {
                assert!(line.is_empty(), "{line}");
                continue;
            };
            match kind {
                "hidden" => literals.hidden.push(literal.into()),
                "shown" => literals.shown.push(literal.into()),
                "transcript" => literals.transcript.push(literal.into()),
                _ => panic!("{line}"),
            }
        }
        literals
    }

    /// What is wrong in these files, each with its name.
    pub(crate) fn wrong(&self, files: &[(String, Vec<u8>)]) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, bytes) in files {
            let packed = packed(bytes);
            let holds = |literal: &str| holds(bytes, &packed, literal);
            let asked = match name.ends_with(".txt") {
                true => &self.transcript,
                false => &self.shown,
            };
            let found = self.hidden.iter().filter(|literal| holds(literal));
            wrong.extend(found.map(|literal| format!("{name} shows {literal}")));
            let missing = asked.iter().filter(|literal| !holds(literal));
            wrong.extend(missing.map(|literal| format!("{name} hides {literal}")));
        }
        wrong
    }

    /// Every literal that must be hidden and is in none of these files: the list is wrong about them.
    pub(crate) fn not_hidden_from(&self, files: &[(String, Vec<u8>)]) -> Vec<&str> {
        let packed: Vec<_> = files.iter().map(|(_, bytes)| packed(bytes)).collect();
        let in_any = |literal: &str| {
            let mut files = files.iter().zip(&packed);
            files.any(|((_, bytes), packed)| holds(bytes, packed, literal))
        };
        let missing = self.hidden.iter().filter(|literal| !in_any(literal));
        missing.map(String::as_str).collect()
    }
}

fn holds(bytes: &[u8], packed: &[u8], literal: &str) -> bool {
    let is_in = |place: &[u8], form: &[u8]| memmem::find(place, form).is_some();
    let escaped = literal.replace('&', "&amp;").replace('<', "&lt;");
    let in_json = serde_json::to_string(literal).unwrap();
    let plain = [literal, &*escaped, in_json.trim_matches('"')];
    let encoded = |text: &[u8]| within_base64(text).into_iter().filter(|f| f.len() > 4);
    plain.iter().any(|form| {
        let form = form.as_bytes();
        let mut once = encoded(form);
        let mut twice = encoded(form).flat_map(|form| encoded(&form).collect::<Vec<_>>());
        is_in(bytes, form) || once.any(|f| is_in(packed, &f)) || twice.any(|f| is_in(packed, &f))
    })
}

/// The characters of base64 that a text has at each of the three places it may begin at.
fn within_base64(text: &[u8]) -> [Vec<u8>; 3] {
    [0, 1, 2].map(|front: usize| {
        let mut octets = vec![0; front];
        octets.extend_from_slice(text);
        let encoded = BASE64.encode(&octets).into_bytes();
        let (first, last) = ((front * 8).div_ceil(6), octets.len() * 8 / 6);
        encoded[first..last].to_vec()
    })
}

/// Without white space, that of JSON and of XML references included.
fn packed(bytes: &[u8]) -> Vec<u8> {
    const GAPS: [&[u8]; 6] = [b"\\n", b"\\r", b"\\t", b"&#13;", b"&#xD;", b"&#10;"];
    let mut packed = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(byte) = rest.first() {
        let gap = GAPS.iter().find(|gap| rest.starts_with(gap));
        let len = gap.map_or(1, |gap| gap.len());
        if gap.is_none() && !byte.is_ascii_whitespace() {
            packed.push(*byte);
        }
        rest = &rest[len..];
    }
    packed
}

#[test]
fn literals_are_found_in_each_form() {
    let list = Literals::read("# a list\nhidden | a&secret\n");
    let inner = BASE64.encode("xx a&amp;secret xx");
    let broken = format!("{}\n{}", &inner[..9], &inner[9..]);
    for form in [
        "a&secret",
        "a&amp;secret",
        &inner,
        &broken,
        &broken.replace('\n', "\\r\\n"),
        &BASE64.encode(format!("x{inner}")),
    ] {
        let file = |text: &str| [("a.txt".to_owned(), text.as_bytes().to_vec())];
        assert_eq!(list.wrong(&file(form)).len(), 1, "{form}");
        assert!(list.wrong(&file("nothing")).is_empty());
    }
}
