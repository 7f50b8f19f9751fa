//! Rewriting of places by the map: edits, their details for records, and notes on URLs that lead away.

use std::collections::HashMap;

use super::kind::{self, Form, Kind};
use super::places::{MOST_PLACES, Part, Place};
use super::value;
use super::{StayInput, StayOutcome};
use crate::flow::origin::{
    LearnedHosts, NamedHost, Origin, OriginMap, Reach, Scheme, Turned, UrlOrigin,
};
use crate::flow::{EffectDetail, Note, Severity, Side};
use crate::markup::edit::{Edit, NestedEdit};
use crate::patch::{Patch, Splice};

/// The state while the places of one message are rewritten.
pub(super) struct UrlRewriter<'a> {
    input: &'a StayInput<'a>,
    map: &'a OriginMap,
    unrenewable_field: Option<&'static str>,
    /// The learned hosts, including those from this message.
    learned: LearnedHosts,
    edits: Vec<NestedEdit>,
    changes: Vec<EffectDetail>,
    outcome: StayOutcome,
    /// The new ports of addresses, by their group.
    ports: HashMap<String, u16>,
    unnoted: usize,
}

impl<'a> UrlRewriter<'a> {
    pub(super) fn new(input: &'a StayInput<'a>, unrenewable_field: Option<&'static str>) -> Self {
        Self {
            input,
            map: &input.context.map,
            unrenewable_field,
            learned: LearnedHosts::clone(&input.context.learned),
            edits: Vec::new(),
            changes: Vec::new(),
            outcome: StayOutcome::default(),
            ports: HashMap::new(),
            unnoted: 0,
        }
    }

