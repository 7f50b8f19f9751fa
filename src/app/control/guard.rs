//! The check of requests: they need the token, come from no browser, and name this address as their host.

use std::net::{IpAddr, SocketAddr};

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::answer::Answer;
use super::{Reach, Token};

/// The guard of one listener.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) address: SocketAddr,
    reach: Reach,
    pub(super) token: Token,
}

impl Guard {
    pub(super) fn new(address: SocketAddr, reach: Reach, token: Token) -> Self {
        Self {
            address,
            reach,
            token,
        }
    }

    /// Checks whether a request may be answered.
    pub(super) fn check(&self, head: &Parts) -> Result<(), Answer> {
        // A page of any origin can make a browser send requests here; browsers then add one of these fields.
        let has_origin = head.headers.contains_key(ORIGIN);
        let site = head.headers.get(FETCH_SITE);
        if has_origin || site.is_some_and(|site| site != "none") {
            let why = match has_origin {
                true => "the control API answers no browser, and the request has Origin",
                false => "the control API answers no browser, and the request has Sec-Fetch-Site",
            };
            return Err(Answer::error(StatusCode::FORBIDDEN, why).help(
                "ask from a program, such as curl or a test suite, without Origin and Sec-Fetch-Site",
            ));
        }
        if !self.is_named(head) {
            // A foreign name that leads here (DNS rebinding), or a request meant for a proxy.
            let why = "the request is not addressed to the control API";
            let right = format!("http://{}", self.address);
            let help =
                format!("ask {right}, by address or as localhost with the port, not by proxy");
            return Err(Answer::error(StatusCode::FORBIDDEN, why).help(help));
        }
        self.check_token(&head.headers).map_err(|why| {
            Answer::unauthorized(why).help(
                "send Authorization: Bearer TOKEN; the token is what dmtap said at its start, or what stands in \
                 --control-token-file or DMTAP_CONTROL_TOKEN",
            )
        })
    }

    /// Whether the request names this listener wherever it names a host.
    fn is_named(&self, head: &Parts) -> bool {
        let mut hosts = head.headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return false;
        };
        let named = host.to_str().is_ok_and(|host| self.is_own(host));
        let asked = head.uri.authority();
        named && asked.is_none_or(|asked| self.is_own(asked.as_str()))
    }

    fn is_own(&self, host: &str) -> bool {
        let Ok(host) = host.parse::<http::uri::Authority>() else {
            return false;
        };
        if host.port_u16().unwrap_or(80) != self.address.port() || host.as_str().contains('@') {
            return false;
        }
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        match name.parse::<IpAddr>() {
            // An address cannot be made to lead elsewhere.
            Ok(ip) => ip.is_loopback() || ip == self.address.ip() || self.reach == Reach::Anybody,
            // The names that other machines use for this one are not known: there the token alone guards.
            Err(_) => name.eq_ignore_ascii_case("localhost") || self.reach == Reach::Anybody,
        }
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let mut shown = headers.get_all(AUTHORIZATION).iter();
        let shown = match (shown.next(), shown.next()) {
            (Some(shown), None) => shown.as_bytes(),
            (None, _) => return Err("the token is missing"),
            (Some(_), Some(_)) => return Err("there is more than one Authorization"),
        };
        let (scheme, token) = shown.split_at(shown.len().min(BEARER.len()));
        if !scheme.eq_ignore_ascii_case(BEARER) {
            return Err("the token is missing: Authorization does not begin with Bearer");
        }
        match self.token.is(token.trim_ascii()) {
            true => Ok(()),
            false => Err("the token is wrong"),
        }
    }
}

