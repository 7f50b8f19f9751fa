//! Writes the device's answers, in as many messages as needed.

use std::collections::VecDeque;

use super::{Device, Next, Outcome};
use crate::dm::compose::{ItemRef, StatusBuilder};
use crate::dm::{AlertCode, CommandKind, Message, StatusCode};
use crate::peer::compose::{Composer, Position};
use crate::peer::large::{BUFFERED, Chunk, LargeObject, NoRoom, Outgoing, SIZE_MISMATCH};
use crate::peer::tree::Found;

/// The unsent part of the device's package.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    parts: VecDeque<Part>,
    /// Statuses that are written first, whatever room they leave: for chunks, and for a server that only asks for more.
    due: Vec<Part>,
    /// Whether the server closed its package, so that the device may close its own.
    may_close: bool,
    /// The CmdID of the chunk that the last message ended with.
    chunk: Option<u32>,
    /// The value whose last chunk was in the last message, with the CmdID of that chunk.
    ended: Option<(u32, Part)>,
}

/// A part of the package, which fits into one message or is left for the next.
#[derive(Debug)]
enum Part {
    Status {
        of: Of,
        target: Option<ItemRef>,
        code: StatusCode,
    },
    Results(Of, Vec<(String, Found)>),
    /// A value that is too long for one message.
    Large(Of, Large),
    /// Alert 1225.
    Lost(LargeObject),
}

#[derive(Debug)]
struct Large {
    uri: String,
    format: String,
    rest: Outgoing,
    /// How often the value was sent again from the beginning.
    repeats: u32,
}

/// The command that is answered.
#[derive(Clone, Debug)]
struct Of {
    msg: String,
    cmd: String,
    name: String,
}

impl Backlog {
    /// Reads the Status for the last chunk. Unless its code is 213, the rest of the object is not sent; with 424, the
    /// object is sent once more (PRO 7).
    pub(super) fn note(&mut self, message: Message<'_>, msg_id: u32) {
        let msg_id = msg_id.to_string();
        let code_for = |chunk: u32| {
            let chunk = chunk.to_string();
            let own = message.statuses().find(|status| {
                let (msg, cmd) = (status.msg_ref(), status.cmd_ref());
                (msg.as_deref(), cmd.as_deref()) == (Some(&*msg_id), Some(&*chunk))
            });
            own.and_then(|status| status.code())
        };
        let (chunk, ended) = (self.chunk.take(), self.ended.take());
        let code = chunk.map(code_for);
        let ended = ended.filter(|(last, _)| code_for(*last) == Some(SIZE_MISMATCH));
        let failed = match code {
            None | Some(Some(BUFFERED)) => ended.map(|(_, part)| part),
            Some(code) => {
                let rest = self.parts.pop_front();
                rest.filter(|_| code == Some(SIZE_MISMATCH))
            }
        };
        if let Some(Part::Large(of, mut large)) = failed
            && large.repeats < MOST_REPEATS
        {
            large.repeats += 1;
            large.rest.begin_anew();
            self.parts.push_front(Part::Large(of, large));
        }
    }

