//! Masks Wi-Fi and VPN profiles: only the contents of the listed names are shown.

use super::lookalike;
use super::secret_name::is_profile_node;
use super::source_mapped_text::SourceMappedText;
use super::walk::Walk;
use crate::markup::{Document, Element, EmbeddedResult, Kind, Limits, NodeId, tag};

impl<'d> Walk<'d, '_> {
    /// Masks a Wi-Fi or VPN profile, except the contents of the listed names. Returns `false` if the text is not
    /// exactly one profile, or belongs to another node.
    pub(super) fn profile(&mut self, data: Element<'d>, limits: &Limits) -> bool {
        if !data.parent().is_some_and(is_of_profile_node) {
            return false;
        }
        let EmbeddedResult::Document(embedded) = data.open(limits) else {
            return false;
        };
        let document = embedded.document();
        let mut roots = document.top_ids();
        let root = roots.next().and_then(|id| document.element(id));
        let is_one = root.is_some_and(|root| PROFILES.contains(&root.local()));
        if !is_one || roots.next().is_some() || !document.flags().is_empty() || document.is_wbxml()
        {
            return false;
        }
        let mut walk = Walk::new(document, &[], self.values);
        if !walk.only_listed(embedded.limits()) {
            return false;
        }
        walk.repeated();
        let spans = walk.spans();
        self.masked_inside(data, &embedded, spans);
        true
    }

    /// Masks one profile. Returns `false` if a part that cannot be masked may be a secret.
    fn only_listed(&mut self, limits: &Limits) -> bool {
        let document = self.document;
        let source = document.source();
        for comment in self.comments.clone() {
            if !source[..comment.start].ends_with(b"<?xml") {
                self.spans.fills.push(comment);
            } else if !is_declaration(&source[comment]) {
                return false;
            }
        }
        let mut shown_to = 0;
        for at in 0..document.len() {
            let id = NodeId(at as u32);
            match document.kind(id) {
                Some(Kind::Element) => {
                    let element = document.element(id).filter(|_| at >= shown_to);
                    let Some(element) = element.filter(|element| !is_shown(*element, limits))
                    else {
                        continue;
                    };
                    self.hide(element);
                    shown_to = element.next_after().0 as usize;
                }
                Some(Kind::Attribute) => {
                    let value = SourceMappedText::of(document, id);
                    if !is_namespace(document, id) {
                        self.hide_attribute(id);
                    } else if !NAMESPACES
                        .iter()
                        .any(|known| value.text.starts_with(known.as_bytes()))
                    {
                        return false;
                    }
                }
                Some(_) if at >= shown_to => {
                    let text = SourceMappedText::of(document, id);
                    let holder = document.element(document.parent(id));
                    let is_leaf = holder.is_some_and(|holder| LEAVES.contains(&holder.local()));
                    let is_blank = text.text.trim_ascii().is_empty();
                    if !is_blank && (!is_leaf || !lookalike::places(&text.text).is_empty()) {
                        text.all(&mut self.spans.fills);
                        self.mark(id);
                    }
                }
                _ => {}
            }
        }
        true
    }
}

/// Returns whether an Item is about a node in a branch of profiles.
fn is_of_profile_node(item: Element<'_>) -> bool {
    let mut uris = item.elements().filter_map(|e| e.child(tag::LOC_URI));
    uris.any(|uri| is_profile_node(&uri.text()))
}

/// Returns whether an element has a listed name; the text of a leaf must not be a document.
fn is_shown(element: Element<'_>, limits: &Limits) -> bool {
    let name = element.local();
    PROFILES.contains(&name)
        || CONTAINERS.contains(&name)
        || LEAVES.contains(&name) && matches!(element.open(limits), EmbeddedResult::Plain)
}

fn is_namespace(document: &Document, attribute: NodeId) -> bool {
    let span = document.span(attribute);
    let written = span.map_or(&[][..], |span| span.of(document.source()));
    written.starts_with(b"xmlns=") || written.starts_with(b"xmlns:")
}

