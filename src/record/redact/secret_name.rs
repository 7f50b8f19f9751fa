//! Names that announce a secret: of nodes of the management tree, elements, parameters and fields.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Returns whether a node of the management tree holds a key, a password, or a profile that contains one.
pub(super) fn is_secret_node(uri: &str) -> bool {
    let path = decoded_path(uri);
    let mut segments = path.split(|byte| *byte == b'/').filter(|s| !s.is_empty());
    let mut from_the_end = segments.clone().rev();
    let last = from_the_end.next().unwrap_or_default();
    let leaf = match last.eq_ignore_ascii_case(b"value") {
        true => from_the_end.next().unwrap_or_default(),
        false => last,
    };
    is_secret_name(leaf) || segments.any(is_secret_branch)
}

/// Whether a value of a node says how the installation of a PFX file ended: a number (ClientCertificateInstall CSP).
pub(super) fn is_pfx_status(uri: &str, value: &str) -> bool {
    let path = decoded_path(uri);
    let mut from_the_end = path.rsplit(|byte| *byte == b'/');
    let mut is = |name: &str| {
        let segment = from_the_end.next();
        segment.is_some_and(|it| name.is_empty() || it.eq_ignore_ascii_case(name.as_bytes()))
    };
    let is_status =
        is("Status") && is("") && is("PFXCertInstall") && is("ClientCertificateInstall");
    is_status && value.trim().parse::<i32>().is_ok()
}

/// Returns whether a node is in a branch of Wi-Fi or VPN profiles.
pub(super) fn is_profile_node(uri: &str) -> bool {
    let path = decoded_path(uri);
    let mut segments = path.split(|byte| *byte == b'/');
    segments.any(|segment| one_of(&PROFILE_BRANCHES, segment))
}

/// Returns the path of a node without its query, percent-decoded.
fn decoded_path(uri: &str) -> Cow<'_, [u8]> {
    let path = uri.trim_ascii();
    let query = memchr::memchr(b'?', path.as_bytes());
    let path = query.map_or(path, |query| &path[..query]);
    match memchr::memchr(b'%', path.as_bytes()) {
        Some(_) => percent_decode_str(path).into(),
        None => Cow::Borrowed(path.as_bytes()),
    }
}

/// Returns whether everything in a branch of this name is secret.
pub(super) fn is_secret_branch(name: &[u8]) -> bool {
    one_of(&SECRET_BRANCHES, name)
}

/// Returns whether an element, parameter or field of this name holds a secret. Separators and digits at the end are
/// ignored: `api-key`, `ApiKey` and `API_KEY2` are the same name.
pub(super) fn is_secret_name(name: &[u8]) -> bool {
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit());
    let name = &name[..name.len() - digits.count()];
    // Compares from the end, without separators: nearly all names differ in the last character.
    let from_the_end = || {
        let plain = name.iter().rev().take(LONGEST);
        let plain = plain.filter(|byte| !matches!(byte, b'_' | b'-' | b'.' | b' '));
        plain.map(u8::to_ascii_lowercase)
    };
    let Some(last) = from_the_end().next() else {
        return false;
    };
    let ends = |ending: &&str| {
        let mut rest = from_the_end();
        ending.as_bytes().last() == Some(&last)
            && ending.bytes().rev().all(|byte| rest.next() == Some(byte))
    };
    let is_exact = |known: &&str| name.len() <= LONGEST && known.bytes().rev().eq(from_the_end());
    let is_known = ENDINGS.iter().any(ends) || EXACT.iter().any(is_exact) || ends_with_word(name);
    is_known && !one_of(&HARMLESS, name) && !is_policy(name)
}

/// Returns whether a context item of an enrollment is a secret. The attestation of the device's keys is a secret, too
/// (MS-MDE2 §3.5.5.2); its result, AttestationStatus, is not.
pub(super) fn is_secret_item(name: &[u8]) -> bool {
    let begins = |known: &&str| {
        let front = name.get(..known.len());
        front.is_some_and(|front| front.eq_ignore_ascii_case(known.as_bytes()))
    };
    SECRET_ITEMS.iter().any(begins) || is_secret_name(name)
}

/// The beginnings of the names of context items that are secrets: the device's answer to a challenge, and what attests its
/// keys.
pub(super) const SECRET_ITEMS: [&str; 4] = ["AIK", "AAD", "AzureAttestationBlob", "EnrollmentData"];

/// Returns whether the last word of a name is one of [`WORDS`], as in `ServerPW` and `x-user-pin`.
fn ends_with_word(name: &[u8]) -> bool {
    WORDS.iter().any(|word| {
        let Some(start) = name.len().checked_sub(word.len()) else {
            return false;
        };
        let (front, end) = name.split_at(start);
        let begins = match front.last() {
            None => true,
            Some(before) if before.is_ascii_alphanumeric() => {
                before.is_ascii_lowercase() && end[0].is_ascii_uppercase()
            }
            Some(_) => true,
        };
        begins && end.eq_ignore_ascii_case(word.as_bytes())
    })
}

