//! What went wrong, in words that say what to do about it.

use std::error::Error;
use std::io;

use http::StatusCode;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

use super::body::Broken;
use super::body_timeout::Stall;
use super::exchange::Dropped;
use super::trust::Distrust;
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
                    ConnectError::Loop(_)
                    | ConnectError::Private(_)
                    | ConnectError::ClientCertificate => {}
                    ConnectError::Other(_) => continue,
                }
                return Self::of_server(status, connect.to_string());
            }
            let io = error.downcast_ref::<io::Error>();
            if io.is_some_and(|e| e.kind() == io::ErrorKind::TimedOut) {
                status = StatusCode::GATEWAY_TIMEOUT;
            }
        }
        Self::of_server(status, in_words(error))
    }
}

/// An error of a connection to a server, in dmtap's words.
fn in_words(error: &(dyn Error + 'static)) -> String {
    let is_new = chain(error).any(|error| error.is::<ConnectError>());
    for error in chain(error) {
        if let Some(http) = error.downcast_ref::<hyper::Error>() {
            if http.is_incomplete_message() {
                return "the server closed the connection without answering".into();
            }
            if http.is_parse_too_large() {
                return "the head of the server's answer is too large".into();
            }
            if http.is_parse() {
                return "what the server answered is not HTTP".into();
            }
        }
        if let Some(frame) = error.downcast_ref::<h2::Error>()
            && let Some(reason) = frame.reason()
        {
            return match frame.is_go_away() {
                true => format!("the server ended the HTTP/2 connection ({reason:?})"),
                false => format!("the server ended the HTTP/2 stream ({reason:?})"),
            };
        }
        if let Some(io) = error.downcast_ref::<io::Error>()
            && let Some(words) = io_in_words(io, is_new)
        {
            return words;
        }
    }
    let what = match is_new {
        true => "no connection to the server",
        false => "the connection to the server failed",
    };
    // What the system says; what a library adds around it says nothing more.
    let system = chain(error).find_map(|e| e.downcast_ref::<io::Error>()?.raw_os_error());
    match system.map(|code| io::Error::from_raw_os_error(code).to_string()) {
        Some(words) => {
            let words = words.split(" (os error").next().unwrap_or_default();
            format!("{what}: {}", words.to_lowercase())
        }
        None if is_new && is_of_resolver(error) => {
            "the server's name cannot be resolved: check the name, or the network".into()
        }
        None => what.into(),
    }
}

fn io_in_words(error: &io::Error, is_new: bool) -> Option<String> {
    let words = match (error.kind(), is_new) {
        (io::ErrorKind::ConnectionRefused, _) => {
            "the server refused the connection: nothing listens at its address and port"
        }
        (io::ErrorKind::ConnectionReset, true) => {
            "the server reset the connection during the TLS handshake"
        }
        (io::ErrorKind::ConnectionReset, false) => "the server reset the connection",
        (io::ErrorKind::UnexpectedEof, true) => {
            "the server closed the connection during the TLS handshake"
        }
        (io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe, _) => {
            "the server closed the connection"
        }
        (io::ErrorKind::TimedOut, _) => "the server did not answer in time",
        _ => return None,
    };
    Some(words.into())
}

/// The resolver's errors carry no number of the system.
fn is_of_resolver(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| error.to_string().contains("lookup address"))
}

/// Whether an error of a handshake is the server's refusal to go on.
pub(super) fn is_refusal(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| {
        let alert = matches!(
            error.downcast_ref::<rustls::Error>(),
            Some(rustls::Error::AlertReceived(_))
        );
        let io = error.downcast_ref::<io::Error>().map(io::Error::kind);
        let ended = matches!(
            io,
            Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
        );
        alert || ended
    })
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
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS at this port".into(),
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion,
        ) => "the server and dmtap have no TLS version or cipher in common: dmtap speaks TLS 1.2 and 1.3"
            .into(),
        rustls::Error::AlertReceived(alert) => {
            format!("the server ended the TLS handshake (alert {})", alert_name(*alert))
        }
        _ => "the server broke the rules of TLS in its handshake".into(),
    }
}

