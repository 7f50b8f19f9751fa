//! The verbs that tell stories of OMA DM.

mod more;

use std::ops::Range;

use super::{PASSING, Verb, edit, switch};
use crate::dm::{Command, CommandKind, StatusCode};
use crate::markup::edit::Fragment;
use crate::markup::tag;
use crate::rules::load::code::SYNCML;
use crate::rules::load::matcher::Found;
use crate::rules::load::read::{self, Report, Value};
use crate::rules::load::suggest::list;
use crate::rules::load::vocabulary::{Keys, names};
use crate::rules::matcher::Kinds;
use crate::rules::step::{Field, Story};
use crate::rules::{Stage, Step};

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "refuse",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            let code = SYNCML.read(value, "refuse", report)?;
            Some(Step::Story(Story::Refuse(StatusCode(code))))
        },
    },
    Verb {
        name: "hide-status",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            switch(value, "hide-status", report).then_some(Step::Story(Story::HideStatus))
        },
    },
    Verb {
        name: "inject-command",
        stages: PASSING,
        options: edit::SIDES,
        read: |value, step, report| {
            let xml = command(value, "inject-command", report);
            let to = edit::beside_if_any("inject-command", step, report);
            let (xml, to) = xml.zip(to)?;
            Some(Step::Story(Story::InjectCommand { xml, to }))
        },
    },
    Verb {
        name: "atomic-rollback",
        stages: PASSING,
        options: &["child", "undone"],
        read: more::atomic_rollback,
    },
    Verb {
        name: "challenge",
        stages: PASSING,
        options: &["scheme", "nonce"],
        read: more::challenge,
    },
    Verb {
        name: "busy",
        stages: PASSING,
        options: &["retry-after"],
        read: more::busy,
    },
    Verb {
        name: "session-abort",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            switch(value, "session-abort", report).then_some(Step::Story(Story::SessionAbort))
        },
    },
    Verb {
        name: "next-message",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            switch(value, "next-message", report).then_some(Step::Story(Story::NextMessage))
        },
    },
    Verb {
        name: "duplicate-message",
        stages: &[Stage::Request],
        options: &["keep"],
        read: more::duplicate_message,
    },
    Verb {
        name: "unknown-cmdref",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            switch(value, "unknown-cmdref", report).then_some(Step::Story(Story::UnknownCmdRef))
        },
    },
    Verb {
        name: "break-msgid",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            let how = read::one_of(value, "break-msgid", &more::MSG_ID_BREAKS, report)?;
            Some(Step::Story(Story::BreakMsgId(how)))
        },
    },
    Verb {
        name: "drop-final",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            switch(value, "drop-final", report).then_some(Step::Story(Story::DropFinal))
        },
    },
    Verb {
        name: "max-msg-size",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            let size = more::size(value, "max-msg-size", report)?;
            Some(Step::Story(Story::Header(Field::MaxMsgSize(size))))
        },
    },
    Verb {
        name: "max-obj-size",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            let size = more::size(value, "max-obj-size", report)?;
            Some(Step::Story(Story::Header(Field::MaxObjSize(size))))
        },
    },
    Verb {
        name: "resp-uri",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            let uri = read::text(value, "resp-uri", report)?.to_owned();
            Some(Step::Story(Story::Header(Field::RespUri(uri))))
        },
    },
    Verb {
        name: "wrong-session",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            let id = read::text(value, "wrong-session", report)?.to_owned();
            Some(Step::Story(Story::Header(Field::SessionId(id))))
        },
    },
    Verb {
        name: "wrong-version",
        stages: PASSING,
        options: &["to"],
        read: more::wrong_version,
    },
    Verb {
        name: "wrong-size",
        stages: PASSING,
        options: &[],
        read: more::wrong_size,
    },
];

/// Its keys that take one of a few words.
pub(super) fn words() -> Vec<Keys> {
    vec![
        ("step.scheme", names(&more::SCHEMES)),
        ("step.keep", names(&more::KEEPS)),
        ("step.break-msgid", names(&more::MSG_ID_BREAKS)),
        ("step.wrong-version", names(&more::VERSIONS)),
    ]
}

/// Its keys that take one of a few codes.
pub(super) fn codes() -> Vec<(&'static str, Vec<u16>)> {
    vec![
        ("step.undone", more::UNDONE.to_vec()),
        ("step.challenge", more::CHALLENGES.to_vec()),
        ("step.busy", more::BUSY.to_vec()),
    ]
}

fn has_cmd_id(fragment: &Fragment) -> bool {
    fragment.document().root().child(tag::CMD_ID).is_some()
}

/// A command as XML; its CmdID does not matter.
fn command(value: &Value<'_>, key: &str, report: &mut Report) -> Option<String> {
    let text = read::text(value, key, report)?;
    let example = "<Get><Item><Target><LocURI>./DevDetail/SwV</LocURI></Target></Item></Get>";
    let fragment = match Fragment::parse(text) {
        Ok(fragment) => fragment,
        Err(error) => {
            report
                .wrong(
                    value.span(),
                    format!("`{key}` is not well-formed XML: {error}"),
                )
                .help(format!("write one command, such as {key} = '{example}'"));
            return None;
        }
    };
    let kind = Command::of(fragment.document().root()).map(Command::kind);
    let answers = [CommandKind::Status, CommandKind::Results];
    // An element of another name is meant to be one where it has a CmdID.
    let is_meant = |kind| kind != CommandKind::Unknown || has_cmd_id(&fragment);
    if kind.is_some_and(|kind| is_meant(kind) && !answers.contains(&kind)) {
        return Some(text.to_owned());
    }
    let name = fragment.document().root().local();
    let names = CommandKind::all().filter(|kind| !answers.contains(kind));
    let names: Vec<&str> = names.map(CommandKind::name).collect();
    report
        .wrong(
            value.span(),
            format!("`{name}` is no command that gets a Status"),
        )
        .help(format!("write one of {}", list(&names)));
    None
}

/// A story about commands needs to be told which.
pub(super) fn agree(story: &Story, span: &Range<usize>, found: &Found, report: &mut Report) {
    if !story.is_about_commands() {
        return;
    }
    let kinds = found.matcher.command.as_ref().map(|command| command.kinds);
    let name = story.name();
    let gets = Kinds::of(CommandKind::Get);
    if matches!(story, Story::WrongSize(_)) && kinds.is_some_and(|kinds| kinds.is_within(gets)) {
        report
            .wrong(span.clone(), "a Get has no Data, and no size")
            .help("write command = \"Replace\" into `match`");
        return;
    }
    let (what, example) = match story {
        Story::Refuse(_) | Story::WrongSize(_) => ("commands", "Replace"),
        _ => ("a Status", "Status"),
    };
    let fits = kinds.is_some_and(|kinds| match story {
        Story::Refuse(_) | Story::WrongSize(_) => !kinds.is_within(Kinds::answers()),
        _ => kinds.is_within(Kinds::answers()),
    });
    if fits {
        return;
    }
    let error = report.wrong(span.clone(), format!("`{name}` is about {what}"));
    match &found.command_span {
        Some(command) => error.also(command.clone(), "this selects something else"),
        None => error.label("this rule does not say that it selects such"),
    };
    error.help(format!("write command = \"{example}\" into `match`"));
}