    pub(super) fn turn_all<'p>(&mut self, places: impl Iterator<Item = &'p Place> + Clone) {
        let is_port = |place: &&Place| place.kind.is_some_and(|kind| kind.form == Form::Port);
        // The address determines its port.
        let written: HashMap<String, u16> = places
            .clone()
            .filter(is_port)
            .filter_map(|place| Some((place.group.clone()?, place.value.trim().parse().ok()?)))
            .collect();
        for place in places.clone().filter(|place| !is_port(place)) {
            let neighbour = place.group.as_ref().and_then(|group| written.get(group));
            self.turn(place, neighbour.copied());
        }
        for place in places.filter(is_port) {
            self.turn_port(place);
        }
    }

    fn turn(&mut self, place: &Place, port: Option<u16>) {
        let Some(kind) = place.kind else {
            return self.left_over(place);
        };
        if kind.form == Form::CrlCheck {
            return self.crl_check(place, kind);
        }
        let mut changes = Vec::new();
        for found in value::urls(&place.value, kind.form) {
            let mut url = found.origin();
            // A separate port value applies if the URL has no port (OMA Client Provisioning, PORTNBR).
            if let (false, Some(port)) = (url.has_port, port) {
                url.origin.port = port;
            }
            let text = found.text(&place.value);
            let turned = match self.input.to {
                Side::Device => self.map.to_device(&url, kind.reach, &self.learned),
                Side::Server => self.map.to_server(&text),
            };
            if kind.name == kind::COMPANY_APP && matches!(turned, Turned::Away(_)) {
                continue;
            }
            if self.unrenewable_field.is_some() {
                self.note_sealed(place, &turned, &url.origin);
                continue;
            }
            match &turned {
                Turned::Same => {}
                Turned::Away(origin) => self.note_away(place, kind, origin),
                Turned::To { learned, .. } => {
                    if let Some(named) = learned.clone() {
                        self.learn(named);
                    }
                }
            }
            if let Some((change, origin)) = found.change(turned) {
                if let Some(group) = &place.group {
                    self.ports.insert(group.clone(), origin.port);
                }
                changes.push(change);
            }
        }
        self.edit(place, changes);
        self.note_user(place);
    }

    /// Notes a URL with a user name, which stays as it is.
    fn note_user(&mut self, place: &Place) {
        if let Some(origin) = with_user(&place.value, self.map)
            && self.input.to == Side::Device
        {
            self.note(Note::new("STAY-01", user_text(&origin, place.shown())));
        }
    }

    fn learn(&mut self, named: NamedHost) {
        if self.input.to == Side::Device && self.learned.add(named.clone()) {
            self.outcome.learned.push(named);
        }
    }

    fn turn_port(&mut self, place: &Place) {
        let neighbour = place.group.as_ref().and_then(|group| self.ports.get(group));
        let written = place.value.trim().parse().ok();
        let alone = || match self.input.to {
            Side::Server => Some(self.map.server_at_port(written?)?.port),
            Side::Device => None,
        };
        let Some(port) = neighbour.copied().or_else(alone) else {
            return;
        };
        if self.unrenewable_field.is_none() && written.is_some_and(|written| written != port) {
            self.edit(place, vec![value::whole(&place.value, port.to_string())]);
        }
    }

    fn crl_check(&mut self, place: &Place, kind: &Kind) {
        let off = match place.value.trim() {
            "1" => "0",
            value if value.eq_ignore_ascii_case("true") => "false",
            _ => return,
        };
        if self.input.to != Side::Device {
            return;
        }
        let stays = self.unrenewable_field.is_some() || self.map.changes_nothing();
        let what = if stays { "is on" } else { "is switched off" };
        let (name, place_name) = (kind.name, place.shown());
        let text = format!(
            "{name} {what}: dmtap's certificates have no CRL that the device could look for ({place_name})"
        );
        let note = Note::new("STAY-03", text);
        self.note(match stays {
            true => note.with_severity(Severity::Warning),
            false => note,
        });
        if !stays {
            self.edit(place, vec![value::whole(&place.value, off.to_owned())]);
        }
    }

    /// Notes URLs that lead past dmtap in a place of no known kind.
    fn left_over(&mut self, place: &Place) {
        if place.is_download {
            if let Some(host) = first_host(&place.value) {
                let path = place.shown();
                let text = format!("the device downloads from {host} itself ({path})");
                self.note(Note::new("STAY-05", text));
            }
            return;
        }
        for found in value::urls(&place.value, Form::List) {
            let origin = &found.url.origin;
            let mut pairs = self.map.pairs().iter();
            if pairs.any(|pair| pair.server == *origin && pair.public != *origin) {
                let text = left_as_it_is(&origin.authority(), place.shown());
                self.note(Note::new("STAY-01", text));
            }
        }
    }

    fn edit(&mut self, place: &Place, changes: Vec<Splice>) {
        if changes.is_empty() {
            return;
        }
        // The changes are disjoint.
        let patch = Patch::new(changes).unwrap_or_default();
        let after = patch.apply(&place.value.clone().into());
        let after = String::from_utf8_lossy(&after).into_owned();
        self.changes.push(EffectDetail::rewritten(
            place.path.clone(),
            &place.value,
            &after,
        ));
        let element = place.element;
        let edit = match (place.part, &place.text) {
            (Part::Value, None) => Edit::SetAttribute {
                element,
                name: "value".into(),
                value: after.clone(),
            },
            (_, Some(text)) => Edit::PatchText { text: *text, patch },
            (Part::Text, None) => Edit::SetText {
                element,
                text: after.clone(),
            },
        };
        self.push(place, edit);
        if let Some(element) = place.size {
            let text = after.len().to_string();
            self.push(place, Edit::SetText { element, text });
        }
    }

    fn push(&mut self, place: &Place, edit: Edit) {
        let holders = place.holders.clone();
        self.edits.push(NestedEdit { holders, edit });
    }

    fn note_sealed(&mut self, place: &Place, turned: &Turned, origin: &Origin) {
        let name = self.unrenewable_field.unwrap_or_default();
        let path = place.shown();
        let why = match (self.input.to, turned) {
            (_, Turned::Same) => return,
            (Side::Device, _) => format!(
                "the message is signed ({name}) and passes unchanged: it leads the device to {} ({path})",
                origin.authority()
            ),
            (Side::Server, _) => format!(
                "the message is signed ({name}) and passes unchanged: the server sees dmtap's address {} ({path})",
                origin.authority()
            ),
        };
        self.note(Note::new("STAY-02", why));
    }

    fn note_away(&mut self, place: &Place, kind: &Kind, origin: &Origin) {
        if self.input.to == Side::Server {
            return;
        }
        let path = place.shown();
        let is_page = kind.reach == Reach::Mapped && kind::DISCOVERY.contains(kind);
        self.note(match is_page {
            true => Note::new("STAY-04", sign_in_text(origin, path)),
            false => Note::new("STAY-01", leads_away_text(origin, path)),
        });
    }

    pub(super) fn note_unread(&mut self, path: &str) {
        if self.map.changes_nothing() {
            return;
        }
        let text = format!(
            "the provisioning document does not decode ({path}), so its URLs stay as they are and lead the device past \
             dmtap"
        );
        self.note(Note::new("STAY-01", text));
    }

    pub(super) fn note_cut(&mut self) {
        if self.map.changes_nothing() {
            return;
        }
        let text = format!(
            "the message has more than {MOST_PLACES} places that may hold URLs: dmtap did not check the rest"
        );
        self.note(Note::new("STAY-01", text));
    }

    fn note(&mut self, mut note: Note) {
        if self.outcome.notes.len() >= MOST_NOTES {
            self.unnoted += 1;
            return;
        }
        if let Some((end, _)) = note.text.char_indices().nth(LONGEST_NOTE) {
            note.text.truncate(end);
            note.text.push('…');
        }
        self.outcome.notes.push(note);
    }

    /// Returns the edits, their details for records, and the rest of the outcome.
    pub(super) fn finish(mut self) -> (Vec<NestedEdit>, Vec<EffectDetail>, StayOutcome) {
        let unnoted = self.unnoted;
        if let Some(last) = self.outcome.notes.last_mut().filter(|_| unnoted > 0) {
            last.text = format!("{}, and {unnoted} more", last.text);
        }
        (self.edits, self.changes, self.outcome)
    }
}

