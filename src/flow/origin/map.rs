//! The map of origins, and the rewriting of URLs by it.

use super::{LearnedHosts, NamedHost, Origin, Scheme, UrlOrigin, ends_authority};

/// A server, and the origin under which devices reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPair {
    /// The origin that devices use.
    pub public: Origin,
    /// The origin of the server to which dmtap sends the requests.
    pub server: Origin,
}

/// The origins that are known before a device connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins {
    /// The server of `--mode reverse:`.
    pub server: Origin,
    /// The public origin of that server; `None` stands for the origin that the device names.
    pub public: Option<Origin>,
    /// The other pairs (`--map`).
    pub maps: Vec<OriginPair>,
}

/// The map of origins for one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginMap {
    pairs: Vec<OriginPair>,
    /// The public origin that the device used. The paths of learned hosts are under it.
    here: Origin,
}

/// Which hosts of a kind of URL are mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only servers in a pair.
    Mapped,
    /// Servers in a pair, and learned hosts, which get a path.
    Learned,
}

/// The result of mapping one URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turned {
    /// The URL stays: it is not an http or https URL, or it leads to a public origin already.
    Same,
    /// The first `length` bytes of the URL are replaced by `with`.
    To {
        /// The number of bytes that are replaced.
        length: usize,
        /// The replacement.
        with: String,
        /// The new origin.
        origin: Origin,
        /// The host in no pair that the new URL leads to.
        learned: Option<NamedHost>,
    },
    /// The URL leads to this origin, past dmtap.
    Away(Origin),
}

impl Turned {
    /// Returns the mapped URL; `None` if the URL does not change.
    pub fn apply(&self, url: &str) -> Option<String> {
        match self {
            Self::To { length, with, .. } => Some(format!("{with}{}", &url[*length..])),
            Self::Same | Self::Away(_) => None,
        }
    }
}

impl Origins {
    /// Returns the map for a device that named this origin, and the server that the origin stands for.
    ///
    /// A host that is in no pair stands for the server of `--mode reverse:`.
    pub fn seen_from(&self, named: &Origin) -> (OriginMap, &Origin) {
        let is_exact =
            |pair: &&OriginPair| pair.public.host == named.host && pair.public.port == named.port;
        let is_host = |pair: &&OriginPair| pair.public.host == named.host;
        let is_first = self
            .public
            .as_ref()
            .is_some_and(|public| public.host == named.host && public.port == named.port);
        let mut maps = self.maps.iter();
        let pair = match is_first {
            true => None,
            false => maps.clone().find(is_exact).or_else(|| maps.find(is_host)),
        };
        let here = match pair {
            Some(pair) => pair.public.clone(),
            None => self
                .public
                .clone()
                .unwrap_or_else(|| as_safe(named, &self.server)),
        };
        let server = pair.map_or(&self.server, |pair| &pair.server);
        // If the device named another pair, the name under which devices reach the first server is not known.
        let first = match (&self.public, pair) {
            (Some(public), _) => Some(public.clone()),
            (None, None) => Some(here.clone()),
            (None, Some(_)) => None,
        };
        let first = first.map(|public| OriginPair {
            public,
            server: self.server.clone(),
        });
        let pairs = first.into_iter().chain(self.maps.iter().cloned());
        let map = OriginMap {
            pairs: pairs.collect(),
            here,
        };
        (map, server)
    }
}

impl OriginMap {
    /// Returns the pairs.
    pub fn pairs(&self) -> &[OriginPair] {
        &self.pairs
    }

    /// Returns the public origin that the device used.
    pub fn here(&self) -> &Origin {
        &self.here
    }

    /// Returns the scheme of the server at the public origin that the device used.
    pub fn scheme(&self) -> Scheme {
        let pair = self.pairs.iter().find(|pair| pair.public == self.here);
        pair.map_or(self.here.scheme, |pair| pair.server.scheme)
    }

    /// Whether the public origin of every server is the server's own. Then nothing is rewritten.
    pub fn changes_nothing(&self) -> bool {
        self.pairs.iter().all(|pair| pair.public == pair.server)
    }

