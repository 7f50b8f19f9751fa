//! The check of credentials in DM messages against the accounts and nonces that passed before: whether they are right,
//! and which nonce they answer (OMA-TS-DM_Security-V1_2_1 §5.3, §5.4).

use std::borrow::Cow;
use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hashlink::LruCache;

use crate::dm::auth::{AccountKey, Hmac, hash_of_body};
use crate::dm::{Cred, Message, Provisioning};
use crate::flow::note::clipped;
use crate::flow::{Note, Side};

/// The known accounts and nonces. Beyond [`MAX_USERS`] of either, the least recently used are forgotten.
#[derive(Debug)]
pub struct Credentials {
    /// The accounts, by the side that presents the credentials and the user.
    accounts: LruCache<(Side, String), Vec<Account>>,
    /// The nonces, by the side that is to answer them and the device; the latest nonce first.
    nonces: LruCache<(Side, String), VecDeque<Nonce>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Account {
    key: AccountKey,
    /// AAUTHDATA, the nonce for the first credentials.
    first: Option<Nonce>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Nonce {
    octets: Vec<u8>,
    /// The nonce as it was written.
    text: String,
    /// The source of the nonce, in words.
    origin: String,
}

impl Nonce {
    fn of(text: &str, origin: String) -> Option<Self> {
        let octets = BASE64.decode(text.trim_ascii()).ok()?;
        let text = text.trim_ascii().to_owned();
        (octets.len() <= MAX_NONCE_BYTES).then_some(Self {
            octets,
            text,
            origin,
        })
    }

    fn known(octets: &[u8], origin: &str) -> Self {
        Self {
            octets: octets.to_vec(),
            text: String::new(),
            origin: origin.to_owned(),
        }
    }
}

/// The key for `x-syncml-hmac`: an account and the nonce that is answered.
#[derive(Debug)]
pub struct MacKey {
    key: AccountKey,
    nonce: Vec<u8>,
}

impl MacKey {
    /// Returns the `mac` over a body.
    pub fn mac(&self, body: &[u8]) -> String {
        self.key.mac(&self.nonce, &hash_of_body(body))
    }
}

/// The form in which a nonce went into a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Octets,
    /// The base64 text of the nonce, which some clients use.
    Text,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            accounts: LruCache::new(MAX_USERS),
            nonces: LruCache::new(MAX_USERS),
        }
    }
}

impl Credentials {
    /// Whether no account is known. Then credentials cannot be checked.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Adds an account with which a device or a server authenticates.
    pub fn add(&mut self, user: &str, password: &str) {
        for side in [Side::Device, Side::Server] {
            self.add_account(side, user, password, None);
        }
    }

    /// Learns the accounts of a provisioning document.
    pub fn learn_accounts(&mut self, provisioning: Provisioning<'_>) {
        for account in provisioning.accounts().take(MOST_ACCOUNTS) {
            let provider = account.provider_id();
            for auth in account.auths().take(MOST_ACCOUNTS) {
                // w7 APPLICATION: AAUTHLEVEL names the side that checks the credentials.
                let side = match auth.value("AAUTHLEVEL").as_deref() {
                    Some("APPSRV") => Side::Device,
                    Some("CLIENT") => Side::Server,
                    _ => continue,
                };
                let other_name = provider.clone().filter(|_| side == Side::Server);
                let (Some(user), Some(password)) = (
                    auth.value("AAUTHNAME").or(other_name),
                    auth.value("AAUTHSECRET"),
                ) else {
                    continue;
                };
                let first = auth.value("AAUTHDATA");
                let first =
                    first.and_then(|data| Nonce::of(&data, "AAUTHDATA of the account".into()));
                self.add_account(side, &user, &password, first);
            }
        }
    }

    fn add_account(&mut self, side: Side, user: &str, password: &str, first: Option<Nonce>) {
        let account = Account {
            key: AccountKey::of(user, password),
            first,
        };
        let known = (side, user.to_owned());
        let known = self.accounts.entry(known).or_insert_with(Vec::new);
        if !known.contains(&account) {
            known.insert(0, account);
            known.truncate(MOST_ACCOUNTS);
        }
    }

    /// Learns the nonce of a message's challenge, which the receiver is to answer.
    pub fn learn_nonces(&mut self, receiver: Side, device: &str, message: Message<'_>) {
        let chal = message.header_status().and_then(|status| status.chal());
        let Some(nonce) = chal.and_then(|chal| chal.next_nonce().map(Cow::into_owned)) else {
            return;
        };
        let number = message.msg_id().unwrap_or_default();
        let session = message.header().and_then(|header| header.session_id());
        let origin = format!(
            "the challenge in message {number} of session {}",
            session.unwrap_or_default()
        );
        if let Some(nonce) = Nonce::of(&nonce, clipped(&origin)) {
            let known = (receiver, device.to_owned());
            let known = self.nonces.entry(known).or_insert_with(VecDeque::new);
            known.retain(|other| other.octets != nonce.octets);
            known.push_front(nonce);
            known.truncate(MOST_NONCES);
        }
    }

