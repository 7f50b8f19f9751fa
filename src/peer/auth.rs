//! Credentials as a device makes them (OMA-TS-DM_Security-V1_2_1 §5).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use crate::dm::{Chal, compose};

/// The `Cred` a challenge asks for, as XML; `None` for a scheme or a nonce that makes no sense.
pub(crate) fn cred(chal: Chal<'_>, user: &str, password: &str) -> Option<String> {
    let scheme = chal.scheme()?;
    let data = match &*scheme {
        "syncml:auth-basic" => STANDARD.encode(format!("{user}:{password}")),
        "syncml:auth-md5" => digest(user, password, &STANDARD.decode(&*chal.next_nonce()?).ok()?),
        _ => return None,
    };
    Some(compose::cred(Some("b64"), Some(&scheme), &data))
}

/// `B64(H(B64(H(user:password)):nonce))`, with the nonce as octets (SEC 5.3.2).
fn digest(user: &str, password: &str, nonce: &[u8]) -> String {
    let secret = STANDARD.encode(Md5::digest(format!("{user}:{password}")));
    let whole = [secret.as_bytes(), b":", nonce].concat();
    STANDARD.encode(Md5::digest(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        let check = |nonce: &[u8], expected| {
            assert_eq!(digest("Bruce2", "OhBehave", nonce), expected);
        };
        check(b"Nonce", "Zz6EivR3yeaaENcRN6lpAQ==");
        check(
            &STANDARD.decode("LG3iZQhhdmKNHg==").unwrap(),
            "LAK2i25Fh0nxxGGaAzRRpg==",
        );
    }
}
