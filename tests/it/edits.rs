//! Edits change only what they name, in XML and in WBXML.

#[path = "edits/fragment.rs"]
mod inside;
mod meant;
mod random;

use bytes::Bytes;
use dmtap::markup::edit::{self, Edit, EditError, Fragment, Place};
use dmtap::markup::{Document, Hint, Limits, NodeId, decode};
use dmtap::patch::{Patch, Span};

fn parse(source: impl Into<Vec<u8>>) -> Document {
    decode(
        Bytes::from(source.into()),
        Hint::default(),
        &Limits::default(),
    )
    .unwrap()
}

fn named(document: &Document, name: &str) -> NodeId {
    document
        .elements()
        .find(|e| e.local() == name)
        .unwrap()
        .id()
}

fn fragment(xml: &str) -> Fragment {
    Fragment::parse(xml).unwrap()
}

fn set_text(element: NodeId, text: &str) -> Edit {
    Edit::SetText {
        element,
        text: text.into(),
    }
}

fn set_attribute(element: NodeId, name: &str, value: &str) -> Edit {
    Edit::SetAttribute {
        element,
        name: name.into(),
        value: value.into(),
    }
}

fn insert(place: Place, xml: &str) -> Edit {
    Edit::Insert {
        place,
        fragment: fragment(xml),
    }
}

/// Plans the edits that `edits` makes of the document and compares the source that comes of them.
#[track_caller]
fn check(
    source: impl Into<Vec<u8>>,
    edits: impl FnOnce(&Document) -> Vec<Edit>,
    expected: impl Into<Vec<u8>>,
) {
    let document = parse(source);
    let patch = edit::plan(&document, &edits(&document)).unwrap();
    let written = patch.apply(document.source());
    let expected = expected.into();
    assert_eq!(
        String::from_utf8_lossy(&written),
        String::from_utf8_lossy(&expected)
    );
    assert_eq!(written, expected);
}

#[test]
fn text_is_replaced_between_the_tags_and_keeps_its_form() {
    #[track_caller]
    fn text(source: &str, text: &str, expected: &str) {
        check(source, |d| vec![set_text(named(d, "Data"), text)], expected);
    }
    text("<Data>a</Data>", "b", "<Data>b</Data>");
    text("<Data x='1' ></Data >", "b", "<Data x='1' >b</Data >");
    text(
        "<Data>a</Data>",
        "1 < 2 && 3 > \"2\"\r\n",
        "<Data>1 &lt; 2 &amp;&amp; 3 &gt; \"2\"&#13;\n</Data>",
    );
    text(
        "<Data><![CDATA[a]]></Data>",
        "<b/>",
        "<Data><![CDATA[<b/>]]></Data>",
    );
    text(
        "<Data><![CDATA[a]]></Data>",
        "]]>",
        "<Data><![CDATA[]]]]><![CDATA[>]]></Data>",
    );
    text(
        "<Data><![CDATA[a]]></Data>",
        "b\r\n",
        "<Data>b&#13;\n</Data>",
    );
    text("<Data><Item/>x</Data>", "b", "<Data>b</Data>");
    text(
        "<Item><Data>a</Data> <!-- --></Item>",
        "",
        "<Item><Data></Data> <!-- --></Item>",
    );
}

#[test]
fn an_empty_tag_opens_in_one_splice() {
    #[track_caller]
    fn opens(source: &str, edits: impl FnOnce(NodeId) -> Vec<Edit>, expected: &str) {
        let document = parse(source);
        let patch = edit::plan(&document, &edits(named(&document, "Data"))).unwrap();
        assert_eq!(patch.splices().len(), 1);
        assert_eq!(patch.apply(document.source()), expected);
    }
    opens(
        "<Data/>",
        |data| vec![set_text(data, "b")],
        "<Data>b</Data>",
    );
    opens(
        "<Data x=\"a/b\" />",
        |data| vec![set_text(data, "b")],
        "<Data x=\"a/b\">b</Data>",
    );
    opens(
        "<Item><p:Data /></Item>",
        |data| vec![set_text(data, "b")],
        "<Item><p:Data>b</p:Data></Item>",
    );
    let both = |data| {
        vec![
            insert(Place::LastIn(data), "<A/>"),
            set_attribute(data, "y", "2"),
            insert(Place::FirstIn(data), "<B/>"),
            insert(Place::LastIn(data), "<C/>"),
            set_attribute(data, "x", "3"),
        ]
    };
    opens(
        "<Data x='1' />",
        both,
        "<Data x='3' y=\"2\"><B/><A/><C/></Data>",
    );
    check("<Data/>", |d| vec![set_text(d.root().id(), "")], "<Data/>");
}

