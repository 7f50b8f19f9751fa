//! Digests of credentials (OMA-TS-DM_Security-V1_2_1 §5.3.2, §5.4). Nonces are octets.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};

/// The part of every digest that depends on user and password: `B64(H(user:password))`. As secret as the password.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountKey(String);

impl AccountKey {
    /// Computes the key of a user.
    pub fn of(user: &str, password: &str) -> Self {
        Self(BASE64.encode(Md5::digest(format!("{user}:{password}"))))
    }

    /// Returns the Data of `syncml:auth-md5`: `B64(H(key:nonce))`.
    pub fn md5(&self, nonce: &[u8]) -> String {
        let whole = [self.0.as_bytes(), b":", nonce].concat();
        BASE64.encode(Md5::digest(whole))
    }

    /// Returns the `mac` of `x-syncml-hmac` for a body: `B64(H(key:nonce:B64(H(body))))`. `hashed` is the
    /// [`hash_of_body`].
    pub fn mac(&self, nonce: &[u8], hashed: &str) -> String {
        BASE64.encode(self.digest(nonce, hashed))
    }

    /// Returns what some peers send as `mac`: the HMAC of RFC 2104, with this key, over `nonce:B64(H(body))`.
    pub fn mac_of_rfc_2104(&self, nonce: &[u8], hashed: &str) -> String {
        let padded = |pad: u8| {
            let mut key = [pad; 64];
            key.iter_mut()
                .zip(self.0.bytes())
                .for_each(|(to, it)| *to ^= it);
            key
        };
        let text = [&padded(0x36)[..], nonce, b":", hashed.as_bytes()].concat();
        let inner = Md5::digest(text);
        BASE64.encode(Md5::digest([&padded(0x5c)[..], &inner[..]].concat()))
    }

    /// Returns the digest of a notification, as raw octets: `H(key:nonce:B64(H(trigger)))`
    /// (OMA-TS-DM_Notification-V1_2_1 §6.2.2).
    pub fn notification(&self, nonce: &[u8], trigger: &[u8]) -> [u8; 16] {
        self.digest(nonce, &hash_of_body(trigger))
    }

    fn digest(&self, nonce: &[u8], hashed: &str) -> [u8; 16] {
        let whole = [self.0.as_bytes(), b":", nonce, b":", hashed.as_bytes()].concat();
        Md5::digest(whole).into()
    }

    /// Whether the Data of `syncml:auth-basic`, `B64(user:password)`, has this user and password.
    pub fn is_basic(&self, data: &str) -> bool {
        let pair = BASE64.decode(data.trim_ascii());
        pair.is_ok_and(|pair| BASE64.encode(Md5::digest(pair)) == self.0)
    }
}

/// Returns `B64(H(body))`, which does not depend on key and nonce.
pub fn hash_of_body(body: &[u8]) -> String {
    BASE64.encode(Md5::digest(body))
}

/// Hides the key.
impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKey")
    }
}

/// The header field `x-syncml-hmac: algorithm=MD5, username="…", mac=…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hmac {
    /// The user: the LocName of the header's Source.
    pub user: String,
    /// The digest, in base64.
    pub mac: String,
}

impl Hmac {
    /// Parses the header field; `None` if it lacks the user or the digest.
    pub fn read(field: &str) -> Option<Self> {
        let (mut user, mut mac) = (None, None);
        let mut rest = field.trim_ascii();
        while let Some((name, value)) = rest.split_once('=') {
            let (value, behind) = value_of(value.trim_ascii_start());
            match name.trim_ascii().to_ascii_lowercase().as_str() {
                "username" => user = Some(value),
                "mac" => mac = Some(value),
                _ => {}
            }
            rest = behind.trim_ascii_start().trim_start_matches(',');
        }
        Some(Self {
            user: user?,
            mac: mac?,
        })
    }

    /// Whether the digest equals `mac`. Accepts base64 of its hexadecimal digits without padding, too, as in the sample
    /// of the standard.
    pub fn is(&self, mac: &str) -> bool {
        if self.mac == mac {
            return true;
        }
        let hex = |octets: Vec<u8>| {
            octets
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let hex = BASE64.decode(mac).map(hex).unwrap_or_default();
        self.mac.trim_end_matches('=') == BASE64.encode(hex).trim_end_matches('=')
    }
}

/// Writes the value of the header field.
impl fmt::Display for Hmac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "algorithm=MD5, username=\"{user}\", mac={}", self.mac)
    }
}

/// Returns a token or a quoted string, and the rest of the text.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        return (text[..end].trim_ascii().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bruce() -> AccountKey {
        AccountKey::of("Bruce2", "OhBehave")
    }

    #[test]
    fn digests_are_those_of_the_standard() {
        assert_eq!(bruce().md5(b"Nonce"), "Zz6EivR3yeaaENcRN6lpAQ==");
        let nonce = BASE64.decode("LG3iZQhhdmKNHg==").unwrap();
        assert_eq!(bruce().md5(&nonce), "LAK2i25Fh0nxxGGaAzRRpg==");
        let body = br#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr/></SyncML>"#;
        assert_eq!(
            bruce().mac(b"Nonce", &hash_of_body(body)),
            "ty/tTMIrV4MCZSFyuaB7qg=="
        );
        // By the hmac module of Python.
        assert_eq!(
            bruce().mac_of_rfc_2104(b"Nonce", &hash_of_body(body)),
            "HI1Ok7cGBcjWBm/+aWNXgw=="
        );
        assert!(bruce().is_basic("QnJ1Y2UyOk9oQmVoYXZl"));
        assert!(!bruce().is_basic("QnJ1Y2UyOm90aGVy"));
        assert_eq!(format!("{:?}", bruce()), "AccountKey");
    }

    #[test]
    fn the_header_field_is_read_in_every_form() {
        let check = |field: &str, expected: Option<(&str, &str)>| {
            let found = Hmac::read(field);
            let found = found.as_ref().map(|hmac| (&*hmac.user, &*hmac.mac));
            assert_eq!(found, expected, "{field}");
        };
        let both = Some(("Bruce2", "ty/tTMIrV4MCZSFyuaB7qg=="));
        check(
            r#"algorithm=MD5, username="Bruce2", mac=ty/tTMIrV4MCZSFyuaB7qg=="#,
            both,
        );
        check(r#"mac=ty/tTMIrV4MCZSFyuaB7qg== ,USERNAME="Bru\ce2""#, both);
        check(
            r#"username = "a, \"b\"=c", mac=x"#,
            Some(("a, \"b\"=c", "x")),
        );
        check("algorithm=MD5, mac=x", None);
        check("", None);
        check("username=\"a", None);
        let hex = BASE64.encode("b72fed4cc22b578302652172b9a07baa");
        for mac in ["ty/tTMIrV4MCZSFyuaB7qg==", &hex, hex.trim_end_matches('=')] {
            let hmac = Hmac {
                user: "Bruce2".into(),
                mac: mac.into(),
            };
            assert!(hmac.is("ty/tTMIrV4MCZSFyuaB7qg=="), "{mac}");
            assert!(!hmac.is("AAAAAAAAAAAAAAAAAAAAAA=="), "{mac}");
        }
    }
}
