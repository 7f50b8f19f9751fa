//! Failures in words that say what the user can do about them.

mod device;
mod server;

use std::error::Error;
use std::{fmt, io};

use http::StatusCode;
use rustls::AlertDescription;

pub(super) use self::device::{
    device_handshake, left_http1, malformed, spoiled_handshake, unfinished,
};
pub use self::server::{PlainError, ServerError};

use super::body::Broken;
use super::body_timeout::Stall;
use crate::flow::{FailureCause, Side};

/// The reason why there is no response of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The side whose fault it is.
    pub(super) side: Side,
    /// The status for the device: 400, 408, 417, 502, 504 or 508.
    pub(super) status: StatusCode,
    /// The reason, as text.
    pub(super) why: String,
    /// The cause, if it decides what the user can do about the failure.
    pub(super) cause: Option<FailureCause>,
    /// The remedy for the failure, if it is known.
    pub(super) help: Option<String>,
}

impl Failure {
    /// Creates a failure that is the server's fault.
    pub(super) fn of_server(status: StatusCode, why: String) -> Self {
        Self {
            side: Side::Server,
            status,
            why,
            cause: None,
            help: None,
        }
    }

    /// Creates the failure of a device that stopped sending its request.
    pub(super) fn stalled_request(stall: Stall) -> Self {
        let why = format!("the request stalled: {stall}");
        let status = match stall {
            // The client should repeat the request without the expectation (RFC 9110 §10.1.1).
            Stall::InVain(_) => StatusCode::EXPECTATION_FAILED,
            Stall::Silent(_) | Stall::Slow(_) => StatusCode::REQUEST_TIMEOUT,
        };
        Self::refused_request(status, &why)
    }

    /// Returns the failure of an incomplete request body, if the device can still get an answer.
    pub(super) fn answerable(broken: &Broken) -> Option<Self> {
        match broken {
            Broken::Stalled(stall) => Some(Self::stalled_request(*stall)),
            Broken::Coding(why) => Some(Self::of_device(format!("the request's {why}"))),
            Broken::Peer(error) if is_malformed(error) => Some(Self::malformed_request()),
            Broken::Peer(_) | Broken::ByRule => None,
        }
    }

    /// Creates the failure of a request whose chunks are malformed.
    pub(super) fn malformed_request() -> Self {
        Self::of_device("the request's chunks are malformed".into())
    }

    /// Creates a failure that is the device's fault.
    pub(super) fn of_device(why: String) -> Self {
        Self {
            side: Side::Device,
            ..Self::of_server(StatusCode::BAD_REQUEST, why)
        }
    }

    /// Creates the failure of a request that dmtap does not send on.
    pub(super) fn refused_request(status: StatusCode, why: &str) -> Self {
        Self {
            status,
            ..Self::of_device(why.into())
        }
    }

    /// Creates the failure of a request that passed through this proxy before.
    pub(super) fn looped() -> Self {
        let why = "request loop: the server sends requests back to dmtap";
        Self::of_server(StatusCode::LOOP_DETECTED, why.into())
    }

    /// Creates the failure of a server that changes to a protocol that nobody asked for.
    pub(super) fn unasked_upgrade() -> Self {
        let why = "the server answered 101 (Switching Protocols): dmtap passes on no upgrade, such as WebSocket";
        Self::of_server(StatusCode::BAD_GATEWAY, why.into())
    }

    /// Creates the failure of a device that broke off its request.
    pub(super) fn broken_request() -> Self {
        Self::of_device("the device broke its request off".into())
    }

    /// Creates the failure of a request that broke off, or whose body HTTP/2 does not allow.
    pub(super) fn unanswerable(broken: &Broken) -> Self {
        match broken {
            Broken::Peer(error) if is_protocol_error(error) => Self::of_device(
                "the request breaks the rules of HTTP/2 (PROTOCOL_ERROR): its body may have another length than its Content-Length".into(),
            ),
            _ => Self::broken_request(),
        }
    }

    /// Creates the failure of an incomplete response body.
    pub(super) fn of_response(broken: &Broken) -> Self {
        match broken {
            Broken::Peer(error) => {
                let mut failure = Self::of(error);
                failure.why = format!("the response broke off: {}", failure.why);
                if is_protocol_error(error) {
                    let help = "if its Content-Length is wrong, --upstream-http 1.1 helps";
                    failure.help = Some(help.into());
                }
                failure
            }
            Broken::Coding(why) => {
                Self::of_server(StatusCode::BAD_GATEWAY, format!("the response's {why}"))
            }
            Broken::Stalled(_) | Broken::ByRule => {
                let why = format!("the response stalled: {broken}");
                Self::of_server(StatusCode::GATEWAY_TIMEOUT, why)
            }
        }
    }

