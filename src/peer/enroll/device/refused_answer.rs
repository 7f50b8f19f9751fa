//! The reasons for which the device itself refuses to enroll.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};

/// The reason for which the device refuses a server's answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedAnswer {
    /// The answer is chunked: Windows requires a Content-Length.
    #[error("the answer to {0} has no Content-Length: Windows refuses chunked answers")]
    Chunked(&'static str),
    /// The answer is a redirect that the user did not allow.
    #[error("the answer to {step} redirects to {to}, which the user did not allow")]
    Redirect {
        /// The request.
        step: &'static str,
        /// The target of the redirect.
        to: String,
    },
    /// There are too many redirects.
    #[error("discovery is redirected without end")]
    Redirects,
    /// The answer is an HTTP error.
    #[error("{}", answered(step, *status, text))]
    Http {
        /// The request.
        step: &'static str,
        /// The HTTP status.
        status: StatusCode,
        /// The first line of the answer's text, if any.
        text: String,
    },
    /// The answer is a SOAP fault.
    #[error("the server answered {step} with the fault {code}{}: {reason}", hresult.as_deref().map(|h| format!(" ({h})")).unwrap_or_default())]
    Fault {
        /// The request.
        step: &'static str,
        /// The innermost code.
        code: String,
        /// The reason.
        reason: String,
        /// The error code that Windows shows.
        hresult: Option<String>,
    },
    /// The answer does not fit the request.
    #[error("the answer to {step} cannot be used: {why}")]
    Unusable {
        /// The request.
        step: &'static str,
        /// The reason.
        why: String,
    },
    /// The server wants another login than the device has.
    #[error("the server asks for {asked} authentication, and the device has {given}")]
    Login {
        /// The login that the server wants.
        asked: String,
        /// The login that the device has.
        given: &'static str,
    },
    /// The two services have different host names; Microsoft's documentation requires the same.
    #[error("policy and enrollment are on different hosts, {policy} and {enrollment}")]
    Hosts {
        /// The host of the policy service.
        policy: String,
        /// The host of the enrollment service.
        enrollment: String,
    },
    /// The name of a node in the CertificateStore is not the SHA-1 of its certificate.
    #[error("the certificate in {store} is named {name}, and its SHA-1 is {sha1}")]
    Thumbprint {
        /// The store.
        store: String,
        /// The name that the server wrote.
        name: String,
        /// The actual SHA-1.
        sha1: String,
    },
    /// The certificate is for another key than the device's.
    #[error("the certificate {0} is not for the key of this device")]
    ForeignKey(String),
    /// The search criteria select no certificate, and a session needs one.
    #[error("SSLCLIENTCERTSEARCHCRITERIA finds no certificate: {0}")]
    NoCertificate(String),
    /// A level of the w7 account is missing, or lacks a value that Windows requires.
    #[error("APPAUTH {level} has no {lacks}")]
    AppAuth {
        /// `APPSRV` or `CLIENT`.
        level: &'static str,
        /// The missing part.
        lacks: &'static str,
    },
    /// The account and the DMClient node have different names.
    #[error("PROVIDER-ID is {account:?}, and DMClient/Provider has {node:?}")]
    ProviderId {
        /// The name in the account.
        account: String,
        /// The name of the node.
        node: String,
    },
}

/// Describes an HTTP error. dmtap's own errors are not reported as the server's.
fn answered(step: &str, status: StatusCode, text: &str) -> String {
    match text {
        "" => format!("the server answered {step} with HTTP {status}"),
        text if text.starts_with("dmtap: ") => format!("{step}: HTTP {}: {text}", status.as_u16()),
        text => format!("the server answered {step} with HTTP {status}: {text}"),
    }
}

/// Returns the first line of a plain text without control characters; an empty text for any other body.
pub fn first_line(headers: &HeaderMap, body: &[u8]) -> String {
    let media_type = headers.get(CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok());
    if !media_type.is_some_and(|media_type| media_type.starts_with("text/plain")) {
        return String::new();
    }
    let start = body.get(..MOST_TEXT).unwrap_or(body);
    let text = String::from_utf8_lossy(start);
    let line = text.lines().next().unwrap_or_default().trim();
    line.chars().filter(|c| !c.is_control()).collect()
}

/// How many bytes of a text are searched.
const MOST_TEXT: usize = 400;
