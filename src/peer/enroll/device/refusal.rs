//! Why the device does not enroll, as far as its own judgement goes.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};

/// What the device does not take from a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Windows reads answers of one piece only.
    #[error("the answer to {0} has no Content-Length: Windows refuses chunked answers")]
    Chunked(&'static str),
    /// Nobody allowed the device to follow.
    #[error("the answer to {step} redirects to {to}, which the user did not allow")]
    Redirect {
        /// What was asked.
        step: &'static str,
        /// Where it leads.
        to: String,
    },
    /// One redirect leads to another, again and again.
    #[error("discovery is redirected without end")]
    Redirects,
    /// An HTTP error.
    #[error("{}", answered(step, *status, text))]
    Http {
        /// What was asked.
        step: &'static str,
        /// What came.
        status: StatusCode,
        /// The first line of its text, if any.
        text: String,
    },
    /// A SOAP fault.
    #[error("the server answered {step} with the fault {code}{}: {reason}", hresult.as_deref().map(|h| format!(" ({h})")).unwrap_or_default())]
    Fault {
        /// What was asked.
        step: &'static str,
        /// Its innermost code.
        code: String,
        /// Its reason.
        reason: String,
        /// What Windows shows.
        hresult: Option<String>,
    },
    /// An answer that is not what was asked for.
    #[error("the answer to {step} cannot be used: {why}")]
    Unusable {
        /// What was asked.
        step: &'static str,
        /// Why.
        why: String,
    },
    /// The server wants another login than the device has.
    #[error("the server asks for {asked} authentication, and the device has {given}")]
    Login {
        /// What the server wants.
        asked: String,
        /// What there is.
        given: &'static str,
    },
    /// MicrosoftDocs: both services must have the same host name.
    #[error("policy and enrollment are on different hosts, {policy} and {enrollment}")]
    Hosts {
        /// Of the policy service.
        policy: String,
        /// Of the enrollment service.
        enrollment: String,
    },
    /// A node of the CertificateStore does not have the name of what it holds.
    #[error("the certificate in {store} is named {name}, and its SHA-1 is {sha1}")]
    Thumbprint {
        /// The store.
        store: String,
        /// As the server wrote it.
        name: String,
        /// As it is.
        sha1: String,
    },
    /// A certificate for somebody else's key is of no use.
    #[error("the certificate {0} is not for the key of this device")]
    ForeignKey(String),
    /// Without a certificate there is no session.
    #[error("SSLCLIENTCERTSEARCHCRITERIA finds no certificate: {0}")]
    NoCertificate(String),
    /// w7: both levels must be there, with what Windows wants of them.
    #[error("APPAUTH {level} has no {lacks}")]
    AppAuth {
        /// `APPSRV` or `CLIENT`.
        level: &'static str,
        /// What is missing.
        lacks: &'static str,
    },
    /// The account and the DMClient node must have one name.
    #[error("PROVIDER-ID is {account:?}, and DMClient/Provider has {node:?}")]
    ProviderId {
        /// Of the account.
        account: String,
        /// Of the node.
        node: String,
    },
}

/// An HTTP error in words. dmtap's own errors are not the server's.
fn answered(step: &str, status: StatusCode, text: &str) -> String {
    match text {
        "" => format!("the server answered {step} with HTTP {status}"),
        text if text.starts_with("dmtap: ") => format!("{step}: HTTP {}: {text}", status.as_u16()),
        text => format!("the server answered {step} with HTTP {status}: {text}"),
    }
}

/// The first line of a plain text without control characters, empty for any other body.
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

/// Bytes of a text that are looked at.
const MOST_TEXT: usize = 400;
