//! Finds the elements of a document that hold secrets.
//!
//! SyncML: Cred/Data, NextNonce, the Data of AADUserToken alerts, the Data of nodes that hold keys, the secrets in
//! addresses. Enrollment (MS-XCEP, MS-WSTEP): elements with the name of a secret. Provisioning and forms: parms and
//! inputs with such a name. Documents inside documents are searched in the same way; other texts, attribute values and
//! comments are searched by their looks.

use std::ops::Range;

use memchr::memmem;

use super::comment::comments;
use super::known_value::KnownValues;
use super::secret_name::{
    is_pfx_status, is_secret_branch, is_secret_item, is_secret_name, is_secret_node,
};
use super::source_mapped_text::SourceMappedText;
use super::spans::{Secrecy, SecretSpans};
use super::{head, lookalike, merged, token};
use crate::dm::Meta;
use crate::flow::AnswerLink;
use crate::markup::wbxml::token::{ENTITY, STR_T};
use crate::markup::{Document, Element, Kind, Limits, NameId, NodeId, Space, tag};

/// Finds the secrets of a document and adds their values to `values`. `limits` apply to embedded documents.
pub(super) fn find(
    document: &Document,
    links: &[AnswerLink],
    values: &mut KnownValues,
    limits: &Limits,
) -> SecretSpans {
    let mut walk = Walk::new(document, links, values);
    walk.all(limits);
    walk.find_lookalikes_in_comments();
    walk.repeated();
    walk.spans()
}

pub(super) struct Walk<'d, 'v> {
    pub(super) document: &'d Document,
    links: &'d [AnswerLink],
    pub(super) values: &'v mut KnownValues,
    /// The secrets found so far, in no order.
    pub(super) spans: SecretSpans,
    /// The contents of comments and processing instructions.
    pub(super) comments: Vec<Range<usize>>,
    /// The last Item that was tested, and whether its Data are secrets; then the same for its command.
    item: Option<(NodeId, bool)>,
    command: Option<(NodeId, bool)>,
    /// The parent of an element whose text names the next sibling as a secret.
    named: Option<NodeId>,
    /// The last name outside the tables that was tested, and whether it means a secret. This saves a million tests for
    /// a body of a million equal elements.
    asked: Option<(NameId, bool)>,
}

impl<'d, 'v> Walk<'d, 'v> {
    pub(super) fn new(
        document: &'d Document,
        links: &'d [AnswerLink],
        values: &'v mut KnownValues,
    ) -> Self {
        Self {
            document,
            links,
            values,
            spans: SecretSpans::default(),
            comments: comments(document),
            item: None,
            command: None,
            named: None,
            asked: None,
        }
    }

    /// Returns the secrets found, in order.
    pub(super) fn spans(self) -> SecretSpans {
        let mut spans = self.spans;
        spans.fills = merged(spans.fills);
        spans.rewrites.sort_unstable_by_key(|rewrite| rewrite.start);
        in_order(&mut spans.elements);
        in_order(&mut spans.attributes);
        spans.inside.sort_unstable_by_key(|(holder, _)| *holder);
        spans
    }

    /// Searches the document once; `limits` apply to embedded documents.
    fn all(&mut self, limits: &Limits) {
        let mut at = 0;
        while at < self.document.len() {
            let id = NodeId(at as u32);
            at += 1;
            match self.document.kind(id) {
                Some(Kind::Element) => {
                    let element = self.document.element(id);
                    if let Some(element) = element.filter(|e| self.is_done(*e, limits)) {
                        at = element.next_after().0 as usize;
                    }
                }
                Some(_) => self.find_lookalikes(id),
                None => {}
            }
        }
    }

    /// Searches an element. Returns whether its content needs no further search.
    fn is_done(&mut self, element: Element<'d>, limits: &Limits) -> bool {
        let name = element.name();
        if name == tag::LOC_URI || name == tag::RESP_URI {
            return self.address(element);
        }
        let is_foreign = element.space().is_none();
        if is_foreign && element.local() == token::BINARY {
            self.token(element, limits);
            return true;
        }
        if self.is_secret(element) {
            if !self.profile(element, limits) {
                self.hide(element);
            }
            return true;
        }
        self.named_value(element);
        let is_named = is_foreign && self.named_text(element);
        let may_hold = is_foreign || matches!(name, tag::DATA | VALUE);
        if is_named || !may_hold || !self.embedded(element, limits) {
            return false;
        }
        for attribute in element.attributes() {
            self.find_lookalikes(attribute.id());
        }
        true
    }

