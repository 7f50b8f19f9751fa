//! dmtap's client identities: their keys, the store, and the swap of a device's identity for one of dmtap's.

mod identities;
mod key;
mod store;
mod stored;
mod swap;

pub(super) use identities::Identities;
pub use key::{KeyError, OwnKey};
pub use store::{IdentityStore, MOST_IDENTITIES, StoreError, identity_pem, write_private};
pub(super) use stored::sha256;
pub use stored::{CertificateDetails, IdentityId, StoredIdentity};
pub(super) use swap::Swap;

#[cfg(test)]
mod tests;
