//! The second copy of a body in UTF-16: its text, counted in the budget before it is made.

use bytes::Bytes;

use super::coding::CodingError;
use super::{Bounds, BudgetPermit, heavy, no_room};
use crate::flow::{NotParsed, Note, Severity};
use crate::markup::DecodeError;
use crate::markup::utf16::Utf16;

/// A body whose codings are undone.
pub(super) struct Plain {
    /// In UTF-8, where it came in UTF-16.
    pub(super) bytes: Bytes,
    /// How it came, where that was UTF-16.
    pub(super) utf16: Option<Utf16>,
    /// What is kept of it, in bytes.
    pub(super) kept: usize,
}

/// Why there is no text of a body in UTF-16.
pub(super) enum NoText {
    /// It is broken.
    Broken(DecodeError),
    /// It takes too much memory.
    TooLarge(NotParsed),
}

/// Puts a body in UTF-16 into UTF-8; every other one stays as it is. `received` bytes of it are kept in any case.
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

/// Extends a permit to so many bytes; `false` where there is no memory for them.
pub(super) async fn cover(bounds: Bounds<'_>, permit: &mut BudgetPermit, bytes: usize) -> bool {
    let missing = bytes.saturating_sub(permit.bytes());
    // Large bodies have announced it; it is more only where the media type is that of another encoding.
    match permit.is_large() {
        true => bounds.budget.add_now(permit, missing),
        false => bounds.budget.add(permit, missing).await,
    }
}

/// XML-08: what offsets are about.
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