    fn is_secret(&mut self, element: Element<'d>) -> bool {
        let name = element.name();
        if element.space().is_some() {
            return match name {
                tag::NEXT_NONCE => true,
                tag::DATA => self.is_secret_data(element),
                VALUE => is_secret_value(element),
                _ => false,
            };
        }
        match element.local() {
            "Data" => self.is_secret_data(element),
            // <ContextItem Name="EnrollmentData"><Value>…</Value></ContextItem>
            "Value" => {
                let around = element.parent().into_iter().flat_map(Element::attributes);
                let mut names = around.filter(|a| is_name(&a.name()));
                names.any(|a| is_secret_item(a.value().as_bytes())) || is_secret_value(element)
            }
            local => match self.asked {
                Some((asked, secret)) if asked == name => secret,
                _ => {
                    let secret = is_secret_name(local.as_bytes());
                    self.asked = Some((name, secret));
                    secret
                }
            },
        }
    }

    fn is_secret_data(&mut self, data: Element<'d>) -> bool {
        let Some(parent) = data.parent() else {
            return false;
        };
        if is(parent, tag::CRED) {
            return true;
        }
        if !is(parent, tag::ITEM) {
            return false;
        }
        match self.item {
            Some((item, secret)) if item == parent.id() => secret,
            _ => {
                let secret = self.is_secret_item(parent);
                self.item = Some((parent.id(), secret));
                secret
            }
        }
    }

    fn is_secret_item(&mut self, item: Element<'d>) -> bool {
        let is_results = item.parent().is_some_and(|it| is(it, tag::RESULTS));
        let mut named = false;
        for place in item.elements().filter(|e| is_one_of(*e, &PLACES)) {
            let Some(uri) = child(place, tag::LOC_URI) else {
                continue;
            };
            let data = child(item, tag::DATA).filter(|_| is_results);
            let is_status = |data: Element<'d>| is_pfx_status(&uri.text(), &data.text());
            if is_secret_node(&uri.text()) && !data.is_some_and(is_status) {
                return true;
            }
            named = true;
        }
        let Some(command) = item.parent() else {
            return false;
        };
        if is(command, tag::ALERT) {
            let meta = item.child(tag::META).map(Meta::of);
            let media_type = meta.and_then(Meta::media_type);
            return media_type.is_some_and(|t| t.to_ascii_lowercase().contains("aadusertoken"));
        }
        !named && self.is_about_secret(command)
    }

    /// Returns whether a Results or Status is about a secret node that it names outside its Items, or does not name.
    fn is_about_secret(&mut self, command: Element<'d>) -> bool {
        match self.command {
            Some((known, secret)) if known == command.id() => return secret,
            _ => {}
        }
        let mut refs = command
            .elements()
            .filter(|e| is_one_of(*e, &[tag::TARGET_REF, tag::SOURCE_REF]));
        let mut secret = refs.any(|r| is_secret_node(&child(r, tag::LOC_URI).unwrap_or(r).text()));
        if !secret {
            let link = self.links.binary_search_by_key(&command.id(), |l| l.from);
            let link = link.ok().and_then(|at| self.links[at].to.command());
            secret = link.is_some_and(|asked| {
                let mut places = asked.items().flat_map(|i| [i.target(), i.source()]);
                places.any(|uri| uri.is_some_and(|uri| is_secret_node(&uri)))
            });
        }
        self.command = Some((command.id(), secret));
        secret
    }

    /// Masks all characters of an element, its content and its comments.
    pub(super) fn hide(&mut self, element: Element<'d>) {
        self.spans.elements.push((element.id(), Secrecy::Whole));
        self.values
            .remember(&SourceMappedText::of_texts(element).text);
        for at in element.id().0 + 1..element.next_after().0 {
            let id = NodeId(at);
            match self.document.kind(id) {
                Some(Kind::Element) | None => {}
                Some(Kind::Attribute) if self.says_how(id) => {}
                Some(_) => SourceMappedText::of(self.document, id).all(&mut self.spans.fills),
            }
        }
        let span = element.span();
        let first = self
            .comments
            .partition_point(|comment| comment.start < span.start as usize);
        let inside = self.comments[first..].iter();
        let inside = inside.take_while(|comment| comment.end <= span.end as usize);
        self.spans.fills.extend(inside.cloned());
    }