/// Returns the note on a URL that leads a device away from dmtap.
pub fn leads_away_text(origin: &Origin, path: &str) -> String {
    let host = origin.authority();
    match origin.scheme {
        Scheme::Https => {
            format!(
                "this leads the device to {host} ({path}), past dmtap; add --map PUBLIC={origin}"
            )
        }
        // A server behind something that ends TLS may not know its public scheme.
        Scheme::Http => format!(
            "this leads the device to {origin} ({path}), past dmtap; let the server write https:// there, or add \
             --map PUBLIC={origin}"
        ),
    }
}

/// Returns the note on a URL that leads a device away, in a place that dmtap does not rewrite, whatever the map.
pub(super) fn left_as_it_is(host: &str, path: &str) -> String {
    format!(
        "this leads the device to {host} ({path}), past dmtap, which rewrites no URL in this place; a rule can \
         (replace-text, or -B)"
    )
}

/// Returns the origin of a URL with a user name that leads a device past dmtap. dmtap rewrites no such URL.
pub fn with_user(url: &str, map: &OriginMap) -> Option<Origin> {
    let origin = UrlOrigin::behind_user(url.trim_start())?;
    let is_public = map.pairs().iter().any(|pair| pair.public == origin);
    (!is_public).then_some(origin)
}

/// Returns the note on such a URL.
pub fn user_text(origin: &Origin, path: &str) -> String {
    format!(
        "this leads the device to {} ({path}), past dmtap, which rewrites no URL with a user name",
        origin.authority()
    )
}

/// Returns the note on sign-in pages of a host that is in no pair.
pub fn sign_in_text(origin: &Origin, path: &str) -> String {
    let host = origin.authority();
    format!(
        "the sign-in page is at {host} ({path}), outside dmtap; --map PUBLIC={origin} would show it"
    )
}

fn first_host(value: &str) -> Option<String> {
    let at = value.find("http")?;
    let url = crate::flow::origin::UrlOrigin::of(&value[at..])?;
    Some(url.origin.authority())
}

const MOST_NOTES: usize = 16;
const LONGEST_NOTE: usize = 300;
