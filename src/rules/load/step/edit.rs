//! The verbs that change the document.

use super::{PASSING, Verb, place, switch};
use crate::dm::StatusCode;
use crate::rules::Step;
use crate::rules::load::code::SYNCML;
use crate::rules::load::read;
use crate::rules::place::Place;
use crate::rules::step::EditStep;

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "set-status",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            let code = SYNCML.read(value, "set-status", report)?;
            Some(Step::Edit(EditStep::SetStatus(StatusCode(code))))
        },
    },
    Verb {
        name: "set-text",
        stages: PASSING,
        options: &["at"],
        read: |value, step, report| {
            let text = read::text(value, "set-text", report)?.to_owned();
            let at = place(step, report)?.unwrap_or_else(Place::value);
            Some(Step::Edit(EditStep::SetText { text, at }))
        },
    },
    Verb {
        name: "remove",
        stages: PASSING,
        options: &["at"],
        read: |value, step, report| {
            let at = place(step, report)?;
            switch(value, "remove", report).then_some(Step::Edit(EditStep::Remove { at }))
        },
    },
];
