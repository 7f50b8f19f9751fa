//! Why a session broke off, in words for people.

use super::effects::Effects;
use crate::app::device::SessionError;
use crate::flow::EffectKind;

/// One line, which says first whether it was the connection. `origin` is where dmtap is.
pub(super) fn words(error: &SessionError, origin: &str, effects: &Effects) -> String {
    match error {
        // What would help is not for a demo: a rule did it.
        SessionError::NoResponse { url, why } if url.to_string().starts_with(origin) => {
            format!("the connection broke: {}", peer(&why.what, effects))
        }
        SessionError::NoResponse { url, why } => format!("no response from {url}: {}", why.what),
        other => format!(
            "the session broke off: {}",
            cause(&other.to_string(), origin, effects)
        ),
    }
}

/// An error of a device, which takes dmtap for the server, with dmtap named for what dmtap did.
pub(super) fn cause(error: &str, origin: &str, effects: &Effects) -> String {
    let dmtap = |what| format!("in the server's place, dmtap {what}");
    if let Some(what) = error.strip_prefix("no response from ") {
        return match what.strip_prefix(origin) {
            Some(_) => peer(error, effects),
            None => error.to_owned(),
        };
    }
    if let Some(rest) = error.strip_prefix("the server's message ") {
        return format!("the message that reached the device {rest}");
    }
    match error.strip_prefix("the server ") {
        Some(what) if what.starts_with("answered ") && effects.has(EffectKind::Answered) => {
            dmtap(what)
        }
        Some(what) if what.starts_with("aborted ") && effects.has(EffectKind::Aborted) => {
            dmtap(what)
        }
        _ => error.to_owned(),
    }
}

/// What became of a connection of the device, whose other end is dmtap unless a rule passes it on unread.
fn peer(what: &str, effects: &Effects) -> String {
    if effects.has(EffectKind::Tunnelled) {
        return what.to_owned();
    }
    if what.starts_with("the server and dmtap have no TLS version") {
        return "dmtap ended the TLS handshake with an alert".into();
    }
    let named = what.replacen("server certificate", "dmtap's certificate", 1);
    named.replacen("the server ", "dmtap ", 1)
}