/// The field in which browsers name the origin of a request; `none` is an address typed by hand.
const FETCH_SITE: &str = "sec-fetch-site";
const BEARER: &[u8] = b"Bearer ";

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn refused(reach: Reach, target: &str, fields: &[(&str, &str)]) -> Option<u16> {
        refusal(reach, target, fields).map(|answer| answer.status())
    }

    fn refusal(reach: Reach, target: &str, fields: &[(&str, &str)]) -> Option<Answer> {
        let address = "127.0.0.1:9090".parse().unwrap();
        let guard = Guard::new(address, reach, Token::chosen(TOKEN).unwrap());
        let request = http::Request::get(target);
        let request = fields.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let (head, ()) = request.body(()).unwrap().into_parts();
        guard.check(&head).err()
    }

    #[test]
    fn only_requests_to_its_own_name_are_answered() {
        let check = |host: &str, expected: Option<u16>| {
            let fields = [("host", host), ("authorization", "Bearer 0123456789abcdef")];
            let refused = refused(Reach::Loopback, "/rules", &fields);
            assert_eq!(refused, expected, "{host}");
        };
        for host in [
            "127.0.0.1:9090",
            "localhost:9090",
            "LOCALHOST:9090",
            "[::1]:9090",
        ] {
            check(host, None);
        }
        for host in [
            "rebound.example:9090",
            "localhost.example:9090",
            "localhost",
            "localhost:80",
            "localhost:9091",
            "192.0.2.1:9090",
            "a@localhost:9090",
            "",
        ] {
            check(host, Some(403));
        }
    }

    #[test]
    fn browsers_proxies_and_those_without_the_token_are_not_answered() {
        let host = ("host", "localhost:9090");
        let authorized = |with: &'static str| ("authorization", with);
        let bearer = authorized("Bearer 0123456789abcdef");
        let origin = |of: &'static str| ("origin", of);
        let site = |of: &'static str| ("sec-fetch-site", of);
        let check = |target: &str, fields: &[(&str, &str)], expected: Option<u16>| {
            let refused = refused(Reach::Loopback, target, fields);
            assert_eq!(refused, expected, "{fields:?}");
        };
        check("/", &[host, bearer], None);
        check("/", &[host, authorized("bearer 0123456789abcdef")], None);
        check("/", &[host, bearer, site("none")], None);
        check("http://localhost:9090/", &[host, bearer], None);
        for other in [
            origin("http://localhost:9090"),
            origin("null"),
            site("cross-site"),
            host,
        ] {
            check("/", &[host, bearer, other], Some(403));
        }
        check("/", &[bearer], Some(403));
        check("http://other.example/", &[host, bearer], Some(403));
        check("/", &[host], Some(401));
        check("/", &[host, bearer, bearer], Some(401));
        for wrong in [
            "Bearer",
            "Bearer ",
            "Bearer 0123456789abcdeg",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
        ] {
            check("/", &[host, authorized(wrong)], Some(401));
        }
    }

    #[test]
    fn refusals_give_their_reason() {
        let host = ("host", "localhost:9090");
        let check = |fields: &[(&str, &str)], expected: &str| {
            let why = refusal(Reach::Loopback, "/", fields);
            let why = why.map(|answer| answer.why().to_owned());
            assert_eq!(why.as_deref(), Some(expected), "{fields:?}");
        };
        check(&[host], "the token is missing");
        check(
            &[host, ("authorization", "Bearer 0123456789abcdeg")],
            "the token is wrong",
        );
        check(
            &[host, ("authorization", "Basic 0123456789abcdef")],
            "the token is missing: Authorization does not begin with Bearer",
        );
        check(
            &[host, ("origin", "null")],
            "the control API answers no browser, and the request has Origin",
        );
        check(
            &[host, ("sec-fetch-site", "cross-site")],
            "the control API answers no browser, and the request has Sec-Fetch-Site",
        );
        let other = "the request is not addressed to the control API";
        check(&[("host", "rebound.example:9090")], other);
    }

    #[test]
    fn opened_to_other_machines_it_takes_any_name_and_still_no_browser() {
        let bearer = ("authorization", "Bearer 0123456789abcdef");
        let check = |fields: &[(&str, &str)], expected: Option<u16>| {
            assert_eq!(refused(Reach::Anybody, "/", fields), expected, "{fields:?}");
        };
        check(&[("host", "dmtap:9090"), bearer], None);
        check(&[("host", "dmtap:9091"), bearer], Some(403));
        check(&[("host", "dmtap:9090")], Some(401));
        let origin = ("origin", "http://dmtap:9090");
        check(&[("host", "dmtap:9090"), bearer, origin], Some(403));
    }
}
