//! Large objects: values that travel in several messages (OMA-TS-DM_Protocol-V1_2_1 §7), and what bounds them.

use quick_xml::escape::partial_escape;

use super::compose::{Composer, Position, RESERVE};
use crate::dm::{Command, Item, StatusCode, SyncHdr};

/// What a peer says it takes, in bytes; `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// `MaxMsgSize`: the longest message. Peers measure what they write as XML, which is longer than WBXML.
    pub message: Option<u32>,
    /// `MaxObjSize`: the longest value.
    pub object: Option<u32>,
}

impl Sizes {
    /// Takes notice of a header: what it says is in force until another one says otherwise.
    pub(crate) fn note(&mut self, header: SyncHdr<'_>) {
        let size = |size: Option<u64>| size.map(|size| u32::try_from(size).unwrap_or(u32::MAX));
        let meta = header.meta();
        self.message = size(meta.and_then(|m| m.max_msg_size())).or(self.message);
        self.object = size(meta.and_then(|m| m.max_obj_size())).or(self.object);
    }

    /// The longest message that may be sent to a peer who said `theirs`: both obey the smaller of the two.
    pub(crate) fn longest_message(self, theirs: Self) -> usize {
        let both = [self.message, theirs.message];
        let smaller = both.into_iter().flatten().min();
        smaller.map_or(usize::MAX, |size| size as usize)
    }

    /// Whether a value is longer than this peer takes.
    pub(crate) fn exceeds(self, length: usize) -> bool {
        self.object.is_some_and(|most| length > most as usize)
    }
}

/// A value on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    text: String,
    /// Bytes that were said; `None` where it has not begun, since an empty value is to be said, too.
    written: Option<usize>,
}

/// Why nothing of a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// It is to begin in the next message.
    Here,
    /// Messages of this size carry next to nothing of it.
    Anywhere,
}

/// A part of a value, or all of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk<'a> {
    pub(crate) text: &'a str,
    /// `Meta/Size`: the length of the whole, in the first of several chunks.
    pub(crate) size: Option<usize>,
    /// `MoreData`.
    pub(crate) more: bool,
}

impl<'a> Chunk<'a> {
    /// A value that fits.
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

    /// Writes as much of it as fits into a message of `most` bytes, in which nothing stood up to `empty`. Returns
    /// the CmdID.
    ///
    /// # Errors
    /// [`NoRoom`]: nothing is written then.
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
        // Behind many Statuses there is little room in this message, and more in the next one.
        if chunk.more && room < MIN_CHUNK_BYTES && before == empty && message.is_bare() {
            return Err(NoRoom::Anywhere);
        }
        self.written = Some(written + chunk.text.len());
        Ok(write(message, &chunk))
    }

    /// It is to be said from its beginning.
    pub(crate) fn begin_anew(&mut self) {
        self.written = None;
    }

    /// Whether nothing is left to say.
    pub(crate) fn is_whole(&self) -> bool {
        self.written == Some(self.text.len())
    }
}

/// As much of a text as fits into `room` bytes of XML, one character at least.
fn prefix(text: &str, room: usize) -> &str {
    let mut written = 0;
    let end = text.char_indices().find(|(at, char)| {
        written += partial_escape(&*char.encode_utf8(&mut [0; 4])).len();
        written > room && *at > 0
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// Which object a chunk is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LargeObject {
    /// Name of its command.
    pub(crate) command: String,
    /// LocURI of its Item.
    pub(crate) uri: String,
}

/// The object that is coming in, if one is.
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
    /// Takes what an Item holds, and returns the value once it is whole; `None` for a chunk that was buffered.
    /// An object of which another one is under way is to be given up before.
    ///
    /// # Errors
    /// 411 for a first chunk without Size, 413 for a value and 416 for a Size of more than `most` bytes, 424
    /// where what came is not as long as the Size said. Nothing of the object is kept then.
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
        // Only the first chunk says a Size: with one, its sender begins anew.
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

    /// Gives up the object that is under way, unless `next` goes on with it.
    pub(crate) fn give_up(&mut self, next: Option<&LargeObject>) -> Option<LargeObject> {
        let other = self.open.take_if(|open| Some(&open.what) != next);
        other.map(|open| open.what)
    }
}

/// With less room than this, in bytes, a value does not begin in a message, nor is it cut.
const MIN_CHUNK_BYTES: usize = 100;
/// Bytes of the longest value that a peer takes, whatever it says.
pub(crate) const MAX_VALUE_BYTES: usize = 1 << 20;

/// Accepted and buffered.
pub(crate) const BUFFERED: StatusCode = StatusCode(213);
/// The object is not as long as it was to be.
pub(crate) const SIZE_MISMATCH: StatusCode = StatusCode(424);
/// The value is longer than its receiver takes.
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
