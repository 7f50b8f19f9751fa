//! The kinds of places with URLs that the device follows: MS-MDE2 §2.2.9, §3; the DMClient, DMAcc, CertificateStore and
//! ClientCertificateInstall CSPs; w7 of OMA Client Provisioning.

use crate::flow::origin::Reach;

/// A kind of place with a URL.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The name in tests and notes.
    pub name: &'static str,
    /// The form of the value.
    pub form: Form,
    /// The hosts that are mapped.
    pub reach: Reach,
}

/// The form of a value with URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One URL.
    One,
    /// A list of URLs: separated by `;`, `,` or white space, or each in `<>`.
    List,
    /// One URL, perhaps without its scheme.
    Bare,
    /// The port of an address.
    Port,
    /// No URL: whether the device checks a CRL for the server's certificate.
    CrlCheck,
}

const fn kind(name: &'static str, form: Form, reach: Reach) -> Kind {
    Kind { name, form, reach }
}

use Form::{Bare, CrlCheck, List, One, Port};
use Reach::{Learned, Mapped};

/// The children of `DiscoverResult` by local name. Hosts of sign-in pages are not learned: their URLs change only if
/// the host is mapped.
pub const DISCOVERY: &[Kind] = &[
    kind("EnrollmentPolicyServiceUrl", One, Learned),
    kind("EnrollmentServiceUrl", One, Learned),
    kind("AuthenticationServiceUrl", One, Mapped),
    kind("DeviceAssociationMaaUrl", One, Mapped),
    kind("GatewayService", One, Mapped),
];

/// Another child of `DiscoverResult` with a URL.
pub const DISCOVERY_OTHER: Kind = kind("DiscoverResult", One, Mapped);

/// The elements of a GetPoliciesResponse: the local name of the parent, the local name, the kind.
pub const POLICIES: &[(&str, &str, Kind)] = &[
    ("cAURI", "uri", kind("cAURI", One, Learned)),
    (
        "azureAttestation",
        "endpointUri",
        kind("endpointUri", Bare, Mapped),
    ),
];

/// The SOAP header with the address of the server.
pub const TO: Kind = kind("To", One, Mapped);

/// `SyncHdr/RespURI`.
pub const RESP_URI: Kind = kind("RespURI", One, Learned);

/// Target and Source of SyncHdr, with [`super::Extent::Full`].
pub const SYNC_HDR: Kind = kind("SyncHdr", One, Mapped);

/// Nodes of the management tree, which are also characteristics and parameters of provisioning documents, without
/// prefixes like `./Device/Vendor/MSFT`; `*` is any name. Two kinds are only mapped, not learned: the JSON of
/// LinkedEnrollment is not rewritten, so it leads away in any case; SSPHyperlink is a link to a company app, not a
/// management URL.
#[rustfmt::skip]
pub const NODES: &[(&str, Kind)] = &[
    ("APPLICATION/ADDR", kind("APPLICATION/ADDR", Bare, Learned)),
    ("APPLICATION/APPADDR/ADDR", kind("APPADDR/ADDR", Bare, Learned)),
    ("APPLICATION/APPADDR/PORT/PORTNBR", kind("APPADDR/PORT/PORTNBR", Port, Learned)),
    ("APPLICATION/ServerList", kind("ServerList", List, Learned)),
    ("APPLICATION/SSPHyperlink", kind(COMPANY_APP, One, Mapped)),
    ("APPLICATION/CRLCheck", kind("CRLCheck", CrlCheck, Mapped)),
    ("DMClient/Provider/*/ManagementServiceAddress", kind("ManagementServiceAddress", List, Learned)),
    ("DMClient/Provider/*/ManagementServerAddressList", kind("ManagementServerAddressList", List, Learned)),
    ("DMClient/Provider/*/ManagementServerToUpgradeTo", kind("ManagementServerToUpgradeTo", List, Learned)),
    ("DMClient/Provider/*/LinkedEnrollment/DiscoveryEndpoint", kind("LinkedEnrollment/DiscoveryEndpoint", One, Mapped)),
    ("DMClient/UpdateManagementServiceAddress", kind("UpdateManagementServiceAddress", List, Learned)),
    ("CertificateStore/My/WSTEP/Renew/ServerURL", kind("WSTEP/Renew/ServerURL", List, Learned)),
    ("CertificateStore/My/SCEP/*/Install/ServerURL", kind("My/SCEP/Install/ServerURL", List, Learned)),
    ("ClientCertificateInstall/SCEP/*/Install/ServerURL", kind("ClientCertificateInstall/SCEP/Install/ServerURL", List, Learned)),
    ("SyncML/DMAcc/*/AppAddr/*/Addr", kind("DMAcc/AppAddr/Addr", Bare, Learned)),
    ("SyncML/DMAcc/*/AppAddr/*/Port/*/PortNbr", kind("DMAcc/AppAddr/Port/PortNbr", Port, Learned)),
    ("SyncML/DMAcc/*/Ext/Microsoft/CRLCheck", kind("DMAcc/CRLCheck", CrlCheck, Mapped)),
];

/// A link to an app for people: the device does not follow it for management, so it leads nothing away.
pub const COMPANY_APP: &str = "SSPHyperlink";

/// Identifiers that look like URLs, and URLs that dmtap must not change, by the last segment of their path.
pub const NEVER: &[&str] = &[
    "AADResourceID",
    "ChannelURI",
    "PROVIDER-ID",
    "ServerID",
    "NAME",
];

/// The nodes with files for apps below them.
pub const DOWNLOADS: &[&str] = &[
    "EnterpriseDesktopAppManagement",
    "EnterpriseModernAppManagement",
];

/// Returns the kind of a node; `names` come from [`node_names`].
pub fn of_node(names: &[&str]) -> Option<&'static Kind> {
    let is = |pattern: &str, name: &str| pattern == "*" || pattern.eq_ignore_ascii_case(name);
    let mut fitting = NODES.iter().filter(|(path, _)| {
        let mut names = names.iter();
        path.split('/')
            .all(|part| names.next().is_some_and(|name| is(part, name)))
            && names.next().is_none()
    });
    fitting.next().map(|(_, kind)| kind)
}

/// Returns the names of a path in the management tree, without the prefixes that [`NODES`] omits.
pub fn node_names(uri: &str) -> Vec<&str> {
    let uri = uri.split('?').next().unwrap_or_default();
    let names = uri.split('/').filter(|name| !matches!(*name, "" | "."));
    let mut names: Vec<&str> = names.take(LONGEST).collect();
    let mut fronts = 0;
    for front in [&["Device", "User"][..], &["Vendor"], &["MSFT"]] {
        let is_front = |name: &&str| front.iter().any(|front| front.eq_ignore_ascii_case(name));
        fronts += usize::from(names.get(fronts).is_some_and(is_front));
    }
    names.drain(..fronts);
    names
}

/// Returns every kind, for tests and the text of `dmtap rules show stay`.
pub fn all() -> impl Iterator<Item = &'static Kind> {
    let soap = DISCOVERY.iter().chain([&DISCOVERY_OTHER]);
    let soap = soap.chain(POLICIES.iter().map(|(_, _, kind)| kind));
    let single = [&TO, &RESP_URI, &SYNC_HDR];
    soap.chain(single).chain(NODES.iter().map(|(_, kind)| kind))
}

/// The most names of a path that are compared; the longest path in [`NODES`] has fewer.
const LONGEST: usize = 16;
