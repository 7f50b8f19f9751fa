//! The nodes that a command is about: the nodes that it names, or those that the answered command names.

use super::answers::LinkedAnswers;
use super::items::Items;
use crate::dm::{Command, CommandKind, locuri};
use crate::flow::AnswerTarget;
use crate::markup::{Element, NodeId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetNode {
    /// The Item of the command that names the node; `None` if a Status or the answered command names it.
    pub(super) item: Option<NodeId>,
    /// The canonical LocURI of the node.
    pub(super) uri: String,
}

pub(super) fn of(command: Command<'_>, answers: &LinkedAnswers<'_>) -> Vec<TargetNode> {
    let mut nodes = Vec::new();
    each(command, answers, &mut |item, uri| {
        nodes.push(TargetNode {
            item,
            uri: locuri::canonical(&uri.text()),
        });
    });
    nodes
}

pub(super) fn of_own(command: Command<'_>) -> Vec<TargetNode> {
    let about = |(item, uri): NamedNode<'_>| TargetNode {
        item: Some(item),
        uri: locuri::canonical(&uri.text()),
    };
    own(command).map(about).collect()
}

/// Returns the first LocURI that a command is about, as written; only LocURIs of these Items, or of no Item,
/// count.
pub(super) fn loc_uri(
    command: Command<'_>,
    answers: &LinkedAnswers<'_>,
    items: &Items,
) -> Option<String> {
    let is_meant = |item: Option<NodeId>| item.is_none_or(|item| items.has(item));
    let mut found = None;
    each(command, answers, &mut |item, uri| {
        if found.is_none() && is_meant(item) {
            found = Some(uri.text().trim_ascii().to_owned());
        }
    });
    found
}

/// Calls `show` with the element of every LocURI that a command is about, and with the Item of the command that names
/// it.
pub(super) fn each(
    command: Command<'_>,
    answers: &LinkedAnswers<'_>,
    show: &mut dyn FnMut(Option<NodeId>, Element<'_>),
) {
    let mut none = true;
    if let Some(status) = command.as_status() {
        // The Status for the header names the two addresses of the message, which are not nodes.
        for uri in status.ref_nodes() {
            if std::mem::take(&mut none) && status.is_for_header() {
                return;
            }
            show(None, uri);
        }
    } else {
        for (item, uri) in own(command) {
            none = false;
            show(Some(item), uri);
        }
        none &= command.kind() == CommandKind::Results;
    }
    if none {
        each_answered(command, answers, show);
    }
}

/// Calls `show` with the LocURIs of the command that an answer refers to, whose Items are in another message.
fn each_answered(
    answer: Command<'_>,
    answers: &LinkedAnswers<'_>,
    show: &mut dyn FnMut(Option<NodeId>, Element<'_>),
) {
    let command = answers.to(answer).and_then(AnswerTarget::command);
    for (_, uri) in command.into_iter().flat_map(own) {
        show(None, uri);
    }
}

type NamedNode<'d> = (NodeId, Element<'d>);

fn own(command: Command<'_>) -> impl Iterator<Item = NamedNode<'_>> {
    let items = command.items();
    items.filter_map(|item| Some((item.element().id(), item.loc_uri_element()?)))
}
