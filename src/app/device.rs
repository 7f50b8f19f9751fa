//! The device simulator on the network.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;

use crate::markup::{Hint, Limits, decode};
use crate::peer::compose::on_wire;
use crate::peer::device::Next;
use crate::peer::{Device, Wire};
use crate::proxy::{Trust, client_config};

/// Why a session did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No response: the connection or TLS failed.
    #[error("no response from {url}: {why}")]
    NoResponse {
        /// The address.
        url: Uri,
        /// Why, with all causes.
        why: String,
    },
    /// An HTTP error.
    #[error("the server answered HTTP {0}")]
    Http(StatusCode),
    /// The answer made no sense to the device.
    #[error("{0}")]
    Broken(String),
    /// It went on and on.
    #[error("the session did not end within {MOST_MESSAGES} messages")]
    Endless,
}

/// What a device speaks HTTP with.
pub type HttpClient = Client<hyper_rustls::HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that believes these servers.
///
/// # Errors
/// In words, where the certificates cannot be loaded.
pub fn client(trust: &Trust) -> Result<HttpClient, String> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(client_config(trust).map_err(|error| error.to_string())?)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// Runs one session from package 1 to its end and returns how many messages the device sent.
///
/// # Errors
/// [`SessionError`]; what the device did until then stands in [`Device::done`].
pub async fn run_session<C>(
    client: &Client<C, Full<Bytes>>,
    url: &Uri,
    device: &mut Device,
    session_id: &str,
    wire: Wire,
) -> Result<u32, SessionError>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let mut message = device.begin(&url.to_string(), session_id);
    for sent in 1..=MOST_MESSAGES {
        let body = on_wire(message, wire).map_err(SessionError::Broken)?;
        let answer = post(client, url, body, wire).await?;
        if answer.is_empty() {
            // Windows takes an empty 200 for the end of the session.
            return Ok(sent);
        }
        let document = decode(answer, Hint::default(), &Limits::default()).map_err(|error| {
            SessionError::Broken(format!("the server's message is broken: {error}"))
        })?;
        match device.answer(&document) {
            Next::Send(next) => message = next,
            Next::End => return Ok(sent),
            Next::Broken(why) => return Err(SessionError::Broken(why)),
        }
    }
    Err(SessionError::Endless)
}

async fn post<C>(
    client: &Client<C, Full<Bytes>>,
    url: &Uri,
    body: Bytes,
    wire: Wire,
) -> Result<Bytes, SessionError>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let request = Request::post(url.clone())
        .header(
            ACCEPT,
            "application/vnd.syncml.dm+xml, application/vnd.syncml.dm+wbxml",
        )
        .header(CONTENT_TYPE, wire.media_type())
        .header(
            USER_AGENT,
            concat!("dmtap device/", env!("CARGO_PKG_VERSION")),
        )
        .body(Full::new(body))
        .expect("method, address and header fields are valid");
    let no_response = |why: String| SessionError::NoResponse {
        url: url.clone(),
        why,
    };
    let response = client
        .request(request)
        .await
        .map_err(|error| no_response(causes(&error)))?;
    if response.status() != StatusCode::OK {
        return Err(SessionError::Http(response.status()));
    }
    let body = Limited::new(response.into_body(), Limits::default().bytes)
        .collect()
        .await;
    Ok(body
        .map_err(|error| no_response(error.to_string()))?
        .to_bytes())
}

/// An error with all that caused it, in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let mut parts: Vec<String> = chain.map(ToString::to_string).collect();
    parts.dedup();
    parts.join(": ")
}

/// Messages a device sends in one session at most.
const MOST_MESSAGES: u32 = 200;
