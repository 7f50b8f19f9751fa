//! The CSP of a node.

use super::{Fact, FactKind, all, table};

/// Returns the name of the CSP in a LocURI, as written there: `./User/Vendor/MSFT/BitLocker/…`, `./DevInfo/DevId`.
pub fn csp_name(loc_uri: &str) -> Option<&str> {
    let path = loc_uri.split('?').next().unwrap_or_default();
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let first = segments.clone().next()?;
    if !path.contains('/') {
        return None;
    }
    let is_msft = |segment: &str| segment.eq_ignore_ascii_case("MSFT");
    let name = match segments.clone().any(is_msft) {
        true => segments
            .by_ref()
            .skip_while(|segment| !is_msft(segment))
            .nth(1)?,
        // The standard objects are directly below the root.
        false => segments.find(|segment| *segment != "." && !is_scope(segment))?,
    };
    let is_rooted = first == "." || is_scope(first) || first.eq_ignore_ascii_case("Vendor");
    is_rooted.then_some(name)
}

/// Returns the fact about the CSP in a LocURI.
pub fn csp_of(loc_uri: &str) -> Option<&'static Fact> {
    let name = csp_name(loc_uri)?;
    let known = |fact: &&Fact| {
        fact.kind == FactKind::Csp && (fact.key.eq_ignore_ascii_case(name) || is_dmacc(fact, name))
    };
    all().iter().find(known)
}

/// Returns the only scope in which a CSP has nodes, `Device` or `User`; `None` if it has both, or if that is unknown.
pub fn only_scope(csp: &Fact) -> Option<&'static str> {
    match table::scope_of_csp(&csp.key)? {
        "device" => Some("Device"),
        "user" => Some("User"),
        _ => None,
    }
}

/// Whether a canonical node is the one that Intune writes to in each session as a probe: Windows always answers 404.
pub fn is_probe(node: &str) -> bool {
    node.ends_with(
        "policy/configoperations/admxinstall/receiver/properties/policy/fakepolicy/version",
    )
}

fn is_scope(segment: &str) -> bool {
    ["Device", "User"]
        .iter()
        .any(|scope| scope.eq_ignore_ascii_case(segment))
}

/// Whether a name is that of the DMAcc object: `./SyncML/DMAcc/…`
fn is_dmacc(fact: &Fact, name: &str) -> bool {
    fact.key == "DMAcc" && name.eq_ignore_ascii_case("SyncML")
}
