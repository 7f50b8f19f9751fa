//! The CertificateStore of a provisioning document.

use std::borrow::Cow;

use super::{Characteristic, Provisioning};
use crate::dm::certificate::Certificate;
use crate::dm::token::base64_octets;

/// A certificate for a store of the device.
#[derive(Clone, Debug)]
pub struct StoredCertificate<'d> {
    store: Cow<'d, str>,
    scope: Cow<'d, str>,
    node: Characteristic<'d>,
}

/// Iterates over the certificates: `CertificateStore/<store>/<scope>/<thumbprint>`.
pub(super) fn certificates<'d>(
    document: Provisioning<'d>,
) -> impl Iterator<Item = StoredCertificate<'d>> {
    let stores = document.at(&["CertificateStore"]);
    let stores = stores.into_iter().flat_map(Characteristic::characteristics);
    let scopes = stores.flat_map(|store| {
        let name = store.type_name().unwrap_or_default();
        let scopes = store.characteristics();
        scopes.map(move |scope| (name.clone(), scope))
    });
    scopes.flat_map(|(store, scope)| {
        let name = scope.type_name().unwrap_or_default();
        let nodes = scope.characteristics();
        let nodes = nodes.filter(|node| node.parm("EncodedCertificate").is_some());
        nodes.map(move |node| StoredCertificate {
            store: store.clone(),
            scope: name.clone(),
            node,
        })
    })
}

impl<'d> StoredCertificate<'d> {
    /// Returns the store: `Root`, `CA` or `My`.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// Returns the owner of the store: `System` or `User`.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Whether this is the client certificate.
    pub fn is_own(&self) -> bool {
        self.store.eq_ignore_ascii_case("My")
    }

    /// Returns the name of the node: the thumbprint, as the server writes it.
    pub fn thumbprint(&self) -> Option<Cow<'d, str>> {
        self.node.type_name()
    }

    /// Returns the octets of `EncodedCertificate`.
    pub fn octets(&self) -> Option<Vec<u8>> {
        base64_octets(self.node.value("EncodedCertificate")?.as_bytes())
    }

    /// Returns the parsed certificate.
    pub fn certificate(&self) -> Option<Certificate> {
        Certificate::read(&self.octets()?)
    }
}
