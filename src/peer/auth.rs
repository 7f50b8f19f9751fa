//! Makes credentials as a device does (OMA-TS-DM_Security-V1_2_1 §5).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::dm::auth::AccountKey;
use crate::dm::{Chal, compose};

/// Returns the `Cred` for a challenge, as XML; `None` for an unknown scheme or an invalid nonce.
pub(crate) fn cred(chal: Chal<'_>, user: &str, password: &str) -> Option<String> {
    let scheme = chal.scheme()?;
    let data = match &*scheme {
        "syncml:auth-basic" => STANDARD.encode(format!("{user}:{password}")),
        "syncml:auth-md5" => {
            let nonce = STANDARD.decode(&*chal.next_nonce()?).ok()?;
            AccountKey::of(user, password).md5(&nonce)
        }
        _ => return None,
    };
    Some(compose::cred(Some("b64"), Some(&scheme), &data))
}
