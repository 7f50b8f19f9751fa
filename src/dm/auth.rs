//! Credentials and challenges (OMA-TS-DM_Security-V1_2_1 §5; DM_RepPro 1.2.1 §6.1.2, §6.1.6).

use std::borrow::Cow;

use super::Meta;
use super::message::trimmed;
use crate::markup::{Element, tag};

/// The credentials of the sender, in SyncHdr.
#[derive(Clone, Copy, Debug)]
pub struct Cred<'d>(Element<'d>);

impl<'d> Cred<'d> {
    /// The Cred an element is.
    pub fn of(element: Element<'d>) -> Self {
        Self(element)
    }

    /// `syncml:auth-basic` or `syncml:auth-md5`.
    pub fn scheme(self) -> Option<Cow<'d, str>> {
        self.meta()?.media_type()
    }

    /// Its Meta.
    pub fn meta(self) -> Option<Meta<'d>> {
        self.0.child(tag::META).map(Meta::of)
    }

    /// The secret itself, base64. Never shown in records unless asked for raw.
    pub fn data(self) -> Option<Cow<'d, str>> {
        self.0.child(tag::DATA).map(trimmed)
    }
}

/// A challenge, in a Status.
#[derive(Clone, Copy, Debug)]
pub struct Chal<'d>(Element<'d>);

impl<'d> Chal<'d> {
    /// The Chal an element is.
    pub fn of(element: Element<'d>) -> Self {
        Self(element)
    }

    /// The scheme asked for.
    pub fn scheme(self) -> Option<Cow<'d, str>> {
        self.meta()?.media_type()
    }

    /// The nonce for the next credential, base64.
    pub fn next_nonce(self) -> Option<Cow<'d, str>> {
        self.meta()?.next_nonce()
    }

    fn meta(self) -> Option<Meta<'d>> {
        self.0.child(tag::META).map(Meta::of)
    }
}