    /// Creates the failure for an error on the way to a server.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let found = ServerError::of(error, "--server-ca");
        let help = match found.cause {
            Some(FailureCause::Unresolved) => Some(SAY_WHERE.to_owned()),
            _ => found.help,
        };
        Self {
            cause: found.cause,
            help,
            ..Self::of_server(found.status, found.what)
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        server::with_help(f, &self.why, self.help.as_deref())
    }
}

/// Whether a handshake error means that the server refused to go on.
pub(super) fn is_refusal(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| {
        let alert = matches!(
            error.downcast_ref::<rustls::Error>(),
            Some(rustls::Error::AlertReceived(_))
        );
        alert
            || is_io(
                error,
                &[io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset],
            )
    })
}

/// Returns the alert that ended a handshake.
pub(super) fn alert(error: &(dyn Error + 'static)) -> Option<AlertDescription> {
    chain(error).find_map(|error| match error.downcast_ref()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    })
}

/// Whether a body breaks off because its sender wrote malformed bytes, and not because the sender left.
pub(super) fn is_malformed(error: &hyper::Error) -> bool {
    let kinds = [io::ErrorKind::InvalidInput, io::ErrorKind::InvalidData];
    chain(error).any(|error| is_io(error, &kinds))
}

/// Whether a connection ended before the length that its peer announced.
pub(super) fn is_short(error: &hyper::Error) -> bool {
    chain(error).any(|error| is_io(error, &[io::ErrorKind::UnexpectedEof]))
}

fn is_io(error: &(dyn Error + 'static), kinds: &[io::ErrorKind]) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|io| kinds.contains(&io.kind()))
}

/// Whether the error is an HTTP/2 protocol error of the peer. Then its Content-Length may be wrong.
fn is_protocol_error(error: &hyper::Error) -> bool {
    chain(error).any(|error| {
        let frame = error.downcast_ref::<h2::Error>();
        frame.is_some_and(|frame| {
            frame.is_library() && frame.reason() == Some(h2::Reason::PROTOCOL_ERROR)
        })
    })
}

/// Iterates over an error and its causes, including those inside IO errors.
pub(super) fn chain<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let io = error.downcast_ref::<io::Error>();
        // `source()` of an IO error skips the error that it wraps.
        match io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// Returns the name of an alert as the standard spells it (RFC 8446 §6).
fn alert_name(alert: AlertDescription) -> String {
    if let AlertDescription::Unknown(number) = alert {
        return number.to_string();
    }
    // rustls has the names of the standard, in another case.
    let mut name = String::new();
    let mut was_lower = false;
    for letter in format!("{alert:?}").chars() {
        if letter.is_ascii_uppercase() && was_lower {
            name.push('_');
        }
        was_lower = letter.is_ascii_lowercase();
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// Returns the name of an HTTP/2 error code as the standard spells it (RFC 9113 §7).
fn reason_name(reason: h2::Reason) -> String {
    let name = format!("{reason:?}");
    // A code without a name in the standard.
    match name.starts_with("Reason") {
        true => format!("error code {:#x}", u32::from(reason)),
        false => name,
    }
}

/// The remedy for a server whose name leads nowhere.
const SAY_WHERE: &str = "check the name, or say where the server is: --resolve HOST:PORT:ADDRESS";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::CertificateError;

    use super::*;
    use crate::proxy::upstream::ConnectError;

    #[test]
    fn an_untrusted_server_is_found_inside_other_errors() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let nested = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        let failure = Failure::of(&ConnectError::Other(nested.into()));
        assert_eq!(failure.status, StatusCode::BAD_GATEWAY);
        assert!(
            failure
                .why
                .contains("not trusted: its issuer is not known here"),
            "{failure:?}"
        );
    }

    #[test]
    fn a_timeout_is_504() {
        let failure = Failure::of(&ConnectError::Timeout(Duration::from_secs(1)));
        assert_eq!(failure.status, StatusCode::GATEWAY_TIMEOUT);
    }

    #[test]
    fn codes_of_the_wire_have_the_names_of_the_standards() {
        assert_eq!(reason_name(h2::Reason::REFUSED_STREAM), "REFUSED_STREAM");
        assert_eq!(reason_name(h2::Reason::from(0x99)), "error code 0x99");
        assert_eq!(
            alert_name(AlertDescription::BadCertificate),
            "bad_certificate"
        );
        assert_eq!(alert_name(AlertDescription::Unknown(250)), "250");
    }
}