    /// Adds the outcomes of a message.
    pub(super) fn add(&mut self, msg_ref: &str, outcomes: Vec<Outcome>, message: Message<'_>) {
        let mut commands = message.commands().map(|command| command.kind());
        let only_asks =
            commands.all(|kind| matches!(kind, CommandKind::Status | CommandKind::Alert));
        let goes_on = only_asks && !self.parts.is_empty();
        // A message that only asks for more (Alert 1222) has no Final, but the server may have closed its package
        // before.
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
            if outcome.code == BUFFERED {
                // The server waits for this Status before it sends the next chunk, so Results longer than a message
                // must not delay it.
                self.bring_forward(msg_ref);
                self.due.push(status);
            } else if goes_on {
                self.due.push(status);
            } else {
                self.parts.push_back(status);
            }
            if !outcome.found.is_empty() {
                self.parts.push_back(Part::Results(of, outcome.found));
            }
        }
    }

    /// Moves the Statuses for a message in front of everything else, in the same order.
    fn bring_forward(&mut self, msg_ref: &str) {
        let parts = std::mem::take(&mut self.parts).into_iter();
        let (statuses, others) = parts.partition::<VecDeque<_>, _>(
            |part| matches!(part, Part::Status { of, .. } if of.msg == msg_ref),
        );
        self.due.extend(statuses);
        self.parts = others;
    }

    /// Adds the large objects whose end never came.
    pub(super) fn add_lost(&mut self, lost: &mut Vec<LargeObject>) {
        self.parts.extend(lost.drain(..).map(Part::Lost));
    }

    /// Writes as much as fits, and returns whether that includes Results.
    ///
    /// # Errors
    /// Returns the LocURI of a value that cannot be sent in messages of `most` bytes.
    fn write_some(&mut self, message: &mut Composer, most: usize) -> Result<bool, String> {
        self.due.drain(..).for_each(|part| part.write(message));
        let empty = message.mark();
        let mut has_results = false;
        while let Some(part) = self.parts.pop_front() {
            let before = message.mark();
            if let Part::Large(of, large) = part {
                let is_begun = self
                    .write_chunk_of(of, large, message, most, empty)?
                    .is_some();
                has_results |= is_begun;
                if !is_begun || self.chunk.is_some() {
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
            let fits_alone = message.fits_alone(before, most);
            match part {
                Part::Results(of, found) if only || !fits_alone => {
                    message.back_to(before);
                    let parts = split(of, found).into_iter().rev();
                    parts.for_each(|part| self.parts.push_front(part));
                }
                // The part cannot be made shorter.
                _ if only => {}
                part => {
                    message.back_to(before);
                    self.parts.push_front(part);
                    break;
                }
            }
        }
        Ok(has_results)
    }

    /// Writes as much of a value as fits, and returns the CmdID; `None` if the value must begin in the next message.
    /// The rest of the value stays first in the queue, and a Status for the chunk is awaited.
    ///
    /// # Errors
    /// The same as for [`Self::write_some`].
    fn write_chunk_of(
        &mut self,
        of: Of,
        mut large: Large,
        message: &mut Composer,
        most: usize,
        empty: Position,
    ) -> Result<Option<u32>, String> {
        let Large {
            uri, format, rest, ..
        } = &mut large;
        let written = rest.write_some(message, most, empty, |m, chunk| {
            results(m, &of, |m| item(m, uri, format, chunk))
        });
        if written == Err(NoRoom::Anywhere) {
            return Err(large.uri);
        }
        let (written, is_whole) = (written.ok(), large.rest.is_whole());
        let part = Part::Large(of, large);
        match is_whole {
            true => self.ended = written.map(|last| (last, part)),
            false => {
                self.chunk = written;
                self.parts.push_front(part);
            }
        }
        Ok(written)
    }
}

impl Part {
    fn write(&self, message: &mut Composer) {
        match self {
            Self::Status { of, target, code } => {
                message.status(&StatusBuilder {
                    cmd_ref: of.cmd.as_str().into(),
                    cmd: &of.name,
                    items: target.as_slice(),
                    ..StatusBuilder::of_header(&of.msg, *code)
                });
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

/// Splits Results with several Items into Results with one Item each, and Results with one Item into a value in chunks.
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
        let large = Large {
            uri,
            format,
            rest,
            repeats: 0,
        };
        Part::Large(of.clone(), large)
    });
    large.collect()
}

impl Device {
    /// Writes the answers to a message, as far as they fit into one message. If the server left its package open, the
    /// device leaves its own open, and adds Alert 1222 if nothing else is left to send (PRO 6).
    pub(super) fn report(&mut self, msg_ref: &str) -> Next {
        let mut message = self.message();
        message.status(&StatusBuilder::of_header(msg_ref, StatusCode(200)));
        let most = self.profile.sizes.longest_message(self.theirs);
        let has_results = match self.backlog.write_some(&mut message, most) {
            Ok(has_results) => has_results,
            Err(uri) => {
                let why = format!("messages of {most} bytes are too short for the value of {uri}");
                return Next::Broken(why);
            }
        };
        let is_done = self.backlog.parts.is_empty();
        if is_done && self.backlog.may_close {
            return Next::Send(message.finish());
        }
        if is_done && !has_results {
            message.alert(AlertCode::NEXT_MESSAGE);
        }
        Next::Send(message.finish_open())
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

/// How often a value is sent again after its receiver reported a wrong size.
const MOST_REPEATS: u32 = 1;
