//! The places of URLs in a message.

use std::borrow::Cow;

use super::kind::{self, Kind};
use super::{Extent, StayInput};
use crate::dm::token::{BinaryToken, TokenKind};
use crate::dm::{CommandKind, Dialect, Item, Message};
use crate::flow::Side;
use crate::markup::{Document, Element, Limits, NodeId, Path, tag};

#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The elements whose texts are the embedded documents on the way to the element.
    pub(super) holders: Vec<NodeId>,
    pub(super) element: NodeId,
    pub(super) part: Part,
    /// The only text of the element, or its attribute; `None` if the value can only be written as a whole.
    pub(super) text: Option<NodeId>,
    pub(super) path: String,
    /// A name for people who do not read paths: `APPLICATION/ADDR`, or the node of the management tree.
    pub(super) name: Option<String>,
    pub(super) value: String,
    /// The kind; `None` for a place that is only examined to note URLs that lead away.
    pub(super) kind: Option<&'static Kind>,
    /// A key that an address and its port share.
    pub(super) group: Option<String>,
    /// Whether the place names a file for an app.
    pub(super) is_download: bool,
    /// The Size element in Meta, if it states the actual length of the value.
    pub(super) size: Option<NodeId>,
}

impl Place {
    /// Returns the name of the place in notes.
    pub(super) fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.path)
    }
}

/// The part of an element that has the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text,
    /// The attribute `value`.
    Value,
}

#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) places: Vec<Place>,
    /// The signature over the whole message, if there is one.
    pub(super) signature: Option<&'static str>,
    /// Whether there are more places than [`MOST_PLACES`].
    pub(super) is_cut: bool,
    /// The path of a provisioning document that does not decode.
    pub(super) unread: Option<String>,
}

/// The most places of one message that are examined.
pub(super) const MOST_PLACES: usize = 1_000;

pub(super) fn of(document: &Document, input: &StayInput<'_>) -> Places {
    let mut finder = Finder {
        input,
        found: Places::default(),
    };
    finder.visit(document, &Inside::default(), input.limits);
    finder.found
}

struct Finder<'a, 'f> {
    input: &'a StayInput<'f>,
    found: Places,
}

#[derive(Clone, Default)]
struct Inside {
    holders: Vec<NodeId>,
    path: Option<Path>,
}

impl Inside {
    fn path(&self, element: Element<'_>) -> Path {
        match &self.path {
            Some(outer) => outer.joined(&element.path()),
            None => element.path(),
        }
    }
}

impl Finder<'_, '_> {
    fn visit(&mut self, document: &Document, inside: &Inside, limits: &Limits) {
        match Dialect::of(document) {
            Dialect::SyncMl => self.syncml(document, inside, limits),
            Dialect::Soap => self.soap(document, inside, limits),
            Dialect::Provisioning if self.input.to == Side::Device => {
                self.provisioning(document, inside);
            }
            Dialect::Provisioning | Dialect::Other => {}
        }
    }

    /// Visits the provisioning document in the text of an element. Returns whether there is one.
    fn step_into(&mut self, holder: Element<'_>, inside: &Inside, limits: &Limits) -> bool {
        let embedded = holder.embedded(limits);
        let Some(embedded) =
            embedded.filter(|it| Dialect::of(it.document()) == Dialect::Provisioning)
        else {
            return false;
        };
        let mut holders = inside.holders.clone();
        holders.push(holder.id());
        let inside = Inside {
            holders,
            path: Some(inside.path(holder)),
        };
        self.visit(embedded.document(), &inside, embedded.limits());
        true
    }

    fn soap(&mut self, document: &Document, inside: &Inside, limits: &Limits) {
        let to_device = self.input.to == Side::Device;
        for element in document.elements() {
            let parent = element.parent().map_or("", Element::local);
            match element.local() {
                "SignedInfo" if parent == "Signature" => self.found.signature = Some("XML-DSig"),
                "To" if parent == "Header" && !to_device => {
                    self.push_text(element, inside, Some(&kind::TO));
                }
                _ if !to_device => {}
                "BinarySecurityToken" => {
                    let is_document = BinaryToken::of(element).kind() == TokenKind::ProvisionDoc;
                    if !self.step_into(element, inside, limits) && is_document {
                        self.found.unread = Some(inside.path(element).to_string());
                    }
                }
                name => {
                    if let Some(kind) = of_soap(parent, name, element) {
                        self.push_text(element, inside, Some(kind));
                    } else if parent != "Header" && begins_as_url(element) {
                        self.push_text(element, inside, None);
                    }
                }
            }
        }
    }

