//! What a command is about: the nodes it names, or those that the command it answers names.

use std::borrow::Cow;

use super::answers::Answers;
use crate::dm::{Command, locuri};
use crate::flow::Answered;
use crate::markup::NodeId;

/// A node that a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    /// The Item that names it, in the command itself.
    pub(super) item: Option<NodeId>,
    /// Its LocURI, canonical.
    pub(super) uri: String,
}

/// The nodes a command is about.
pub(super) fn abouts(command: Command<'_>, answers: &Answers<'_>) -> Vec<About> {
    canonical(named(command, answers))
}

/// The nodes a command itself names.
pub(super) fn own_abouts(command: Command<'_>) -> Vec<About> {
    canonical(own(command))
}

/// The nodes that the command is about which an answer refers to.
pub(super) fn answered_abouts(answer: Command<'_>, answers: &Answers<'_>) -> Vec<About> {
    canonical(answered(answer, answers))
}

/// The LocURI a command is about, as it is written: that of one of `items`, unless there are none.
pub(super) fn loc_uri(
    command: Command<'_>,
    answers: &Answers<'_>,
    items: &[NodeId],
) -> Option<String> {
    let is_meant =
        |item: Option<NodeId>| items.is_empty() || item.is_none_or(|item| items.contains(&item));
    let mut named = named(command, answers).into_iter();
    let (_, uri) = named.find(|(item, _)| is_meant(*item))?;
    Some(uri.into_owned())
}

/// A LocURI, with the Item that names it.
type Named<'d> = (Option<NodeId>, Cow<'d, str>);

fn canonical<'d>(named: impl IntoIterator<Item = Named<'d>>) -> Vec<About> {
    let about = |(item, uri): Named<'d>| About {
        item,
        uri: locuri::canonical(&uri),
    };
    named.into_iter().map(about).collect()
}

fn named<'d>(command: Command<'d>, answers: &'d Answers<'d>) -> Vec<Named<'d>> {
    if let Some(status) = command.as_status() {
        if status.cmd_ref().as_deref() == Some("0") {
            return Vec::new();
        }
        let refs: Vec<_> = status.target_refs().chain(status.source_refs()).collect();
        return match refs.is_empty() {
            true => answered(command, answers),
            false => refs.into_iter().map(|uri| (None, uri)).collect(),
        };
    }
    let own: Vec<_> = own(command).collect();
    if own.is_empty() && command.as_results().is_some() {
        return answered(command, answers);
    }
    own
}

/// `Target/LocURI` of each Item, else its Source.
fn own(command: Command<'_>) -> impl Iterator<Item = Named<'_>> {
    command.items().filter_map(|item| {
        let uri = item.target().or_else(|| item.source())?;
        Some((Some(item.element().id()), uri))
    })
}

/// What the answered command names; its Items stand in another message.
fn answered<'d>(answer: Command<'d>, answers: &'d Answers<'d>) -> Vec<Named<'d>> {
    let command = answers.to(answer).and_then(Answered::command);
    let own = command.into_iter().flat_map(own);
    own.map(|(_, uri)| (None, uri)).collect()
}