    /// Maps a URL of the server to the URL that the device gets. `learned` has the hosts in no pair that have a path,
    /// and says whether there is room for more.
    pub fn to_device(&self, url: &UrlOrigin, reach: Reach, learned: &LearnedHosts) -> Turned {
        let UrlOrigin { origin, .. } = url;
        if let Some(pair) = self.of_server(origin) {
            return match pair.public == *origin {
                true => Turned::Same,
                false => Turned::To {
                    length: url.end,
                    with: pair.public.written(url.has_port && has_own_port(origin)),
                    origin: pair.public.clone(),
                    learned: None,
                },
            };
        }
        // Where TLS ends in front of dmtap, devices ask dmtap by http, and the server may know the https name.
        let is_public = |public: &Origin| {
            let is_secure = origin.scheme == Scheme::Https || public.scheme == Scheme::Http;
            is_secure && public.authority() == origin.authority()
        };
        if self.pairs.iter().any(|pair| is_public(&pair.public)) {
            return Turned::Same;
        }
        let named = NamedHost::of(origin).filter(|named| learned.takes(named));
        match named.filter(|_| reach == Reach::Learned && !self.changes_nothing()) {
            Some(named) => Turned::To {
                length: url.end,
                with: format!(
                    "{}{AT}{}",
                    self.here,
                    origin.authority_with(url.has_port || origin.port != 443)
                ),
                origin: self.here.clone(),
                learned: Some(named),
            },
            None => Turned::Away(origin.clone()),
        }
    }

    /// Maps a URL that the device wrote to the URL of the server.
    pub fn to_server(&self, url: &str) -> Turned {
        let Some(written) = UrlOrigin::of(url) else {
            return Turned::Same;
        };
        // dmtap takes http and https at the same port, and writes https to a device that asked by http.
        let is = |public: &Origin| public.authority() == written.origin.authority();
        let exact = self.pairs.iter().find(|it| it.public == written.origin);
        let pair = exact.or_else(|| self.pairs.iter().find(|pair| is(&pair.public)));
        if pair.is_none() && !is(&self.here) {
            return Turned::Same;
        }
        if let Some((named, length)) = host_in_path(&url[written.end..]) {
            let has_port = url[..written.end + length].ends_with(":443");
            return Turned::To {
                length: written.end + length,
                with: named.origin().written(has_port),
                origin: named.origin().clone(),
                learned: Some(named),
            };
        }
        match pair {
            Some(pair) if pair.server != pair.public => Turned::To {
                length: written.end,
                // If only the public origin needs a port, the server's own port stays unwritten.
                with: pair
                    .server
                    .written(written.has_port && has_own_port(&written.origin)),
                origin: pair.server.clone(),
                learned: None,
            },
            _ => Turned::Same,
        }
    }

    /// Returns the server whose public origin has this port, if any.
    pub fn server_at_port(&self, public_port: u16) -> Option<&Origin> {
        let here = self.pairs.iter().find(|pair| pair.public == self.here);
        let fits = |pair: &&OriginPair| pair.public.port == public_port;
        let pair = here.filter(fits).or_else(|| self.pairs.iter().find(fits))?;
        Some(&pair.server)
    }

    fn of_server(&self, origin: &Origin) -> Option<&OriginPair> {
        let mut same = self.pairs.iter().filter(|pair| pair.server == *origin);
        same.clone()
            .find(|pair| pair.public == self.here)
            .or_else(|| same.next())
    }
}

/// Returns the public origin of a server for a device that named this one: https, if the server has https, since the
/// device would else send in clear text what the server wants sent by TLS. The port stays as the device wrote it.
fn as_safe(named: &Origin, server: &Origin) -> Origin {
    match (named.scheme, server.scheme) {
        (Scheme::Http, Scheme::Https) => Origin {
            scheme: Scheme::Https,
            port: if has_own_port(named) { 443 } else { named.port },
            ..named.clone()
        },
        _ => named.clone(),
    }
}

fn has_own_port(origin: &Origin) -> bool {
    origin.port == origin.scheme.port()
}

/// Returns the host that a path under [`AT`] names, and the length of [`AT`] with that host.
pub fn host_in_path(path: &str) -> Option<(NamedHost, usize)> {
    let rest = path.strip_prefix(AT)?;
    let end = rest.find(ends_authority).unwrap_or(rest.len());
    Some((NamedHost::parse(&rest[..end])?, AT.len() + end))
}

/// The path in front of a host that is in no pair.
pub const AT: &str = "/.dmtap/at/";