fn server_certificate(error: &CertificateError) -> String {
    const ANY: &str = "-k accepts it all the same";
    match error {
        CertificateError::Expired => format!("server certificate expired; {ANY}"),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("server certificate expired on {}; {ANY}", day(*not_after))
        }
        CertificateError::NotValidYet => format!("server certificate is not yet valid; {ANY}"),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "server certificate is not yet valid: it begins on {}; check the clocks, or {ANY}",
            day(*not_before)
        ),
        CertificateError::NotValidForName => {
            format!("server certificate is for another name; {ANY}")
        }
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => for_another_name(&expected.to_str(), presented),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            format!(
                "server certificate is not for servers: its extended key usage lacks serverAuth; {ANY}"
            )
        }
        CertificateError::Revoked => format!("server certificate is revoked; {ANY}"),
        CertificateError::BadEncoding => {
            format!("server certificate cannot be read as X.509 version 3; {ANY}")
        }
        CertificateError::BadSignature => {
            "the server's certificate and its signature do not fit together".into()
        }
        CertificateError::Other(other) => match other.0.downcast_ref::<Distrust>() {
            Some(distrust) => distrusted(*distrust),
            None => untrusted("it breaks a rule of X.509"),
        },
        _ => untrusted("its issuer is not known here"),
    }
}

fn untrusted(why: &str) -> String {
    format!(
        "server certificate not trusted: {why}; use --server-ca FILE to trust its CA, or -k to accept any"
    )
}

fn distrusted(distrust: Distrust) -> String {
    match distrust {
        Distrust::ShortKey(_) => format!(
            "server certificate cannot be used: {distrust}, and no TLS library verifies fewer than 2048; \
             the server needs another certificate, -k does not help"
        ),
        Distrust::Sha1 => format!(
            "server certificate not trusted: {distrust}; the server needs a certificate signed with SHA-256, \
             or -k accepts it all the same"
        ),
        Distrust::Ca | Distrust::SelfSigned => format!(
            "server certificate not trusted: {distrust}; use --server-ca FILE with a FILE that holds this very \
             certificate, or -k to accept any"
        ),
    }
}

fn for_another_name(expected: &str, presented: &[String]) -> String {
    let names: Vec<String> = presented.iter().map(|name| plain_name(name)).collect();
    let names = match names.is_empty() {
        true => "it has no subjectAltName, and its CN does not count".into(),
        false => format!("it is for {}", names.join(", ")),
    };
    format!(
        "server certificate is for another name: {names}, and not {expected}; -k accepts it all the same"
    )
}

/// A name as rustls lists it, `DnsName("a")`, as people write it.
fn plain_name(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    inner.trim_matches(|c| matches!(c, '(' | ')' | '"')).into()
}

fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    moment.strftime("%Y-%m-%d").to_string()
}

/// An alert as the standard spells it (RFC 8446 §6).
fn alert_name(alert: AlertDescription) -> String {
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

/// Makes words of a failed handshake with a device.
pub(super) fn device_handshake(error: &io::Error, ca: &str) -> String {
    let tls = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>());
    let install = format!("install {ca} on it as a trusted root");
    match tls {
        Some(rustls::Error::AlertReceived(alert)) => match alert {
            AlertDescription::UnknownCA => {
                format!(
                    "the device does not trust the certificate (alert {}): {install}",
                    alert_name(*alert)
                )
            }
            AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => format!(
                "the device refused the certificate (alert {}): it does not trust dmtap's CA ({install}), \
                 or it asked for a name that the certificate does not have",
                alert_name(*alert)
            ),
            _ => format!(
                "the device ended the TLS handshake (alert {})",
                alert_name(*alert)
            ),
        },
        Some(rustls::Error::InvalidMessage(_)) => "what the device sent is not TLS".into(),
        Some(tls) => device_tls(tls).into(),
        None => format!(
            "the device hung up during the TLS handshake, as one does that does not trust the certificate: {install}"
        ),
    }
}

fn device_tls(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::PeerIncompatible(_) => {
            "the device and dmtap have no TLS version or cipher in common: dmtap speaks TLS 1.2 and 1.3"
        }
        _ => "the device broke the rules of TLS in its handshake",
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
                format!(
                    "the device refused the certificate (alert {})",
                    alert_name(*alert)
                )
            }
            _ => format!(
                "the device ended the TLS handshake (alert {})",
                alert_name(*alert)
            ),
        },
        Some(tls) => device_tls(tls).into(),
        None => "the device hung up during the TLS handshake".into(),
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
}
