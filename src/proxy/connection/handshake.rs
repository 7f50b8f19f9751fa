//! TLS with a device.

use std::io;

use rustls::server::Acceptor;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::flow::{TlsFacts, TlsTerms};
use crate::proxy::context::Shared;
use crate::proxy::failure::device_handshake;
use crate::proxy::wire::Wire;

/// The TLS handshake, with the certificate the device asks for.
pub(super) async fn handshake(
    shared: &Shared,
    wire: Wire,
    host: &str,
    terms: TlsTerms,
) -> Result<TlsStream<Wire>, String> {
    let local = wire.local_addr();
    let words = |e: io::Error| device_handshake(&e, &shared.ca_file);
    let hello = LazyConfigAcceptor::new(Acceptor::default(), wire);
    let start = hello.await.map_err(words)?;
    // Without SNI the device may know the server's name, or dmtap's address alone.
    let asked = start.client_hello().server_name().map(str::to_owned);
    let local = local.map_or_else(|_| String::new(), |address| address.ip().to_string());
    let names = match &asked {
        Some(name) => vec![name.as_str()],
        None => vec![host, &local],
    };
    let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
    let config = shared
        .tls
        .config_on(&names, terms)
        .map_err(|e| e.to_string())?;
    start.into_stream(config).await.map_err(words)
}

/// What the handshake agreed on.
pub(super) fn facts(stream: &TlsStream<Wire>) -> TlsFacts {
    let (_, tls) = stream.get_ref();
    TlsFacts {
        sni: tls.server_name().map(str::to_owned),
        alpn: tls
            .alpn_protocol()
            .map(|alpn| String::from_utf8_lossy(alpn).into_owned()),
        version: tls
            .protocol_version()
            .and_then(|version| version.as_str())
            .map(|version| version.replacen("TLSv1_", "TLSv1.", 1)),
    }
}
