//! The map of origins, and URLs turned by it.

use super::{LearnedHosts, NamedHost, Origin, UrlOrigin, ends_authority};

/// A server, and the origin under which devices reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPair {
    /// What devices use.
    pub public: Origin,
    /// Where dmtap sends it.
    pub server: Origin,
}

/// What is known of origins before a device comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins {
    /// The server of `--mode reverse:`.
    pub server: Origin,
    /// The public origin of that server; `None`: whatever the device names.
    pub public: Option<Origin>,
    /// More pairs.
    pub maps: Vec<OriginPair>,
}

/// The map as one exchange sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginMap {
    pairs: Vec<OriginPair>,
    /// The public origin that the device used, under which learned hosts have their paths.
    here: Origin,
}

/// How far a kind of URL is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Where its server is in a pair.
    Mapped,
    /// A host in no pair gets a path, too.
    Learned,
}

/// What becomes of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turned {
    /// It stays: it is no http or https URL, or leads to a public origin already.
    Same,
    /// These first bytes of it give way to this.
    To {
        /// How many.
        length: usize,
        /// What stands there instead.
        with: String,
        /// The new origin.
        origin: Origin,
        /// The host in no pair that is reached so.
        learned: Option<NamedHost>,
    },
    /// It leads away from dmtap, to this authority.
    Away(String),
}

impl Turned {
    /// The URL as it is afterwards.
    pub fn apply(&self, url: &str) -> Option<String> {
        match self {
            Self::To { length, with, .. } => Some(format!("{with}{}", &url[*length..])),
            Self::Same | Self::Away(_) => None,
        }
    }
}

impl Origins {
    /// The map for a device that named this origin, and the server it means.
    ///
    /// A host that is in no pair means the server of `--mode reverse:`.
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
            None => self.public.clone().unwrap_or_else(|| named.clone()),
        };
        let server = pair.map_or(&self.server, |pair| &pair.server);
        // Under which name devices reach the first server is not known where this one named another.
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
    /// Each pair.
    pub fn pairs(&self) -> &[OriginPair] {
        &self.pairs
    }

    /// The public origin that the device used.
    pub fn here(&self) -> &Origin {
        &self.here
    }

    /// Whether every server has its own origin in public: then nothing is rewritten.
    pub fn is_identity(&self) -> bool {
        self.pairs.iter().all(|pair| pair.public == pair.server)
    }

    /// A URL of the server as the device is to see it. `learned` says which hosts in no pair have a path, or may
    /// get one.
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
        if self.pairs.iter().any(|pair| pair.public == *origin) {
            return Turned::Same;
        }
        let named = NamedHost::of(origin).filter(|named| learned.takes(named));
        match named.filter(|_| reach == Reach::Learned && !self.is_identity()) {
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
            None => Turned::Away(origin.authority()),
        }
    }

    /// The URL of the server behind what the device wrote.
    pub fn to_server(&self, url: &str) -> Turned {
        let Some(written) = UrlOrigin::of(url) else {
            return Turned::Same;
        };
        let is_public = |pair: &&OriginPair| pair.public == written.origin;
        let pair = self.pairs.iter().find(is_public);
        if pair.is_none() && written.origin != self.here {
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
                // A port that the public origin needs says nothing about how the server writes its own.
                with: pair
                    .server
                    .written(written.has_port && has_own_port(&written.origin)),
                origin: pair.server.clone(),
                learned: None,
            },
            _ => Turned::Same,
        }
    }

    /// The server whose public origin has this port, where there is one.
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

fn has_own_port(origin: &Origin) -> bool {
    origin.port == origin.scheme.port()
}

/// The host that a path under [`AT`] names, and the length of the path that names it.
pub fn host_in_path(path: &str) -> Option<(NamedHost, usize)> {
    let rest = path.strip_prefix(AT)?;
    let end = rest.find(ends_authority).unwrap_or(rest.len());
    Some((NamedHost::parse(&rest[..end])?, AT.len() + end))
}

/// The path in front of hosts in no pair.
pub const AT: &str = "/.dmtap/at/";
