//! Names that announce a secret: of nodes of the management tree, of elements, parameters and fields.

use std::borrow::Cow;

/// Whether a node of the management tree holds a key, a password or a profile with one inside.
pub(super) fn is_secret_node(uri: &str) -> bool {
    let path = uri.trim_ascii();
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let path = match path.contains('%') {
        true => Cow::Owned(percent_decoded(path)),
        false => Cow::Borrowed(path.as_bytes()),
    };
    let mut segments = path.split(|byte| *byte == b'/').filter(|s| !s.is_empty());
    let last = segments.clone().next_back().unwrap_or_default();
    is_secret_leaf(last) || segments.any(is_secret_branch)
}

/// Whether a leaf of this name holds a secret wherever it stands.
pub(super) fn is_secret_leaf(name: &[u8]) -> bool {
    one_of(&SECRET_LEAVES, name)
}

/// Whether all in a branch of this name is kept secret.
pub(super) fn is_secret_branch(name: &[u8]) -> bool {
    one_of(&SECRET_BRANCHES, name)
}

/// Whether an element, parameter or field of this name holds a secret.
pub(super) fn is_secret_name(name: &[u8]) -> bool {
    let ends = |ending: &&str| {
        let from = name.len().checked_sub(ending.len());
        let end = from.and_then(|from| name.get(from..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(ending.as_bytes()))
    };
    one_of(&EXACT, name) || ENDINGS.iter().any(ends) && !one_of(&HARMLESS, name)
}

fn one_of(known: &[&str], name: &[u8]) -> bool {
    let mut known = known.iter();
    known.any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

fn percent_decoded(path: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [byte, after @ ..] = rest {
        let hex = after.get(..2).filter(|_| *byte == b'%');
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                decoded.push(value);
                rest = &after[2..];
            }
            None => {
                decoded.push(*byte);
                rest = after;
            }
        }
    }
    decoded
}

/// Branches of which everything is kept secret: profiles that carry keys inside (WiFi, VPN, VPNv2 and
/// ClientCertificateInstall CSPs; OMA's own Wi-Fi and VPN objects begin alike).
const SECRET_BRANCHES: [&str; 5] = [
    "WiFi",
    "VPN",
    "VPNv2",
    "PFXCertInstall",
    "RecoveryPasswords",
];

/// Leaves that hold a secret wherever they stand.
const SECRET_LEAVES: [&str; 13] = [
    "AAuthData",
    "AAuthSecret",
    "AuthSecret",
    "Challenge",
    "EnrollmentData",
    "Password",
    "Passphrase",
    "PFXCertBlob",
    "PFXCertPassword",
    "PreSharedKey",
    "RecoveryPassword",
    "SharedKey",
    "WlanXml",
];

/// How names of secrets end.
pub(super) const ENDINGS: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "nextnonce",
    "enrollmentdata",
    "aauthdata",
    "wresult",
    "sharedkey",
    "keymaterial",
    "apikey",
    "api_key",
    "api-key",
    "pfxcertblob",
    "wlanxml",
    "authorization",
];

/// Names that mean a secret only when there is nothing in front.
pub(super) const EXACT: [&str; 3] = ["assertion", "challenge", "pwd"];

/// Names that end like a secret and are none: the request of an enrollment (WS-Trust).
const HARMLESS: [&str; 1] = ["RequestSecurityToken"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        for name in ["Password", "access_token", "AAUTHSECRET", "PreSharedKey"] {
            assert!(is_secret_name(name.as_bytes()), "{name}");
        }
        for name in ["TokenType", "RequestSecurityToken", "PasswordAge", "Claim"] {
            assert!(!is_secret_name(name.as_bytes()), "{name}");
        }
        for uri in ["./WiFi", "./a/AAuth%53ecret", "./Vendor/MSFT/wifi/a?x"] {
            assert!(is_secret_node(uri), "{uri}");
        }
        for uri in ["./a", "", "./Passwords/a", "./a%"] {
            assert!(!is_secret_node(uri), "{uri}");
        }
    }
}
