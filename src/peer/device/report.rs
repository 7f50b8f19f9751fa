//! What the device has to say, in as many messages as it takes.

use std::collections::VecDeque;

use super::{Device, Outcome, header_of};
use crate::dm::{AlertCode, CommandKind, Message, StatusCode};
use crate::peer::compose::{Composer, Mark, Reference};
use crate::peer::large::{BUFFERED, Chunk, Outgoing, What};
use crate::peer::tree::Found;

/// What is yet to be said of the device's package.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    parts: VecDeque<Part>,
    /// The answers to a server that asks for more: they come first, whatever room they leave.
    due: Vec<Part>,
    /// Whether the server closed its package, so that the device may close its own.
    may_close: bool,
    /// The CmdID of the chunk that the last message ended with.
    chunk: Option<u32>,
}

/// A part of it, which goes into one message or into the next.
#[derive(Debug)]
enum Part {
    Status {
        of: Of,
        target: Option<String>,
        code: StatusCode,
    },
    Results(Of, Vec<(String, Found)>),
    /// A value that is too long for one message.
    Large(Of, Large),
    /// Alert 1225.
    Lost(What),
}

#[derive(Debug)]
struct Large {
    uri: String,
    format: String,
    rest: Outgoing,
}

/// Which command is answered.
#[derive(Clone, Debug)]
struct Of {
    msg: String,
    cmd: String,
    name: String,
}

impl Of {
    fn reference(&self) -> Reference<'_> {
        Reference {
            msg: &self.msg,
            cmd: &self.cmd,
            name: &self.name,
        }
    }
}

impl Backlog {
    /// Takes notice of the Status for a chunk: unless that is 213, the rest is not wanted (PRO 7).
    pub(super) fn hear(&mut self, message: Message<'_>, msg_id: u32) {
        let Some(chunk) = self.chunk.take() else {
            return;
        };
        let refs = (Some(msg_id.to_string()), Some(chunk.to_string()));
        let mut statuses = message.commands().filter_map(|command| command.as_status());
        let accepted = statuses.any(|status| {
            let (msg, cmd) = (status.msg_ref(), status.cmd_ref());
            (msg.as_deref(), cmd.as_deref()) == (refs.0.as_deref(), refs.1.as_deref())
                && status.code() == Some(BUFFERED)
        });
        if !accepted {
            self.parts.pop_front();
        }
    }

    /// Takes the outcomes of a message.
    pub(super) fn add(&mut self, msg_ref: &str, outcomes: Vec<Outcome>, message: Message<'_>) {
        let mut commands = message.commands().map(|command| command.kind());
        let only_asks =
            commands.all(|kind| matches!(kind, CommandKind::Status | CommandKind::Alert));
        let goes_on = only_asks && !self.parts.is_empty();
        // "Next Message" leaves a package open that the server has closed before.
        self.may_close = message.is_final() || goes_on && self.may_close;
        for outcome in outcomes {
            let of = Of {
                msg: msg_ref.into(),
                cmd: outcome.cmd,
                name: outcome.name,
            };
            let status = Part::Status {
                of: of.clone(),
                target: outcome.target,
                code: outcome.code,
            };
            match goes_on {
                true => self.due.push(status),
                false => self.parts.push_back(status),
            }
            if !outcome.found.is_empty() {
                self.parts.push_back(Part::Results(of, outcome.found));
            }
        }
    }

    /// Takes the objects whose end never came.
    pub(super) fn add_lost(&mut self, lost: &mut Vec<What>) {
        self.parts.extend(lost.drain(..).map(Part::Lost));
    }

