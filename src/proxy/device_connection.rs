//! A connection of a device whose requests are served.

use std::sync::Arc;

use http::uri::{Authority, Scheme, Uri};
use http::{Method, header, request};

use super::connection_handle::ConnectionHandle;
use super::destination::Destination;
use super::state::ProxyState;
use super::upstream::ServerLink;
use crate::flow::Connection;

/// A connection of a device, as its exchanges need it.
pub(super) struct DeviceConnection {
    pub(super) proxy: Arc<ProxyState>,
    /// What records and rules see of it.
    pub(super) connection: Arc<Connection>,
    /// The server that its requests go to, unless `stay` sends them elsewhere.
    pub(super) server: Destination,
    /// Its own connections to servers.
    pub(super) link: Arc<ServerLink>,
    pub(super) handle: ConnectionHandle,
}

impl DeviceConnection {
    /// Returns the URL that a device asked for. Its host is the one in `:authority`, in the request line or in `Host`.
    /// `None` if the device sent no host (HTTP/1.0), or an invalid one.
    pub(super) fn asked(&self, request: &request::Parts) -> Option<Uri> {
        let target = &request.uri;
        if target.scheme().is_some() || request.method == Method::CONNECT {
            return Some(target.clone());
        }
        let host = request.headers.get(header::HOST)?;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(match self.connection.tls {
            Some(_) => Scheme::HTTPS,
            None => Scheme::HTTP,
        });
        parts.authority = Authority::try_from(host.as_bytes()).ok();
        parts.path_and_query = target.path_and_query().cloned();
        Uri::from_parts(parts).ok()
    }
}
