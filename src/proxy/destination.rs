//! The server that a request goes to.

use http::uri::{Authority, PathAndQuery, Uri};
use http::{HeaderMap, HeaderValue, header};

use super::settings::Scheme;
use crate::flow::origin::Origin;

/// A server, and the way in which the device names it.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    origin: Origin,
    /// The authority of the origin, in URLs.
    authority: Authority,
    named: NamedBy,
}

/// The way in which the device names the server. It decides what becomes of its `Host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NamedBy {
    /// It does not name it: it takes dmtap, in reverse mode, for the server. `Host` becomes the server's name.
    Nothing,
    /// The full URL of a request, which overrides `Host` (RFC 9112 §3.2.2).
    Url,
    /// CONNECT. `Host` is kept: in a tunnel the server may have another name than the tunnel's end.
    Connect,
}

impl Destination {
    /// Creates the server behind a reverse proxy; `None` if its name is not valid in a URL.
    pub(super) fn behind(origin: &Origin) -> Option<Self> {
        Self::new(origin.clone(), NamedBy::Nothing)
    }

    /// Creates the server of a request with a full URL; `None` if its name is not valid in a URL.
    pub(super) fn of_url(origin: &Origin) -> Option<Self> {
        Self::new(origin.clone(), NamedBy::Url)
    }

    /// Creates the server of a CONNECT; `None` if its name is not valid in a URL. Its scheme is https until the first
    /// byte shows another.
    pub(super) fn of_connect(host: &str, port: u16) -> Option<Self> {
        Self::new(Origin::new(Scheme::Https, host, port), NamedBy::Connect)
    }

    fn new(origin: Origin, named: NamedBy) -> Option<Self> {
        let authority = origin.authority().parse().ok()?;
        Some(Self {
            origin,
            authority,
            named,
        })
    }

    /// Returns the server for a device that speaks this scheme in a tunnel.
    pub(super) fn spoken_to(self, scheme: Scheme) -> Option<Self> {
        match self.named {
            NamedBy::Connect => {
                let origin = Origin {
                    scheme,
                    ..self.origin
                };
                Self::new(origin, self.named)
            }
            _ => Some(self),
        }
    }

    /// Returns the origin of the server.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether devices take dmtap for the server.
    pub(super) fn is_reverse_target(&self) -> bool {
        self.named == NamedBy::Nothing
    }

    /// Whether the `Host` or `:authority` that the HTTP client writes makes the device's `Host` unnecessary.
    pub(super) fn replaces_host(&self, host: &HeaderValue) -> bool {
        let same = || {
            host.as_bytes()
                .eq_ignore_ascii_case(self.authority.as_str().as_bytes())
        };
        self.named != NamedBy::Connect || same()
    }

    /// Writes the `:authority` of an HTTP/2 request as `Host`, if the device's host is kept and is not the server's
    /// name.
    pub(super) fn keep_authority(&self, target: &Uri, headers: &mut HeaderMap) {
        let kept = target
            .authority()
            .filter(|_| self.named == NamedBy::Connect);
        if let Some(authority) = kept.filter(|it| **it != self.authority)
            && let Ok(authority) = HeaderValue::from_str(authority.as_str())
        {
            headers.insert(header::HOST, authority);
        }
    }

    /// Returns the full URL at the server for the target of a request.
    pub(super) fn address(&self, target: &Uri) -> Option<Uri> {
        let path = target.path_and_query().cloned();
        Uri::builder()
            .scheme(self.origin.scheme.name())
            .authority(self.authority.clone())
            .path_and_query(path.unwrap_or(PathAndQuery::from_static("/")))
            .build()
            .ok()
    }
}
