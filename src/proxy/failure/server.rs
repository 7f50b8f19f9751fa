//! Texts for errors on the way to a server.

use std::error::Error;
use std::{fmt, io};

use http::StatusCode;
use hyper_util::client::legacy;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

use super::{alert_name, chain, reason_name};
use crate::error_text;
use crate::flow::FailureCause;
use crate::proxy::device_certificate::is_of_unknown_issuer;
use crate::proxy::trust::Distrust;
use crate::proxy::upstream::ConnectError;

/// An error of a connector in dmtap's own words, which are printed unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlainError(pub String);

/// The reason why a server gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// The error, in words.
    pub what: String,
    /// The remedy, if it is known.
    pub help: Option<String>,
    /// Whether the server's certificate comes from an unknown CA.
    pub is_untrusted: bool,
    /// The status that a proxy answers in the server's place: 502 or 504.
    pub status: StatusCode,
    /// The cause, if it decides what the user can do about the error.
    pub cause: Option<FailureCause>,
}

impl ServerError {
    /// Describes an error on the way to a server. `ca_flag` is the flag that names a trusted CA.
    pub fn of(error: &(dyn Error + 'static), ca_flag: &str) -> Self {
        let mut found = Self {
            what: String::new(),
            help: None,
            is_untrusted: false,
            status: StatusCode::BAD_GATEWAY,
            cause: chain(error)
                .any(is_of_connecting)
                .then_some(FailureCause::NotConnected),
        };
        for error in chain(error) {
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                found.is_untrusted = is_of_unknown_issuer(tls);
                found.cause = Some(FailureCause::NotConnected);
                (found.what, found.help) = server_tls(tls, ca_flag);
                return found;
            }
            if let Some(connect) = error.downcast_ref::<ConnectError>() {
                match connect {
                    ConnectError::Timeout(_) => found.status = StatusCode::GATEWAY_TIMEOUT,
                    ConnectError::Refused(refused) => {
                        found.cause = Some(FailureCause::ClientCertificate);
                        found.help = refused.help();
                    }
                    ConnectError::Loop(_) | ConnectError::Private(_) => {}
                    ConnectError::Other(_) => continue,
                }
                found.what = connect.to_string();
                return found;
            }
            if let Some(PlainError(words)) = error.downcast_ref() {
                found.what.clone_from(words);
                return found;
            }
            let io = error.downcast_ref::<io::Error>();
            match io.map(io::Error::kind) {
                Some(io::ErrorKind::TimedOut) => found.status = StatusCode::GATEWAY_TIMEOUT,
                Some(io::ErrorKind::ConnectionRefused) => {
                    found.cause = Some(FailureCause::NothingListens);
                }
                _ => {}
            }
        }
        if found.cause.is_some() && is_of_resolver(error) {
            found.cause = Some(FailureCause::Unresolved);
            found.help = Some("check the name, or the network".into());
        }
        found.what = in_words(error);
        found
    }
}

impl ServerError {
    /// Adapts the advice to a program that has no `-k`. `instead` is the advice in its place.
    #[must_use]
    pub fn without_insecure(mut self, instead: Option<&str>) -> Self {
        let Some(help) = self.help.take() else {
            return self;
        };
        self.help = match (help.split_once(", or -k"), instead) {
            (Some((kept, _)), None) => Some(kept.into()),
            (Some((kept, _)), Some(instead)) => Some(format!("{kept}, or {instead}")),
            (None, _) if help.starts_with("-k") => instead.map(str::to_owned),
            (None, _) => help.split(", -k").next().map(str::to_owned),
        };
        self
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_help(f, &self.what, self.help.as_deref())
    }
}

/// Writes the error, and what helps.
pub(super) fn with_help(f: &mut fmt::Formatter<'_>, what: &str, help: Option<&str>) -> fmt::Result {
    match help {
        Some(help) => write!(f, "{what}; {help}"),
        None => f.write_str(what),
    }
}

/// The error, and what helps.
type Words = (String, Option<String>);

