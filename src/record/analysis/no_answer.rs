//! What follows from dmtap's own words for a request that a server did not answer.

use super::why;

/// What to do: what the words advise; the server's log only where the request came there.
pub(super) fn next(how: &str, at_us: u64) -> String {
    if let Some((_, advice)) = how.split_once("; ") {
        return advice.to_owned();
    }
    if how.contains("cannot be resolved") {
        return "check the name of the server, or the network".to_owned();
    }
    if how.contains("refused the connection") {
        return "start the server, or correct its address and port: nothing listens there"
            .to_owned();
    }
    match is_reached(how) {
        true => format!("look at the server's log {}", why::at(at_us)),
        false => {
            "see whether the server is reachable from here: dmtap doctor --server URL".to_owned()
        }
    }
}

/// Whether the request came to the server.
pub(super) fn is_reached(how: &str) -> bool {
    !NOT_REACHED.iter().any(|words| how.contains(words))
}

/// Whether these are the words of a file of saved traffic (message_log), not of dmtap.
pub(super) fn is_of_file(how: &str) -> bool {
    how.starts_with("no answer came")
}

/// What a transcript says of an exchange without an answer where no peer failed.
pub(in crate::record) fn heading(how: &str) -> &'static str {
    match is_of_file(how) {
        true => "no response",
        false => "no response, dmtap stopped",
    }
}

/// What stands in dmtap's words, or those of a browser, where a connection or its TLS handshake failed.
const NOT_REACHED: [&str; 15] = [
    "ERR_CERT",
    "ERR_SSL",
    "ERR_NAME",
    "REFUSED",
    "DISCONNECTED",
    "certificate",
    "TLS",
    "no connection",
    "cannot be resolved",
    "refused the connection",
    "connection refused",
    "this proxy itself",
    "control API",
    "HTTP version",
    "not valid in a URL",
];
