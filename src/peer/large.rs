//! Large objects: values that are sent in several messages (OMA-TS-DM_Protocol-V1_2_1 §7), and their limits.

use quick_xml::escape::partial_escape;

use super::compose::{Composer, Position, RESERVE};
use crate::dm::{Command, Item, StatusCode, SyncHdr};

/// The size limits that a peer announces, in bytes; `None` if it announces none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// `MaxMsgSize`: the longest message. Both simulators measure messages as XML, which is longer than WBXML.
    pub message: Option<u32>,
    /// `MaxObjSize`: the longest value.
    pub object: Option<u32>,
}

impl Sizes {
    /// Reads the limits of a header; they stay in force until another header changes them.
    pub(crate) fn note(&mut self, header: SyncHdr<'_>) {
        let size = |size: Option<u64>| size.map(|size| u32::try_from(size).unwrap_or(u32::MAX));
        let meta = header.meta();
        self.message = size(meta.and_then(|m| m.max_msg_size())).or(self.message);
        self.object = size(meta.and_then(|m| m.max_obj_size())).or(self.object);
    }

    /// Returns the longest message that may be sent to a peer that announced `theirs`: both peers obey the smaller
    /// limit.
    pub(crate) fn longest_message(self, theirs: Self) -> usize {
        let both = [self.message, theirs.message];
        let smaller = both.into_iter().flatten().min();
        smaller.map_or(usize::MAX, |size| size as usize)
    }

    /// Returns whether a value is longer than this peer accepts.
    pub(crate) fn exceeds(self, length: usize) -> bool {
        self.object.is_some_and(|most| length > most as usize)
    }
}

/// A value being sent.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    text: String,
    /// The bytes written so far; `None` before the beginning, because an empty value must be sent, too.
    written: Option<usize>,
}

/// The reason why nothing of a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// The value must begin in the next message.
    Here,
    /// Messages of this size have too little room for the value.
    Anywhere,
}

/// A part of a value, or the whole value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk<'a> {
    pub(crate) text: &'a str,
    /// `Meta/Size`: the length of the whole value, in the first of several chunks.
    pub(crate) size: Option<usize>,
    /// `MoreData`.
    pub(crate) more: bool,
}

impl<'a> Chunk<'a> {
    /// Returns a chunk with the whole value.
    pub(crate) fn whole(text: &'a str) -> Self {
        Self {
            text,
            size: None,
            more: false,
        }
    }
}

impl Outgoing {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            written: None,
        }
    }

    /// Writes as much of the value as fits into a message of `most` bytes. `empty` is the position before the first
    /// command of the message. Returns the CmdID.
    ///
    /// # Errors
    /// Returns [`NoRoom`]; then nothing is written.
    pub(crate) fn write_some(
        &mut self,
        message: &mut Composer,
        most: usize,
        empty: Position,
        write: impl Fn(&mut Composer, &Chunk<'_>) -> u32,
    ) -> Result<u32, NoRoom> {
        let size = self.written.is_none().then_some(self.text.len());
        let mut chunk = Chunk {
            text: "",
            size,
            more: true,
        };
        let before = message.mark();
        write(message, &chunk);
        let room = most.saturating_sub(message.len() + RESERVE);
        message.back_to(before);
        if room < MIN_CHUNK_BYTES && before != empty && self.written.is_none() {
            return Err(NoRoom::Here);
        }
        let written = self.written.unwrap_or(0);
        let rest = &self.text[written..];
        chunk.text = prefix(rest, room);
        chunk.more = chunk.text.len() < rest.len();
        // After many Statuses this message has little room, but the next one has more.
        if chunk.more && room < MIN_CHUNK_BYTES && before == empty && message.is_bare() {
            return Err(NoRoom::Anywhere);
        }
        self.written = Some(written + chunk.text.len());
        Ok(write(message, &chunk))
    }

    /// Starts again from the beginning of the value.
    pub(crate) fn begin_anew(&mut self) {
        self.written = None;
    }

    /// Returns whether the whole value is written.
    pub(crate) fn is_whole(&self) -> bool {
        self.written == Some(self.text.len())
    }
}