/// Describes an error of a connection to a server.
fn in_words(error: &(dyn Error + 'static)) -> String {
    let is_new = chain(error).any(is_of_connecting);
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
            let reason = reason_name(reason);
            return match (frame.is_library(), frame.is_go_away()) {
                (true, _) => format!("the server broke the rules of HTTP/2 ({reason})"),
                (false, true) => format!("the server ended the HTTP/2 connection ({reason})"),
                (false, false) => format!("the server ended the HTTP/2 stream ({reason})"),
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
    // The text of the system is enough: the texts that libraries add say nothing more.
    let system = chain(error).find_map(|error| {
        let io = error.downcast_ref::<io::Error>()?;
        io.raw_os_error().map(|_| error_text::io(io))
    });
    match system {
        Some(words) => format!("{what}: {}", words.to_lowercase()),
        None if is_new && is_of_resolver(error) => "the server's name cannot be resolved".into(),
        None => what.into(),
    }
}

/// Whether an error occurred while connecting.
fn is_of_connecting(error: &(dyn Error + 'static)) -> bool {
    let client = error.downcast_ref::<legacy::Error>();
    error.is::<ConnectError>() || client.is_some_and(legacy::Error::is_connect)
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
        // hyper reports malformed chunks with these kinds.
        (io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData, false) => {
            "the chunks of the answer are malformed"
        }
        _ => return None,
    };
    Some(words.into())
}

/// Whether the error comes from the resolver. Its errors have no error number of the system.
fn is_of_resolver(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| error.to_string().contains("lookup address"))
}

fn server_tls(error: &rustls::Error, ca_flag: &str) -> Words {
    let what = match error {
        rustls::Error::InvalidCertificate(certificate) => {
            return server_certificate(certificate, ca_flag);
        }
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
    };
    (what, None)
}

fn server_certificate(error: &CertificateError, ca_flag: &str) -> Words {
    let mut help = "-k accepts it all the same";
    let what = match error {
        CertificateError::Expired => "server certificate expired".into(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("server certificate expired on {}", day(*not_after))
        }
        CertificateError::NotValidYet => "server certificate is not yet valid".into(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            help = "check the clocks, or -k accepts it all the same";
            let begin = day(*not_before);
            format!("server certificate is not yet valid: it begins on {begin}")
        }
        CertificateError::NotValidForName => "server certificate is for another name".into(),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => for_another_name(&expected.to_str(), presented),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "server certificate is not for servers: its extended key usage lacks serverAuth".into()
        }
        CertificateError::Revoked => "server certificate is revoked".into(),
        CertificateError::BadEncoding => {
            "server certificate cannot be read as X.509 version 3".into()
        }
        CertificateError::BadSignature => {
            let what = "the server's certificate and its signature do not fit together";
            return (what.into(), None);
        }
        CertificateError::Other(other) => {
            return match other.0.downcast_ref::<Distrust>() {
                Some(distrust) => distrusted(distrust, ca_flag),
                None => untrusted("it breaks a rule of X.509", ca_flag),
            };
        }
        _ => return untrusted("its issuer is not known here", ca_flag),
    };
    (what, Some(help.into()))
}

fn untrusted(why: &str, ca_flag: &str) -> Words {
    let help = format!("use {ca_flag} FILE to trust its CA, or -k to accept any");
    (format!("server certificate not trusted: {why}"), Some(help))
}

fn distrusted(distrust: &Distrust, ca_flag: &str) -> Words {
    match distrust {
        Distrust::ShortKey(_) => {
            let what = format!(
                "server certificate cannot be used: {distrust}, and no TLS library verifies fewer than 2048"
            );
            let help = "the server needs another certificate, -k does not help";
            (what, Some(help.into()))
        }
        Distrust::Critical(_) => {
            let what = format!("server certificate cannot be used: {distrust}");
            (what, Some("the server needs another certificate".into()))
        }
        Distrust::Sha1 => {
            let what = format!("server certificate not trusted: {distrust}");
            let help =
                "the server needs a certificate signed with SHA-256, or -k accepts it all the same";
            (what, Some(help.into()))
        }
        Distrust::Ca | Distrust::SelfSigned => {
            let what = format!("server certificate not trusted: {distrust}");
            let help = format!(
                "use {ca_flag} FILE with a FILE that holds this very certificate, or -k to accept any"
            );
            (what, Some(help))
        }
    }
}

fn for_another_name(expected: &str, presented: &[String]) -> String {
    let names: Vec<String> = presented.iter().map(|name| plain_name(name)).collect();
    let names = match names.is_empty() {
        true => format!("not for {expected}: it has no subjectAltName, and its CN does not count"),
        false => format!(
            "for another name: it is for {}, and not {expected}",
            names.join(", ")
        ),
    };
    format!("server certificate is {names}")
}

/// Returns a name in its usual form, from the form `DnsName("a")` of rustls.
fn plain_name(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    inner.trim_matches(|c| matches!(c, '(' | ')' | '"')).into()
}

fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    moment.strftime("%Y-%m-%d").to_string()
}