/// Returns whether an XML declaration contains only usual values.
fn is_declaration(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    let text = text.replace('\'', "\"");
    text.split_ascii_whitespace().all(|part| {
        [
            "version=\"1.0\"",
            "encoding=\"utf-8\"",
            "encoding=\"utf-16\"",
            "encoding=\"us-ascii\"",
            "standalone=\"yes\"",
            "standalone=\"no\"",
        ]
        .contains(&part)
    })
}

/// The root elements of profiles (WiFi, VPNv2 and AlwaysOn VPN CSPs).
const PROFILES: [&str; 2] = ["WLANProfile", "VPNProfile"];

/// The beginnings of the namespaces of profiles, and how some people write them.
const NAMESPACES: [&str; 5] = [
    "http://www.microsoft.com/networking/",
    "https://www.microsoft.com/networking/",
    "http://www.microsoft.com/provisioning/",
    "https://www.microsoft.com/provisioning/",
    "http://schemas.microsoft.com/",
];

/// Elements that contain other elements; text between these is masked.
const CONTAINERS: [&str; 27] = [
    // WLAN_profile v1 to v4, OneX v1, EapHostConfig.
    "EAPConfig",
    "EapHostConfig",
    "EapMethod",
    "MSM",
    "MacRandomization",
    "OneX",
    "SSID",
    "SSIDConfig",
    "authEncryption",
    "connectivity",
    "security",
    "sharedKey",
    // ProfileXML.
    "App",
    "AppTrigger",
    "Authentication",
    "Certificate",
    "CryptographySuite",
    "DeviceCompliance",
    "DomainNameInformation",
    "Eap",
    "Manual",
    "NativeProfile",
    "PluginProfile",
    "Proxy",
    "Route",
    "Sso",
    "TrafficFilter",
];

/// Elements whose text is shown.
const LEAVES: [&str; 81] = [
    "FIPSMode",
    "PMKCacheMode",
    "PMKCacheSize",
    "PMKCacheTTL",
    "Type",
    "VendorId",
    "VendorType",
    "AuthorId",
    "authMode",
    "authPeriod",
    "authentication",
    "autoSwitch",
    "cacheUserData",
    "connectionMode",
    "connectionType",
    "enableRandomization",
    "encryption",
    "heldPeriod",
    "hex",
    "keyIndex",
    "keyType",
    "maxAuthFailures",
    "maxStart",
    "name",
    "nonBroadcast",
    "phyType",
    "preAuthMode",
    "preAuthThrottle",
    "protected",
    "startPeriod",
    "supplicantMode",
    "transitionMode",
    "useOneX",
    "Address",
    "AlwaysOn",
    "AlwaysOnActive",
    "AuthenticationTransformConstants",
    "AutoTrigger",
    "ByPassForLocal",
    "CipherTransformConstants",
    "DHGroup",
    "DataEncryption",
    "DeviceTunnel",
    "Direction",
    "DisableAdvancedOptionsEditButton",
    "DisableClassBasedDefaultRoute",
    "DisableDisconnectButton",
    "DnsServers",
    "DnsSuffix",
    "DomainName",
    "EKUName",
    "EKUOID",
    "Enabled",
    "EncryptionMethod",
    "ExclusionRoute",
    "Id",
    "IntegrityCheckMethod",
    "IssuerHash",
    "LocalAddressRanges",
    "LocalPortRanges",
    "LockDown",
    "MachineMethod",
    "Metric",
    "NativeProtocolType",
    "Persistent",
    "PfsGroup",
    "PluginPackageFamilyName",
    "PrefixSize",
    "ProfileName",
    "Protocol",
    "RegisterDNS",
    "RememberCredentials",
    "RemoteAddressRanges",
    "RemotePortRanges",
    "RoutingPolicyType",
    "Server",
    "ServerUrlList",
    "Servers",
    "TrustedNetworkDetection",
    "UserMethod",
    "WebProxyServers",
];