#[test]
fn attributes_are_set_added_and_removed_in_place() {
    let root = |d: &Document| d.root().id();
    check(
        "<Data a='1'/>",
        |d| vec![set_attribute(root(d), "a", "\"'<&\n")],
        "<Data a='\"&apos;&lt;&amp;&#10;'/>",
    );
    check(
        "<Data a = \"1\" />",
        |d| vec![set_attribute(root(d), "a", "\"")],
        "<Data a = \"&quot;\" />",
    );
    check(
        "<Data a='1' />",
        |d| vec![set_attribute(root(d), "b", "2")],
        "<Data a='1' b=\"2\" />",
    );
    check(
        "<Data\n>x</Data>",
        |d| vec![set_attribute(root(d), "m:b", "2")],
        "<Data m:b=\"2\"\n>x</Data>",
    );
    let remove = |d: &Document, name| Edit::Remove {
        node: d.root().attribute(name).unwrap().id(),
    };
    check(
        "<Data a='1'\n  b='2' c='3'/>",
        |d| vec![remove(d, "b")],
        "<Data a='1' c='3'/>",
    );
    check(
        "<Data a='1'/>",
        |d| vec![remove(d, "a"), set_attribute(root(d), "b", "")],
        "<Data b=\"\"/>",
    );
}

#[test]
fn insertions_keep_their_order_beside_what_goes() {
    let source = "<Item>\n  <Data/>\n  <Meta>x</Meta>\n</Item>";
    let edits = |d: &Document| {
        let (data, meta, item) = (named(d, "Data"), named(d, "Meta"), d.root().id());
        vec![
            insert(Place::Before(meta), "<A/>"),
            insert(Place::After(data), "<B/>"),
            insert(Place::Before(meta), "<C/>"),
            Edit::Remove { node: meta },
            insert(Place::After(meta), "<D/>"),
            insert(Place::LastIn(item), "<E>&amp;<![CDATA[&]]></E>"),
            insert(Place::FirstIn(item), "<F/>"),
            Edit::Replace {
                node: data,
                fragment: fragment("<?xml version='1.0'?> <G/> "),
            },
        ]
    };
    let expected = "<Item><F/>\n  <G/><B/>\n  <A/><C/><D/>\n<E>&amp;<![CDATA[&]]></E></Item>";
    check(source, edits, expected);
}

#[test]
fn a_document_in_another_charset_is_written_in_it() {
    let latin = |body: &[u8]| [b"<?xml version='1.0' encoding='ISO-8859-1'?>", body].concat();
    let set = |d: &Document| {
        vec![
            set_text(d.root().id(), "ä€"),
            set_attribute(d.root().id(), "a", "€"),
        ]
    };
    check(
        latin(b"<Data a='\xe4'>\xe4</Data>"),
        set,
        latin(b"<Data a='&#x20AC;'>\xe4&#x20AC;</Data>"),
    );
    let cdata = |d: &Document| vec![set_text(d.root().id(), "ä")];
    check(
        latin(b"<Data><![CDATA[x]]></Data>"),
        cdata,
        latin(b"<Data><![CDATA[\xe4]]></Data>"),
    );
    let put = |d: &Document| vec![insert(Place::LastIn(d.root().id()), "<Data>ä</Data>")];
    check(
        latin(b"<Item/>"),
        put,
        latin(b"<Item><Data>\xe4</Data></Item>"),
    );
    let document = parse(latin(b"<Item/>"));
    let put = insert(Place::LastIn(document.root().id()), "<Data>€</Data>");
    assert!(matches!(
        edit::plan(&document, &[put]),
        Err(EditError::Unwritable(_))
    ));
}

#[test]
fn what_xml_cannot_hold_is_refused_with_the_remedy() {
    let document = parse("<Data><![CDATA[]]></Data>");
    for edit in [
        set_text(document.root().id(), "\u{1}"),
        set_attribute(document.root().id(), "a", "\0"),
    ] {
        let error = edit::plan(&document, &[edit]).unwrap_err().to_string();
        assert!(error.contains("base64"), "{error}");
    }
    let edit = set_attribute(document.root().id(), "a b", "");
    assert!(edit::plan(&document, &[edit]).is_err());
}

