//! Provisioning documents (OMA Client Provisioning 1.1; MS-MDE2 §2.2.9; w7 APPLICATION and DMClient CSPs).
//!
//! A type of characteristic may occur several times, also at the top: Windows merges them, and so does a view.

mod account;
mod store;

pub use account::Account;
pub use store::StoredCertificate;

use std::borrow::Cow;

use super::local_name::{attribute, children, is_named};
use crate::markup::{Document, Element};

/// A provisioning document.
#[derive(Clone, Copy, Debug)]
pub struct Provisioning<'d>(Element<'d>);

impl<'d> Provisioning<'d> {
    /// Returns the view of a document, if its root is a provisioning document.
    pub fn of(document: &'d Document) -> Option<Self> {
        let root = document.root();
        is_named(root, "wap-provisioningdoc").then_some(Self(root))
    }

    /// Iterates over the characteristics at the top, in order.
    pub fn characteristics(self) -> impl Iterator<Item = Characteristic<'d>> {
        characteristics_in(self.0)
    }

    /// Returns all characteristics at the end of a path of types; each type may occur several times.
    pub fn at(self, types: &[&str]) -> Vec<Characteristic<'d>> {
        at(self.0, types)
    }

    /// Returns the accounts of management servers: `APPLICATION` with the APPID `w7`, or without APPID.
    pub fn accounts(self) -> impl Iterator<Item = Account<'d>> {
        let applications = self
            .characteristics()
            .filter(|found| found.is("APPLICATION"));
        let is_w7 = |found: &Characteristic<'_>| {
            let id = found.value("APPID");
            id.is_none_or(|id| id.eq_ignore_ascii_case("w7"))
        };
        applications.filter(is_w7).map(Account::of)
    }

    /// Iterates over the certificates for the stores of the device, in order.
    pub fn certificates(self) -> impl Iterator<Item = StoredCertificate<'d>> {
        store::certificates(self)
    }

    /// Returns the settings for renewing the client certificate.
    pub fn renewal(self) -> Option<Characteristic<'d>> {
        let path = ["CertificateStore", "My", "WSTEP", "Renew"];
        self.at(&path).into_iter().next()
    }

    /// Returns the settings for the DMClient CSP, one node for each provider. The name of the node must equal the
    /// PROVIDER-ID of the account.
    pub fn providers(self) -> impl Iterator<Item = Characteristic<'d>> {
        let around = self.at(&["DMClient", "Provider"]);
        around.into_iter().flat_map(Characteristic::characteristics)
    }
}

/// A characteristic.
#[derive(Clone, Copy, Debug)]
pub struct Characteristic<'d>(Element<'d>);

impl<'d> Characteristic<'d> {
    /// Returns the type: `APPLICATION`, or the name of a node.
    pub fn type_name(self) -> Option<Cow<'d, str>> {
        attribute(self.0, "type")
    }

    /// Whether the characteristic has this type; case does not matter.
    pub fn is(self, type_name: &str) -> bool {
        self.type_name()
            .is_some_and(|own| own.eq_ignore_ascii_case(type_name))
    }

    /// Iterates over the characteristics inside, in order.
    pub fn characteristics(self) -> impl Iterator<Item = Self> {
        characteristics_in(self.0)
    }

    /// Returns all characteristics at the end of a path of types.
    pub fn at(self, types: &[&str]) -> Vec<Self> {
        at(self.0, types)
    }

    /// Iterates over the parms of the characteristic itself, in order.
    pub fn parms(self) -> impl Iterator<Item = Parm<'d>> {
        children(self.0, "parm").map(Parm)
    }

    /// Returns the first parm of this name; case does not matter.
    pub fn parm(self, name: &str) -> Option<Parm<'d>> {
        self.parms().find(|parm| {
            parm.name()
                .is_some_and(|own| own.eq_ignore_ascii_case(name))
        })
    }

    /// Returns the value of the first parm of this name; `None` if it has no value, or an empty one.
    pub fn value(self, name: &str) -> Option<Cow<'d, str>> {
        self.parm(name)?.value().filter(|value| !value.is_empty())
    }
}

/// A parm: a name, and usually a value.
#[derive(Clone, Copy, Debug)]
pub struct Parm<'d>(Element<'d>);

impl<'d> Parm<'d> {
    /// Returns the name.
    pub fn name(self) -> Option<Cow<'d, str>> {
        attribute(self.0, "name")
    }

    /// Returns the value. Some parms have none: their presence has a meaning.
    pub fn value(self) -> Option<Cow<'d, str>> {
        attribute(self.0, "value")
    }
}

fn characteristics_in<'d>(around: Element<'d>) -> impl Iterator<Item = Characteristic<'d>> {
    children(around, "characteristic").map(Characteristic)
}

/// The length of `types` bounds the recursion.
fn at<'d>(around: Element<'d>, types: &[&str]) -> Vec<Characteristic<'d>> {
    let Some((first, rest)) = types.split_first() else {
        return Vec::new();
    };
    let found = characteristics_in(around).filter(|found| found.is(first));
    match rest.is_empty() {
        true => found.collect(),
        false => found.flat_map(|found| at(found.0, rest)).collect(),
    }
}
