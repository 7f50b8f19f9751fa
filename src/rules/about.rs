//! What a command is about: the nodes it names, or those that the command it answers names.

use std::borrow::Cow;

use super::answers::Answers;
use crate::dm::{Command, locuri};
use crate::flow::Answered;
use crate::markup::{Element, NodeId, tag};

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
    let mut abouts = Vec::new();
    each(command, answers, &mut |item, uri| {
        abouts.push(About {
            item,
            uri: locuri::canonical(&uri),
        });
    });
    abouts
}

/// The nodes a command itself names.
pub(super) fn own_abouts(command: Command<'_>) -> Vec<About> {
    let about = |(item, uri): Named<'_>| About {
        item: Some(item),
        uri: locuri::canonical(&uri),
    };
    own(command).map(about).collect()
}

/// The LocURI a command is about, as it is written: that of one of `items`, unless there are none.
pub(super) fn loc_uri(
    command: Command<'_>,
    answers: &Answers<'_>,
    items: &[NodeId],
) -> Option<String> {
    let is_meant = |item: Option<NodeId>| {
        items.is_empty() || item.is_none_or(|item| items.binary_search(&item).is_ok())
    };
    let mut found = None;
    each(command, answers, &mut |item, uri| {
        if found.is_none() && is_meant(item) {
            found = Some(uri.into_owned());
        }
    });
    found
}

/// Shows every LocURI a command is about, with the Item of its own that names it.
pub(super) fn each(
    command: Command<'_>,
    answers: &Answers<'_>,
    show: &mut dyn FnMut(Option<NodeId>, Cow<'_, str>),
) {
    let mut none = true;
    if let Some(status) = command.as_status() {
        // That of a header names the two addresses of the message, which are no nodes.
        let is_of_header = || status.cmd_ref().as_deref() == Some("0");
        for uri in status.refs() {
            if std::mem::take(&mut none) && is_of_header() {
                return;
            }
            show(None, uri);
        }
    } else {
        for (item, uri) in own(command) {
            none = false;
            show(Some(item), uri);
        }
        none &= command.as_results().is_some();
    }
    if none {
        each_answered(command, answers, show);
    }
}

/// The same of the command that an answer refers to, whose Items stand in another message.
pub(super) fn each_answered(
    answer: Command<'_>,
    answers: &Answers<'_>,
    show: &mut dyn FnMut(Option<NodeId>, Cow<'_, str>),
) {
    let command = answers.to(answer).and_then(Answered::command);
    for (_, uri) in command.into_iter().flat_map(own) {
        show(None, uri);
    }
}

/// The elements whose text is the LocURI of a node that a command itself names; of a Source beside its Target, too,
/// though the command is not about that.
pub(super) fn own_nodes<'d>(command: Command<'d>) -> impl Iterator<Item = Element<'d>> {
    let is_status = command.as_status().is_some();
    let inside = (!command.kind().is_container()).then(|| command.element().inside());
    inside.into_iter().flatten().filter_map(move |element| {
        if !is_status {
            return element.is(tag::LOC_URI).then_some(element);
        }
        let is_ref = element.is(tag::TARGET_REF) || element.is(tag::SOURCE_REF);
        is_ref.then(|| element.child(tag::LOC_URI).unwrap_or(element))
    })
}

/// A LocURI, with the Item that names it.
type Named<'d> = (NodeId, Cow<'d, str>);

/// `Target/LocURI` of each Item, else its Source.
fn own(command: Command<'_>) -> impl Iterator<Item = Named<'_>> {
    command.items().filter_map(|item| {
        let uri = item.target().or_else(|| item.source())?;
        Some((item.element().id(), uri))
    })
}
