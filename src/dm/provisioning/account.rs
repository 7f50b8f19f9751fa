//! Accounts of management servers (w7 APPLICATION).

use std::borrow::Cow;

use super::{Characteristic, Parm};

/// An `APPLICATION` characteristic.
#[derive(Clone, Copy, Debug)]
pub struct Account<'d>(Characteristic<'d>);

impl<'d> Account<'d> {
    pub(super) fn of(application: Characteristic<'d>) -> Self {
        Self(application)
    }

    /// Returns the value of the first parm of this name, as [`Characteristic::value`].
    pub fn value(self, name: &str) -> Option<Cow<'d, str>> {
        self.0.value(name)
    }

    /// `PROVIDER-ID`.
    pub fn provider_id(self) -> Option<Cow<'d, str>> {
        self.0.value("PROVIDER-ID")
    }

    /// Iterates over the parms with the address of the server: `ADDR` in the account itself, then in `APPADDR`. The
    /// first valid one applies.
    pub fn addresses(self) -> impl Iterator<Item = Parm<'d>> {
        let around = self.0.characteristics();
        let around = around.filter(|found| found.is("APPADDR"));
        let places = std::iter::once(self.0).chain(around);
        places.flat_map(|place| {
            place
                .parms()
                .filter(|parm| parm.name().is_some_and(|n| n.eq_ignore_ascii_case("ADDR")))
        })
    }

    /// Returns the address of the server.
    pub fn address(self) -> Option<Cow<'d, str>> {
        let mut values = self.addresses().filter_map(Parm::value);
        values.find(|value| !value.is_empty())
    }

    /// `APPADDR/PORT/PORTNBR`.
    pub fn port(self) -> Option<Cow<'d, str>> {
        let ports = self.0.at(&["APPADDR", "PORT"]);
        ports.into_iter().find_map(|port| port.value("PORTNBR"))
    }

    /// `DEFAULTENCODING`: the media type of messages.
    pub fn default_encoding(self) -> Option<Cow<'d, str>> {
        self.0.value("DEFAULTENCODING")
    }

    /// `SSLCLIENTCERTSEARCHCRITERIA`: the client certificate to present to the server, percent-encoded.
    pub fn search_criteria(self) -> Option<Cow<'d, str>> {
        self.0.value("SSLCLIENTCERTSEARCHCRITERIA")
    }

    /// Iterates over the credentials, one `APPAUTH` for each. `AAUTHLEVEL` is `APPSRV` for the credentials of the client
    /// and `CLIENT` for those of the server; `AAUTHDATA` is the first nonce, in base64, without which Windows refuses an
    /// account.
    pub fn auths(self) -> impl Iterator<Item = Characteristic<'d>> {
        let around = self.0.characteristics();
        around.filter(|found| found.is("APPAUTH"))
    }
}
