//! The client identities in use: those of the store, found by the certificates that devices present.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use hashlink::LruCache;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::store::{IdentityStore, StoreError};
use super::stored::{IdentityId, StoredIdentity};
use crate::flow::origin::{Origin, Scheme, plain_host};
use crate::identity::certificate_pairs::CertificatePairs;
use crate::identity::{CertificateParts, Strings};
use crate::proxy::client_identity::ClientIdentity;
use crate::proxy::settings::{Settings, SwapSettings};

/// The client identities of the whole proxy.
#[derive(Debug)]
pub(in crate::proxy) struct Identities {
    pub(super) store: Option<IdentityStore>,
    /// The string type in certificate requests.
    pub(super) strings: Strings,
    swaps: SwapSettings,
    under_way: Arc<Semaphore>,
    most_under_way: usize,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    /// The hosts of each identity. A device's identity goes to no other host.
    hosts: HashMap<IdentityId, HashSet<String>>,
    /// The loaded identities, by the SHA-256 of the device's certificate.
    loaded: LruCache<[u8; 32], ClientIdentity>,
    pairs: Arc<CertificatePairs>,
    /// The serial numbers of dmtap's CA that devices have, as INTEGERs in DER.
    serials: HashSet<Vec<u8>>,
    /// The minimalKeyLength of each server.
    key_bits: LruCache<String, usize>,
    /// The identities whose error was reported.
    unusable: HashSet<IdentityId>,
}

impl Identities {
    /// Loads the identities that earlier runs stored, and removes unfinished ones.
    ///
    /// # Errors
    /// An error if the store cannot be read, or others may read an identity. A damaged identity is left out.
    pub(in crate::proxy) fn new(settings: &Settings) -> Result<Self, StoreError> {
        let store = settings.confdir.as_deref().map(IdentityStore::of);
        let stored = match &store {
            Some(store) => {
                store.clear_unfinished()?;
                let (stored, damaged) = store.list()?;
                damaged.iter().for_each(|error| tracing::error!("{error}"));
                stored
            }
            None => Vec::new(),
        };
        let identities = Self {
            store,
            strings: settings.csr_strings,
            swaps: settings.swap.clone(),
            under_way: Arc::new(Semaphore::new(settings.limits.enrollments)),
            most_under_way: settings.limits.enrollments,
            known: Mutex::new(Known {
                hosts: HashMap::new(),
                loaded: LruCache::new(MOST_LOADED),
                pairs: Arc::default(),
                serials: HashSet::new(),
                key_bits: LruCache::new(MOST_SERVERS),
                unusable: HashSet::new(),
            }),
        };
        stored.iter().for_each(|identity| identities.know(identity));
        identities.retire_old(&stored, jiff::Timestamp::now());
        Ok(identities)
    }

    /// Whether enrollments at this host are swapped.
    pub(in crate::proxy) fn swaps(&self, host: &str) -> bool {
        match &self.swaps {
            SwapSettings::Off => false,
            SwapSettings::All => true,
            SwapSettings::Hosts(hosts) => {
                hosts.iter().any(|own| plain_host(own) == plain_host(host))
            }
        }
    }

    /// Returns the pairs of device and server certificates that stand for each other.
    pub(in crate::proxy) fn pairs(&self) -> Arc<CertificatePairs> {
        self.known.lock().pairs.clone()
    }

    /// Remembers the smallest key length in bits that a server accepts.
    pub(in crate::proxy) fn want_key_bits(&self, server: &str, bits: usize) {
        self.known.lock().key_bits.insert(server.to_owned(), bits);
    }

    /// Returns the bits of the key to generate, if the device's key has `of_device` bits.
    pub(super) fn key_bits(&self, server: &str, of_device: usize) -> usize {
        let wanted = self.known.lock().key_bits.get(server).copied();
        of_device.max(wanted.unwrap_or_default())
    }

    /// Reserves a place among the enrollments in progress.
    pub(super) fn permit(&self) -> Result<OwnedSemaphorePermit, String> {
        let permit = self.under_way.clone().try_acquire_owned();
        permit.map_err(|_| format!("{} enrollments are under way", self.most_under_way))
    }

    /// Returns a new serial number if a device already has the serial number of the server's certificate, and `None` if
    /// not.
    pub(super) fn serial(&self, servers: &[u8]) -> Result<Option<u128>, String> {
        if self.known.lock().serials.insert(servers.to_vec()) {
            return Ok(None);
        }
        let mut own = [0; 16];
        aws_lc_rs::rand::fill(&mut own).map_err(|_| "the system has no random numbers")?;
        // The length is the usual one for serial numbers of CAs.
        Ok(Some(u128::from_be_bytes(own) | 1 << 127))
    }

    /// Returns the identity for the device certificate with this SHA-256, if it goes to a host: to the server where the
    /// device enrolled, or to a host that the server named. It reads the store, so it must run on a thread that may
    /// block. An identity that was removed meanwhile is not found, and one that was imported is.
    pub(in crate::proxy) fn of_certificate(
        &self,
        sha256: &[u8; 32],
        host: &str,
    ) -> Option<ClientIdentity> {
        let identity = self.held(sha256)?;
        let known = self.known.lock();
        let hosts = known.hosts.get(&IdentityId::of_hash(sha256))?;
        hosts.contains(&plain_host(host)).then_some(identity)
    }

