//! Why a session broke off, in words for people.

use crate::app::device::SessionError;

/// One line, which says first whether it was the connection.
pub(super) fn words(error: &SessionError) -> String {
    match error {
        SessionError::NoResponse { why, .. } => format!("the connection broke: {}", cause(why)),
        other => format!("the session broke off: {other}"),
    }
}

/// What the device met, by what its libraries say.
fn cause(why: &str) -> String {
    if let Some((_, certificate)) = why.split_once("invalid peer certificate: ") {
        return format!("the device refused the certificate, {}", flaw(certificate));
    }
    if let Some((_, alert)) = why.split_once("received fatal alert: ") {
        return format!("the device got a TLS alert ({alert})");
    }
    let known = [
        (
            "tls handshake eof",
            "it was closed during the TLS handshake",
        ),
        ("(SendRequest)", "it was cut before there was an answer"),
        ("(Connect)", "it could not be made"),
    ];
    let found = known.iter().find(|(said, _)| why.contains(said));
    let cause = found.map_or("it was cut in the middle of the answer", |(_, words)| words);
    cause.to_owned()
}

/// What is wrong with a certificate.
fn flaw(said: &str) -> &str {
    let known = [
        ("UnknownIssuer", "whose issuer it does not know"),
        ("certificate expired", "which has expired"),
        ("certificate not valid yet", "which is not valid yet"),
        (
            "certificate not valid for name",
            "which is for another name",
        ),
        (
            "certificate does not allow extended key usage",
            "which is for another purpose",
        ),
    ];
    let found = known.iter().find(|(begins, _)| said.starts_with(begins));
    found.map_or(said, |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libraries_say_becomes_words() {
        let check = |why: &str, expected: &str| {
            let error = SessionError::NoResponse {
                url: "https://localhost/".parse().unwrap(),
                why: why.into(),
            };
            assert_eq!(words(&error), format!("the connection broke: {expected}"));
        };
        check(
            "client error (SendRequest): http2 error: stream error received: unexpected internal error encountered",
            "it was cut before there was an answer",
        );
        check(
            "client error (Connect): received fatal alert: HandshakeFailure",
            "the device got a TLS alert (HandshakeFailure)",
        );
        check(
            "client error (Connect): tls handshake eof",
            "it was closed during the TLS handshake",
        );
        check(
            "client error (Connect): invalid peer certificate: UnknownIssuer",
            "the device refused the certificate, whose issuer it does not know",
        );
        check(
            "error reading a body from connection",
            "it was cut in the middle of the answer",
        );
    }
}
