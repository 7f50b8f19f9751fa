//! LocURIs: addresses of nodes in the management tree.
//!
//! Windows compares them without regard to case, and `./Vendor` means `./Device/Vendor`
//! (MicrosoftDocs, OMA DM protocol support, "User targeted vs. device targeted configuration").

/// The segments of a LocURI in the form in which two spellings of one node are equal: lower case, without
/// `./`, without `device/`, without query.
pub fn canonical(uri: &str) -> String {
    segments(uri).to_ascii_lowercase()
}

/// The same in the case it is written in.
pub fn segments(uri: &str) -> &str {
    let uri = uri.trim_ascii();
    let path = memchr::memchr(b'?', uri.as_bytes()).map_or(uri, |query| &uri[..query]);
    let path = path.strip_prefix("./").unwrap_or(path);
    let path = match (path.as_bytes().first(), path.as_bytes().last()) {
        (Some(b'/'), _) | (_, Some(b'/')) => path.trim_matches('/'),
        _ => path,
    };
    match path.get(..DEVICE.len()) {
        Some(start) if start.eq_ignore_ascii_case(DEVICE) => &path[DEVICE.len()..],
        _ => path,
    }
}

/// Whether a node is one of the user's: `./User/…`.
pub fn is_of_user(uri: &str) -> bool {
    let first = segments(uri).split('/').next().unwrap_or_default();
    first.eq_ignore_ascii_case("User")
}

const DEVICE: &str = "device/";

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
        let of_user = ["./User/Vendor/MSFT/X", "user/Vendor", "./user"].map(is_of_user);
        let of_device =
            ["./Device/Vendor/X", "./Vendor/MSFT/User", "./Users/X", ""].map(is_of_user);
        assert_eq!((of_user, of_device), ([true; 3], [false; 4]));
    }
}
