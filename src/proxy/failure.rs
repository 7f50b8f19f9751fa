//! What went wrong, in words that say what to do about it.

use std::error::Error;
use std::io;

use http::StatusCode;
use rustls::{AlertDescription, CertificateError};

use super::body::Broken;
use super::exchange::Dropped;
use super::patience::Stall;
use super::upstream::ConnectError;
use crate::flow::Side;

/// Why there is no response of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Whose fault it is.
    pub(super) side: Side,
    /// What the device is told: 400, 408, 502, 504 or 508.
    pub(super) status: StatusCode,
    /// Why, for people.
    pub(super) why: String,
}

impl Failure {
    /// The server's fault.
    pub(super) fn of_server(status: StatusCode, why: String) -> Self {
        Self {
            side: Side::Server,
            status,
            why,
        }
    }

    /// The device stopped sending its request.
    pub(super) fn stalled_request(stall: Stall) -> Self {
        Self {
            side: Side::Device,
            status: StatusCode::REQUEST_TIMEOUT,
            why: format!("the request stalled: {stall}"),
        }
    }

    /// The body of a request does not come whole, and its device may be told so.
    pub(super) fn of_request(broken: &Broken) -> Option<Self> {
        match broken {
            Broken::Stalled(stall) => Some(Self::stalled_request(*stall)),
            Broken::Coding(why) => Some(Self::of_device(format!("the request's {why}"))),
            Broken::Peer(error) if is_malformed(error) => Some(Self::malformed_request()),
            Broken::Peer(_) | Broken::ByRule => None,
        }
    }

    /// The chunks of a request are none.
    pub(super) fn malformed_request() -> Self {
        Self::of_device("the request's chunks are malformed".into())
    }

    fn of_device(why: String) -> Self {
        Self {
            side: Side::Device,
            status: StatusCode::BAD_REQUEST,
            why,
        }
    }

    /// The request passed through this proxy before.
    pub(super) fn looped() -> Self {
        let why = "the request came back to dmtap: the server leads here in a loop";
        Self::of_server(StatusCode::LOOP_DETECTED, why.into())
    }

    /// The server changes to a protocol that nobody asked for.
    pub(super) fn unasked_upgrade() -> Self {
        let why = "the server answered 101 (Switching Protocols), which nobody asked for";
        Self::of_server(StatusCode::BAD_GATEWAY, why.into())
    }

    /// The device broke its request off.
    pub(super) fn broken_request() -> Self {
        Self {
            side: Side::Device,
            status: StatusCode::BAD_REQUEST,
            why: "the device broke its request off".into(),
        }
    }

