//! Header fields with URLs that the device follows, and header fields that sign a body.

use http::HeaderMap;

use crate::flow::origin::{AT, LearnedHosts, OriginMap, Reach, Turned, UrlOrigin, host_in_path};

/// Rewrites a field value of a response for the device. `path` is the path of the request as the device wrote it: a URL
/// without a host is relative to it.
pub fn location(
    value: &str,
    path: &str,
    map: &OriginMap,
    reach: Reach,
    learned: &LearnedHosts,
) -> Turned {
    if let Some(url) = UrlOrigin::of(value) {
        return map.to_device(&url, reach, learned);
    }
    let scheme = format!("{}:", map.here().scheme.name());
    let Some((named, _)) = host_in_path(path) else {
        return match value.starts_with("//") {
            true => with_scheme(map, &scheme, value, reach, learned),
            false => Turned::Same,
        };
    };
    match value {
        // Without a scheme, the URL has the one of the server; servers reached through such a path always use https.
        _ if value.starts_with("//") => with_scheme(map, "https:", value, reach, learned),
        _ if value.starts_with('/') => Turned::To {
            length: 0,
            with: format!("{}{named}", AT),
            origin: map.here().clone(),
            learned: None,
        },
        _ => Turned::Same,
    }
}

fn with_scheme(
    map: &OriginMap,
    scheme: &str,
    value: &str,
    reach: Reach,
    learned: &LearnedHosts,
) -> Turned {
    let whole = format!("{scheme}{value}");
    let Some(url) = UrlOrigin::of(&whole) else {
        return Turned::Same;
    };
    let mut turned = map.to_device(&url, reach, learned);
    if let Turned::To { length, .. } = &mut turned {
        *length -= scheme.len();
    }
    turned
}

/// Returns the names of the header fields present that sign the bytes of a body.
pub fn seals(headers: &HeaderMap) -> impl Iterator<Item = &'static str> {
    let names = SEALS.into_iter();
    names.filter(|name| headers.contains_key(*name))
}

/// OMA DM 1.2 Security §5.4; MS-MDM §2.1 and the DMClient CSP, which use different names for the same header.
const SEALS: [&str; 3] = ["x-syncml-hmac", "MS-Signature", "MDM-Signature"];