    /// Returns whether an XML attribute is a namespace declaration or one of [`NO_SECRETS`]; the tree needs its value.
    pub(super) fn says_how(&self, attribute: NodeId) -> bool {
        if self.document.is_wbxml() {
            return false;
        }
        let span = self.document.span(attribute);
        let written = span.map_or(&[][..], |span| span.of(self.document.source()));
        let name = memchr::memchr(b'=', written).map_or(written, |len| written[..len].trim_ascii());
        let local = name.rsplit(|byte| *byte == b':').next();
        name.starts_with(b"xmlns") || local.is_some_and(|local| NO_SECRETS.contains(&local))
    }

    /// Masks the values in `<user password="…"/>`, `<parm name="AAUTHSECRET" value="…"/>` and
    /// `<input name="wresult" value="…"/>`.
    fn named_value(&mut self, element: Element<'d>) {
        let mut value = None;
        let mut is_secret = false;
        for attribute in element.attributes() {
            let name = attribute.name();
            let local = || name.rsplit(':').next().unwrap_or_default();
            if name.eq_ignore_ascii_case("value") {
                value = Some(attribute);
            } else if is_name(&name) {
                is_secret |= is_secret_name(attribute.value().as_bytes());
            } else if !name.starts_with("xmlns") && is_secret_name(local().as_bytes()) {
                self.hide_attribute(attribute.id());
            }
        }
        if let Some(value) = value.filter(|_| is_secret) {
            self.hide_attribute(value.id());
        }
    }

    pub(super) fn hide_attribute(&mut self, attribute: NodeId) {
        let plain = SourceMappedText::of(self.document, attribute);
        self.values.remember(&plain.text);
        plain.all(&mut self.spans.fills);
        self.spans.attributes.push((attribute, Secrecy::Whole));
    }

    /// Masks the text in `<string name="password">…</string>`, `<key>password</key><string>…</string>`, and in a node
    /// of a declared configuration: `<CSP name="./Vendor/MSFT/VPNv2"><URI path="Work/PreSharedKey">…</URI></CSP>`.
    /// Returns whether the element is such a secret.
    fn named_text(&mut self, element: Element<'d>) -> bool {
        let local = element.local();
        let is_known = self.named.take();
        let is_named =
            is_known.is_some_and(|around| Some(around) == element.parent().map(Element::id));
        if local.eq_ignore_ascii_case("key") || local.eq_ignore_ascii_case("name") {
            let text = element.text();
            let around = element.parent().map(Element::id);
            self.named = around.filter(|_| is_secret_name(text.trim().as_bytes()));
        }
        let attribute = |of: Element<'d>, known: &str| {
            let mut all = of.attributes();
            let found = all.find(|a| a.name().eq_ignore_ascii_case(known));
            found.map(|a| a.value().into_owned())
        };
        let is_node = || {
            let path = attribute(element, "path")?;
            let around = element.parent().and_then(|csp| attribute(csp, "name"));
            Some(is_secret_node(&format!(
                "{}/{path}",
                around.unwrap_or_default()
            )))
        };
        let is_called = || {
            let mut names = element.attributes().filter(|a| is_name(&a.name()));
            names.any(|a| is_secret_name(a.value().as_bytes()))
        };
        let is_secret = is_named || is_called() || local == "URI" && is_node() == Some(true);
        let is_secret = is_secret && element.elements().next().is_none();
        if is_secret {
            let plain = SourceMappedText::of_texts(element);
            if !plain.text.trim_ascii().is_empty() {
                self.values.remember(&plain.text);
                plain.all(&mut self.spans.fills);
                self.spans.elements.push((element.id(), Secrecy::Whole));
            }
        }
        is_secret
    }

    /// Masks the secrets in the address of a server. The query of a LocURI in the management tree has no secret.
    fn address(&mut self, element: Element<'d>) -> bool {
        // Nearly no address has secrets, and its bytes show this quickly.
        let written = element.span().of(self.document.source());
        // WBXML may store a character elsewhere, with STR_T or ENTITY.
        let is_marked = memchr::memchr3(b'?', b'#', b'@', written)
            .or_else(|| memchr::memchr3(b'&', b';', STR_T, written))
            .or_else(|| memchr::memchr(ENTITY, written));
        if is_marked.is_none() {
            return true;
        }
        let plain = SourceMappedText::of_texts(element);
        let is_server = memmem::find(&plain.text, b"://").is_some();
        if is_server || element.is(tag::RESP_URI) {
            for place in head::secrets(&plain.text) {
                self.found(&plain, place);
                self.spans.elements.push((element.id(), Secrecy::Part));
            }
        }
        true
    }

    fn found(&mut self, plain: &SourceMappedText<'_>, place: Range<usize>) {
        self.values.remember(&plain.text[place.clone()]);
        plain.places(place, &mut self.spans.fills);
    }

    /// Marks the element or attribute of a node as containing a secret.
    pub(super) fn mark(&mut self, id: NodeId) {
        match self.document.kind(id) {
            Some(Kind::Attribute) => self.spans.attributes.push((id, Secrecy::Part)),
            _ => self
                .spans
                .elements
                .push((self.document.parent(id), Secrecy::Part)),
        }
    }

    /// Searches a text or an attribute value for what looks like a secret.
    fn find_lookalikes(&mut self, id: NodeId) {
        let Some(span) = self.document.span(id) else {
            return;
        };
        if !lookalike::is_suspect(span.of(self.document.source())) {
            return;
        }
        let plain = SourceMappedText::of(self.document, id);
        let places = lookalike::places(&plain.text);
        if places.is_empty() {
            return;
        }
        for place in places {
            self.found(&plain, place);
        }
        self.mark(id);
    }

    fn find_lookalikes_in_comments(&mut self) {
        let source = self.document.source();
        for comment in &self.comments {
            for place in lookalike::places(&source[comment.clone()]) {
                let place = comment.start + place.start..comment.start + place.end;
                self.values.remember(&source[place.clone()]);
                self.spans.fills.push(place);
            }
        }
    }
}

