//! ITM-04: a profile that the CSP does not take, by the pages of the WiFi CSP and the schemas of the profiles.

use super::Findings;
use crate::dm::{Item, locuri};
use crate::markup::{Document, Element, Limits};

/// Checks the profile in the Data of an Item. No note quotes a value.
pub(super) fn check(found: &mut Findings, target: &str, item: Item<'_>) {
    let node = locuri::canonical(target);
    let is_wlan = node.ends_with("/wlanxml") && node.contains("vendor/msft/wifi/profile/");
    if !is_wlan && !node.ends_with("/profilexml") {
        return;
    }
    let data = item.data().filter(|_| !item.more_data());
    let Some(embedded) = data.and_then(|data| data.embedded(&Limits::default())) else {
        return;
    };
    let profile = embedded.document();
    let at = Some(item.element());
    let mut namespaces = profile.elements().filter_map(Element::foreign_namespace);
    if namespaces.any(|it| it.starts_with("https://www.microsoft.com/")) {
        let text =
            "a namespace in the profile begins with https; those of Microsoft begin with http";
        found.add("ITM-04", at, text);
    }
    if is_wlan && profile.root().local() == "WLANProfile" {
        for slip in slips(profile, &node, target) {
            found.add("ITM-04", at, slip);
        }
    }
}

fn slips(profile: &Document, node: &str, target: &str) -> impl Iterator<Item = &'static str> {
    let root = profile.root();
    // One with https has its note already.
    let namespace = root.foreign_namespace().unwrap_or_default();
    let is_foreign = namespace.replacen("https:", "http:", 1) != SCHEMA;
    let name = child(root, "name").map(|it| it.text().trim().to_owned());
    // Records have masks in place of secrets. A name with these characters may be encoded in several ways.
    let name = name.filter(|it| !it.contains(['*', '%', '/', '?']) && !node.contains(['*', '%']));
    let in_uri = locuri::plain(target);
    let in_uri = locuri::segments(&in_uri);
    let in_uri = in_uri.rsplit('/').nth(1).unwrap_or_default();
    let is_other = name.is_some_and(|it| it != in_uri);
    let mut keys = profile.elements().filter(|it| it.local() == "sharedKey");
    let is_late = keys.any(|key| {
        let [material, kind, protected] = ["keyMaterial", "keyType", "protected"]
            .map(|name| child(key, name).map(|it| it.span().start));
        material.is_some_and(|material| kind.max(protected).is_some_and(|it| it > material))
    });
    let slips = [
        (
            is_foreign,
            "WLANProfile has another namespace than that of WLAN profiles, http://www.microsoft.com/networking/WLAN/profile/v1",
        ),
        (
            is_other,
            "the name in the LocURI is not that of the profile, its element name; Windows distinguishes upper and lower case",
        ),
        (
            is_late,
            "keyMaterial stands in front of keyType or protected",
        ),
    ];
    slips.into_iter().filter(|it| it.0).map(|it| it.1)
}

fn child<'d>(parent: Element<'d>, name: &str) -> Option<Element<'d>> {
    parent.elements().find(|it| it.local() == name)
}

/// The namespace of the root, in every version of Windows (schema WLAN_profile).
const SCHEMA: &str = "http://www.microsoft.com/networking/WLAN/profile/v1";
