//! The reference server on the network: HTTPS, one session table.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::https;
use crate::dm::{Message, StatusCode as Outcome};
use crate::markup::utf16::in_utf8;
use crate::markup::{Document, Hint, Limits, decode};
use crate::peer::compose::on_wire;
use crate::peer::{Encoding, Server};
use crate::proxy::Authority;

/// The server's state, shared by its connections.
pub type Shared = Arc<Mutex<Server>>;

/// The answers of a device in one message.
#[derive(Debug)]
pub struct ServerLine<'a> {
    /// The device.
    pub device: &'a str,
    /// The SessionID.
    pub session: &'a str,
    /// The commands, and the codes of the answers.
    pub outcomes: &'a [(String, Outcome)],
}

/// A function that receives the answers of devices.
pub type OnLine = fn(&ServerLine<'_>);

/// Serves until `stop`, then lets running exchanges end. `on_line` receives the answers of devices to commands.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    server: Shared,
    on_line: OnLine,
    stop: CancellationToken,
) {
    let respond = move |request| {
        let server = server.clone();
        async move { respond(request, &server, on_line, |_, _| Ok(())).await }
    };
    https::serve(listener, move |_: Option<&str>| tls.clone(), respond, stop).await;
}

/// Returns the response of the server to one request. `check` receives the device and its reported values, and may refuse
/// them with a text.
pub(super) async fn respond(
    request: Request<Incoming>,
    server: &Shared,
    on_line: OnLine,
    check: impl Fn(&str, &[(String, String)]) -> Result<(), String>,
) -> Response<Full<Bytes>> {
    let answered = answer(request, server, on_line, check).await;
    answered.unwrap_or_else(|(status, why)| {
        let mut response = Response::new(Full::from(why));
        *response.status_mut() = status;
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
        response
    })
}

async fn answer(
    request: Request<Incoming>,
    server: &Shared,
    on_line: OnLine,
    check: impl Fn(&str, &[(String, String)]) -> Result<(), String>,
) -> Result<Response<Full<Bytes>>, (StatusCode, String)> {
    if request.method() != Method::POST {
        let why = "OMA DM is spoken in POST requests\n";
        return Err((StatusCode::METHOD_NOT_ALLOWED, why.into()));
    }
    let media_type = request.headers().get(CONTENT_TYPE);
    let media_type = media_type
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let bad = |why: String| (StatusCode::BAD_REQUEST, format!("{why}\n"));
    let body = https::body(request.into_body()).await.map_err(bad)?;
    let document = in_utf8(body).and_then(|body| decode(body, Hint::default(), &Limits::default()));
    let document = document.map_err(|error| bad(error.to_string()))?;
    let wire = match document.is_wbxml() {
        true => Encoding::Wbxml,
        false => Encoding::of_media_type(&media_type),
    };
    let reply = reply(server, &document, on_line, check);
    let reply =
        reply.ok_or_else(|| bad("the request is not a SyncML message with a SyncHdr".into()))?;
    let reply = reply.map_err(|why| (StatusCode::FORBIDDEN, format!("{why}\n")))?;
    let reply = on_wire(reply, wire).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error))?;
    let response = Response::builder()
        .header(CONTENT_TYPE, wire.media_type())
        .body(Full::new(reply));
    Ok(response.expect("a known media type is a valid header"))
}

/// Returns the server's answer, after `on_line` received the answers in the device's message.
fn reply(
    server: &Shared,
    document: &Document,
    on_line: OnLine,
    check: impl Fn(&str, &[(String, String)]) -> Result<(), String>,
) -> Option<Result<String, String>> {
    let header = Message::of(document)?.header()?;
    let (device, session) = (header.source()?, header.session_id()?);
    let mut server = server.lock();
    let known = server.session(&device, &session);
    let before = known.map_or(0, |session| session.outcomes.len());
    let values_before = known.map_or(0, |session| session.values.len());
    if let Err(why) = check(&device, &[]) {
        return Some(Err(why));
    }
    let reply = server.answer(document);
    let known = server.session(&device, &session);
    let outcomes = known.and_then(|session| session.outcomes.get(before..));
    let outcomes = outcomes.unwrap_or_default().to_vec();
    let values = known.and_then(|session| session.values.get(values_before..));
    let checked = check(&device, values.unwrap_or_default());
    drop(server);
    on_line(&ServerLine {
        device: &device,
        session: &session,
        outcomes: &outcomes,
    });
    Some(checked.and(Ok(reply?)))
}

/// Returns TLS settings for the server, with a leaf of `authority` for this machine's names.
///
/// # Errors
/// The certificate cannot be created.
pub fn tls(authority: &Authority) -> Result<Arc<rustls::ServerConfig>, String> {
    https::tls(authority, &["localhost", "127.0.0.1", "::1"], None)
}
