//! The bare proxy: hyper on both sides and a pool, nothing else; and the server behind all proxies.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use dmtap::proxy::{Authority, Trust, client_config};
use http::uri::{Authority as Host, Scheme};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::message::Form;

/// Answers every request with 4 KB of the form the request has.
pub(crate) async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    let answers =
        Arc::new([Form::Xml, Form::Wbxml].map(|form| (form.media_type(), form.response())));
    accept(listener, acceptor, move |request| {
        let answers = answers.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            assert!(body.len() >= 4096, "the request arrived whole");
            let asked = parts.headers.get(header::CONTENT_TYPE);
            let is_wbxml = asked.is_some_and(|asked| asked == answers[1].0);
            let (media_type, body) = &answers[usize::from(is_wbxml)];
            let mut response = Response::new(Full::new(body.clone()));
            let media_type = HeaderValue::from_static(media_type);
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, media_type);
            Ok::<_, hyper::Error>(response)
        }
    })
    .await;
}

/// Passes everything on to one server.
pub(crate) async fn proxy(listener: TcpListener, acceptor: TlsAcceptor, server: Host, ca: &Path) {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(client_config(&Trust::PlatformAnd(ca.to_owned())).unwrap())
        .https_only()
        .enable_all_versions()
        .wrap_connector(tcp);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(https);
    accept(listener, acceptor, move |request| {
        let (client, server) = (client.clone(), server.clone());
        async move {
            let (mut parts, body) = request.into_parts();
            let mut uri = http::uri::Parts::default();
            uri.scheme = Some(Scheme::HTTPS);
            uri.authority = Some(server);
            uri.path_and_query = parts.uri.path_and_query().cloned();
            parts.uri = Uri::from_parts(uri).unwrap();
            parts.headers.remove(header::HOST);
            parts.headers.remove(header::CONNECTION);
            parts.version = http::Version::HTTP_11;
            let mut response = client.request(Request::from_parts(parts, body)).await?;
            response.headers_mut().remove(header::CONNECTION);
            *response.version_mut() = http::Version::HTTP_11;
            Ok::<_, hyper_util::client::legacy::Error>(response)
        }
    })
    .await;
}

async fn accept<F, R, B, E>(listener: TcpListener, acceptor: TlsAcceptor, answer: F)
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let (acceptor, answer) = (acceptor.clone(), answer.clone());
        tokio::spawn(async move {
            tcp.set_nodelay(true).unwrap();
            let Ok(stream) = acceptor.accept(tcp).await else {
                return;
            };
            let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let io = TokioIo::new(stream);
            let service = service_fn(answer);
            // A device that leaves is no concern of the bench.
            let _ = if is_h2 {
                let builder = http2::Builder::new(TokioExecutor::new());
                builder.serve_connection(io, service).await
            } else {
                http1::Builder::new().serve_connection(io, service).await
            };
        });
    }
}

/// TLS for `localhost`, with a leaf of the same CA that dmtap uses.
pub(crate) fn acceptor(authority: &Authority, alpn: &[&str]) -> TlsAcceptor {
    let leaf = rustls::sign::SingleCertAndKey::from(authority.leaf(&["localhost"]).unwrap());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(leaf));
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}
