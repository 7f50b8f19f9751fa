//! TLS configurations towards servers: one for each client identity and ALPN offer.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use hashlink::LruCache;
use http::Uri;
use parking_lot::Mutex;
use rustls::ClientConfig;

use super::Offer;
use super::observed::Handshake;
use crate::proxy::client_identity::ClientIdentity;
use crate::proxy::settings::Trust;
use crate::proxy::trust;

/// The configurations in use. If identities shared one, it would resume the session of one identity for another.
pub(super) struct ClientConfigs {
    base: ClientConfig,
    /// The configuration that verifies servers although `base` accepts any, or the error. It is made at its first use.
    verifying: OnceLock<Result<ClientConfig, String>>,
    prepared: Mutex<Prepared>,
}

/// The prepared configurations. The one that was unused for the longest time makes room.
struct Prepared {
    configs: LruCache<Key, Arc<ClientConfig>>,
    /// The servers, each with the identity that is presented to it.
    servers: LruCache<(Option<Arc<str>>, String), KnownServer>,
}

/// The facts about a server that outlast its connections.
#[derive(Clone, Debug)]
pub(super) struct KnownServer {
    /// Whether it asks for a client certificate, by its last full handshake.
    pub(super) handshake: Handshake,
    /// Whether it answered a request.
    pub(super) answered: Arc<AtomicBool>,
}

impl KnownServer {
    pub(super) fn new(handshake: Handshake) -> Self {
        Self {
            handshake,
            answered: Arc::default(),
        }
    }
}

/// The id of the identity, the ALPN names, and whether the server is verified in any case.
type Key = (Option<Arc<str>>, &'static [&'static [u8]], bool);

impl ClientConfigs {
    /// # Errors
    /// An error if the trusted certificates cannot be loaded.
    pub(super) fn new(trust: &Trust) -> io::Result<Self> {
        Ok(Self {
            base: trust::client_config(trust)?,
            verifying: OnceLock::new(),
            prepared: Mutex::new(Prepared {
                configs: LruCache::new(MOST_CONFIGS),
                servers: LruCache::new(MOST_CONFIGS),
            }),
        })
    }

    /// Returns the configuration for an identity and an offer. With `verifies`, it verifies the server even under `-k`.
    ///
    /// # Errors
    /// The reason, as text, why no server can be verified.
    pub(super) fn of(
        &self,
        identity: Option<&ClientIdentity>,
        offer: Offer,
        verifies: bool,
    ) -> Result<Arc<ClientConfig>, String> {
        let id = identity.map(|identity| identity.id.clone());
        let key = (id, offer.alpn(), verifies);
        if let Some(config) = self.prepared.lock().configs.get(&key) {
            return Ok(config.clone());
        }
        let base = match verifies {
            true => self.verifying().as_ref().map_err(String::clone)?,
            false => &self.base,
        };
        let mut config = match identity {
            Some(identity) => trust::presenting(base, identity),
            None => base.clone(),
        };
        config.alpn_protocols = offer.alpn().iter().map(|name| name.to_vec()).collect();
        let config = Arc::new(config);
        self.prepared.lock().configs.insert(key, config.clone());
        Ok(config)
    }

    fn verifying(&self) -> &Result<ClientConfig, String> {
        self.verifying
            .get_or_init(|| trust::client_config(&Trust::Platform).map_err(|e| e.to_string()))
    }

    /// Returns what is known of a server after a handshake. A resumed session has the request for a certificate of the
    /// handshake that began it.
    pub(super) fn server(
        &self,
        identity: Option<&ClientIdentity>,
        target: &Uri,
        seen: Handshake,
        is_resumed: bool,
    ) -> KnownServer {
        let key = server_key(identity, target);
        let servers = &mut self.prepared.lock().servers;
        let known = servers.entry(key).or_insert_with(|| KnownServer::new(seen));
        if !is_resumed {
            known.handshake = seen;
        }
        known.clone()
    }

