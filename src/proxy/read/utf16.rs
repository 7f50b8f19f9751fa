//! The UTF-8 copy of a body in UTF-16. The budget counts it before it is made.

use bytes::Bytes;

use super::coding::CodingError;
use super::{Bounds, BudgetPermit, heavy, no_room};
use crate::flow::{NotParsed, Note, Severity};
use crate::markup::DecodeError;
use crate::markup::utf16::Utf16;

/// A body without codings.
pub(super) struct Plain {
    /// The bytes, converted to UTF-8 if they arrived in UTF-16.
    pub(super) bytes: Bytes,
    /// The UTF-16 encoding in which the body arrived, if any.
    pub(super) utf16: Option<Utf16>,
    /// The bytes of memory that are kept for the body.
    pub(super) kept: usize,
}

/// The reason why a body in UTF-16 has no text.
pub(super) enum NoText {
    /// The text is broken.
    Broken(DecodeError),
    /// The text needs too much memory.
    TooLarge(NotParsed),
}

/// Converts a body in UTF-16 to UTF-8. Any other body stays as it is. The bytes of `received` are kept in any case.
pub(super) async fn in_utf8(
    plain: Bytes,
    received: &Bytes,
    bounds: Bounds<'_>,
    permit: &mut BudgetPermit,
) -> Result<Plain, NoText> {
    let is_copy = plain.as_ptr() != received.as_ptr();
    let kept = received.len() + if is_copy { plain.len() } else { 0 };
    let Some(utf16) = Utf16::of(&plain) else {
        return Ok(Plain {
            bytes: plain,
            utf16: None,
            kept,
        });
    };
    let length = utf16.utf8_length(&plain).map_err(NoText::Broken)?;
    if length > bounds.length {
        let error = CodingError::TooLong {
            coding: utf16.name().into(),
            limit: bounds.length,
        };
        let why = NotParsed::Coding(error.to_string());
        return Err(NoText::TooLarge(why));
    }
    if !cover(bounds, permit, kept + length).await {
        return Err(NoText::TooLarge(no_room(&bounds)));
    }
    let text = heavy(plain.len(), || utf16.to_utf8(&plain));
    Ok(Plain {
        bytes: text.map_err(NoText::Broken)?,
        utf16: Some(utf16),
        kept: received.len() + length,
    })
}

/// Extends a permit to this many bytes. Returns `false` if there is no memory for them.
pub(super) async fn cover(bounds: Bounds<'_>, permit: &mut BudgetPermit, bytes: usize) -> bool {
    let missing = bytes.saturating_sub(permit.bytes());
    // Large bodies have requested the memory already. They need more only if the media type is that of another
    // encoding.
    match permit.is_large() {
        true => bounds.budget.add_now(permit, missing),
        false => bounds.budget.add(permit, missing).await,
    }
}

/// Returns note XML-08, which says what offsets refer to.
pub(super) fn note(utf16: Utf16) -> Note {
    Note {
        id: "XML-08",
        severity: Severity::Info,
        at: None,
        text: format!(
            "the body is in {}: offsets count the bytes of its text in UTF-8",
            utf16.name()
        ),
    }
}