    /// Returns the identity for the device certificate with this SHA-256, for any host.
    pub(super) fn held(&self, sha256: &[u8; 32]) -> Option<ClientIdentity> {
        let store = self.store.as_ref()?;
        let id = IdentityId::of_hash(sha256);
        if !store.has(&id) {
            self.known.lock().loaded.remove(sha256);
            return None;
        }
        if let Some(identity) = self.known.lock().loaded.get(sha256) {
            return Some(identity.clone());
        }
        let loaded = store
            .read(&id)
            .and_then(|stored| Ok((stored, store.load(&id)?)));
        let (stored, identity) = match loaded {
            Ok((stored, identity)) => (stored, identity.named(id.as_str())),
            Err(error) => {
                if self.known.lock().unusable.insert(id) {
                    tracing::error!("{error}");
                }
                return None;
            }
        };
        self.known.lock().unusable.remove(&id);
        self.know(&stored);
        // The identity is used, so the one that it renews is not used any more.
        self.retire(&stored);
        let loaded = &mut self.known.lock().loaded;
        loaded.insert(*sha256, identity.clone());
        Some(identity)
    }

    /// Whether an identity goes to this host.
    pub(in crate::proxy) fn go_to(&self, host: &str) -> bool {
        let host = plain_host(host);
        let known = self.known.lock();
        known.hosts.values().any(|hosts| hosts.contains(&host))
    }

    /// Whether an identity goes to a host that is not known.
    pub(in crate::proxy) fn go_beyond(&self, is_known: &dyn Fn(&String) -> bool) -> bool {
        let known = self.known.lock();
        known.hosts.values().flatten().any(|host| !is_known(host))
    }

    /// Whether there is any identity.
    pub(in crate::proxy) fn has_any(&self) -> bool {
        !self.known.lock().hosts.is_empty()
    }

    /// Adds hosts that the server of an identity names later. They are stored, if the disk accepts them.
    pub(in crate::proxy) fn add_hosts(&self, sha256: &[u8; 32], named: Vec<String>) {
        let id = IdentityId::of_hash(sha256);
        let mut known = self.known.lock();
        let Some(hosts) = known.hosts.get_mut(&id) else {
            return;
        };
        let before = hosts.len();
        hosts.extend(named.into_iter().take(MOST_NAMED.saturating_sub(before)));
        if hosts.len() == before {
            return;
        }
        let hosts = hosts.iter().cloned().collect();
        drop(known);
        let Some(store) = self.store.clone() else {
            return;
        };
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.set_hosts(&id, hosts) {
                tracing::warn!("the hosts of identity {id} are kept for this run only: {error}");
            }
        });
    }

    /// Removes the identities that were renewed long ago, even if the new ones were not used.
    pub(super) fn retire_old(&self, stored: &[StoredIdentity], now: jiff::Timestamp) {
        let over = stored.iter().filter(|identity| is_over(identity, now));
        over.for_each(|identity| self.retire(identity));
    }

    /// Removes the identity that another one renews.
    fn retire(&self, renewed: &StoredIdentity) {
        let (Some(store), Some(old)) = (&self.store, &renewed.renews) else {
            return;
        };
        if store.has(old)
            && let Err(error) = store.remove(old)
        {
            tracing::warn!(
                "the identity {old}, which {} renews, stays: {error}",
                renewed.id
            );
        }
        self.known.lock().hosts.remove(old);
    }

    /// Removes once a day the identities that were renewed long ago. It runs until its task ends.
    pub(in crate::proxy) async fn retire_daily(self: Arc<Self>) {
        loop {
            tokio::time::sleep(DAY).await;
            let identities = self.clone();
            let retire = move || match identities.store.as_ref().map(IdentityStore::list) {
                Some(Ok((stored, _))) => identities.retire_old(&stored, jiff::Timestamp::now()),
                Some(Err(error)) => tracing::warn!("identities: {error}"),
                None => {}
            };
            if let Err(error) = tokio::task::spawn_blocking(retire).await {
                tracing::error!("identities: {error}");
            }
        }
    }

    /// Adds a stored identity to those in use.
    pub(super) fn know(&self, identity: &StoredIdentity) {
        let server = identity.server_certificate.octets().unwrap_or_default();
        let device = identity.device_certificate.octets().unwrap_or_default();
        let own = Origin::of_authority(Scheme::Https, &identity.server);
        let mut known = self.known.lock();
        if let Ok(parts) = CertificateParts::read(&device) {
            known.serials.insert(parts.serial().to_vec());
        }
        let hosts = known.hosts.entry(identity.id.clone()).or_default();
        hosts.extend(own.map(|own| own.host));
        hosts.extend(identity.hosts.iter().cloned());
        Arc::make_mut(&mut known.pairs).add(&device, &server);
    }
}

/// Whether the identity that this one renews has been kept long enough.
fn is_over(identity: &StoredIdentity, now: jiff::Timestamp) -> bool {
    let created: Option<jiff::Timestamp> = identity.created.parse().ok();
    created.is_some_and(|created| now.duration_since(created) > RENEWED_IDENTITY_KEPT)
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The time that a renewed identity is kept if the new one is not used.
const RENEWED_IDENTITY_KEPT: jiff::SignedDuration = jiff::SignedDuration::from_hours(90 * 24);
/// The most identities in memory. The others are read again.
const MOST_LOADED: usize = 4_096;
/// The most servers whose minimalKeyLength is remembered.
const MOST_SERVERS: usize = 1_024;
/// The most hosts of one identity.
const MOST_NAMED: usize = 64;
