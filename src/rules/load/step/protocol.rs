//! The verbs of protocol steps.

mod protocol_tables;

use std::ops::Range;

use super::{PASSING, StepReader, edit, switch};
use crate::dm::{Command, CommandKind, StatusCode};
use crate::markup::edit::Fragment;
use crate::markup::tag;
use crate::rules::load::code::SYNCML;
use crate::rules::load::matcher::LoadedMatcher;
use crate::rules::load::read::{self, Report, Value};
use crate::rules::load::suggest::list;
use crate::rules::load::vocabulary::{Keys, names};
use crate::rules::matcher::Kinds;
use crate::rules::step::{Field, ProtocolStep};
use crate::rules::{Stage, Step};

pub(super) const VERBS: &[StepReader] = &[
    StepReader {
        name: "refuse",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            let code = SYNCML.read(value, "refuse", report)?;
            Some(Step::Protocol(ProtocolStep::Refuse(StatusCode(code))))
        },
    },
    StepReader {
        name: "hide-status",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            switch(value, "hide-status", report).then_some(Step::Protocol(ProtocolStep::HideStatus))
        },
    },
    StepReader {
        name: "inject-command",
        stages: PASSING,
        options: edit::SIDES,
        read: |value, step, report| {
            let xml = command(value, "inject-command", report);
            let to = edit::beside_if_any("inject-command", step, report);
            let (xml, to) = xml.zip(to)?;
            Some(Step::Protocol(ProtocolStep::InjectCommand { xml, to }))
        },
    },
    StepReader {
        name: "atomic-rollback",
        stages: PASSING,
        options: &["child", "undone"],
        read: protocol_tables::atomic_rollback,
    },
    StepReader {
        name: "challenge",
        stages: PASSING,
        options: &["scheme", "nonce"],
        read: protocol_tables::challenge,
    },
    StepReader {
        name: "busy",
        stages: PASSING,
        options: &["retry-after"],
        read: protocol_tables::busy,
    },
    StepReader {
        name: "session-abort",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            switch(value, "session-abort", report)
                .then_some(Step::Protocol(ProtocolStep::SessionAbort))
        },
    },
    StepReader {
        name: "next-message",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            switch(value, "next-message", report)
                .then_some(Step::Protocol(ProtocolStep::NextMessage))
        },
    },
    StepReader {
        name: "duplicate-message",
        stages: &[Stage::Request],
        options: &["keep"],
        read: protocol_tables::duplicate_message,
    },
    StepReader {
        name: "unknown-cmdref",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            switch(value, "unknown-cmdref", report)
                .then_some(Step::Protocol(ProtocolStep::UnknownCmdRef))
        },
    },
    StepReader {
        name: "break-msgid",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            let how = read::one_of(
                value,
                "break-msgid",
                &protocol_tables::MSG_ID_BREAKS,
                report,
            )?;
            Some(Step::Protocol(ProtocolStep::BreakMsgId(how)))
        },
    },
    StepReader {
        name: "drop-final",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            switch(value, "drop-final", report).then_some(Step::Protocol(ProtocolStep::DropFinal))
        },
    },
    StepReader {
        name: "max-msg-size",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            let size = protocol_tables::size(value, "max-msg-size", report)?;
            Some(Step::Protocol(ProtocolStep::Header(Field::MaxMsgSize(
                size,
            ))))
        },
    },
    StepReader {
        name: "max-obj-size",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            let size = protocol_tables::size(value, "max-obj-size", report)?;
            Some(Step::Protocol(ProtocolStep::Header(Field::MaxObjSize(
                size,
            ))))
        },
    },
    StepReader {
        name: "resp-uri",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            let uri = read::text(value, "resp-uri", report)?.to_owned();
            Some(Step::Protocol(ProtocolStep::Header(Field::RespUri(uri))))
        },
    },
    StepReader {
        name: "wrong-session",
        stages: PASSING,
        options: &[],
        read: |value, _, report| {
            let id = read::text(value, "wrong-session", report)?.to_owned();
            Some(Step::Protocol(ProtocolStep::Header(Field::SessionId(id))))
        },
    },
    StepReader {
        name: "wrong-version",
        stages: PASSING,
        options: &["to"],
        read: protocol_tables::wrong_version,
    },
    StepReader {
        name: "wrong-size",
        stages: PASSING,
        options: &[],
        read: protocol_tables::wrong_size,
    },
];

/// Its keys that take one of a few words.
pub(super) fn words() -> Vec<Keys> {
    vec![
        ("step.scheme", names(&protocol_tables::SCHEMES)),
        ("step.keep", names(&protocol_tables::KEEPS)),
        ("step.break-msgid", names(&protocol_tables::MSG_ID_BREAKS)),
        ("step.wrong-version", names(&protocol_tables::VERSIONS)),
    ]
}

/// Its keys that take one of a few codes.
pub(super) fn codes() -> Vec<(&'static str, Vec<u16>)> {
    vec![
        ("step.undone", protocol_tables::UNDONE.to_vec()),
        ("step.challenge", protocol_tables::CHALLENGES.to_vec()),
        ("step.busy", protocol_tables::BUSY.to_vec()),
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

/// A protocol step about commands needs a matcher that selects some.
pub(super) fn agree(
    step: &ProtocolStep,
    span: &Range<usize>,
    found: &LoadedMatcher,
    report: &mut Report,
) {
    if !step.is_about_commands() {
        return;
    }
    let kinds = found.matcher.command.as_ref().map(|command| command.kinds);
    let name = step.name();
    let gets = Kinds::of(CommandKind::Get);
    if matches!(step, ProtocolStep::WrongSize(_))
        && kinds.is_some_and(|kinds| kinds.is_within(gets))
    {
        report
            .wrong(span.clone(), "a Get has no Data, and no size")
            .help("write command = \"Replace\" into `match`");
        return;
    }
    let (what, example) = match step {
        ProtocolStep::Refuse(_) | ProtocolStep::WrongSize(_) => ("commands", "Replace"),
        _ => ("a Status", "Status"),
    };
    let fits = kinds.is_some_and(|kinds| match step {
        ProtocolStep::Refuse(_) | ProtocolStep::WrongSize(_) => !kinds.is_within(Kinds::answers()),
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
