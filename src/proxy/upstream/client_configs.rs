//! Prepared TLS towards servers: one configuration for each client identity and ALPN offer.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use hashlink::LinkedHashMap;
use http::Uri;
use parking_lot::Mutex;
use rustls::ClientConfig;

use super::Offer;
use super::observed::Handshake;
use crate::proxy::client_identity::ClientIdentity;
use crate::proxy::settings::Trust;
use crate::proxy::trust;

/// The configurations in use. A shared one would resume the session of one identity for another.
pub(super) struct ClientConfigs {
    base: ClientConfig,
    prepared: Mutex<Prepared>,
}

#[derive(Default)]
struct Prepared {
    configs: HashMap<Key, Entry>,
    /// Counts uses.
    uses: u64,
    /// What each server asked for in its last whole handshake with an identity.
    handshakes: LinkedHashMap<(Option<Arc<str>>, String), Handshake>,
}

/// The id of the identity, and the names of ALPN.
type Key = (Option<Arc<str>>, &'static [&'static [u8]]);

struct Entry {
    config: Arc<ClientConfig>,
    last_use: u64,
}

impl ClientConfigs {
    /// # Errors
    /// Where the trusted certificates cannot be loaded.
    pub(super) fn new(trust: &Trust) -> io::Result<Self> {
        Ok(Self {
            base: trust::client_config(trust)?,
            prepared: Mutex::default(),
        })
    }

    /// The configuration for an identity and an offer. The one that was unused for longest makes room.
    pub(super) fn of(&self, identity: Option<&ClientIdentity>, offer: Offer) -> Arc<ClientConfig> {
        let mut prepared = self.prepared.lock();
        prepared.uses += 1;
        let now = prepared.uses;
        let key = (identity.map(|identity| identity.id.clone()), offer.alpn());
        if let Some(entry) = prepared.configs.get_mut(&key) {
            entry.last_use = now;
            return entry.config.clone();
        }
        if prepared.configs.len() >= MOST_CONFIGS {
            let oldest = prepared.configs.iter().min_by_key(|(_, e)| e.last_use);
            let oldest = oldest.map(|(key, _)| key.clone());
            oldest.and_then(|key| prepared.configs.remove(&key));
        }
        let mut config = match identity {
            Some(identity) => trust::presenting(&self.base, identity),
            None => self.base.clone(),
        };
        config.alpn_protocols = key.1.iter().map(|name| name.to_vec()).collect();
        let config = Arc::new(config);
        let entry = Entry {
            config: config.clone(),
            last_use: now,
        };
        prepared.configs.insert(key, entry);
        config
    }

    /// What a server asked for: in this handshake, or in the one that began the session which this one resumes.
    pub(super) fn handshake(
        &self,
        identity: Option<&ClientIdentity>,
        target: &Uri,
        seen: Handshake,
        is_resumed: bool,
    ) -> Handshake {
        let authority = target.authority().map(ToString::to_string);
        let key = (
            identity.map(|identity| identity.id.clone()),
            authority.unwrap_or_default(),
        );
        let handshakes = &mut self.prepared.lock().handshakes;
        if is_resumed {
            return handshakes.get(&key).copied().unwrap_or(seen);
        }
        handshakes.insert(key, seen);
        if handshakes.len() > MOST_CONFIGS {
            handshakes.pop_front();
        }
        seen
    }
}

/// Configurations that are kept ready, and handshakes that are remembered.
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
        let of = |identity, offer| configs.of(identity, offer);
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
                let key = (Some(format!("{number}").into()), Offer::Http1.alpn());
                let config = first.clone();
                let last_use = u64::MAX;
                prepared.configs.insert(key, Entry { config, last_use });
            }
        };
        of(None, Offer::Http2);
        fill(MOST_CONFIGS);
        of(None, Offer::Http2);
        of(Some(&one), Offer::Http1);
        of(Some(&other), Offer::Http2);
        let prepared = configs.prepared.lock();
        assert_eq!(prepared.configs.len(), MOST_CONFIGS);
        let has = |identity: &ClientIdentity, offer: Offer| {
            let key = (Some(identity.id.clone()), offer.alpn());
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
            let found = configs.handshake(identity, target, seen, is_resumed);
            assert_eq!(found, expected);
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
