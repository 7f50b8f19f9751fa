//! LocURIs: addresses of nodes in the management tree.
//!
//! Windows compares them without regard to case, and `./Vendor` means `./Device/Vendor`
//! (MicrosoftDocs, OMA DM protocol support, "User targeted vs. device targeted configuration").

/// The segments of a LocURI in the form in which two spellings of one node are equal: lower case, without
/// `./`, without `device/`, without query.
pub fn canonical(uri: &str) -> String {
    let path = uri
        .trim()
        .split_once('?')
        .map_or(uri.trim(), |(path, _)| path);
    let path = path.strip_prefix("./").unwrap_or(path);
    let lower = path.trim_matches('/').to_ascii_lowercase();
    match lower.strip_prefix("device/") {
        Some(rest) => rest.to_owned(),
        None => lower,
    }
}

/// The query of a LocURI, such as `list=StructData` or `prop=Type`.
pub fn query(uri: &str) -> Option<&str> {
    uri.split_once('?').map(|(_, query)| query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_node_are_equal() {
        let node = "vendor/msft/bitlocker/status";
        for uri in [
            "./Device/Vendor/MSFT/BitLocker/Status",
            "./device/vendor/msft/bitlocker/status?prop=Type",
            "./Vendor/MSFT/BitLocker/Status",
            " ./vendor/MSFT/BitLocker/Status/ ",
        ] {
            assert_eq!(canonical(uri), node, "{uri}");
        }
        assert_eq!(canonical("./User/Vendor/MSFT"), "user/vendor/msft");
        assert_eq!(query("./DevInfo?list=Struct"), Some("list=Struct"));
    }
}