    /// The body of the response does not come whole.
    pub(super) fn of_response(broken: &Broken) -> Self {
        match broken {
            Broken::Peer(error) => {
                let mut failure = Self::of(error);
                failure.why = format!("the response broke off: {}", failure.why);
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

    /// Makes words of an error on the way to a server.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut status = StatusCode::BAD_GATEWAY;
        for error in chain(error) {
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                return Self::of_server(status, server_tls(tls));
            }
            if let Some(connect) = error.downcast_ref::<ConnectError>() {
                match connect {
                    ConnectError::Timeout(_) => status = StatusCode::GATEWAY_TIMEOUT,
                    ConnectError::Loop(_) | ConnectError::Private(_) => {}
                    ConnectError::Other(_) => continue,
                }
                return Self::of_server(status, connect.to_string());
            }
            let io = error.downcast_ref::<io::Error>();
            if io.is_some_and(|e| e.kind() == io::ErrorKind::TimedOut) {
                status = StatusCode::GATEWAY_TIMEOUT;
            }
        }
        let mut words: Vec<String> = Vec::new();
        for error in chain(error) {
            let word = error.to_string();
            if words.last().is_none_or(|last| !last.contains(&word)) {
                words.push(word);
            }
        }
        Self::of_server(status, words.join(": "))
    }
}

/// Whether a body breaks off because of what its sender wrote, and not because it left.
pub(super) fn is_malformed(error: &hyper::Error) -> bool {
    chain(error).any(|error| {
        let io = error.downcast_ref::<io::Error>();
        io.is_some_and(|io| {
            matches!(
                io.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
            )
        })
    })
}

/// What is wrong with what a device sent in place of a request, in words; `None` where its connection ended for
/// another reason.
pub(super) fn malformed(error: &(dyn Error + 'static)) -> Option<String> {
    let http = chain(error).find_map(|error| error.downcast_ref::<hyper::Error>())?;
    // The response could not be given: behind that stands what the server did, or a rule.
    if http.is_user() {
        return None;
    }
    let own = chain(http).take_while(|error| !error.is::<Broken>() && !error.is::<Dropped>());
    // hyper has no name for what is wrong with HTTP/2.
    let wrong_frame = own
        .map(ToString::to_string)
        .find(|words| words.contains(BY_US));
    match http.is_parse() {
        true => Some(http.to_string()),
        false => wrong_frame,
    }
}

/// How an error of HTTP/2 begins that was found here, and not told by the device.
const BY_US: &str = "connection error detected";

/// An error and its causes, those inside IO errors too.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let io = error.downcast_ref::<io::Error>();
        // `source()` of an IO error skips the error it was made of.
        match io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

fn server_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(certificate) => server_certificate(certificate),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server asks for a client certificate, which dmtap does not have".into()
        }
        rustls::Error::InvalidMessage(_) => {
            format!("the server does not speak TLS at this port: {error}")
        }
        _ => format!("TLS handshake with the server failed: {error}"),
    }
}

fn server_certificate(error: &CertificateError) -> String {
    let why = match error {
        CertificateError::UnknownIssuer => "UnknownIssuer".into(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            return format!("server certificate expired: {error}; -k accepts it all the same");
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            return format!(
                "server certificate is for another name: {error}; -k accepts it all the same"
            );
        }
        _ => error.to_string(),
    };
    format!(
        "server certificate not trusted: {why}; use --server-ca FILE to trust its CA, or -k to accept any"
    )
}

/// Makes words of a failed handshake with a device.
pub(super) fn device_handshake(error: &io::Error, ca: &str) -> String {
    let tls = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>());
    let install = format!("install {ca} on it as a trusted root");
    match tls {
        Some(rustls::Error::AlertReceived(alert)) => match alert {
            AlertDescription::UnknownCA => {
                format!("the device does not trust the certificate (alert {alert:?}): {install}")
            }
            AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => format!(
                "the device refused the certificate (alert {alert:?}): it does not trust dmtap's CA ({install}), \
                 or it asked for a name that the certificate does not have"
            ),
            _ => format!("the device ended the TLS handshake (alert {alert:?})"),
        },
        Some(rustls::Error::InvalidMessage(_)) => {
            format!("what the device sent is not TLS: {error}")
        }
        Some(tls) => format!("TLS handshake with the device failed: {tls}"),
        None => format!(
            "the device hung up during the TLS handshake ({error}), as one does that does not trust the certificate: {install}"
        ),
    }
}

/// The same where a rule spoiled what the device was offered, without what to do about it.
pub(super) fn spoiled_handshake(error: &io::Error) -> String {
    let tls = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::AlertReceived(alert)) => match alert {
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown => {
                format!("the device refused the certificate (alert {alert:?})")
            }
            _ => format!("the device ended the TLS handshake (alert {alert:?})"),
        },
        Some(tls) => format!("TLS handshake with the device failed: {tls}"),
        None => format!("the device hung up during the TLS handshake ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_untrusted_server_is_found_inside_other_errors() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let nested = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        let failure = Failure::of(&ConnectError::Other(nested.into()));
        assert_eq!(failure.status, StatusCode::BAD_GATEWAY);
        assert!(
            failure.why.contains("not trusted: UnknownIssuer"),
            "{failure:?}"
        );
    }

    #[test]
    fn a_timeout_is_504() {
        let failure = Failure::of(&ConnectError::Timeout(Duration::from_secs(1)));
        assert_eq!(failure.status, StatusCode::GATEWAY_TIMEOUT);
    }
}
