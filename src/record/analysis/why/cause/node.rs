//! The kinds of nodes for which a failure has an advice of its own.

use crate::dm::locuri;
use crate::facts;
use crate::flow::Transaction;

/// Whether a command is about an interior node, which has child nodes and no value.
pub(super) fn is_interior(transaction: &Transaction) -> bool {
    let format = transaction
        .items
        .first()
        .and_then(|item| item.format.as_deref());
    format.is_some_and(|format| format.eq_ignore_ascii_case("node"))
}

pub(super) fn is_wipe(node: &str) -> bool {
    locuri::canonical(node).starts_with("vendor/msft/remotewipe/")
}

/// Whether the CSP of a node is on no desktop edition of Windows.
pub(super) fn lacks_on_desktops(transaction: &Transaction) -> bool {
    let fact = transaction.node().and_then(facts::csp_of);
    fact.is_some_and(|it| it.more.contains("On no desktop edition"))
}

/// Whether a node is below one that a server adds: work that an Exec begins needs its description first.
pub(super) fn is_below_an_added_node(transaction: &Transaction) -> bool {
    let node = transaction
        .node()
        .map(locuri::canonical)
        .unwrap_or_default();
    ADDED.iter().any(|part| node.contains(part))
}

const ADDED: [&str; 5] = [
    "/enterprisemodernappmanagement/appinstallation/",
    "/enterprisedesktopappmanagement/msi/",
    "/scep/",
    "/office/installation/",
    "/upprinterinstalls/",
];

/// Returns the app whose ADMX file defines the policy: `App` in
/// `./Device/Vendor/MSFT/Policy/Config/App~Policy~…/Name`.
pub(super) fn admx_of(transaction: &Transaction) -> Option<String> {
    let node = transaction.failed_node()?;
    let area = node.split('/').find(|segment| segment.contains('~'))?;
    let app = area.split('~').next()?;
    is_policy(transaction).then(|| app.to_owned())
}

/// Whether a command is about a policy: Replace creates a policy, too.
pub(super) fn is_policy(transaction: &Transaction) -> bool {
    policy_area(transaction).is_some()
}

/// Returns the area of the policy that a command sets or reads, canonical: `admx_windowsexplorer`.
pub(in crate::record::analysis::why) fn policy_area(transaction: &Transaction) -> Option<String> {
    let node = locuri::canonical(transaction.failed_node()?);
    let node = node.strip_prefix("user/").unwrap_or(&node);
    let rest = node.strip_prefix("vendor/msft/policy/config/")?;
    rest.split('/').next().map(str::to_owned)
}
