//! Texts for malformed requests of devices, and for failed handshakes with devices.

use std::error::Error;
use std::io;

use rustls::AlertDescription;

use super::{alert_name, chain, reason_name};
use crate::error_text;
use crate::proxy::body::Broken;
use crate::proxy::device_certificate::why_untrusted;
use crate::proxy::exchange::Dropped;

/// Says what is wrong with the bytes that a device sent in place of a request; `None` if its connection ended for
/// another reason.
pub(in crate::proxy) fn malformed(error: &(dyn Error + 'static)) -> Option<String> {
    let http = chain(error).find_map(|error| error.downcast_ref::<hyper::Error>())?;
    // The response failed: the cause is the server, or a rule.
    if http.is_user() {
        return None;
    }
    if http.is_parse() {
        return Some(unparsed(http).into());
    }
    let own = chain(http).take_while(|error| !error.is::<Broken>() && !error.is::<Dropped>());
    let frames = own.filter_map(|error| error.downcast_ref::<h2::Error>());
    // dmtap found the error; the device did not report it.
    let mut wrong = frames.filter(|frame| frame.is_library());
    let reason = wrong.find_map(h2::Error::reason)?;
    let reason = reason_name(reason);
    Some(format!("it breaks the rules of HTTP/2 ({reason})"))
}

/// Whether a connection of HTTP/1.1 ended because the device left.
pub(in crate::proxy) fn left_http1(error: &(dyn Error + 'static)) -> bool {
    let http = chain(error).find_map(|error| error.downcast_ref::<hyper::Error>());
    http.is_some_and(|http| {
        let is_of_device =
            http.is_incomplete_message() || chain(http).any(|it| it.is::<io::Error>());
        is_of_device && !http.is_user() && !chain(http).any(|it| it.is::<h2::Error>())
    })
}

/// Says what is wrong with the head of a request. hyper gives the reason only as a text.
fn unparsed(error: &hyper::Error) -> &'static str {
    const KNOWN: [(&str, &str); 8] = [
        (
            "HTTP2 preface",
            "an HTTP/2 connection where HTTP/1.1 was agreed on",
        ),
        ("HTTP method", "it begins with no method of HTTP"),
        (
            "HTTP version",
            "the request line ends with no version of HTTP that dmtap speaks",
        ),
        ("invalid URI", "the request line has no valid address"),
        (
            "URI too long",
            "the address in the request line is too long",
        ),
        ("HTTP header", "a line of the head is not a header field"),
        ("content-length", "its Content-Length is not valid"),
        ("transfer-encoding", "its Transfer-Encoding is not valid"),
    ];
    if error.is_parse_too_large() {
        return "the head of the request is too large";
    }
    let text = error.to_string();
    let known = KNOWN.iter().find(|(theirs, _)| text.contains(theirs));
    known.map_or("it is not a request of HTTP", |(_, words)| words)
}

/// Says why a device did not send a complete request, if the bytes are not malformed.
pub(in crate::proxy) fn unfinished(error: &hyper::Error) -> String {
    if error.is_timeout() {
        return "the device sent no whole request in time".into();
    }
    let io = chain(error).find_map(|error| error.downcast_ref::<io::Error>());
    match io.filter(|io| io.kind() != io::ErrorKind::UnexpectedEof) {
        Some(io) => format!("the device sent no whole request: {}", error_text::io(io)),
        None => "the device hung up in the middle of its request".into(),
    }
}

/// Says why a handshake with a device failed.
pub(in crate::proxy) fn device_handshake(error: &io::Error, ca: &str) -> String {
    let tls = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>());
    let install = format!("install {ca} on it as a trusted root");
    match tls {
        Some(rustls::Error::AlertReceived(alert)) => match alert {
            AlertDescription::UnknownCA => {
                let name = alert_name(*alert);
                format!("the device does not trust the certificate (alert {name}): {install}")
            }
            AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
                let refused = refused(*alert);
                format!(
                    "{refused}: it does not trust dmtap's CA ({install}), or it asked for a name that the certificate \
                     does not have"
                )
            }
            _ => ended(*alert),
        },
        Some(rustls::Error::InvalidMessage(_)) => "what the device sent is not TLS".into(),
        Some(rustls::Error::NoCertificatesPresented) => {
            "the device presented no client certificate, and --request-client-cert require demands one".into()
        }
        Some(wrong @ rustls::Error::InvalidCertificate(_)) => format!(
            "the client certificate of the device is refused: {}; --client-ca FILE names the CA that issued it",
            why_untrusted(wrong)
        ),
        Some(tls) => device_tls(tls).into(),
        None => format!(
            "the device closed the connection during the TLS handshake; it probably does not trust the certificate: {install}"
        ),
    }
}

fn device_tls(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::PeerIncompatible(_) => {
            "the device and dmtap have no TLS version, cipher, key exchange or signature scheme in common: dmtap speaks TLS 1.2 \
             and 1.3"
        }
        rustls::Error::NoApplicationProtocol => {
            "the device offers none of the versions of HTTP that dmtap speaks (ALPN h2 and http/1.1)"
        }
        _ => "the device broke the rules of TLS in its handshake",
    }
}

/// Says why a handshake failed that a rule spoiled, without advice.
pub(in crate::proxy) fn spoiled_handshake(error: &io::Error) -> String {
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
            | AlertDescription::CertificateUnknown => refused(*alert),
            _ => ended(*alert),
        },
        Some(tls) => device_tls(tls).into(),
        None => "the device hung up during the TLS handshake".into(),
    }
}

fn refused(alert: AlertDescription) -> String {
    format!(
        "the device refused the certificate (alert {})",
        alert_name(alert)
    )
}

fn ended(alert: AlertDescription) -> String {
    format!(
        "the device ended the TLS handshake (alert {})",
        alert_name(alert)
    )
}
