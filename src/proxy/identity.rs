//! dmtap's own client identities: keys, the store of them, and the swap of one for a device's.

mod identities;
mod key;
mod keys;
mod store;
mod stored;
mod swap;

pub(super) use identities::Identities;
pub use key::{KeyError, OwnKey};
pub use store::{IdentityStore, MOST_IDENTITIES, StoreError, identity_pem, write_private};
pub use stored::{CertificateDetails, IdentityId, StoredIdentity};
pub(super) use swap::Swap;

#[cfg(test)]
mod tests;
