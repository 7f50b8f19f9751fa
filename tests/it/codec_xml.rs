//! Decoding XML: small inputs with their trees, malformed ones with their offsets, and the public corpus.

mod broad;

use dmtap::markup::xml::decode::decode;
use dmtap::markup::{
    DecodeError, DecodeErrorKind, Document, Element, FlagKind, Hint, Kind, Limits, NodeId, Space,
};

fn parse(source: impl Into<Vec<u8>>) -> Result<Document, DecodeError> {
    decode(
        bytes::Bytes::from(source.into()),
        Hint::default(),
        &Limits::default(),
    )
}

/// A tree in one line: `(Item (Data @a=1 "text"))`; names outside the tables have a `?`, CDATA a `!`.
fn tree(document: &Document) -> String {
    let mut out = String::new();
    write_element(&mut out, document.root());
    out
}

fn write_element(out: &mut String, element: Element<'_>) {
    let mark = if element.space().is_none() { "?" } else { "" };
    out.push_str(&format!("({}{mark}", element.local()));
    let document = element.document();
    for id in element.child_ids() {
        out.push(' ');
        match document.kind(id) {
            Some(Kind::Element) => write_element(out, document.element(id).unwrap()),
            Some(Kind::Attribute) => {
                let attribute = element.attributes().find(|a| a.id() == id).unwrap();
                out.push_str(&format!("@{}={}", attribute.name(), attribute.value()));
            }
            Some(kind) => {
                let text = element.texts().find(|t| t.id() == id).unwrap();
                let mark = if kind == Kind::Cdata { "!" } else { "" };
                out.push_str(&format!("{mark}{:?}", text.value()));
            }
            None => unreachable!("a child has a kind"),
        }
    }
    out.push(')');
}

#[track_caller]
fn check(source: &str, expected: &str) {
    let document = parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    assert_eq!(tree(&document), expected, "{source}");
    spans_hold(&document);
}

/// Spans of elements begin and end with their tags, those of children lie inside and in order.
fn spans_hold(document: &Document) {
    for element in document.elements() {
        let written = String::from_utf8_lossy(element.span().of(document.source())).into_owned();
        assert!(
            written.starts_with('<') && written.ends_with('>'),
            "{written}"
        );
        if !written.ends_with("/>") {
            let end = &written[written.rfind("</").unwrap() + 2..];
            assert!(
                end.trim_end_matches('>')
                    .trim_end()
                    .ends_with(element.local()),
                "{written}"
            );
        }
        let mut from = element.span().start;
        for id in element.child_ids() {
            let span = document.span(id).unwrap();
            assert!(from <= span.start && element.span().covers(span) && !span.is_empty());
            from = span.end;
            leaf_span_holds(document, id);
        }
    }
}

fn leaf_span_holds(document: &Document, id: NodeId) {
    let span = document.span(id).unwrap();
    let (source, written) = (document.source(), span.of(document.source()));
    match document.kind(id).unwrap() {
        Kind::Text => {
            assert!(
                matches!(source[span.start as usize - 1], b'>'),
                "text follows markup"
            );
            assert_eq!(source[span.end as usize], b'<', "markup follows text");
            assert!(!written.contains(&b'<'));
        }
        Kind::Cdata => assert!(written.starts_with(b"<![CDATA[") && written.ends_with(b"]]>")),
        Kind::Attribute => {
            assert!(source[span.start as usize - 1].is_ascii_whitespace());
            assert!(matches!(written.last(), Some(b'"' | b'\'')));
        }
        _ => {}
    }
}