    /// Checks the credentials in a message, and its `x-syncml-hmac`, which comes with the hash of the body. Returns the
    /// notes, and the key that can recompute the `x-syncml-hmac`, if the field is right.
    pub fn check(
        &mut self,
        speaker: Side,
        device: &str,
        message: Message<'_>,
        hmac: Option<&(Hmac, String)>,
    ) -> (Vec<Note>, Option<MacKey>) {
        let Some(header) = message.header().filter(|_| !self.is_empty()) else {
            return (Vec::new(), None);
        };
        let (mut notes, mut mac_key) = (Vec::new(), None);
        let user = header.source_name();
        if let Some(cred) = header.cred() {
            notes.extend(self.check_cred(speaker, device, user.as_deref(), cred));
        }
        if let Some((hmac, hashed)) = hmac {
            let fits = |key: &AccountKey, nonce: &[u8]| hmac.is(&key.mac(nonce, hashed));
            let by_rfc =
                |key: &AccountKey, nonce: &[u8]| hmac.is(&key.mac_of_rfc_2104(nonce, hashed));
            let mut check = |fits: &dyn Fn(&AccountKey, &[u8]) -> bool| {
                self.check_digest(speaker, device, &hmac.user, "x-syncml-hmac", fits)
            };
            let mut checked = check(&fits);
            if matches!(checked, Some((_, None))) && matches!(check(&by_rfc), Some((_, Some(_)))) {
                let user = clipped(&hmac.user);
                let text = format!(
                    "the credentials of {user} (x-syncml-hmac) have the known password and an HMAC by RFC 2104: OMA DM takes \
                     the plain digest H(B64(H(user:password)):nonce:B64(H(body)))"
                );
                checked = Some((wrong(text), None));
            }
            if let Some((note, key)) = checked {
                notes.push(note);
                mac_key = key;
            }
        }
        (notes, mac_key)
    }

    fn check_cred(
        &mut self,
        speaker: Side,
        device: &str,
        user: Option<&str>,
        cred: Cred<'_>,
    ) -> Option<Note> {
        let (scheme, data) = (cred.scheme()?, cred.data()?);
        match scheme.to_ascii_lowercase().as_str() {
            "syncml:auth-basic" => {
                let named = cred.basic_user();
                let user = named.as_deref().or(user)?;
                let known = self.accounts.get(&(speaker, user.to_owned()))?;
                let is_right = known.iter().any(|account| account.key.is_basic(&data));
                let what = format!("the credentials of {} (auth-basic)", clipped(user));
                Some(match is_right {
                    true => right(format!("{what} are right")),
                    false => wrong(format!(
                        "{what} have another password than the one that is known"
                    )),
                })
            }
            "syncml:auth-md5" => {
                let fits = |key: &AccountKey, nonce: &[u8]| *key.md5(nonce) == *data;
                let checked = self.check_digest(speaker, device, user?, "auth-md5", &fits);
                checked.map(|(note, _)| note)
            }
            _ => None,
        }
    }

    /// Returns a note on which nonce a digest answers, and the key that made the digest.
    fn check_digest(
        &mut self,
        speaker: Side,
        device: &str,
        user: &str,
        scheme: &str,
        fits: &dyn Fn(&AccountKey, &[u8]) -> bool,
    ) -> Option<(Note, Option<MacKey>)> {
        let accounts = self.accounts.get(&(speaker, user.to_owned()))?;
        let challenges = self.nonces.get(&(speaker, device.to_owned()));
        let challenges: Vec<&Nonce> = challenges.into_iter().flatten().collect();
        let what = format!("the credentials of {} ({scheme})", clipped(user));
        for account in accounts.iter() {
            let own = challenges.iter().copied().chain(&account.first);
            let own: Vec<&Nonce> = own.collect();
            let others = [
                Nonce::known(&[0; 4], "the default nonce 0x00000000"),
                Nonce::known(b"0x00000000", "the text 0x00000000 as nonce"),
                Nonce::known(b"", "no nonce"),
            ];
            let fitting = own.iter().copied().chain(&others).find_map(|nonce| {
                let has_text = !nonce.text.is_empty() && fits(&account.key, nonce.text.as_bytes());
                match fits(&account.key, &nonce.octets) {
                    true => Some((nonce, Form::Octets)),
                    false => has_text.then_some((nonce, Form::Text)),
                }
            });
            let Some((nonce, form)) = fitting else {
                continue;
            };
            let origin = &nonce.origin;
            let expected = own.first().copied();
            let nonce_octets = match form {
                Form::Octets => nonce.octets.clone(),
                Form::Text => nonce.text.clone().into_bytes(),
            };
            let key = MacKey {
                key: account.key.clone(),
                nonce: nonce_octets,
            };
            let note = match (form, expected) {
                (Form::Text, _) => wrong(format!(
                    "{what} hash the base64 text of {origin} instead of its octets"
                )),
                (Form::Octets, Some(expected)) if expected != nonce => wrong(format!(
                    "{what} answer {origin} instead of {}: a correct receiver refuses them with 401 and a new nonce",
                    expected.origin
                )),
                (Form::Octets, _) => right(format!("{what} are right: they answer {origin}")),
            };
            return Some((note, Some(key)));
        }
        let own = challenges
            .into_iter()
            .chain(accounts.iter().filter_map(|a| a.first.as_ref()));
        let mut origins: Vec<&str> = own.map(|nonce| &*nonce.origin).collect();
        origins.dedup();
        let origins = match origins.is_empty() {
            true => "none was seen".to_owned(),
            false => origins.join(", "),
        };
        let note = wrong(format!(
            "{what} do not fit the known password with any known nonce ({origins}): another password, or an older nonce"
        ));
        Some((note, None))
    }
}

fn right(text: String) -> Note {
    Note::new("AUTH-01", text)
}

fn wrong(text: String) -> Note {
    Note::new("AUTH-02", text)
}

/// The most users, and the most devices, that are remembered.
const MAX_USERS: usize = 10_000;
/// The most accounts that are kept of one user or read from one document.
const MOST_ACCOUNTS: usize = 8;
/// The most challenges that are remembered of one device.
const MOST_NONCES: usize = 4;
/// The longest nonce, in bytes.
const MAX_NONCE_BYTES: usize = 1_024;