    /// Says as much as fits, and whether Results are among it.
    fn say(&mut self, message: &mut Composer, most: usize) -> bool {
        self.due.drain(..).for_each(|part| part.write(message));
        let empty = message.mark();
        let mut has_results = false;
        while let Some(part) = self.parts.pop_front() {
            let before = message.mark();
            if let Part::Large(of, mut large) = part {
                let cmd_id = large.say(&of, message, most, empty);
                has_results |= cmd_id.is_some();
                if !large.rest.is_said() {
                    self.chunk = cmd_id;
                    self.parts.push_front(Part::Large(of, large));
                    break;
                }
                continue;
            }
            part.write(message);
            if message.fits(most) {
                has_results |= matches!(part, Part::Results(..));
                continue;
            }
            let only = before == empty;
            let splits = only || !message.fits_alone(before, most);
            if only && !matches!(part, Part::Results(..)) {
                // There is no shorter way to say it.
                continue;
            }
            message.back_to(before);
            if !self.put_back(part, splits) {
                break;
            }
        }
        has_results
    }

    /// Takes a part back that did not fit, in smaller ones where it is to be split; whether it was.
    fn put_back(&mut self, part: Part, splits: bool) -> bool {
        match part {
            Part::Results(of, found) if splits => {
                let parts = split(of, found).into_iter().rev();
                parts.for_each(|part| self.parts.push_front(part));
                true
            }
            part => {
                self.parts.push_front(part);
                false
            }
        }
    }
}

impl Part {
    fn write(&self, message: &mut Composer) {
        match self {
            Self::Status { of, target, code } => {
                message.status(&of.reference(), target.as_deref(), *code);
            }
            Self::Results(of, found) => {
                results(message, of, |m| {
                    for (uri, found) in found {
                        let (format, text) = value(found);
                        item(m, uri, format, &Chunk::whole(&text));
                    }
                });
            }
            Self::Lost(what) => message.no_end_of_data(what),
            Self::Large(..) => {}
        }
    }
}

impl Large {
    /// Says as much of it as fits, see [`Outgoing::say`].
    fn say(&mut self, of: &Of, message: &mut Composer, most: usize, empty: Mark) -> Option<u32> {
        let Self { uri, format, rest } = self;
        rest.say(message, most, empty, |m, chunk| {
            results(m, of, |m| item(m, uri, format, chunk))
        })
    }
}

/// Results of several Items as Results of one, and those of one as a value in chunks.
fn split(of: Of, found: Vec<(String, Found)>) -> Vec<Part> {
    if found.len() > 1 {
        let each = found.into_iter();
        return each
            .map(|found| Part::Results(of.clone(), vec![found]))
            .collect();
    }
    let large = found.into_iter().map(|(uri, found)| {
        let (format, text) = value(&found);
        let rest = Outgoing::new(&text);
        let format = format.into();
        Part::Large(of.clone(), Large { uri, format, rest })
    });
    large.collect()
}

impl Device {
    /// The answers to a message, as far as they fit into one. A package that the server left open is answered
    /// in kind, and with Alert 1222 where nothing else is left to say (PRO 6).
    pub(super) fn report(&mut self, msg_ref: &str) -> String {
        let mut message = self.message();
        message.status(&header_of(msg_ref), None, StatusCode(200));
        let most = self.profile.sizes.longest_message(self.theirs);
        let has_results = self.backlog.say(&mut message, most);
        let is_done = self.backlog.parts.is_empty();
        if is_done && self.backlog.may_close {
            return message.finish();
        }
        if is_done && !has_results {
            message.alert(AlertCode(1222));
        }
        message.finish_open()
    }
}

fn value(found: &Found) -> (&str, String) {
    match found {
        Found::Leaf(format, text) => (format, text.clone()),
        Found::Interior(names) => ("node", names.join("/")),
    }
}

fn results(message: &mut Composer, of: &Of, items: impl FnOnce(&mut Composer)) -> u32 {
    message.command("Results", |m| {
        m.leaf("MsgRef", &of.msg);
        m.leaf("CmdRef", &of.cmd);
        items(m);
    })
}

fn item(message: &mut Composer, uri: &str, format: &str, chunk: &Chunk<'_>) {
    message.within("Item", |m| {
        m.within("Source", |m| m.leaf("LocURI", uri));
        m.value(format, chunk);
    });
}
