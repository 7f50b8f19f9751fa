//! The identities in use: those of the store, found by what devices present.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::keys::KeyStock;
use super::store::{IdentityStore, StoreError};
use super::stored::{IdentityId, StoredIdentity};
use crate::identity::CertificateParts;
use crate::identity::session::Pairs;
use crate::proxy::client_identity::{ClientIdentity, FindIdentity};
use crate::proxy::settings::{Settings, SwapSettings};

/// One for the whole proxy.
#[derive(Debug)]
pub(in crate::proxy) struct Identities {
    pub(super) store: Option<IdentityStore>,
    pub(super) keys: KeyStock,
    swaps: SwapSettings,
    under_way: Arc<Semaphore>,
    most_under_way: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By the SHA-256 of the device's certificate.
    loaded: HashMap<[u8; 32], (IdentityId, ClientIdentity)>,
    pairs: Arc<Pairs>,
    /// Serial numbers of dmtap's CA that devices have: INTEGERs in DER.
    serials: HashSet<Vec<u8>>,
}

impl Identities {
    /// With those that earlier runs stored.
    ///
    /// # Errors
    /// Where one of them cannot be read, or others may read it.
    pub(in crate::proxy) fn new(settings: &Settings) -> Result<Self, StoreError> {
        let store = settings.confdir.as_deref().map(IdentityStore::of);
        let stored = match &store {
            Some(store) => store.list()?,
            None => Vec::new(),
        };
        let identities = Self {
            store,
            keys: KeyStock::default(),
            swaps: settings.swap.clone(),
            under_way: Arc::new(Semaphore::new(settings.limits.enrollments)),
            most_under_way: settings.limits.enrollments,
            known: Mutex::default(),
        };
        stored.iter().for_each(|identity| identities.know(identity));
        let now = jiff::Timestamp::now();
        let over = stored.iter().filter(|identity| is_over(identity, now));
        over.for_each(|identity| identities.retire(identity));
        Ok(identities)
    }

    /// Whether enrollments at this host are swapped.
    pub(in crate::proxy) fn swaps(&self, host: &str) -> bool {
        match &self.swaps {
            SwapSettings::Off => false,
            SwapSettings::All => true,
            SwapSettings::Hosts(hosts) => hosts.iter().any(|own| own.eq_ignore_ascii_case(host)),
        }
    }

    /// Whether some enrollments are.
    pub(in crate::proxy) fn swaps_any(&self) -> bool {
        self.swaps != SwapSettings::Off
    }

    /// Makes keys beforehand, if any will be wanted.
    pub(in crate::proxy) fn prepare(&self) {
        if self.swaps_any() {
            self.keys.fill();
        }
    }

    /// The certificates of devices and of servers that stand for each other.
    pub(in crate::proxy) fn pairs(&self) -> Arc<Pairs> {
        self.known.lock().pairs.clone()
    }

    /// A place among the enrollments under way.
    pub(super) fn permit(&self) -> Result<OwnedSemaphorePermit, String> {
        let permit = self.under_way.clone().try_acquire_owned();
        permit.map_err(|_| format!("{} enrollments are under way", self.most_under_way))
    }

    /// The number to take in place of a serial number of the server, where a device has that already.
    pub(super) fn serial(&self, servers: &[u8]) -> Result<Option<u128>, String> {
        if self.known.lock().serials.insert(servers.to_vec()) {
            return Ok(None);
        }
        let mut own = [0; 16];
        aws_lc_rs::rand::fill(&mut own).map_err(|_| "the system has no random numbers")?;
        // As long as serial numbers of CAs are.
        Ok(Some(u128::from_be_bytes(own) | 1 << 127))
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
    }

    /// Takes note of a stored identity.
    pub(super) fn know(&self, identity: &StoredIdentity) {
        let server = identity.server_certificate.octets().unwrap_or_default();
        let device = identity.device_certificate.octets().unwrap_or_default();
        let mut known = self.known.lock();
        if let Ok(parts) = CertificateParts::read(&device) {
            known.serials.insert(parts.serial().to_vec());
        }
        Arc::make_mut(&mut known.pairs).add(&device, &server);
    }
}

/// Whether the identity that this one renews has been kept long enough.
fn is_over(identity: &StoredIdentity, now: jiff::Timestamp) -> bool {
    let created: Option<jiff::Timestamp> = identity.created.parse().ok();
    created.is_some_and(|created| now.duration_since(created) > KEPT)
}

/// How long an identity stays that was renewed, if the new one is not used.
const KEPT: jiff::SignedDuration = jiff::SignedDuration::from_hours(90 * 24);

impl FindIdentity for Identities {
    /// The first time the file is read: a few kilobytes. An identity that was removed meanwhile is found no more, and
    /// one that was imported is.
    fn of_certificate(&self, sha256: &[u8; 32]) -> Option<ClientIdentity> {
        let store = self.store.as_ref()?;
        let id = IdentityId::of_hash(sha256);
        if !store.has(&id) {
            self.known.lock().loaded.remove(sha256);
            return None;
        }
        if let Some((_, identity)) = self.known.lock().loaded.get(sha256) {
            return Some(identity.clone());
        }
        let stored = store.read(&id).ok()?;
        let pem = store.pem(&id).ok()?;
        let identity = ClientIdentity::from_pem(&pem).ok()?;
        self.know(&stored);
        // It is used: what it renews is used no more.
        self.retire(&stored);
        let mut known = self.known.lock();
        known.loaded.insert(*sha256, (id, identity.clone()));
        Some(identity)
    }

    fn has_any(&self) -> bool {
        !self.known.lock().serials.is_empty()
    }
}
