//! Header fields with URLs that the device follows, and header fields that sign a body.

use http::HeaderMap;

use crate::flow::origin::{
    AT, LearnedHosts, Origin, OriginMap, Reach, Turned, UrlOrigin, host_in_path,
};

/// Rewrites a field value of a response for the device. `path` is the path of the request as the device wrote it: a URL
/// without a host is relative to it.
pub fn rewrite_location(
    value: &str,
    path: &str,
    map: &OriginMap,
    reach: Reach,
    learned: &LearnedHosts,
) -> Turned {
    if let Some(url) = UrlOrigin::of(value) {
        return map.to_device(&url, reach, learned);
    }
    let scheme = format!("{}:", map.scheme().name());
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

/// Rewrites the servers in a list of sources (Content-Security-Policy) or origins (Access-Control-Allow-Origin) for the
/// browser. Returns `None` if it names none.
pub fn rewrite_sources(value: &str, map: &OriginMap) -> Option<String> {
    let turned = |source: &str| {
        let url = UrlOrigin::of(source).or_else(|| UrlOrigin::of_bare(source))?;
        let turned = map.to_device(&url, Reach::Mapped, &LearnedHosts::default());
        turned.apply(source)
    };
    let sources = value.split_inclusive([' ', ';', ',']);
    let after: String = sources
        .map(|source| turned(source).unwrap_or_else(|| source.to_owned()))
        .collect();
    (after != value).then_some(after)
}

/// Removes the Domain of a cookie that names a server and not the host that the browser asked, which would drop the
/// cookie (RFC 6265 §5.3). Returns `None` if there is no such Domain.
pub fn rewrite_cookie(value: &str, map: &OriginMap) -> Option<String> {
    let is_dropped = |attribute: &&str| {
        let Some((name, domain)) = attribute.split_once('=') else {
            return false;
        };
        let domain = domain.trim().trim_start_matches('.').to_ascii_lowercase();
        let covers = |origin: &Origin| {
            let front = origin.host.strip_suffix(&domain);
            front.is_some_and(|front| front.is_empty() || front.ends_with('.'))
        };
        name.trim().eq_ignore_ascii_case("domain")
            && !domain.is_empty()
            && !covers(map.here())
            && map.pairs().iter().any(|pair| covers(&pair.server))
    };
    let (cookie, attributes) = value.split_once(';')?;
    let kept = attributes.split(';').filter(|it| !is_dropped(it));
    let after: Vec<&str> = std::iter::once(cookie).chain(kept).collect();
    let after = after.join(";");
    (after != value).then_some(after)
}

/// Returns the names of the header fields present that sign the bytes of a body.
pub fn signing_fields(headers: &HeaderMap) -> impl Iterator<Item = &'static str> {
    let names = SEALS.into_iter();
    names.filter(|name| headers.contains_key(*name))
}

/// OMA DM 1.2 Security §5.4; MS-MDM §2.1 and the DMClient CSP, which use different names for the same header.
const SEALS: [&str; 3] = ["x-syncml-hmac", "MS-Signature", "MDM-Signature"];
