//! The requests of a device to a proxy in regular mode: `CONNECT`, or requests with a full URL.

use std::sync::Arc;

use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use parking_lot::Mutex;

use super::decide::reason;
use super::{CloseEventGuard, IncomingConnection, NotServed};
use crate::flow::origin::Origin;
use crate::flow::{Connection, ConnectionAction};
use crate::proxy::body::Body;
use crate::proxy::clock::now;
use crate::proxy::connection_handle::ConnectionHandle;
use crate::proxy::destination::Destination;
use crate::proxy::device_connection::DeviceConnection;
use crate::proxy::exchange::{self, Dropped, refuse};
use crate::proxy::failure::{malformed, unfinished};
use crate::proxy::route;
use crate::proxy::settings::Scheme;
use crate::proxy::state::ProxyState;
use crate::proxy::upstream::ServerLink;
use crate::proxy::wire::Wire;

/// The requests of a device to the proxy on one connection.
pub(super) struct ForwardProxyConnection<'a> {
    incoming: IncomingConnection,
    proxy: &'a Arc<ProxyState>,
    handle: ConnectionHandle,
    link: Arc<ServerLink>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tunnel: Option<Destination>,
    connection: Option<(Arc<Connection>, CloseEventGuard)>,
    /// The host of the last request for which the rules were asked.
    host: Option<String>,
    /// The reason why a rule refused a request, and with it the connection.
    refused: Option<String>,
    /// The answer of dmtap to a request that names no server.
    answered: Option<String>,
}

impl<'a> ForwardProxyConnection<'a> {
    pub(super) fn new(
        incoming: IncomingConnection,
        proxy: &'a Arc<ProxyState>,
        wire: &Wire,
    ) -> Self {
        let device = Arc::new(incoming.connection(String::new(), None));
        Self {
            link: Arc::new(ServerLink::new(&proxy.upstreams, device)),
            incoming,
            proxy,
            handle: wire.handle(),
            state: Mutex::default(),
        }
    }

    pub(super) fn tunnel(&self) -> Option<Destination> {
        self.state.lock().tunnel.take()
    }

    pub(super) async fn serve(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Dropped> {
        if *request.method() == Method::CONNECT {
            let named = request.uri().authority();
            let port = named.and_then(|named| port_of(named, Scheme::Https));
            let server = named
                .zip(port)
                .and_then(|(named, port)| Destination::of_connect(named.host(), port));
            let Some(server) = server else {
                return Ok(self.answer_400("CONNECT needs host:port, with a port from 1 to 65535"));
            };
            self.state.lock().tunnel = Some(server);
            return Ok(Response::new(Body::default()));
        }
        // A device that knows dmtap's address gets its certificate as from any server.
        if request.uri().authority().is_none()
            && let Some(own) = route::own_path(self.proxy, &request)
        {
            return Ok(own);
        }
        let Some(origin) = named_server(request.uri()) else {
            let why = "no CONNECT, and no full http:// address with a valid port: this is a proxy. Is --mode reverse: meant?";
            return Ok(self.answer_400(why));
        };
        let Some(server) = Destination::of_url(&origin) else {
            return Ok(self.answer_400("the server's name is not valid in a URL"));
        };
        self.decide_connection(&origin.host)?;
        let device = DeviceConnection {
            proxy: self.proxy.clone(),
            connection: self.connection(&origin),
            server,
            link: self.link.clone(),
            handle: self.handle.clone(),
        };
        exchange::serve(Arc::new(device), request).await
    }

    /// Refuses a request that names no server, and ends the connection.
    fn answer_400(&self, why: &str) -> Response<Body> {
        self.state.lock().answered = Some(format!("answered 400: {why}"));
        let mut response = refuse(StatusCode::BAD_REQUEST, why);
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
        response
    }

    /// Asks the rules about the connection: at its first request, and at each request for another host than the one
    /// before.
    fn decide_connection(&self, host: &str) -> Result<(), Dropped> {
        let mut state = self.state.lock();
        if self.incoming.decision.is_some() || state.host.as_deref() == Some(host) {
            return Ok(());
        }
        state.host = Some(host.to_owned());
        let decision = self.incoming.decide_request(self.proxy, host);
        if decision.action != ConnectionAction::Refuse {
            return Ok(());
        }
        state.refused = Some(reason(&decision));
        self.handle.reset();
        Err(Dropped::ByRule)
    }

    /// Returns the connection for a request to this server. The first request emits its event.
    fn connection(&self, server: &Origin) -> Arc<Connection> {
        let server = server.host_and_port();
        let mut state = self.state.lock();
        if let Some((connection, _)) = &mut state.connection {
            if connection.server != server {
                *connection = Arc::new(self.incoming.connection(server, None));
            }
            return connection.clone();
        }
        let connection = Arc::new(self.incoming.connection(server, None));
        let farewell = CloseEventGuard::new(self.proxy, &connection);
        state.connection = Some((connection.clone(), farewell));
        connection
    }

    /// Returns the connection for a tunnel. It has a new number if this connection carried requests before.
    pub(super) fn tunnelling(&self) -> IncomingConnection {
        let mut incoming = self.incoming.clone();
        if self.state.lock().connection.take().is_some() {
            incoming.id = self.proxy.next_connection();
            incoming.opened = now();
        }
        incoming
    }

    pub(super) fn ended(&self, ended: hyper::Result<()>) -> Result<(), NotServed> {
        let mut state = self.state.lock();
        let (opened, refused) = (state.connection.take(), state.refused.take());
        let answered = state.answered.take();
        drop(state);
        if let (None, Some(why)) = (&opened, refused) {
            return Err(NotServed::Intended(why));
        }
        if let Some(why) = ended.as_ref().err().and_then(|error| malformed(error)) {
            let IncomingConnection { id, device, .. } = self.incoming;
            tracing::debug!("{id}: {why}");
            self.proxy.emit_malformed(id, device, why);
            return Ok(());
        }
        if let (None, Some(answered)) = (&opened, answered) {
            return Err(answered.into());
        }
        match (opened, ended) {
            (Some(_), Err(error)) => {
                tracing::debug!("{}: {error}", self.incoming.id);
                Ok(())
            }
            (Some(_), Ok(())) => Ok(()),
            (None, Err(error)) => Err(unfinished(&error).into()),
            (None, Ok(())) => Err(NotServed::Fault(
                "the device hung up without a request".into(),
            )),
        }
    }
}

fn named_server(uri: &Uri) -> Option<Origin> {
    let scheme = match uri.scheme_str()? {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let port = port_of(uri.authority()?, scheme)?;
    Some(Origin::new(scheme, uri.host()?, port))
}

/// Returns the port that is named, or the scheme's default port; `None` if the port is invalid.
fn port_of(named: &Authority, scheme: Scheme) -> Option<u16> {
    let rest = named
        .as_str()
        .rsplit_once('@')
        .map_or(named.as_str(), |(_, rest)| rest);
    match rest.strip_prefix(named.host())?.strip_prefix(':') {
        None | Some("") => Some(scheme.port()),
        Some(port) => port.parse().ok().filter(|port| *port != 0),
    }
}