/// Returns whether an element has this name. In a foreign namespace, only the local name counts.
fn is(element: Element<'_>, name: NameId) -> bool {
    element.is(name) || element.space().is_none() && name.text() == Some(element.local())
}

fn is_one_of(element: Element<'_>, names: &[NameId]) -> bool {
    names.iter().any(|name| is(element, *name))
}

fn child(element: Element<'_>, name: NameId) -> Option<Element<'_>> {
    element.elements().find(|child| is(*child, name))
}

fn is_name(attribute: &str) -> bool {
    ["name", "id", "key"]
        .iter()
        .any(|name| attribute.eq_ignore_ascii_case(name))
}

/// Returns whether the Value of a Node is a secret, by its name, the names around it and the path of its tree
/// (OMA-TS-DM_TND-V1_2_1 §10).
fn is_secret_value(value: Element<'_>) -> bool {
    let mut around = value.parent();
    let mut is_leaf = true;
    while let Some(node) = around {
        // The name and path come first in a node, and a node may have many children.
        let names = node.elements().take(FRONT);
        for name in names.filter(|e| is_one_of(*e, &[NODE_NAME, PATH])) {
            let text = name.text();
            let mut segments = text.trim().split('/');
            if is_leaf && is_secret_name(text.trim().as_bytes())
                || segments.any(|segment| is_secret_branch(segment.as_bytes()))
            {
                return true;
            }
        }
        is_leaf = false;
        around = node.parent();
    }
    false
}

/// Among so many first children a Node has its name and path.
const FRONT: usize = 4;

const NODE_NAME: NameId = NameId::known(Space::DmDdf, 0x26);
const PATH: NameId = NameId::known(Space::DmDdf, 0x2C);
const VALUE: NameId = NameId::known(Space::DmDdf, 0x36);

/// The elements that name the node of an Item.
const PLACES: [NameId; 4] = [
    tag::TARGET,
    tag::SOURCE,
    NameId::known(Space::SyncMl, 0x39),
    NameId::known(Space::SyncMl, 0x3A),
];

/// Leaves each element once, in document order, with its largest extent.
fn in_order(found: &mut Vec<(NodeId, Secrecy)>) {
    found.sort_unstable_by_key(|(id, extent)| (*id, std::cmp::Reverse(*extent)));
    found.dedup_by_key(|(id, _)| *id);
}

/// Attributes about the encoding of a secret, with or without a prefix (WS-Security 1.0 §6.2, §6.3).
const NO_SECRETS: [&[u8]; 3] = [b"ValueType", b"EncodingType", b"Type"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_names_are_those_of_the_tables() {
        let names = [NODE_NAME, PATH, VALUE, PLACES[2], PLACES[3]].map(|name| name.text());
        let expected = ["NodeName", "Path", "Value", "SourceParent", "TargetParent"];
        assert_eq!(names, expected.map(Some));
    }
}
