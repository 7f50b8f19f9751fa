//! The TLS handshake with a device.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::server::Acceptor;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::NotServed;
use crate::flow::{ConnectionDecision, EffectDetail, RuleEffect, TlsDetails, TlsTerms};
use crate::proxy::failure::{device_handshake, spoiled_handshake};
use crate::proxy::state::ProxyState;
use crate::proxy::wire::Wire;

/// Does the TLS handshake, with a certificate for the name that the device asks for.
pub(super) async fn handshake(
    proxy: &ProxyState,
    wire: Wire,
    host: &str,
    decision: &ConnectionDecision,
) -> Result<TlsStream<Wire>, NotServed> {
    let failed = |error| failed(&error, decision, proxy.tls.authority().certificate_file());
    let local = wire.local_addr();
    let hello = LazyConfigAcceptor::new(Acceptor::default(), wire);
    let start = hello.await.map_err(failed)?;
    // Without SNI the device may have connected by the server's name, or by dmtap's address.
    let asked = start.client_hello().server_name().map(str::to_owned);
    let local = local.map_or_else(|_| String::new(), |address| address.ip().to_string());
    let names = match &asked {
        Some(name) => vec![name.as_str()],
        None => vec![host, &local],
    };
    let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
    let config = proxy
        .tls
        .config_on(&names, proxy.client_certs.request(&names), decision.tls)
        .map_err(|error| error.to_string())?;
    start.into_stream(config).await.map_err(failed)
}

/// Says why the device and dmtap did not agree. The text names the rule that spoiled the handshake; without such a
/// rule, it says what helps.
fn failed(error: &io::Error, decision: &ConnectionDecision, ca: &Path) -> NotServed {
    let spoils = |applied: &&RuleEffect| applied.changes.iter().any(EffectDetail::is_done);
    let spoiled = decision.tls != TlsTerms::default();
    match decision.applied.iter().rfind(spoils).filter(|_| spoiled) {
        Some(applied) => {
            let what = spoiled_handshake(error);
            NotServed::Intended(format!("{what}, as rule `{}` intends", applied.rule))
        }
        None => NotServed::Fault(device_handshake(error, &ca.display().to_string())),
    }
}

/// Returns the facts of a handshake.
pub(super) fn tls_details(proxy: &ProxyState, stream: &TlsStream<Wire>) -> TlsDetails {
    let (_, tls) = stream.get_ref();
    // This applies to a resumed session, too: a CA may have expired since.
    let chain = tls.peer_certificates();
    let client = chain.and_then(|chain| proxy.tls.judge().read(chain));
    TlsDetails {
        sni: tls.server_name().map(str::to_owned),
        alpn: tls
            .alpn_protocol()
            .map(|alpn| String::from_utf8_lossy(alpn).into_owned()),
        version: tls
            .protocol_version()
            .and_then(|version| version.as_str())
            .map(|version| version.replacen("TLSv1_", "TLSv1.", 1)),
        client: client.map(Arc::new),
    }
}
