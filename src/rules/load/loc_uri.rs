//! The warnings about LocURI patterns that are valid but probably match nothing.

use crate::dm::locuri;
use crate::rules::mistake::Mistake;
use crate::rules::value::is_regex;

/// Returns a warning about a pattern that [`crate::rules::glob::UriGlob`] accepts, if it is suspicious.
///
/// A pattern without `./` may be right: `Vendor/MSFT/…`, `**/BitLocker/*`, an address. A pattern with `./` may name the
/// root of a vendor. The warning is for nodes of Windows without the path to them.
pub(super) fn warning_about(pattern: &str) -> Option<Mistake> {
    let warning = |title: String, help: String| Some(Mistake::new(title).help(help));
    if is_regex(pattern) {
        return warning(
            format!("`{pattern}` looks like a regular expression"),
            "`*` matches any characters in a segment here, `**` any number of segments".into(),
        );
    }
    if pattern.contains(':') {
        return None;
    }
    if let Some(rest) = pattern.strip_prefix('/') {
        return warning(
            format!("no LocURI begins with `/`, as `{pattern}` does"),
            format!("dmtap takes it for `./{rest}`: write that"),
        );
    }
    let path = locuri::segments(pattern);
    let path = match path.get(..USER.len()) {
        Some(start) if start.eq_ignore_ascii_case(USER) => &path[USER.len()..],
        _ => path,
    };
    let mut segments = path.split('/');
    let first = segments.next().unwrap_or_default();
    if first.is_empty() || first.contains('*') {
        return None;
    }
    let is = |known: &&str| known.eq_ignore_ascii_case(first);
    let below = match first {
        _ if ROOTS.iter().any(is) => return None,
        _ if first.eq_ignore_ascii_case("MSFT") => format!("./Device/Vendor/{path}"),
        _ if NODES.iter().any(is) => format!("./Device/Vendor/MSFT/{path}"),
        // This may be a root that dmtap does not know.
        _ if pattern.starts_with('.') => return None,
        _ if segments.next().is_none() => {
            return warning(
                format!(
                    "`{pattern}` is not a LocURI: it names neither the root nor a place below it"
                ),
                format!(
                    "write ./Device/Vendor/MSFT/…, or **/{path} for nodes of this name anywhere"
                ),
            );
        }
        _ => format!("./Device/Vendor/MSFT/{path}"),
    };
    warning(
        format!("`{pattern}` matches no LocURI of Windows: none has `{first}` at its root"),
        format!("write {below}, or **/{path} for nodes anywhere"),
    )
}

const USER: &str = "user/";

/// The nodes at the root: of Windows, and of the management objects of OMA.
const ROOTS: [&str; 24] = [
    "Vendor",
    "Device",
    "User",
    "DevInfo",
    "DevDetail",
    "DMAcc",
    "SyncML",
    "Inbox",
    "DMS",
    "AP",
    "Con",
    "Com",
    "Ext",
    "FUMO",
    "SCOMO",
    "LAWMO",
    "DCMO",
    "DiagMon",
    "GwMO",
    "SCM",
    "ANDSF",
    "IMS",
    "BCAST",
    "cimv2",
];

/// Nodes that Windows has below `./Vendor/MSFT`, and that nobody has at the root.
const NODES: [&str; 19] = [
    "AppLocker",
    "AssignedAccess",
    "BitLocker",
    "ClientCertificateInstall",
    "Defender",
    "DeviceStatus",
    "DMClient",
    "EnrollmentStatusTracking",
    "EnterpriseDesktopAppManagement",
    "EnterpriseModernAppManagement",
    "LAPS",
    "NodeCache",
    "PassportForWork",
    "Policy",
    "RemoteLock",
    "RemoteWipe",
    "RootCATrustedCertificates",
    "VPNv2",
    "WindowsLicensing",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_without_the_way_to_it_is_odd() {
        let check = |pattern: &str, help: &str| {
            let found = warning_about(pattern).unwrap_or_else(|| panic!("{pattern}"));
            assert!(found.0.helps[0].contains(help), "{pattern}: {found:?}");
        };
        check(
            "BitLocker/**",
            "write ./Device/Vendor/MSFT/BitLocker/**, or **/BitLocker/**",
        );
        check(
            "./BitLocker/Status",
            "write ./Device/Vendor/MSFT/BitLocker/Status",
        );
        check(
            "./User/Policy/Config/*",
            "./Device/Vendor/MSFT/Policy/Config/*",
        );
        check(
            "MSFT/BitLocker/**",
            "write ./Device/Vendor/MSFT/BitLocker/**",
        );
        check("./MSFT/**", "write ./Device/Vendor/MSFT/**");
        check("WiFi/Profile/*", "./Device/Vendor/MSFT/WiFi/Profile/*");
        check("/Vendor/MSFT/**", "`./Vendor/MSFT/**`");
        check("nonsense", "**/nonsense");
    }

    #[test]
    fn roots_wildcards_and_names_of_others_are_not() {
        for pattern in [
            "./Vendor/MSFT/BitLocker/**",
            "Vendor/MSFT/BitLocker",
            "./Device/Vendor/**",
            "Device/Vendor/MSFT",
            "./User/Vendor/MSFT/**",
            "./DevInfo",
            "DevDetail/SwV",
            "./SyncML/DMAcc/**",
            "./DMAcc/*/AAuthPref",
            "**",
            "**/BitLocker/**",
            "*/X",
            "./*/MSFT",
            "./FUMO/x",
            "./com.example/Thing/**",
            "./X/Y",
            "./card",
            "urn:uuid:1",
            "https://mdm.example.com/dm",
            "IMEI:493005100592800",
            "./Inbox/abc",
            "./cimv2/MDM_X/*",
        ] {
            assert_eq!(warning_about(pattern), None, "{pattern}");
        }
    }
}
