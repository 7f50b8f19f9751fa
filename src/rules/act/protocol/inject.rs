//! `inject-command`: a command of dmtap's own, whose answers nobody but dmtap sees.

use bytes::Bytes;

use super::{StepContext, body, msg_id};
use crate::dm::compose;
use crate::dm::{Command, CommandKind, Message};
use crate::flow::reconciler::SuppressReply;
use crate::flow::{EffectKind, Obligation};
use crate::markup::edit::{self, Edit, Fragment, Place};
use crate::markup::{Element, tag};
use crate::rules::act::Planned;
use crate::rules::act::edit::summary;
use crate::rules::selector::Selected;
use crate::rules::selector::SelectedElement;
use crate::rules::step::Neighbour;

impl Planned {
    pub(super) fn inject(
        &mut self,
        xml: &str,
        to: Option<&Neighbour>,
        context: &StepContext<'_>,
        selection: &[Selected],
    ) -> Result<(), String> {
        let message = context.message().ok_or("this is no SyncML message")?;
        let body = body(message)?;
        let Some(to) = to else {
            return self.inject_at(body.end(), body.element(), xml, context);
        };
        let places = places(to, context, selection);
        if places.is_empty() {
            return Err(format!("there is no {} in the message", to.at));
        }
        for (place, anchor) in places {
            self.inject_at(place, anchor, xml, context)?;
        }
        Ok(())
    }

    /// Inserts the command at one place; `anchor` is the element that names the place.
    fn inject_at(
        &mut self,
        place: Place,
        anchor: Element<'_>,
        xml: &str,
        context: &StepContext<'_>,
    ) -> Result<(), String> {
        let message = context.message().ok_or("this is no SyncML message")?;
        let msg_ref = msg_id(message)?;
        let (written, ids) = self.with_fresh_ids(xml, message)?;
        let fragment = compose::fragment(context.document, &written);
        let fragment = fragment.ok_or("the command is not well-formed")?;
        let suppress = |(cmd_ref, cmd): (String, CommandKind)| {
            Obligation::Suppress(SuppressReply {
                from: context.speaker().other(),
                msg_ref: msg_ref.clone(),
                cmd_ref: cmd_ref.into(),
                cmd,
            })
        };
        self.owe(context, ids.into_iter().map(suppress).collect())?;
        let what = summary(fragment.document().root());
        self.detail(anchor, EffectKind::Added, String::new(), what);
        self.own.push(Edit::Insert { place, fragment });
        Ok(())
    }

    /// The command with a CmdID of its own for it and every command in it, and these CmdIDs with what they are of.
    fn with_fresh_ids(
        &mut self,
        xml: &str,
        message: Message<'_>,
    ) -> Result<(String, Vec<(String, CommandKind)>), String> {
        let fragment = Fragment::parse(xml).map_err(|error| error.to_string())?;
        let document = fragment.document();
        let root = Command::of(document.root()).ok_or("it is no command")?;
        let (mut edits, mut ids) = (Vec::new(), Vec::new());
        for command in root.with_nested() {
            let id = self.fresh(message).give();
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
        let written: Bytes = patch.apply(document.source());
        let written = String::from_utf8(written.to_vec()).map_err(|error| error.to_string())?;
        Ok((written, ids))
    }
}

/// The places next to the selected elements, but not in documents inside the message, each with its element.
fn places<'d>(
    to: &Neighbour,
    context: &StepContext<'d>,
    selection: &[Selected],
) -> Vec<(Place, Element<'d>)> {
    let found = selection.iter().flat_map(|selected| {
        to.at
            .find(context.document, selected, context.facts.limits)
            .into_iter()
    });
    let outside = found.filter(|spot| spot.holders().is_empty());
    let place = |spot: SelectedElement| {
        let element = context.document.element(spot.node)?;
        Some((to.relation.to(spot.node), element))
    };
    outside.filter_map(place).collect()
}