/// Returns as much of a text as fits into `room` bytes of XML, but at least one character.
fn prefix(text: &str, room: usize) -> &str {
    let mut written = 0;
    let end = text.char_indices().find(|(at, char)| {
        written += partial_escape(&*char.encode_utf8(&mut [0; 4])).len();
        written > room && *at > 0
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// The object that a chunk belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LargeObject {
    /// The name of the command.
    pub(crate) command: String,
    /// The LocURI of the Item.
    pub(crate) uri: String,
}

/// The object being received, if any.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    what: LargeObject,
    size: u64,
    text: String,
}

impl Incoming {
    /// Takes the content of an Item, and returns the value once it is complete; `None` for a chunk that was buffered.
    /// The caller must give up another object under way first.
    ///
    /// # Errors
    /// Returns 411 for a first chunk without Size, 413 for a value and 416 for a Size of more than `most` bytes, and
    /// 424 if the length of the object differs from its Size. Then nothing of the object is kept.
    pub(crate) fn take(
        &mut self,
        what: LargeObject,
        command: Command<'_>,
        item: Item<'_>,
        most: usize,
    ) -> Result<Option<String>, StatusCode> {
        let text = item.data().map(|data| data.text()).unwrap_or_default();
        let metas = [item.meta(), command.meta()];
        let size = metas.into_iter().flatten().find_map(|meta| meta.size());
        // Only the first chunk has a Size, so a chunk with one begins a new object.
        let open = match (self.open.take().filter(|_| size.is_none()), size) {
            (Some(open), _) => open,
            (None, None) if item.more_data() => return Err(SIZE_REQUIRED),
            (None, None) if text.len() > most => return Err(TOO_LARGE),
            (None, None) => return Ok(Some(text.into_owned())),
            (None, Some(size)) if size > most as u64 => return Err(SIZE_TOO_BIG),
            (None, Some(size)) => Open {
                what,
                size,
                text: String::new(),
            },
        };
        let whole = open.text + &text;
        let came = whole.len() as u64;
        match item.more_data() {
            true if came <= open.size => {
                self.open = Some(Open {
                    text: whole,
                    ..open
                });
                Ok(None)
            }
            false if came == open.size => Ok(Some(whole)),
            _ => Err(SIZE_MISMATCH),
        }
    }

    /// Gives up the object under way, unless `next` continues it.
    pub(crate) fn give_up(&mut self, next: Option<&LargeObject>) -> Option<LargeObject> {
        let other = self.open.take_if(|open| Some(&open.what) != next);
        other.map(|open| open.what)
    }
}

/// With less room than this, in bytes, a value neither begins in a message nor is split.
const MIN_CHUNK_BYTES: usize = 100;
/// The longest value that a peer accepts, whatever limit it announces, in bytes.
pub(crate) const MAX_VALUE_BYTES: usize = 1 << 20;

/// Accepted and buffered.
pub(crate) const BUFFERED: StatusCode = StatusCode(213);
/// The object does not have the announced size.
pub(crate) const SIZE_MISMATCH: StatusCode = StatusCode(424);
/// The value is longer than its receiver accepts.
pub(crate) const TOO_LARGE: StatusCode = StatusCode(413);
const SIZE_REQUIRED: StatusCode = StatusCode(411);
const SIZE_TOO_BIG: StatusCode = StatusCode(416);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_by_its_length_as_xml() {
        let check =
            |text, room, expected| assert_eq!(prefix(text, room), expected, "{text} {room}");
        check("abc", 3, "abc");
        check("abc", 2, "ab");
        check("abc", 0, "a");
        check("äöü", 3, "ä");
        check("a<b", 4, "a");
        check("a<b", 5, "a<");
        check("a\rb", 5, "a");
        check("a\rb", 6, "a\r");
        check("", 5, "");
    }
}
