//! Why a session broke off, in words for people.

use crate::app::device::SessionError;

/// One line, which says first whether it was the connection.
pub(super) fn words(error: &SessionError) -> String {
    match error {
        // What would help is not for a demo: a rule did it.
        SessionError::NoResponse { why, .. } => format!("the connection broke: {}", why.what),
        other => format!("the session broke off: {other}"),
    }
}
