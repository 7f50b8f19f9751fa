//! A token in `Via` on each request to a server (RFC 9110 §7.6.3). A request that comes back with it is in a loop.

use std::io;

use http::Version;
use http::header::{self, HeaderMap, HeaderValue};

/// The name of one running proxy in `Via`.
#[derive(Clone, Debug)]
pub(super) struct ViaToken(String);

impl ViaToken {
    /// Creates a token that no other proxy has.
    ///
    /// # Errors
    /// An error if the system gives no random bytes.
    pub(super) fn random() -> io::Result<Self> {
        let mut bytes = [0; 8];
        aws_lc_rs::rand::fill(&mut bytes)
            .map_err(|_| io::Error::other("the system gives no random bytes"))?;
        Ok(Self(format!("dmtap-{:016x}", u64::from_be_bytes(bytes))))
    }

    /// Whether a request with these fields has passed through this proxy already.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::VIA).iter();
        values.any(|value| value.to_str().is_ok_and(|value| value.contains(&self.0)))
    }

    /// Adds the token to a request that came in this HTTP version.
    pub(super) fn put(&self, headers: &mut HeaderMap, version: Version) {
        let protocol = match version {
            Version::HTTP_2 => "2",
            Version::HTTP_10 => "1.0",
            _ => "1.1",
        };
        // The value has only visible ASCII.
        if let Ok(value) = HeaderValue::from_str(&format!("{protocol} {}", self.0)) {
            headers.append(header::VIA, value);
        }
    }
}