    fn provisioning(&mut self, document: &Document, inside: &Inside) {
        for parm in document.elements().filter(|element| element.is(tag::PARM)) {
            let (Some(name), Some(value)) = (parm.attribute("name"), parm.attribute("value"))
            else {
                continue;
            };
            let types = around(parm).filter_map(|around| around.attribute("type"));
            let mut path: Vec<Cow<'_, str>> = types.map(|kind| kind.value()).collect();
            path.reverse();
            path.push(name.value());
            let names: Vec<&str> = path.iter().map(|name| &**name).collect();
            if names.last().is_some_and(is_never) {
                continue;
            }
            let kind = kind::of_node(&names).filter(|_| is_of_w7(parm, &names));
            let text = (!document.is_wbxml()).then(|| value.id());
            let value = value.value();
            if kind.is_none() && !is_url(&value) {
                continue;
            }
            let group = group(kind, parm, inside);
            self.push(Place {
                holders: inside.holders.clone(),
                element: parm.id(),
                part: Part::Value,
                text,
                path: format!("{}@value", inside.path(parm)),
                name: Some(names.join("/")),
                value: value.into_owned(),
                kind,
                group,
                is_download: false,
                size: None,
            });
        }
    }

    fn syncml(&mut self, document: &Document, inside: &Inside, limits: &Limits) {
        let Some(message) = Message::of(document) else {
            return;
        };
        if let Some(header) = message.header() {
            self.sync_hdr(header.element(), inside);
        }
        let to_device = self.input.to == Side::Device;
        for command in message.all_commands() {
            let is_read = match command.kind() {
                CommandKind::Add | CommandKind::Replace | CommandKind::Exec => to_device,
                CommandKind::Results => !to_device,
                _ => false,
            };
            if !is_read {
                continue;
            }
            for item in command.items() {
                let Some(data) = item.data().filter(|_| !item.more_data()) else {
                    continue;
                };
                if to_device && self.step_into(data, inside, limits) {
                    continue;
                }
                let node = if to_device {
                    item.target()
                } else {
                    item.source()
                };
                let Some(node) = node else {
                    continue;
                };
                self.node(item, data, &node, inside);
            }
        }
    }

    fn node(&mut self, item: Item<'_>, data: Element<'_>, node: &str, inside: &Inside) {
        let to_device = self.input.to == Side::Device;
        let names = kind::node_names(node);
        let is_download = to_device
            && names
                .first()
                .is_some_and(|first| kind::DOWNLOADS.contains(first));
        let kind = kind::of_node(&names).filter(|_| names.first() != Some(&"APPLICATION"));
        let is_left_over = to_device && begins_as_url(data) && !names.last().is_some_and(is_never);
        if kind.is_none() && !is_left_over && !is_download {
            return;
        }
        let group = kind
            .filter(|kind| matches!(kind.form, kind::Form::Port | kind::Form::Bare))
            .map(|_| {
                names[..names.len().min(ACCOUNT_ADDRESS)]
                    .join("/")
                    .to_ascii_lowercase()
            });
        let place = text_place(data, inside, kind);
        self.push(Place {
            group,
            name: Some(node.to_owned()),
            is_download,
            size: size(item, &place.value),
            ..place
        });
    }

    fn sync_hdr(&mut self, header: Element<'_>, inside: &Inside) {
        let to_device = self.input.to == Side::Device;
        if let Some(resp_uri) = header.child(tag::RESP_URI).filter(|_| to_device) {
            self.push_text(resp_uri, inside, Some(&kind::RESP_URI));
        }
        if self.input.context.extent == Extent::Full {
            let ends = [tag::TARGET, tag::SOURCE];
            let ends = ends.map(|end| header.child(end)?.child(tag::LOC_URI));
            for uri in ends.into_iter().flatten() {
                self.push_text(uri, inside, Some(&kind::SYNC_HDR));
            }
        }
    }

    fn push_text(&mut self, element: Element<'_>, inside: &Inside, kind: Option<&'static Kind>) {
        self.push(text_place(element, inside, kind));
    }

    fn push(&mut self, place: Place) {
        match self.found.places.len() < MOST_PLACES {
            true => self.found.places.push(place),
            false => self.found.is_cut = true,
        }
    }
}

