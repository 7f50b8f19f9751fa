//! `inject-command`: a command that dmtap adds, whose answers only dmtap sees.

use super::{body, msg_id};
use crate::dm::compose;
use crate::dm::{Command, CommandKind};
use crate::flow::reconciler::SuppressReply;
use crate::flow::{EffectKind, Obligation};
use crate::markup::edit::{self, Edit, Fragment, Place};
use crate::markup::{Element, tag};
use crate::rules::act::Planning;
use crate::rules::act::edit::summary;
use crate::rules::step::{Injection, Neighbour};
use crate::rules::template::Escape;

impl<'a> Planning<'a, '_> {
    pub(super) fn inject(&mut self, new: &Injection) -> Result<(), String> {
        let selected = self.selection.first();
        let xml = (self.values).fill(&new.command.0, Escape::Markup, selected, None)?;
        let (xml, to) = (&*xml, new.to.as_ref());
        let body = body(self.message()?)?;
        let Some(to) = to else {
            return self.inject_at(body.end(), body.element(), xml);
        };
        let places = self.places(to);
        if places.is_empty() {
            return Err(format!("there is no {} in the message", to.at));
        }
        for (place, anchor) in places {
            self.inject_at(place, anchor, xml)?;
        }
        Ok(())
    }

    /// Returns the positions next to or inside the elements at the step's place, each with its element. Embedded
    /// documents do not count.
    fn places(&self, to: &Neighbour) -> Vec<(Place, Element<'a>)> {
        let found = self
            .selection
            .iter()
            .flat_map(|selected| to.at.find(self.document, selected, self.input.limits));
        let outside = found.filter(|spot| spot.holders().is_empty());
        let elements = outside.filter_map(|spot| self.document.element(spot.node));
        elements.map(|e| (to.relation.to(e.id()), e)).collect()
    }

    /// Inserts the command at one place; `anchor` is the element that names the place.
    fn inject_at(&mut self, place: Place, anchor: Element<'_>, xml: &str) -> Result<(), String> {
        let msg_ref = msg_id(self.message()?)?;
        let (written, ids) = self.with_fresh_ids(xml)?;
        let fragment = self.xml(&written)?;
        let suppress = |(cmd_ref, cmd): (String, CommandKind)| {
            Obligation::Suppress(SuppressReply {
                from: self.input.speaker.other(),
                msg_ref: msg_ref.clone(),
                cmd_ref: cmd_ref.into(),
                cmd,
            })
        };
        self.owe(ids.into_iter().map(suppress).collect())?;
        let what = summary(fragment.document().root());
        let edit = Edit::Insert { place, fragment };
        self.change_at(anchor, EffectKind::Added, [String::new(), what], edit);
        Ok(())
    }

    /// Returns the command with new CmdIDs for it and for every command in it, and the CmdIDs with the kinds of their
    /// commands.
    fn with_fresh_ids(
        &mut self,
        xml: &str,
    ) -> Result<(String, Vec<(String, CommandKind)>), String> {
        let fragment = Fragment::parse(xml).map_err(|error| error.to_string())?;
        let document = fragment.document();
        let root = Command::of(document.root()).ok_or("it is not a command")?;
        let (mut edits, mut ids) = (Vec::new(), Vec::new());
        for command in root.with_nested() {
            let id = self.values.next_cmd_id();
            edits.push(match command.element().child(tag::CMD_ID) {
                Some(element) => Edit::SetText {
                    element: element.id(),
                    text: id.clone(),
                },
                None => Edit::Insert {
                    place: Place::FirstIn(command.element().id()),
                    fragment: Fragment::parse(&compose::leaf("CmdID", &id))
                        .map_err(|error| error.to_string())?,
                },
            });
            ids.push((id, command.kind()));
        }
        let patch = edit::plan(document, &edits).map_err(|error| error.to_string())?;
        let written = patch.apply(document.source());
        let written = String::from_utf8(written.to_vec()).map_err(|error| error.to_string())?;
        Ok((written, ids))
    }
}
