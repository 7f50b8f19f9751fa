//! Accounts of management servers: w7 APPLICATION, and the DMClient CSP.

use std::borrow::Cow;

use super::{Characteristic, Parm};

/// An `APPLICATION` characteristic.
#[derive(Clone, Copy, Debug)]
pub struct Account<'d>(Characteristic<'d>);

impl<'d> Account<'d> {
    pub(super) fn of(application: Characteristic<'d>) -> Self {
        Self(application)
    }

    /// `APPID`: `w7` for device management.
    pub fn app_id(self) -> Option<Cow<'d, str>> {
        self.0.value("APPID")
    }

    /// `PROVIDER-ID`.
    pub fn provider_id(self) -> Option<Cow<'d, str>> {
        self.0.value("PROVIDER-ID")
    }

    /// `NAME`.
    pub fn name(self) -> Option<Cow<'d, str>> {
        self.0.value("NAME")
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

    /// `ServerList`: the addresses of servers.
    pub fn server_list(self) -> Option<Cow<'d, str>> {
        self.0.value("ServerList")
    }

    /// `ROLE`.
    pub fn role(self) -> Option<Cow<'d, str>> {
        self.0.value("ROLE")
    }

    /// `PROTOVER`.
    pub fn proto_version(self) -> Option<Cow<'d, str>> {
        self.0.value("PROTOVER")
    }

    /// `DEFAULTENCODING`: the media type of messages.
    pub fn default_encoding(self) -> Option<Cow<'d, str>> {
        self.0.value("DEFAULTENCODING")
    }

    /// `SSLCLIENTCERTSEARCHCRITERIA`: the client certificate to present to the server, percent-encoded.
    pub fn search_criteria(self) -> Option<Cow<'d, str>> {
        self.0.value("SSLCLIENTCERTSEARCHCRITERIA")
    }

    /// `CRLCheck`: whether the client checks a CRL.
    pub fn crl_check(self) -> Option<Cow<'d, str>> {
        self.0.value("CRLCheck")
    }

    /// Iterates over the credentials, one for each `APPAUTH`.
    pub fn auths(self) -> impl Iterator<Item = AccountAuth<'d>> {
        let around = self.0.characteristics();
        around.filter(|found| found.is("APPAUTH")).map(AccountAuth)
    }
}

/// An `APPAUTH` characteristic.
#[derive(Clone, Copy, Debug)]
pub struct AccountAuth<'d>(Characteristic<'d>);

impl<'d> AccountAuth<'d> {
    /// `AAUTHLEVEL`: `APPSRV` for the credentials of the client, `CLIENT` for those of the server.
    pub fn level(self) -> Option<Cow<'d, str>> {
        self.0.value("AAUTHLEVEL")
    }

    /// `AAUTHTYPE`: `BASIC` or `DIGEST`.
    pub fn auth_type(self) -> Option<Cow<'d, str>> {
        self.0.value("AAUTHTYPE")
    }

    /// `AAUTHNAME`.
    pub fn name(self) -> Option<Cow<'d, str>> {
        self.0.value("AAUTHNAME")
    }

    /// `AAUTHSECRET`: a password.
    pub fn secret(self) -> Option<Cow<'d, str>> {
        self.0.value("AAUTHSECRET")
    }

    /// `AAUTHDATA`: the first nonce, in base64. Windows refuses an account without it.
    pub fn data(self) -> Option<Cow<'d, str>> {
        self.0.value("AAUTHDATA")
    }
}

/// A node below `DMClient/Provider`.
#[derive(Clone, Copy, Debug)]
pub struct DmClientProvider<'d>(Characteristic<'d>);

impl<'d> DmClientProvider<'d> {
    pub(super) fn of(node: Characteristic<'d>) -> Self {
        Self(node)
    }

    /// Returns the name of the node, which must equal the PROVIDER-ID of the account.
    pub fn id(self) -> Option<Cow<'d, str>> {
        self.0.type_name()
    }

    /// `UPN`: the user.
    pub fn upn(self) -> Option<Cow<'d, str>> {
        self.0.value("UPN")
    }

    /// `EntDeviceName`.
    pub fn device_name(self) -> Option<Cow<'d, str>> {
        self.0.value("EntDeviceName")
    }

    /// `EntDMID`: the device's name at the server.
    pub fn ent_dm_id(self) -> Option<Cow<'d, str>> {
        self.0.value("EntDMID")
    }

    /// `ManagementServiceAddress`: one address, or several as `<URL1><URL2>`.
    pub fn management_service_address(self) -> Option<Cow<'d, str>> {
        self.0.value("ManagementServiceAddress")
    }

    /// `RequireMessageSigning`.
    pub fn require_message_signing(self) -> Option<Cow<'d, str>> {
        self.0.value("RequireMessageSigning")
    }
}
