//! The device simulator on the network.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};

use super::dial::HttpClient;
use crate::markup::utf16::in_utf8;
use crate::markup::{Hint, Limits, decode};
use crate::peer::compose::on_wire;
use crate::peer::device::Next;
use crate::peer::enroll::device::first_line;
use crate::peer::{Device, Encoding};
use crate::proxy::ServerError;

/// The reason why a session did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No response: the connection or TLS failed.
    #[error("no response from {url}: {why}")]
    NoResponse {
        /// The address.
        url: Uri,
        /// The reason, and the remedy.
        why: ServerError,
    },
    /// An HTTP error.
    #[error("{}", http_error(*.0, .1))]
    Http(StatusCode, String),
    /// The server is still busy after all tries, and names the time until the next one.
    #[error("the server answered HTTP {0}, to be asked again after {seconds} s", seconds = .1.as_secs())]
    Busy(StatusCode, Duration),
    /// The device cannot use the answer.
    #[error("{0}")]
    Broken(String),
    /// It reached the limit of messages.
    #[error("the session did not end within {MOST_MESSAGES} messages")]
    Endless,
}

/// Returns a SessionID of 1 to 4 hexadecimal digits, as Windows has them; two runs have the same once in 65,535 times.
pub fn random_session_id() -> String {
    let mut bytes = [0; 2];
    // Without random bytes the id is 1, which is valid, too.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    format!("{:X}", u16::from_be_bytes(bytes).max(1))
}

/// The wait of a device for a busy server.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// The longest wait, whatever the server asks for.
    pub longest: Duration,
    /// Receives the time that the server asks to wait, before each wait.
    pub on_busy: fn(Duration),
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            longest: Duration::from_secs(30),
            on_busy: |_| {},
        }
    }
}

/// Runs one session from package 1 to its end and returns how many messages the device sent.
///
/// # Errors
/// [`SessionError`]; [`Device::done`] has the commands until then.
pub async fn run_session(
    client: &HttpClient,
    url: &Uri,
    device: &mut Device,
    session_id: &str,
    wire: Encoding,
    retry: RetryPolicy,
) -> Result<u32, SessionError> {
    let mut message = device.begin(&url.to_string(), session_id);
    let mut url = url.clone();
    for sent in 1..=MOST_MESSAGES {
        let body = on_wire(message, wire).map_err(SessionError::Broken)?;
        let answer = post_with_retries(client, &url, body, wire, retry).await?;
        if answer.is_empty() {
            // For Windows an empty 200 is the end of the session.
            return Ok(sent);
        }
        let document =
            in_utf8(answer).and_then(|answer| decode(answer, Hint::default(), &Limits::default()));
        let document = document.map_err(|error| {
            SessionError::Broken(format!("the server's message is broken: {error}"))
        })?;
        match device.answer(&document) {
            Next::Send(next) => {
                message = next;
                // The next message goes where the server says (PRO 9.1), if that is an address.
                let record = device.resp_uri.as_deref().and_then(|uri| uri.parse().ok());
                url = record
                    .filter(|uri: &Uri| uri.host().is_some())
                    .unwrap_or(url);
            }
            Next::End => return Ok(sent),
            Next::Broken(why) => return Err(SessionError::Broken(why)),
        }
    }
    Err(SessionError::Endless)
}

/// Posts a message, again while the server is busy and names a time (MS-MDM 3.1.6).
async fn post_with_retries(
    client: &HttpClient,
    url: &Uri,
    body: Bytes,
    wire: Encoding,
    retry: RetryPolicy,
) -> Result<Bytes, SessionError> {
    for _ in 1..MOST_TRIES {
        match post(client, url, body.clone(), wire).await {
            Err(SessionError::Busy(_, wait)) => {
                (retry.on_busy)(wait);
                tokio::time::sleep(wait.min(retry.longest)).await;
            }
            done => return done,
        }
    }
    post(client, url, body, wire).await
}

async fn post(
    client: &HttpClient,
    url: &Uri,
    body: Bytes,
    wire: Encoding,
) -> Result<Bytes, SessionError> {
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
    let no_response = |error: &(dyn std::error::Error + 'static)| SessionError::NoResponse {
        url: url.clone(),
        why: ServerError::of(error, "--ca"),
    };
    let response = client.request(request).await;
    let response = response.map_err(|error| no_response(&error))?;
    let after = response.headers().get(RETRY_AFTER);
    let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
    if let Some(seconds) = after.filter(|_| BUSY.contains(&response.status())) {
        let wait = Duration::from_secs(seconds);
        return Err(SessionError::Busy(response.status(), wait));
    }
    if response.status() != StatusCode::OK {
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MOST_ERROR).collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        let text = first_line(&parts.headers, &body);
        return Err(SessionError::Http(parts.status, text));
    }
    let body = Limited::new(response.into_body(), Limits::default().bytes)
        .collect()
        .await;
    match body {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let most = Limits::default().bytes >> 20;
            let why = format!("the server's message is longer than {most} MiB");
            Err(SessionError::Broken(why))
        }
        Err(error) => {
            let mut why = ServerError::of(&*error, "--ca");
            why.what = format!("the answer broke off: {}", why.what);
            Err(SessionError::NoResponse {
                url: url.clone(),
                why,
            })
        }
    }
}

/// Describes an HTTP error with the first line of its text. dmtap's own errors are not those of the server.
fn http_error(status: StatusCode, text: &str) -> String {
    match text {
        "" => format!("the server answered HTTP {status}"),
        text if text.starts_with("dmtap: ") => format!("HTTP {}: {text}", status.as_u16()),
        text => format!("the server answered HTTP {status}: {text}"),
    }
}

/// The limit of an error's text, in bytes.
const MOST_ERROR: usize = 64 << 10;
/// The limit of messages of a device in one session.
const MOST_MESSAGES: u32 = 200;
/// The limit of tries to post a message to a busy server.
const MOST_TRIES: u32 = 3;
/// The statuses of a busy server.
const BUSY: [StatusCode; 2] = [
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::TOO_MANY_REQUESTS,
];
