//! Fields of the header, and the end of the body.

use super::{StepContext, body};
use crate::dm::compose;
use crate::flow::{EffectDetail, EffectKind, Obligation};
use crate::markup::edit::{Edit, Fragment, Place};
use crate::markup::{Element, NameId, tag};
use crate::rules::Stage;
use crate::rules::act::Planned;
use crate::rules::step::Field;

impl Planned {
    pub(super) fn drop_final(&mut self, context: &StepContext<'_>) -> Result<(), String> {
        let message = context.message().ok_or("this is no SyncML message")?;
        let last = body(message)?.element().child(tag::FINAL);
        let last = last.ok_or("the message has no Final")?;
        self.detail(last, EffectKind::Removed, "Final".into(), String::new());
        self.own.push(Edit::Remove { node: last.id() });
        Ok(())
    }

    pub(super) fn header(
        &mut self,
        field: &Field,
        context: &StepContext<'_>,
    ) -> Result<(), String> {
        let message = context.message().ok_or("this is no SyncML message")?;
        let header = message.header().ok_or("the message has no SyncHdr")?;
        let header = header.element();
        match field {
            Field::MaxMsgSize(size) => self.set_meta(header, tag::MAX_MSG_SIZE, *size),
            Field::MaxObjSize(size) => self.set_meta(header, tag::MAX_OBJ_SIZE, *size),
            Field::RespUri(uri) => self.set_field(header, tag::RESP_URI, "RespURI", uri),
            Field::SessionId(id) => {
                if let Some(original) = header.child(tag::SESSION_ID)
                    && context.facts.stage == Stage::Request
                    && context.facts.reconciler.is_some()
                {
                    // The device is not to learn of it by the answer.
                    let original = original.text();
                    let original = context.original_session_id(original.trim_ascii()).into();
                    let received = id.as_str().into();
                    self.owe(context, vec![Obligation::SessionId { received, original }])?;
                }
                self.set_field(header, tag::SESSION_ID, "SessionID", id)
            }
            Field::VerDtd(version) => self.set_field(header, tag::VER_DTD, "VerDTD", version),
            Field::VerProto(version) => self.set_field(header, tag::VER_PROTO, "VerProto", version),
            Field::Namespace(uri) => self.set_namespace(message.element(), uri),
        }
    }

    fn set_field(
        &mut self,
        header: Element<'_>,
        name: NameId,
        local: &str,
        text: &str,
    ) -> Result<(), String> {
        if let Some(element) = header.child(name) {
            self.put(EffectKind::Changed, element, text.to_owned());
            return Ok(());
        }
        let xml = compose::leaf(local, text);
        let path = format!("{}/{local}", header.path());
        self.put_in(path, header, place_of(header, name), &xml, text)
    }

    fn set_meta(&mut self, header: Element<'_>, name: NameId, size: u32) -> Result<(), String> {
        let local = name.text().unwrap_or_default();
        let (text, xml) = (size.to_string(), compose::meta(local, &size.to_string()));
        let path = format!("{}/Meta/{local}", header.path());
        let Some(meta) = header.child(tag::META) else {
            let xml = format!("<Meta>{xml}</Meta>");
            return self.put_in(path, header, Place::LastIn(header.id()), &xml, &text);
        };
        let around = meta.child(tag::MET_INF).unwrap_or(meta);
        match around.child(name) {
            Some(element) => {
                self.put(EffectKind::Changed, element, text);
                Ok(())
            }
            None => self.put_in(path, meta, Place::LastIn(around.id()), &xml, &text),
        }
    }

    /// `path` is that of the field, once it is there.
    fn put_in(
        &mut self,
        path: String,
        at: Element<'_>,
        place: Place,
        xml: &str,
        new: &str,
    ) -> Result<(), String> {
        let fragment: Option<Fragment> = compose::fragment(at.document(), xml);
        let fragment = fragment.ok_or("it cannot be written as XML")?;
        let (step, kind) = (self.step.into(), EffectKind::Changed);
        self.push_change(|| EffectDetail {
            path,
            step,
            kind,
            before: String::new(),
            after: new.to_owned(),
        });
        self.own.push(Edit::Insert { place, fragment });
        Ok(())
    }

    fn set_namespace(&mut self, root: Element<'_>, uri: &str) -> Result<(), String> {
        if root.document().is_wbxml() {
            return Err("in WBXML the public identifier tells the version".into());
        }
        let declared = root.attributes().find(|attribute| {
            attribute.name().starts_with("xmlns")
                && attribute
                    .value()
                    .to_ascii_uppercase()
                    .starts_with("SYNCML:SYNCML")
        });
        let name = declared.map_or("xmlns".into(), |attribute| attribute.name().into_owned());
        let before = declared.map_or(String::new(), |a| a.value().into_owned());
        self.detail(root, EffectKind::Changed, before, uri.to_owned());
        self.own.push(Edit::SetAttribute {
            element: root.id(),
            name,
            value: uri.to_owned(),
        });
        Ok(())
    }
}

/// Where a field that is missing belongs: in the order of the DTD.
fn place_of(header: Element<'_>, name: NameId) -> Place {
    let rank = |name: NameId| ORDER.iter().position(|known| *known == name);
    let before = header
        .elements()
        .filter(|child| rank(child.name()).is_some_and(|child| Some(child) < rank(name)));
    let last = before.last();
    last.map_or(Place::FirstIn(header.id()), |last| Place::After(last.id()))
}

/// SyncHdr's children as the DTD orders them.
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