#[test]
fn elements_texts_and_attributes_come_in_document_order() {
    check("<SyncML><SyncHdr/></SyncML>", "(SyncML (SyncHdr))");
    check("<Data>a</Data>", r#"(Data "a")"#);
    check("<Data></Data>", "(Data)");
    check("<Data />", "(Data)");
    check("<Data a='1' b = \"2\"\n/>", "(Data @a=1 @b=2)");
    check("<Data a='x'>t</Data >", r#"(Data @a=x "t")"#);
    check("<Data>a<![CDATA[<b>]]>c</Data>", r#"(Data "a" !"<b>" "c")"#);
    check("<Data><![CDATA[]]></Data>", r#"(Data !"")"#);
    check("<Data>a<!-- x -->b<?pi y?></Data>", r#"(Data "a" "b")"#);
    check(
        "<Data>1 &lt; 2 &amp;&amp; &#x41;&#66;</Data>",
        r#"(Data "1 < 2 && AB")"#,
    );
    check("<Data a='&quot;&apos;&#10;'/>", "(Data @a=\"'\n)");
    check("<Data>a\r\nb</Data>", r#"(Data "a\r\nb")"#);
    check(
        "\u{feff}<?xml version='1.0'?>\n<Data>ä€</Data>\n",
        r#"(Data "ä€")"#,
    );
    check("<Data b='>'>x</Data>", r#"(Data @b=> "x")"#);
}

#[test]
fn indentation_is_no_text_but_white_space_alone_in_an_element_is() {
    check("<Item>\n <Data> </Data>\n</Item>", r#"(Item (Data " "))"#);
    check(
        "<Item> <!-- c --> <Data/> <!-- d --> </Item>",
        "(Item (Data))",
    );
    check("<Data> <!-- c --> </Data>", r#"(Data " " " ")"#);
    check("<Data> <![CDATA[x]]> </Data>", r#"(Data " " !"x" " ")"#);
    check("<Data>&#32;</Data>", r#"(Data " ")"#);
    check("<Item>&#32;<Data/></Item>", r#"(Item " " (Data))"#);
    check("<Item>a <Data/> b</Item>", r#"(Item "a " (Data) " b")"#);
    check("<Item> <Data/> b</Item>", r#"(Item (Data) " b")"#);
}

#[test]
fn names_are_found_by_namespace_and_without_one_by_what_stands_around() {
    #[track_caller]
    fn spaces(source: &str, expected: &[Option<Space>]) {
        let document = parse(source).unwrap();
        assert_eq!(
            document.elements().map(Element::space).collect::<Vec<_>>(),
            expected,
            "{source}"
        );
    }
    let (sync, met, ddf) = (Some(Space::SyncMl), Some(Space::MetInf), Some(Space::DmDdf));
    let (dev, prov) = (Some(Space::DevInf), Some(Space::Prov));
    spaces(
        "<Meta xmlns='SYNCML:SYNCML1.2'><Type xmlns='syncml:metinf'/></Meta>",
        &[sync, met],
    );
    spaces("<Meta><Type/><Size/></Meta>", &[sync, met, met]);
    spaces(
        "<SyncML xmlns='SYNCML:SYNCML1.1'><Meta><Format/></Meta></SyncML>",
        &[sync, sync, met],
    );
    spaces("<Meta xmlns='syncml:metinf'><Type/></Meta>", &[sync, met]);
    spaces(
        "<Meta xmlns:A='syncml:metinf'><A:Size/></Meta>",
        &[sync, met],
    );
    spaces(
        "<a:Data xmlns:a='SYNCML:SYNCML1.2'><a:Item/></a:Data>",
        &[sync, sync],
    );
    spaces(
        "<MgmtTree><Node><Type/></Node></MgmtTree>",
        &[ddf, ddf, ddf],
    );
    spaces(
        "<Data><DevInf xmlns='syncml:devinf'><Man/></DevInf><Item/></Data>",
        &[sync, dev, dev, sync],
    );
    spaces(
        "<Data><wap-provisioningdoc><parm/></wap-provisioningdoc></Data>",
        &[sync, prov, prov],
    );
    spaces("<Data><Foo><Item/></Foo></Data>", &[sync, None, sync]);
    spaces(
        "<Policy xmlns='urn:x'><Item/><Item xmlns=''/></Policy>",
        &[None; 3],
    );
    // A root called SyncML is a message, whatever namespace its sender wrote.
    spaces(
        "<SyncML xmlns='http://www.syncml.org/SyncML'><SyncBody/><Meta><Type xmlns='syncml:metinf'/></Meta></SyncML>",
        &[sync, sync, sync, met],
    );
    spaces(
        "<x:SyncML xmlns:x='urn:x' xmlns='urn:y'><x:SyncBody/><SyncBody/></x:SyncML>",
        &[sync, sync, None],
    );
    spaces(
        "<SyncML xmlns='syncml:dmddf1.2'><SyncBody/></SyncML>",
        &[sync, sync],
    );
    spaces("<s:Body xmlns:s='urn:soap'><Data/></s:Body>", &[None; 2]);
    spaces("<Nonesuch><Item/></Nonesuch>", &[None; 2]);
    spaces(
        "<DevInf xmlns='syncml:devinf'><Size/></DevInf>",
        &[dev, None],
    );
}

#[test]
fn a_name_of_its_own_has_a_number_and_a_namespace() {
    let document =
        parse("<p:A xmlns:p='urn:1'><B xmlns='urn:1'/><A xmlns='urn:1'/><A/></p:A>").unwrap();
    let [a, b, again, bare] = document.elements().collect::<Vec<_>>()[..] else {
        panic!()
    };
    assert_eq!(a.name(), again.name());
    assert_ne!(a.name(), bare.name());
    assert_eq!((a.local(), b.local(), bare.local()), ("A", "B", "A"));
    assert_eq!(
        (b.foreign_namespace(), bare.foreign_namespace()),
        (Some("urn:1"), None)
    );
}

#[test]
fn what_is_malformed_is_refused_with_its_offset_and_the_reason() {
    #[track_caller]
    fn check(source: impl AsRef<[u8]>, at: u32, said: &str) {
        let source = source.as_ref();
        let shown = String::from_utf8_lossy(source);
        let error = parse(source).map(|d| tree(&d)).expect_err(&shown);
        let words = error.kind.to_string();
        assert!(words.contains(said), "{shown}: {words}");
        assert_eq!(error.at, at, "{shown}: {words}");
    }
    check("", 0, "empty");
    check(" \n", 2, "empty");
    check("{\"a\":1}", 0, "neither");
    check("\u{feff}\u{feff}<a/>", 3, "neither");
    check("<a/>x", 4, "text behind the root");
    check("<a/> &amp;", 5, "reference behind the root");
    check("<a/><![CDATA[]]>", 4, "CDATA section behind");
    check("<!-- c -->x<a/>", 10, "text in front of");
    check("<a/><b/>", 4, "second root");
    check("<a><b></a>", 6, "</a> cannot close <b>");
    check("<a></ab>", 3, "cannot close");
    check("<ab></a>", 4, "cannot close");
    check("<a></a b='1'>", 3, "cannot close");
    check("</a>", 0, "closes nothing");
    check("<a/></a>", 4, "closes nothing");
    check("<a><b>", 3, "<b> is never closed");
    check("<a>text", 0, "<a> is never closed");
    check("<!-- only -->", 13, "no root");
    check("<a", 0, "");
    check("<a b='1", 0, "");
    check("<>x</>", 1, "not a name");
    check("<1a/>", 1, "not a name");
    check("<a:b:c/>", 1, "not a name");
    check("<a b/>", 3, "no value");
    check("<a b=1/>", 5, "quotes");
    check("<a b='1'c='2'/>", 8, "white space");
    check("<a b='1' b=\"2\"/>", 9, "twice");
    check("<a b='<'/>", 6, "&lt;");
    check("<a b='&'/>", 6, "&amp;");
    check("<a>a & b</a>", 5, "");
    check("<a>&#0;</a>", 3, "not a reference");
    check("<a>&#xD800;</a>", 3, "not a reference");
    check("<a>&1;</a>", 3, "not a reference");
    check("<a>\0</a>", 3, "U+0000");
    check("<a>\u{1b}</a>", 3, "U+001B");
    check("<a>\u{ffff}</a>", 3, "U+FFFF");
    check(b"<a>\xff</a>", 3, "UTF-8");
    check(b"<a>\xed\xa0\x80</a>", 3, "UTF-8");
    check(b"\xff\xfe<\0a\0", 0, "UTF-16");
    check(b"<\0a\0/\0>\0", 0, "UTF-16");
    check(
        "<?xml version='1.0' encoding='Shift_JIS'?><a/>",
        30,
        "charset Shift_JIS",
    );
    check("<a><?xml version='1.0'?></a>", 3, "in front");
    check("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", 12, "DOCTYPE");
    check("<a><!DOCTYPE a></a>", 3, "DOCTYPE");
}

#[test]
fn limits_are_kept() {
    #[track_caller]
    fn check(source: &str, limits: &Limits, at: u32, what: &str) {
        let error = decode(
            bytes::Bytes::from(source.to_owned()),
            Hint::default(),
            limits,
        )
        .unwrap_err();
        assert!(
            matches!(error.kind, DecodeErrorKind::TooLarge { .. }),
            "{error}"
        );
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!(error.at, at, "{error}");
    }
    let limits = Limits::default();
    check(
        "<a><b><c/></b></a>",
        &Limits { depth: 2, ..limits },
        6,
        "levels",
    );
    check(
        "<a><b/><c/></a>",
        &Limits { nodes: 2, ..limits },
        7,
        "nodes",
    );
    check("<a></a>", &Limits { bytes: 6, ..limits }, 6, "bytes");
    let deep = "<a>".repeat(1_000_000);
    check(&deep, &limits, 3 * 64, "levels");
    let many: String = (0..101).map(|n| format!(" a{n}=''")).collect();
    let at = many.len() as u32 - 4;
    check(&format!("<a{many}/>"), &limits, at - 1, "attributes");
}

#[test]
fn what_is_let_pass_is_flagged_where_it_stands() {
    #[track_caller]
    fn check(source: &str, expected: &[(u32, FlagKind)]) {
        let document = parse(source).unwrap();
        let flags: Vec<_> = document
            .flags()
            .iter()
            .map(|flag| (flag.at, flag.kind.clone()))
            .collect();
        assert_eq!(flags, expected, "{source}");
    }
    check("<a>&amp;</a>", &[]);
    check(
        "<!DOCTYPE SyncML PUBLIC '-//x//' 'y.dtd'><a/>",
        &[(0, FlagKind::Doctype)],
    );
    check(
        "<a>&nbsp;</a>",
        &[(3, FlagKind::UndefinedEntity("nbsp".into()))],
    );
    check(
        "<a b='&nbsp;'/>",
        &[(6, FlagKind::UndefinedEntity("nbsp".into()))],
    );
    check("<m:a/>", &[(1, FlagKind::UndeclaredPrefix("m".into()))]);
    check(
        "<a m:b=''/>",
        &[(3, FlagKind::UndeclaredPrefix("m".into()))],
    );
    check("<a m:b='' xmlns:m='urn:x'><m:c xml:lang=''/></a>", &[]);
    let late = "the XML declaration does not stand at the very beginning";
    check(
        "\n<?xml version='1.0'?><a/>",
        &[(1, FlagKind::Other(late.into()))],
    );
    check(
        "<a>]]></a>",
        &[(3, FlagKind::Other("`]]>` stands in text".into()))],
    );
}

#[test]
fn an_undefined_entity_keeps_its_text() {
    check("<Data>a&nbsp;b&amp;</Data>", r#"(Data "a&nbsp;b&")"#);
}

#[test]
fn latin_1_keeps_the_offsets_of_the_source() {
    let source = b"<?xml version='1.0' encoding='ISO-8859-1'?><Data \xe4\xe4='1'/>";
    assert_eq!(parse(*source).unwrap_err().at, 49);
    let source =
        b"<?xml version='1.0' encoding='ISO-8859-1'?><F\xfc a='\xe9&amp;'>\xa0\xff</F\xfc>";
    let document = parse(*source).unwrap();
    assert_eq!(tree(&document), r#"(Fü? @a=é& "\u{a0}ÿ")"#);
    assert_eq!(document.root().span().len(), source.len() - 43);
    let mixed = b"<?xml version='1.0' encoding='ISO-8859-1'?><F\xfc></F\xe4>";
    assert!(
        parse(*mixed)
            .unwrap_err()
            .to_string()
            .contains("</Fä> cannot close <Fü>")
    );
}

#[test]
fn the_transport_settles_the_charset_before_the_document_does() {
    let hint = Hint {
        charset: Some("utf-8"),
        ..Hint::default()
    };
    let source = "<?xml version='1.0' encoding='UTF-16'?><Data>ä</Data>";
    let document = decode(source.into(), hint, &Limits::default()).unwrap();
    assert_eq!(tree(&document), r#"(Data "ä")"#);
    assert_eq!(document.flags().len(), 1);
}

#[test]
fn a_label_of_utf_16_on_text_in_utf_8_is_let_pass_with_a_flag() {
    for label in ["utf-16", "UTF-16LE", "utf-16be", "ISO-10646-UCS-2"] {
        let source = format!("<?xml version='1.0' encoding='{label}'?><Data>ä</Data>");
        let document = decode(source.into(), Hint::default(), &Limits::default()).unwrap();
        assert_eq!(tree(&document), r#"(Data "ä")"#);
        let flags: Vec<_> = document
            .flags()
            .iter()
            .map(|flag| flag.kind.to_string())
            .collect();
        assert_eq!(flags, [format!("declared as {label}, but is UTF-8")]);
    }
    let broken = b"<?xml version='1.0' encoding='utf-16'?><Data>\xff</Data>";
    let error = decode(
        broken.as_slice().into(),
        Hint::default(),
        &Limits::default(),
    );
    assert!(error.unwrap_err().to_string().contains("charset utf-16"));
}
