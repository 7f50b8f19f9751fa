//! LocURIs: addresses of nodes in the management tree.
//!
//! Windows compares them without regard to case, and `./Vendor` means `./Device/Vendor` (MicrosoftDocs, OMA DM protocol
//! support, "User targeted vs. device targeted configuration"). `%7BA%7D` and `{A}` are the same name (RFC 3986
//! §6.2.2.2).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Returns the normal form of a LocURI, which is equal for all spellings of one node: lower case, without `./`, without
/// `device/`, without query, percent-decoded.
pub fn canonical(uri: &str) -> String {
    plain(segments(uri)).to_ascii_lowercase()
}

/// Percent-decodes a LocURI, or a part of one, except for characters that would then be separators or wildcards.
pub fn plain(uri: &str) -> Cow<'_, str> {
    if memchr::memchr(b'%', uri.as_bytes()).is_none() {
        return Cow::Borrowed(uri);
    }
    let names: Vec<_> = uri.split('/').map(decoded).collect();
    Cow::Owned(names.join("/"))
}

fn decoded(segment: &str) -> Cow<'_, str> {
    // Encoded twice, so that decoding leaves them encoded once.
    let twice = KEPT.iter().fold(segment.to_owned(), |text, kept| {
        text.replace(kept, &kept.replace('%', "%25"))
    });
    match percent_decode_str(&twice).decode_utf8() {
        Ok(name) => Cow::Owned(name.into_owned()),
        Err(_) => Cow::Borrowed(segment),
    }
}

/// The encodings of `%` (first), `/`, `?` and `*`.
const KEPT: [&str; 7] = ["%25", "%2f", "%2F", "%3f", "%3F", "%2a", "%2A"];

/// Whether `uri` is `node` or lies below it, in any spelling.
pub fn is_within(uri: &str, node: &str) -> bool {
    let [path, around] = [uri, node].map(segments);
    if path.contains('%') || around.contains('%') {
        let [uri, node] = [uri, node].map(canonical);
        return begins_with(&uri, &node);
    }
    begins_with(path, around)
}

/// Whether `uri` is `node` or a direct child: an Alert names the node that a command executed, or its parent, the job.
pub fn is_or_is_child(uri: &str, node: &str) -> bool {
    let uri = canonical(uri);
    let rest = uri.strip_prefix(&canonical(node));
    rest.is_some_and(|rest| rest.is_empty() || rest.rfind('/') == Some(0))
}

/// Whether the first segments of a path are those of another path.
fn begins_with(path: &str, around: &str) -> bool {
    let (path, around) = (path.as_bytes(), around.as_bytes());
    let front = path.get(..around.len());
    front.is_some_and(|front| front.eq_ignore_ascii_case(around))
        && matches!(path.get(around.len()), None | Some(b'/'))
}

/// Returns the segments of a LocURI without `./`, `device/` and query, in the original case and encoding.
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

/// Whether a node is in the user's tree: `./User/…`.
pub fn is_of_user(uri: &str) -> bool {
    let first = segments(uri).split('/').next().unwrap_or_default();
    first.eq_ignore_ascii_case("User")
}

const DEVICE: &str = "device/";

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
        let job = "vendor/msft/edam/msi/{a b}";
        for uri in [
            "./Vendor/MSFT/EDAM/MSI/%7BA%20B%7d",
            "Vendor/MSFT/EDAM/MSI/{a b}",
        ] {
            assert_eq!(canonical(uri), job, "{uri}");
            assert!(is_within(
                &format!("{uri}/Status"),
                "./Device/Vendor/MSFT/EDAM/MSI/{A%20B}"
            ));
            assert!(!is_within(&format!("{uri}x"), job));
        }
        // Characters that stay encoded do not keep the others from being decoded.
        assert_eq!(canonical("./%7BA%2FB%7D/%C3%84%2a"), "{a%2fb}/Ä%2a");
        // Decoded, these would be other nodes.
        for uri in [
            "a%2fb/{c}",
            "a%3fb",
            "a%2a",
            "a%25b",
            "a%252fb",
            "a%ff",
            "a%",
        ] {
            assert_eq!(canonical(uri), uri);
        }
        let of_user = ["./User/Vendor/MSFT/X", "user/Vendor", "./user"].map(is_of_user);
        let of_device =
            ["./Device/Vendor/X", "./Vendor/MSFT/User", "./Users/X", ""].map(is_of_user);
        assert_eq!((of_user, of_device), ([true; 3], [false; 4]));
    }
}
