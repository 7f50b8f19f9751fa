//! Which command an answer refers to, also after a rule has changed the message.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Facts;
use crate::dm::Command;
use crate::flow::Answered;

/// The links of a passage by MsgRef and CmdRef, which survive edits; numbers of nodes do not.
pub(super) struct Answers<'a>(HashMap<Refs<'a>, &'a Answered>);

type Refs<'a> = (Cow<'a, str>, Cow<'a, str>);

impl<'a> Answers<'a> {
    /// The links the proxy found.
    pub(super) fn of(facts: &Facts<'a>) -> Self {
        let Some(document) = facts.document else {
            return Self(HashMap::new());
        };
        let entry = |link: &'a crate::flow::Link| {
            let answer = Command::of(document.element(link.from)?)?;
            Some((refs(answer)?, &link.to))
        };
        Self(facts.links.iter().filter_map(entry).collect())
    }

    /// What `answer` refers to.
    pub(super) fn to(&self, answer: Command<'_>) -> Option<&'a Answered> {
        self.0.get(&refs(answer)?).copied()
    }
}

fn refs(answer: Command<'_>) -> Option<Refs<'_>> {
    match (answer.as_status(), answer.as_results()) {
        (Some(status), _) => Some((status.msg_ref()?, status.cmd_ref()?)),
        (_, Some(results)) => Some((results.msg_ref(), results.cmd_ref()?)),
        _ => None,
    }
}
