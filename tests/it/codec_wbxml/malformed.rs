//! Malformed input, class by class, each with its verdict: refused at an offset, or accepted with flags.

use dmtap::markup::{self, Hint, Limits};

use crate::codec_wbxml::classes::{
    self,
    Verdict::{self, Flagged, Refused},
};
use crate::codec_wbxml::support::{bytes, decode_as, flags, outline};

/// `02 A4 01 6A 00`: SyncML 1.2 in UTF-8 without a table; the body begins at 5.
fn check(written: &str, hint: Hint<'_>, verdict: &Verdict) {
    match (decode_as(&bytes(written), hint), verdict) {
        (Err(error), Refused(id, at)) => {
            assert_eq!(
                (error.kind.id(), error.at),
                (Some(*id), *at),
                "{written}: {error}"
            );
        }
        (Ok(document), Flagged(expected)) => assert_eq!(flags(&document), *expected, "{written}"),
        (Ok(document), Refused(id, _)) => {
            panic!("{written}: read, not {id}: {}", outline(&document))
        }
        (Err(error), Flagged(_)) => panic!("{written}: {error}"),
    }
}

#[test]
fn each_class_has_its_verdict() {
    for (written, verdict) in classes::ALL {
        check(written, Hint::default(), verdict);
    }
    assert_eq!(
        markup::wbxml::decode::decode(bytes("").into(), Hint::default(), &Limits::default())
            .unwrap_err()
            .kind
            .id(),
        Some("F01")
    );
}

#[test]
fn what_the_transport_says_is_compared() {
    for (written, media_type, charset, verdict) in classes::HINTED {
        let hint = Hint {
            media_type: Some(media_type),
            charset: *charset,
        };
        check(written, hint, verdict);
    }
}

#[test]
fn limits_end_what_would_not_end() {
    let limits = Limits {
        bytes: 100_000,
        depth: 64,
        nodes: 1000,
        expansion: 10_000,
        ..Limits::default()
    };
    let refused = |body: Vec<u8>| {
        let mut source = bytes("02 A4 01 6A 83 7F");
        source.resize(source.len() + 511, b'x');
        source.extend(body);
        let error = markup::decode(source.into(), Hint::default(), &limits).unwrap_err();
        error.kind.id().unwrap()
    };
    assert_eq!(refused([0x6D; 65].into()), "F29");
    assert_eq!(refused([0x6D; 64].into()), "F26");
    assert_eq!(refused([&[0x6D][..], &[0x2B; 1000]].concat()), "F30");
    assert_eq!(
        refused([&[0x6D, 0x4F][..], &[0x83, 0x00].repeat(20)].concat()),
        "F30"
    );
    assert_eq!(refused(vec![0x2B; 100_001]), "F30");
    // As many attributes as XML may have, so that what is read can be shown.
    assert_eq!(refused([&[0xED][..], &[0x05; 101]].concat()), "F30");
    assert_eq!(refused([&[0xED][..], &[0x05; 100]].concat()), "F01");
}

#[test]
fn any_number_of_nodes_in_any_place_is_read() {
    // A tag in each byte, one long text, and texts that end in the last byte of a word or behind it.
    let dense = |count: usize| vec![0x2B; count];
    let sparse = |length: usize| [&[0x4F, 0x03][..], &vec![b'x'; length], &[0, 0x01]].concat();
    let texts: Vec<u8> = (0..20).flat_map(sparse).collect();
    for (body, nodes) in [
        (vec![], 1),
        (dense(1), 2),
        (dense(100_000), 100_001),
        ([sparse(500_000), dense(400_000)].concat(), 400_003),
        ([dense(50_000), sparse(500_000), dense(9)].concat(), 50_012),
        ([texts.repeat(100), dense(10_000)].concat(), 14_001),
    ] {
        let source = [&bytes("02 A4 01 6A 00 6D")[..], &body, &[0x01]].concat();
        let document = markup::decode(source.into(), Hint::default(), &Limits::default()).unwrap();
        assert_eq!(document.len(), nodes);
        let lengths = document.elements().filter_map(|e| e.texts().next());
        for (at, text) in lengths.take(20).enumerate().skip(1) {
            assert!(text.value().len() == at || text.value().len() == 500_000);
        }
    }
}

#[test]
fn a_long_namespace_of_many_names_is_kept_once() {
    // Kept with every name it would take 5 GB.
    let namespace = "u".repeat(256 << 10);
    let names: Vec<_> = (0..20_000).map(|number| format!("n{number}")).collect();
    let children: String = names.iter().map(|name| format!("<{name}/>")).collect();
    let xml = format!("<SyncML><Data><a xmlns='{namespace}'>{children}</a></Data></SyncML>");
    let xml = markup::decode(xml.into(), Hint::default(), &Limits::default()).unwrap();
    let binary = markup::wbxml::encode(&xml, &Default::default()).unwrap();
    let binary = markup::decode(binary.into(), Hint::default(), &Limits::default()).unwrap();
    for document in [xml, binary] {
        let last = document.elements().last().unwrap();
        assert_eq!(last.foreign_namespace(), Some(&*namespace));
        assert_eq!(last.local(), "n19999");
    }
}

#[test]
fn a_long_namespace_is_not_declared_again_and_again() {
    let namespace = "u".repeat(256 << 10);
    let children = "<p:a/>".repeat(20_000);
    let xml = format!("<SyncML xmlns:p='{namespace}'><Data>{children}</Data></SyncML>");
    let xml = markup::decode(xml.into(), Hint::default(), &Limits::default()).unwrap();
    let error = markup::wbxml::encode(&xml, &Default::default()).unwrap_err();
    assert_eq!(error, markup::wbxml::EncodeError::TooLong);
}

#[test]
fn a_hundred_thousand_levels_are_refused_without_recursion() {
    let limits = Limits {
        depth: usize::MAX,
        ..Limits::default()
    };
    let mut source = bytes("02 A4 01 6A 00");
    source.resize(300_000, 0x6D);
    source.extend(vec![0x01; 299_995]);
    let document = markup::decode(source.into(), Hint::default(), &limits).unwrap();
    assert_eq!(document.len(), 299_995);
}