#[test]
fn edits_that_overlap_or_do_not_fit_change_nothing() {
    #[track_caller]
    fn refused(edits: impl FnOnce(&Document) -> Vec<Edit>, expected: &str) {
        let document = parse("<SyncBody><Item><Data a='1'>x</Data></Item><Item/></SyncBody>");
        let error = edit::plan(&document, &edits(&document)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let (data, item) = (
        |d: &Document| named(d, "Data"),
        |d: &Document| named(d, "Item"),
    );
    let text = |d: &Document| d.element(data(d)).unwrap().texts().next().unwrap().id();
    let attribute = |d: &Document| {
        d.element(data(d))
            .unwrap()
            .attributes()
            .next()
            .unwrap()
            .id()
    };
    let touched = "two edits touch /SyncBody/Item[1]/Data";
    refused(
        |d| vec![set_text(data(d), "1"), set_text(data(d), "2")],
        touched,
    );
    refused(
        |d| vec![set_text(data(d), "1"), Edit::Remove { node: item(d) }],
        touched,
    );
    refused(
        |d| vec![set_text(item(d), "1"), set_attribute(data(d), "a", "2")],
        touched,
    );
    refused(
        |d| vec![set_text(data(d), "1"), Edit::Remove { node: text(d) }],
        touched,
    );
    refused(
        |d| {
            vec![
                set_text(data(d), "1"),
                insert(Place::After(text(d)), "<A/>"),
            ]
        },
        touched,
    );
    refused(
        |d| {
            vec![
                Edit::Remove { node: data(d) },
                Edit::Remove { node: data(d) },
            ]
        },
        touched,
    );
    refused(
        |d| {
            vec![
                set_attribute(data(d), "a", "2"),
                Edit::Remove { node: attribute(d) },
            ]
        },
        touched,
    );
    refused(
        |d| {
            vec![Edit::Remove {
                node: d.root().id(),
            }]
        },
        "remove does not fit /SyncBody",
    );
    refused(
        |d| vec![set_text(text(d), "")],
        "set text does not fit /SyncBody/Item[1]/Data",
    );
    refused(
        |d| vec![insert(Place::After(d.root().id()), "<A/>")],
        "insert does not fit /SyncBody",
    );
    refused(
        |d| vec![insert(Place::Before(attribute(d)), "<A/>")],
        "insert does not fit /SyncBody/Item[1]/Data",
    );
}

#[test]
fn what_a_patch_puts_at_the_end_of_a_text_stays_in_front_of_what_comes_behind() {
    let edits = |d: &Document| {
        let text = d.root().texts().next().unwrap().id();
        let put = |at| Patch::replacing(Span::at(at), b"x".to_vec()).splices()[0].clone();
        vec![
            insert(Place::Before(text), "<A/>"),
            insert(Place::After(text), "<B/>"),
            insert(Place::LastIn(d.root().id()), "<C/>"),
            Edit::PatchText {
                text,
                patch: Patch::new(vec![put(0), put(2)]).unwrap(),
            },
        ]
    };
    check("<Data>ab</Data>", edits, "<Data><A/>xabx<B/><C/></Data>");
}

#[test]
fn a_patch_that_cuts_an_undefined_entity_leaves_no_half_of_it() {
    #[track_caller]
    fn patched(source: impl Into<Vec<u8>>, start: u32, end: u32, expected: impl Into<Vec<u8>>) {
        let patch = |d: &Document| {
            let text = d.root().texts().next().unwrap().id();
            let patch = Patch::replacing(Span::new(start, end), b"x".to_vec());
            vec![Edit::PatchText { text, patch }]
        };
        check(source, patch, expected);
    }
    patched("<Data>a&nbsp;b</Data>", 4, 7, "<Data>a&amp;nbxb</Data>");
    patched("<Data>&nbsp;b</Data>", 0, 3, "<Data>xsp;b</Data>");
    patched("<Data>a&nbsp;&lt;</Data>", 7, 8, "<Data>a&nbsp;x</Data>");
    patched("<Data>a&nbsp;b</Data>", 1, 7, "<Data>axb</Data>");
    let latin = |text: &[u8]| {
        let head = b"<?xml version='1.0' encoding='ISO-8859-1'?><Data>";
        [head, text, b"</Data>"].concat()
    };
    patched(latin(b"&\xE9;b"), 3, 4, latin(b"&amp;\xE9xb"));
    patched(latin(b"&\xE9;b"), 4, 5, latin(b"&\xE9;x"));
}

#[test]
fn no_edit_gives_the_very_bytes() {
    let document = parse("<Data>x</Data>");
    let patch = edit::plan(&document, &[]).unwrap();
    assert_eq!(
        patch.apply(document.source()).as_ptr(),
        document.source().as_ptr()
    );
    let patch = edit::plan(&document, &[set_text(document.root().id(), "x")]).unwrap();
    assert!(patch.is_empty());
}
