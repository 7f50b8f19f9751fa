//! Checks and applies the provisioning document, as the device does.

use der::{Decode, Encode};
use x509_cert::certificate::Certificate as Parsed;

use super::criteria;
use super::refused_answer::RefusedAnswer;
use crate::dm::certificate::{Certificate, thumbprint};
use crate::dm::provisioning::{Account, Characteristic, Provisioning};
use crate::markup::Document;
use crate::peer::tree::Access;
use crate::peer::{Encoding, Tree};

/// The result of an enrollment on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrollment {
    /// The name of the account.
    pub provider_id: String,
    /// The address of management sessions.
    pub address: String,
    /// The encoding of management sessions.
    pub encoding: Encoding,
    /// The certificate that the search criteria select, DER.
    pub certificate: Vec<u8>,
    /// The subject of the certificate.
    pub subject: String,
    /// The SHA-1 of the certificate.
    pub thumbprint: String,
    /// The store of the certificate, such as `My\User`.
    pub store: String,
    /// The address for renewals, if the server names one.
    pub renewal: Option<String>,
}

impl Enrollment {
    /// Adds the nodes of the account, which the server reads and writes later, and the nodes of the certificate.
    #[must_use]
    pub fn in_tree(&self, tree: Tree) -> Tree {
        let node = |leaf: &str| self.node(leaf);
        let tree = tree
            .with(
                &node("ManagementServiceAddress"),
                "chr",
                &self.address,
                Access::Write,
            )
            .with(
                &node("ManagementServerAddressList"),
                "chr",
                "",
                Access::Write,
            );
        self.certificate_in_tree(tree)
    }

    /// Adds only the nodes of the certificate: a renewal does not change the account.
    #[must_use]
    pub fn certificate_in_tree(&self, tree: Tree) -> Tree {
        let store = self.store.replace('\\', "/");
        let own = format!("{CERTIFICATE_STORE}/{store}/{}", self.thumbprint);
        tree.with(
            &format!("{CERTIFICATE_STORE}/MY/WSTEP/CertThumprint"),
            "chr",
            &self.thumbprint,
            Access::Read,
        )
        .with(
            &format!("{own}/IssuedTo"),
            "chr",
            &self.subject,
            Access::Read,
        )
    }

    /// Returns the address of the next session. `list` is the current value of the address list, which overrides the
    /// account's address.
    pub fn next_address(&self, list: &str) -> String {
        let first = list
            .split(['<', '>'])
            .map(str::trim)
            .find(|part| !part.is_empty());
        first.unwrap_or(&self.address).into()
    }

    /// Returns the node that holds the address list.
    pub fn address_list(&self) -> String {
        self.node("ManagementServerAddressList")
    }

    fn node(&self, leaf: &str) -> String {
        format!(
            "./Vendor/MSFT/DMClient/Provider/{}/{leaf}",
            self.provider_id
        )
    }
}

/// Checks a document as Windows does, and returns the resulting enrollment.
///
/// # Errors
/// Returns a [`RefusedAnswer`] if a check fails.
pub(super) fn accept(document: &Document, public_key: &[u8]) -> Result<Enrollment, RefusedAnswer> {
    let lacks = |what: &str| RefusedAnswer::Unusable {
        step: "RequestSecurityToken",
        why: format!("the provisioning document has no {what}"),
    };
    let document = Provisioning::of(document).ok_or_else(|| lacks("wap-provisioningdoc"))?;
    check_thumbprints(document)?;
    let account = document
        .accounts()
        .next()
        .ok_or_else(|| lacks("w7 APPLICATION"))?;
    check_app_auth(account)?;
    let provider_id = account
        .provider_id()
        .ok_or_else(|| lacks("PROVIDER-ID"))?
        .into_owned();
    let mut nodes = document.providers().filter_map(Characteristic::type_name);
    let node = nodes.next().ok_or_else(|| lacks("DMClient/Provider"))?;
    if node != provider_id && !nodes.any(|node| node == provider_id) {
        return Err(RefusedAnswer::ProviderId {
            account: provider_id,
            node: node.into_owned(),
        });
    }
    // Search criteria are optional (w7 APPLICATION CSP). Without them, the device uses the certificate from the
    // enrollment.
    let wanted = account.search_criteria();
    let found = document.certificates().find(|stored| {
        let store = format!("{}\\{}", stored.store(), stored.scope());
        let certificate = stored.octets();
        let fits = |wanted: &str| {
            let certificate = certificate.as_deref().unwrap_or_default();
            criteria::matches(wanted, &store, certificate)
        };
        stored.is_own() && wanted.as_deref().is_none_or(fits)
    });
    let found = found.ok_or_else(|| match wanted {
        Some(wanted) => RefusedAnswer::NoCertificate(wanted.into_owned()),
        None => lacks("certificate in CertificateStore/My"),
    })?;
    let certificate = found.octets().unwrap_or_default();
    let subject = Certificate::read(&certificate)
        .map(|read| read.subject)
        .unwrap_or_default();
    let own = Parsed::from_der(&certificate)
        .and_then(|parsed| parsed.tbs_certificate.subject_public_key_info.to_der());
    if own.as_deref() != Ok(public_key) {
        return Err(RefusedAnswer::ForeignKey(subject));
    }
    let encoding = account.default_encoding().unwrap_or_default();
    Ok(Enrollment {
        provider_id,
        address: account.address().ok_or_else(|| lacks("ADDR"))?.into_owned(),
        encoding: Encoding::of_media_type(&encoding),
        thumbprint: thumbprint(&certificate),
        certificate,
        subject,
        store: format!("{}\\{}", found.store(), found.scope()),
        renewal: document
            .renewal()
            .and_then(|renewal| renewal.value("ServerURL"))
            .map(Into::into),
    })
}

/// Checks that the name of each certificate is its SHA-1.
fn check_thumbprints(document: Provisioning<'_>) -> Result<(), RefusedAnswer> {
    for stored in document.certificates() {
        let name = stored.thumbprint().unwrap_or_default();
        let sha1 = stored
            .octets()
            .map(|der| thumbprint(&der))
            .unwrap_or_default();
        if !name.eq_ignore_ascii_case(&sha1) {
            return Err(RefusedAnswer::Thumbprint {
                store: format!("{}\\{}", stored.store(), stored.scope()),
                name: name.into_owned(),
                sha1,
            });
        }
    }
    Ok(())
}

/// Checks that both levels are present, each with a secret, and with the first nonce if digests are required: without
/// it Windows fails with 0x80070057.
fn check_app_auth(account: Account<'_>) -> Result<(), RefusedAnswer> {
    for level in ["APPSRV", "CLIENT"] {
        let lacks = |lacks| RefusedAnswer::AppAuth { level, lacks };
        let auth = account
            .auths()
            .find(|auth| auth.value("AAUTHLEVEL").as_deref() == Some(level));
        let auth = auth.ok_or_else(|| lacks("characteristic"))?;
        auth.value("AAUTHSECRET")
            .ok_or_else(|| lacks("AAUTHSECRET"))?;
        let kind = auth.value("AAUTHTYPE").unwrap_or_default();
        if kind != "BASIC" {
            auth.value("AAUTHDATA").ok_or_else(|| lacks("AAUTHDATA"))?;
        }
        if level == "CLIENT" && kind != "DIGEST" {
            return Err(lacks("AAUTHTYPE DIGEST"));
        }
    }
    Ok(())
}

const CERTIFICATE_STORE: &str = "./Vendor/MSFT/CertificateStore";
