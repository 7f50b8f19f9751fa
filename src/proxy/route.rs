//! The destination of a request: the server that its Host names, or the host in its path; and the paths that dmtap
//! serves itself.

use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header, request};

use super::body::Body;
use super::destination::Destination;
use super::device_connection::DeviceConnection;
use super::exchange::refuse;
use super::settings::Scheme;
use super::state::ProxyState;
use crate::flow::Connection;
use crate::flow::origin::{NamedHost, Origin, host_in_path};
use crate::stay::StayContext;

/// The destination of one request.
pub(super) struct Route {
    pub(super) server: Destination,
    /// The device's connection, with the server of this request.
    pub(super) connection: Arc<Connection>,
    /// The context of `stay`, if it is in force.
    pub(super) stay: Option<StayContext>,
    /// The full URL at the server; `None` if no valid URL results.
    pub(super) uri: Option<Uri>,
}

impl DeviceConnection {
    /// Returns the destination of a request.
    pub(super) fn route(&self, parts: &request::Parts) -> Route {
        let fixed = || Route {
            server: self.server.clone(),
            connection: self.connection.clone(),
            stay: None,
            uri: self.server.address(&parts.uri),
        };
        let settings = &self.proxy.stay;
        let Some(origins) = settings
            .origins
            .as_ref()
            .filter(|_| self.server.is_reverse_target())
        else {
            return fixed();
        };
        let Some(named) = self.named(parts) else {
            return fixed();
        };
        let (map, origin) = origins.seen_from(&named);
        let path = parts.uri.path();
        let stay = settings.extent.map(|extent| StayContext {
            map,
            learned: settings.learned(),
            extent,
            path: path.to_owned(),
        });
        let at = host_in_path(path).filter(|_| stay.is_some());
        if at.is_none() && *origin == origins.server {
            return Route { stay, ..fixed() };
        }
        let (origin, target) = match &at {
            Some((host, length)) => (host.origin(), below(&parts.uri, *length)),
            None => (origin, Some(parts.uri.clone())),
        };
        let Some(server) = Destination::behind(origin) else {
            return fixed();
        };
        Route {
            connection: self.connection_to(&server),
            uri: target.and_then(|target| server.address(&target)),
            stay,
            server,
        }
    }

    /// Returns the origin that the device named: by `:authority` or the request line, Host, or SNI.
    fn named(&self, parts: &request::Parts) -> Option<Origin> {
        let tls = self.connection.tls.as_ref();
        // What ends TLS in front of dmtap says so.
        let forwarded = parts.headers.get("x-forwarded-proto");
        let is_https =
            forwarded.is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
        let scheme = match tls.is_some() || is_https {
            true => Scheme::Https,
            false => Scheme::Http,
        };
        let host = parts.headers.get(header::HOST);
        let host = host
            .and_then(|host| host.to_str().ok())
            .filter(|host| !host.is_empty());
        let authority = parts
            .uri
            .authority()
            .map(|authority| authority.as_str())
            .or(host);
        match authority {
            Some(authority) => Origin::of_authority(scheme, authority),
            None => {
                let port = self.connection.listener.port();
                Some(Origin::new(scheme, tls?.sni.as_deref()?, port))
            }
        }
    }

    fn connection_to(&self, server: &Destination) -> Arc<Connection> {
        let server = server.origin().host_and_port();
        match self.connection.server == server {
            true => self.connection.clone(),
            false => Arc::new(Connection {
                server,
                ..Connection::clone(&self.connection)
            }),
        }
    }
}

/// Returns the target without the first `length` bytes of its path.
fn below(uri: &Uri, length: usize) -> Option<Uri> {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let rest = &path[length..];
    let rest = match rest.starts_with('/') {
        true => rest.to_owned(),
        false => format!("/{rest}"),
    };
    rest.parse().ok()
}

/// Returns the response for a path of dmtap's own: its CA certificate. Below `/.dmtap/` there are otherwise only the
/// hosts that servers named.
pub(super) fn own_path<B>(proxy: &ProxyState, request: &Request<B>) -> Option<Response<Body>> {
    let path = request.uri().path();
    let below = path.strip_prefix(OWN)?;
    if !(below.is_empty() || below.starts_with('/')) {
        return None;
    }
    if below == CERTIFICATE {
        return Some(certificate(proxy, request.method()));
    }
    let is_learned = |named: &NamedHost| proxy.stay.learned().has(named);
    let named = host_in_path(path).map(|(named, _)| named);
    if proxy.stay.extent.is_some() && named.as_ref().is_some_and(is_learned) {
        return None;
    }
    let why =
        "there is nothing here: only /.dmtap/ca.cer, and hosts that a server behind dmtap named";
    Some(refuse(StatusCode::NOT_FOUND, why))
}

/// Returns the certificate that devices must trust, in the form that Windows accepts.
fn certificate(proxy: &ProxyState, method: &Method) -> Response<Body> {
    if *method != Method::GET && *method != Method::HEAD {
        return refuse(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET and HEAD are allowed here",
        );
    }
    let mut response = Response::new(Body::whole(proxy.tls.authority().certificate_der(), None));
    let kind = HeaderValue::from_static("application/x-x509-ca-cert");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

const OWN: &str = "/.dmtap";
const CERTIFICATE: &str = "/ca.cer";
