//! Credentials and challenges (OMA-TS-DM_Security-V1_2_1 §5; DM_RepPro 1.2.1 §6.1.2, §6.1.6).

mod digest;

pub use digest::{AccountKey, Hmac, hash_of_body};

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Meta;
use super::message::trimmed;
use crate::markup::{Element, tag};

/// The credentials of the sender, in SyncHdr.
#[derive(Clone, Copy, Debug)]
pub struct Cred<'d>(Element<'d>);

impl<'d> Cred<'d> {
    /// Wraps a Cred element.
    pub fn of(element: Element<'d>) -> Self {
        Self(element)
    }

    /// `syncml:auth-basic` or `syncml:auth-md5`.
    pub fn scheme(self) -> Option<Cow<'d, str>> {
        self.meta()?.media_type()
    }

    /// Returns the Meta.
    pub fn meta(self) -> Option<Meta<'d>> {
        self.0.child(tag::META).map(Meta::of)
    }

    /// Returns the user of `syncml:auth-basic`, the part before the colon. An MD5 digest does not contain the user;
    /// there it is the LocName of the header's Source (DM_Security §5.3).
    pub fn basic_user(self) -> Option<String> {
        if !self.scheme()?.eq_ignore_ascii_case("syncml:auth-basic") {
            return None;
        }
        let pair = BASE64.decode(&*self.data()?).ok()?;
        let user = pair.split(|byte| *byte == b':').next()?;
        String::from_utf8(user.to_vec()).ok()
    }

    /// Returns the secret, in base64. Records mask it unless raw output is requested.
    pub fn data(self) -> Option<Cow<'d, str>> {
        self.0.child(tag::DATA).map(trimmed)
    }
}

/// A challenge, in a Status.
#[derive(Clone, Copy, Debug)]
pub struct Chal<'d>(Element<'d>);

impl<'d> Chal<'d> {
    /// Wraps a Chal element.
    pub fn of(element: Element<'d>) -> Self {
        Self(element)
    }

    /// Returns the requested scheme.
    pub fn scheme(self) -> Option<Cow<'d, str>> {
        self.meta()?.media_type()
    }

    /// Returns the nonce for the next credential, in base64.
    pub fn next_nonce(self) -> Option<Cow<'d, str>> {
        self.meta()?.next_nonce()
    }

    fn meta(self) -> Option<Meta<'d>> {
        self.0.child(tag::META).map(Meta::of)
    }
}
