//! Reads everything that a document contains.

use dmtap::dm::{Command, Dialect, Item, Message, Meta, Refs};
use dmtap::markup::{Document, Element, Kind, Limits, EmbeddedResult};

/// Every node lies inside its parent and behind its elder sibling; every child is met once.
pub fn at_spans(document: &Document) {
    let source = document.source();
    let (mut met, mut from) = (0, 0);
    for id in document.top_ids() {
        met += 1;
        let span = document.span(id).expect("a top is a node");
        assert!(span.start >= from && !span.is_empty(), "{span:?}");
        from = span.end;
    }
    assert!(from as usize <= source.len());
    for element in document.elements() {
        let span = element.span();
        assert!(!span.is_empty(), "{element:?}");
        let mut from = span.start + 1;
        for id in element.child_ids() {
            met += 1;
            let child = document.span(id).expect("a child is a node");
            assert!(
                span.covers(child) && child.start >= from && !child.is_empty(),
                "{element:?}: {child:?}"
            );
            from = child.end;
            if let Some(child) = document.element(id) {
                assert_eq!(child.parent().map(Element::id), Some(element.id()));
            }
        }
    }
    assert_eq!(met, document.len());
    for flag in document.flags() {
        assert!(flag.at as usize <= source.len(), "{flag:?}");
        assert!(!flag.kind.to_string().is_empty());
    }
}

/// Names, values and places.
pub fn at_nodes(document: &Document) {
    for (number, element) in document.elements().enumerate() {
        assert!(!element.local().is_empty());
        let (mut whole, mut octets) = (String::new(), Vec::new());
        for text in element.texts() {
            if text.kind() != Kind::Opaque {
                assert_eq!(text.octets(), text.value().as_bytes());
            }
            whole.push_str(&text.value());
            octets.extend_from_slice(&text.octets());
        }
        assert_eq!(whole, element.text());
        assert_eq!(octets, &*element.octets());
        for attribute in element.attributes() {
            let name = attribute.name();
            assert!(!name.is_empty());
            let _ = (attribute.value(), element.foreign_namespace());
            assert!(element.attribute(&name).is_some());
        }
        // A path looks at every sibling: all of them would be the square of their number.
        if number % 61 == 0 {
            assert!(element.path().as_str().starts_with('/'));
        }
    }
}

/// The documents inside it, and those inside them.
pub fn inside(document: &Document, limits: &Limits) {
    for element in document.elements() {
        match element.open(limits) {
            EmbeddedResult::Plain => {}
            EmbeddedResult::Document(embedded) => {
                at_spans(embedded.document());
                at_nodes(embedded.document());
                assert!(embedded.limits().embedded < limits.embedded);
                inside(embedded.document(), embedded.limits());
            }
            EmbeddedResult::Unopened(flag) => {
                assert!(flag.at as usize <= document.source().len(), "{flag:?}");
            }
        }
    }
}

/// What it means as a message.
pub fn at_meaning(document: &Document) {
    let dialect = Dialect::of(document);
    let Some(message) = Message::of(document) else {
        return assert_ne!(dialect, Dialect::SyncMl);
    };
    if let Some(header) = message.header() {
        let _ = (header.ver_dtd(), header.ver_proto(), header.session_id());
        let _ = (header.msg_id(), header.target(), header.source());
        let _ = (header.source_name(), header.resp_uri());
        if let Some(cred) = header.cred() {
            let _ = (cred.scheme(), cred.data());
            cred.meta().map(at_meta);
        }
        header.meta().map(at_meta);
    }
    let nested: Vec<_> = message.all_commands().collect();
    assert!(nested.len() >= message.commands().count());
    nested.into_iter().for_each(at_command);
    let _ = message.is_final();
}

fn at_command(command: Command<'_>) {
    let _ = (command.kind().name(), command.cmd_id(), command.loc_uri());
    let _ = command.correlator();
    command.meta().map(at_meta);
    command.items().for_each(at_item);
    if let Some(status) = command.as_status() {
        let _ = (status.msg_ref(), status.cmd_ref(), status.cmd());
        let _ = (status.code(), status.original_error(), status.data());
        let _ = status.target_refs().count() + status.source_refs().count();
        if let Some(chal) = status.chal() {
            let _ = (chal.scheme(), chal.next_nonce());
        }
        status.items().for_each(at_item);
    }
    let _ = Refs::of(command);
    if let Some(alert) = command.as_alert() {
        let _ = (alert.code(), alert.alert_type());
    }
}

fn at_item(item: Item<'_>) {
    let _ = (item.target(), item.source(), item.more_data());
    let _ = item.data().map(Element::octets);
    item.meta().map(at_meta);
}

fn at_meta(meta: Meta<'_>) {
    let _ = (meta.format(), meta.media_type(), meta.size(), meta.mark());
    let _ = (meta.next_nonce(), meta.max_msg_size(), meta.max_obj_size());
}