    /// Whether a server answered a request on a connection with this identity, or without one.
    pub(super) fn has_answered(&self, identity: Option<&ClientIdentity>, target: &Uri) -> bool {
        let key = server_key(identity, target);
        let known = self.prepared.lock().servers.get(&key).cloned();
        known.is_some_and(|known| known.answered.load(Ordering::Relaxed))
    }
}

fn server_key(identity: Option<&ClientIdentity>, target: &Uri) -> (Option<Arc<str>>, String) {
    let authority = target.authority().map(ToString::to_string);
    let id = identity.map(|identity| identity.id.clone());
    (id, authority.unwrap_or_default())
}

/// The most configurations that are kept, and the most servers that are remembered.
const MOST_CONFIGS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::client_identity::tests::pem;

    #[test]
    fn each_identity_and_offer_has_its_own_and_the_one_unused_for_longest_makes_room() {
        let configs = ClientConfigs::new(&Trust::Anything).expect("a configuration");
        let [one, other] = [pem(), pem()]
            .map(|(pem, _)| ClientIdentity::from_pem(pem.as_bytes()).expect("an identity"));
        let of = |identity, offer| {
            configs
                .of(identity, offer, false)
                .expect("it verifies nothing")
        };
        let first = of(Some(&one), Offer::Http1);
        assert!(Arc::ptr_eq(&first, &of(Some(&one), Offer::Http1First)));
        assert!(!Arc::ptr_eq(&first, &of(Some(&one), Offer::Http2Or1)));
        assert!(!Arc::ptr_eq(&first, &of(Some(&other), Offer::Http1)));
        assert!(!Arc::ptr_eq(&first, &of(None, Offer::Http1)));
        let shared = |a: &ClientConfig, b: &ClientConfig| {
            format!("{:p}", Arc::as_ptr(&a.client_auth_cert_resolver))
                == format!("{:p}", Arc::as_ptr(&b.client_auth_cert_resolver))
        };
        assert!(!shared(&first, &of(Some(&other), Offer::Http1)));
        let fill = |to: usize| {
            let mut prepared = configs.prepared.lock();
            for number in prepared.configs.len()..to {
                let key = (Some(format!("{number}").into()), Offer::Http1.alpn(), false);
                prepared.configs.insert(key, first.clone());
            }
        };
        fill(MOST_CONFIGS);
        of(Some(&one), Offer::Http1);
        of(Some(&other), Offer::Http2);
        let prepared = configs.prepared.lock();
        assert_eq!(prepared.configs.len(), MOST_CONFIGS);
        let has = |identity: &ClientIdentity, offer: Offer| {
            let key = (Some(identity.id.clone()), offer.alpn(), false);
            prepared.configs.contains_key(&key)
        };
        assert!(has(&one, Offer::Http1) && has(&other, Offer::Http2));
        assert!(!has(&one, Offer::Http2Or1), "it was unused for longest");
    }

    #[test]
    fn a_session_that_is_resumed_has_the_handshake_that_began_it() {
        let configs = ClientConfigs::new(&Trust::Anything).expect("a configuration");
        let (pem, _) = pem();
        let own = ClientIdentity::from_pem(pem.as_bytes()).expect("an identity");
        let [one, other] = ["https://a.example/x", "https://b.example/"].map(Uri::from_static);
        let asked = Handshake::Asked { shown: true };
        let check = |identity, target, seen, is_resumed, expected| {
            let found = configs.server(identity, target, seen, is_resumed);
            assert_eq!(found.handshake, expected);
        };
        let no = Handshake::NotAsked;
        check(Some(&own), &one, asked, false, asked);
        check(Some(&own), &one, no, true, asked);
        check(Some(&own), &other, no, true, no);
        check(None, &one, no, true, no);
        check(Some(&own), &one, no, false, no);
        check(Some(&own), &one, no, true, no);
    }
}
