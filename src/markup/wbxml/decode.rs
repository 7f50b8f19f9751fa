//! WBXML to tree.

use bytes::Bytes;

use crate::markup::{DecodeError, DecodeErrorKind, Document, Hint, Limits};

/// Decodes WBXML.
///
/// # Errors
/// [`DecodeError`] with the offset of what is malformed.
pub fn decode(source: Bytes, hint: Hint<'_>, limits: &Limits) -> Result<Document, DecodeError> {
    let _ = (source, hint, limits);
    Err(DecodeError {
        at: 0,
        kind: DecodeErrorKind::NotMarkup,
    })
}