/// Returns whether a name says what is allowed or required, such as the policy AllowSimpleDevicePassword.
fn is_policy(name: &[u8]) -> bool {
    VERBS.iter().any(|verb| {
        let rest = name.strip_prefix(verb.as_bytes());
        rest.is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_uppercase))
    })
}

fn one_of(known: &[&str], name: &[u8]) -> bool {
    let mut known = known.iter();
    known.any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

/// Branches in which everything is secret: profiles that contain keys (WiFi, VPN, VPNv2 and ClientCertificateInstall
/// CSPs; OMA's own Wi-Fi and VPN objects have the same beginning). In a profile that can be read, the listed names are
/// shown.
const SECRET_BRANCHES: [&str; 6] = [
    "WiFi",
    "VPN",
    "VPNv2",
    "PFXCertInstall",
    "RecoveryPasswords",
    "OfflineDomainJoin",
];

/// The branches that hold Wi-Fi and VPN profiles.
const PROFILE_BRANCHES: [&str; 3] = ["WiFi", "VPN", "VPNv2"];

/// The endings of the names of secrets, without separators.
const ENDINGS: [&str; 52] = [
    "aauthdata",
    "accesskey",
    "accountkey",
    "activationcode",
    "apikey",
    "assertion",
    "authcode",
    "authkey",
    "authorization",
    "authorizationcode",
    "clientkey",
    "codeverifier",
    "configblob",
    "credential",
    "credentialsblob",
    "customconfiguration",
    "devicecode",
    "encryptionkey",
    "enrollmentdata",
    "keymaterial",
    "licensekey",
    "masterkey",
    "matchingid",
    "networkkey",
    "nonce",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "pfxcertblob",
    "pincode",
    "pinvalue",
    "privatekey",
    "productkey",
    "psk",
    "pwd",
    "recoverykey",
    "samlresponse",
    "secret",
    "secretkey",
    "serverkey",
    "setupkey",
    "sharedkey",
    "signingkey",
    "storagekey",
    "symmetrickey",
    "token",
    "wepkey",
    "wlanxml",
    "workspacekey",
    "wresult",
    "xamzsignature",
];

/// How many bytes of a name are compared, from its end.
const LONGEST: usize = 48;

/// Names that mean a secret only as the whole name.
const EXACT: [&str; 3] = ["challenge", "otp", "sig"];

/// Words that mean a secret only as a separate word.
const WORDS: [&str; 3] = ["pin", "pw", "otp"];

/// The strings that a text is searched for: the ends of [`ENDINGS`], [`EXACT`] and [`WORDS`], each once.
pub(super) const TAILS: [&str; 29] = [
    "assertion",
    "authorization",
    "blob",
    "challenge",
    "code",
    "credential",
    "customconfiguration",
    "data",
    "id",
    "key",
    "material",
    "nonce",
    "otp",
    "passphrase",
    "passwd",
    "password",
    "pin",
    "psk",
    "pw",
    "pwd",
    "response",
    "secret",
    "sig",
    "signature",
    "token",
    "value",
    "verifier",
    "wlanxml",
    "wresult",
];

/// The beginnings of the names of policies about secrets.
const VERBS: [&str; 8] = [
    "Allow", "Deny", "Disable", "Max", "Min", "Prevent", "Require", "Show",
];

/// Names that end like a secret but are not secrets: the request of an enrollment and its answer (WS-Trust), and the
/// element around a user's name and password (WS-Security UsernameToken Profile 1.1).
const HARMLESS: [&str; 3] = [
    "RequestSecurityToken",
    "RequestedSecurityToken",
    "UsernameToken",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_secret_has_a_tail() {
        let names = ENDINGS.iter().chain(&EXACT).chain(&WORDS);
        for name in names {
            assert!(TAILS.iter().any(|tail| name.ends_with(tail)), "{name}");
        }
    }

    #[test]
    fn names_are_told_apart() {
        for name in [
            "Password",
            "access_token",
            "AAUTHSECRET",
            "PreSharedKey",
            "ServerPW",
            "PXAUTH-PW",
            "x-user-pin",
            "WepKey1",
            "api-key",
        ] {
            assert!(is_secret_name(name.as_bytes()), "{name}");
        }
        for name in [
            "TokenType",
            "RequestSecurityToken",
            "PasswordAge",
            "Claim",
            "AllowSimplePassword",
            "Spin",
            "KeyName",
            "SessionID",
        ] {
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
