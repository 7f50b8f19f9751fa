//! Why the device does not enroll, as far as its own judgement goes.

use http::StatusCode;

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
    #[error("the server answered {step} with HTTP {status}")]
    Http {
        /// What was asked.
        step: &'static str,
        /// What came.
        status: StatusCode,
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