/// Returns the place of the text of an element.
fn text_place(element: Element<'_>, inside: &Inside, kind: Option<&'static Kind>) -> Place {
    Place {
        holders: inside.holders.clone(),
        element: element.id(),
        part: Part::Text,
        text: only_text(element),
        path: inside.path(element).to_string(),
        name: None,
        value: element.text().into_owned(),
        kind,
        group: None,
        is_download: false,
        size: None,
    }
}

fn of_soap(parent: &str, name: &str, element: Element<'_>) -> Option<&'static Kind> {
    if parent == "DiscoverResult" {
        let known = kind::DISCOVERY.iter().find(|kind| kind.name == name);
        return known.or_else(|| begins_as_url(element).then_some(&kind::DISCOVERY_OTHER));
    }
    let known = kind::POLICIES.iter();
    let mut known = known.filter(|(around, known, _)| *around == parent && *known == name);
    known.next().map(|(_, _, kind)| kind)
}

/// Iterates over the characteristics around a parameter, from the inside out.
fn around(parm: Element<'_>) -> impl Iterator<Item = Element<'_>> {
    let around = std::iter::successors(parm.parent(), |element| element.parent());
    around.filter(|element| element.is(tag::CHARACTERISTIC))
}

/// Whether a parameter belongs to DM, not to another kind of APPLICATION, which may have addresses, too.
fn is_of_w7(parm: Element<'_>, names: &[&str]) -> bool {
    if !names
        .first()
        .is_some_and(|first| first.eq_ignore_ascii_case("APPLICATION"))
    {
        return true;
    }
    let Some(application) = around(parm).last() else {
        return true;
    };
    let mut parms = application
        .elements()
        .filter(|child| child.is(tag::PARM))
        .take(MOST_PLACES);
    let id = parms.find_map(|parm| {
        let name = parm.attribute("name")?.value();
        name.eq_ignore_ascii_case("APPID")
            .then(|| parm.attribute("value"))?
    });
    id.is_none_or(|id| id.value().eq_ignore_ascii_case("w7"))
}

/// Returns the key that an address and its port share: the APPADDR around them.
fn group(kind: Option<&'static Kind>, parm: Element<'_>, inside: &Inside) -> Option<String> {
    kind.filter(|kind| kind.name.starts_with("APPADDR"))?;
    let is_address = |element: &Element<'_>| {
        let kind = element.attribute("type");
        kind.is_some_and(|kind| kind.value().eq_ignore_ascii_case("APPADDR"))
    };
    let address = around(parm).find(is_address)?;
    Some(format!("{:?} {:?}", inside.holders, address.id()))
}

/// Returns the Size in the item's Meta, if it states the actual length of the value.
fn size(item: Item<'_>, value: &str) -> Option<NodeId> {
    let meta = item.element().child(tag::META)?;
    let inside = || meta.child(tag::MET_INF)?.child(tag::SIZE);
    let size = meta.child(tag::SIZE).or_else(inside)?;
    let fits = size.text().trim().parse() == Ok(value.len());
    fits.then(|| size.id())
}

fn begins_as_url(element: Element<'_>) -> bool {
    let mut texts = element.texts();
    let short = texts
        .next()
        .filter(|text| text.span().len() <= LONGEST_VALUE);
    short.is_some_and(|text| is_url(&text.value())) && element.elements().next().is_none()
}

/// Returns the only text of an element, if its octets are its characters.
fn only_text(element: Element<'_>) -> Option<NodeId> {
    let mut inside = element.texts();
    let text = inside.next()?;
    let is_alone = inside.next().is_none() && element.elements().next().is_none();
    (is_alone && *text.octets() == *text.value().as_bytes()).then(|| text.id())
}

fn is_url(value: &str) -> bool {
    let value = value.trim_start().trim_start_matches('<');
    let start = value.get(..4).unwrap_or_default();
    start.eq_ignore_ascii_case("http")
}

fn is_never(name: &&str) -> bool {
    kind::NEVER
        .iter()
        .any(|never| never.eq_ignore_ascii_case(name))
}

/// The number of names up to the address of an account: `SyncML/DMAcc/*/AppAddr/*`.
const ACCOUNT_ADDRESS: usize = 5;
/// The longest text of an unknown place that is examined, in bytes as written.
const LONGEST_VALUE: usize = 16 << 10;
