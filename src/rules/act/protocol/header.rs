//! Steps that change fields of the header, or the end of the body.

use super::body;
use crate::dm::compose;
use crate::flow::{EffectKind, Obligation, Side};
use crate::markup::edit::{Edit, Place};
use crate::markup::{Element, NameId, tag};
use crate::rules::act::Planning;
use crate::rules::step::Version;

impl<'a> Planning<'a, '_> {
    pub(super) fn drop_final(&mut self) -> Result<(), String> {
        let last = body(self.message()?)?.element().child(tag::FINAL);
        self.take_away(last.ok_or("the message has no Final")?);
        Ok(())
    }

    fn header(&self) -> Result<Element<'a>, &'static str> {
        let header = self.message()?.header();
        Ok(header.ok_or("the message has no SyncHdr")?.element())
    }

    pub(super) fn set_session_id(&mut self, id: &str) -> Result<(), String> {
        if let Some(original) = self.header()?.child(tag::SESSION_ID)
            && self.input.speaker == Side::Device
            && self.input.reconciler.is_some()
        {
            // The answer must not show the changed SessionID to the device.
            let original = original.text();
            let original = self.original_session_id(original.trim_ascii()).into();
            let received = id.into();
            self.owe(vec![Obligation::SessionId { received, original }])?;
        }
        self.set_field(tag::SESSION_ID, id)
    }

    /// Returns the SessionID that the device wrote, if an earlier rule changed it to `id`; otherwise `id`.
    fn original_session_id<'s>(&self, id: &'s str) -> &'s str
    where
        'a: 's,
    {
        let changed = self.obligations().filter_map(|owed| match owed {
            Obligation::SessionId { received, original } if **received == *id => Some(&**original),
            _ => None,
        });
        changed.last().unwrap_or(id)
    }

    pub(super) fn set_version(&mut self, which: Version, to: Option<&str>) -> Result<(), String> {
        match which {
            Version::VerProto => self.set_field(tag::VER_PROTO, to.unwrap_or("DM/9.9")),
            Version::VerDtd => self.set_field(tag::VER_DTD, to.unwrap_or("9.9")),
            Version::Namespace => self.set_namespace(to.unwrap_or("SYNCML:SYNCML9.9")),
        }
    }

    pub(super) fn set_field(&mut self, name: NameId, text: &str) -> Result<(), String> {
        let header = self.header()?;
        if let Some(element) = header.child(name) {
            self.put(EffectKind::Changed, element, text.to_owned());
            return Ok(());
        }
        let local = name.text().unwrap_or_default();
        let path = format!("{}/{local}", header.path());
        let xml = compose::leaf(local, text);
        self.put_in(path, place_of(header, name), &xml, text)
    }

    pub(super) fn set_meta(&mut self, name: NameId, size: u64) -> Result<(), String> {
        let header = self.header()?;
        let local = name.text().unwrap_or_default();
        let text = size.to_string();
        let xml = compose::meta(local, &text);
        let path = format!("{}/Meta/{local}", header.path());
        let Some(meta) = header.child(tag::META) else {
            let xml = format!("<Meta>{xml}</Meta>");
            return self.put_in(path, Place::LastIn(header.id()), &xml, &text);
        };
        let around = meta.child(tag::MET_INF).unwrap_or(meta);
        match around.child(name) {
            Some(element) => {
                self.put(EffectKind::Changed, element, text);
                Ok(())
            }
            None => self.put_in(path, Place::LastIn(around.id()), &xml, &text),
        }
    }

    /// Plans the insertion of a field; `path` is the future path of the field.
    fn put_in(&mut self, path: String, place: Place, xml: &str, new: &str) -> Result<(), String> {
        let fragment = self.xml(xml)?;
        self.note(|| path, EffectKind::Changed, String::new(), new.to_owned());
        self.push(Vec::new(), Edit::Insert { place, fragment });
        Ok(())
    }

    fn set_namespace(&mut self, uri: &str) -> Result<(), String> {
        if self.document.is_wbxml() {
            return Err("in WBXML the public identifier tells the version".into());
        }
        let root = self.message()?.element();
        let declared = root.attributes().find(|attribute| {
            let value = attribute.value().to_ascii_uppercase();
            attribute.name().starts_with("xmlns") && value.starts_with("SYNCML:SYNCML")
        });
        let name = declared.map_or("xmlns".into(), |attribute| attribute.name().into_owned());
        let before = declared.map_or(String::new(), |a| a.value().into_owned());
        let edit = Edit::SetAttribute {
            element: root.id(),
            name,
            value: uri.to_owned(),
        };
        self.change_at(root, EffectKind::Changed, [before, uri.to_owned()], edit);
        Ok(())
    }
}

/// Returns the place for a missing field, in the order of the DTD.
fn place_of(header: Element<'_>, name: NameId) -> Place {
    let rank = |name: NameId| ORDER.iter().position(|known| *known == name);
    let before = header
        .elements()
        .filter(|child| rank(child.name()).is_some_and(|child| Some(child) < rank(name)));
    let last = before.last();
    last.map_or(Place::FirstIn(header.id()), |last| Place::After(last.id()))
}

/// The children of SyncHdr in the order of the DTD.
const ORDER: [NameId; 10] = [
    tag::VER_DTD,
    tag::VER_PROTO,
    tag::SESSION_ID,
    tag::MSG_ID,
    tag::TARGET,
    tag::SOURCE,
    tag::RESP_URI,
    tag::NO_RESP,
    tag::CRED,
    tag::META,
];
