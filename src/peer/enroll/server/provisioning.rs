//! The provisioning document: certificates, the management account, and the polling schedule.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::certificate::subject_text;
use super::super::soap::escape;
use super::PROVIDER_ID;
use crate::dm::certificate::thumbprint;
use crate::peer::Encoding;
use crate::peer::device::{PASSWORD, USER};

/// The values of a document; `Display` writes the document.
pub(super) struct Provisioning<'a> {
    pub(super) root: &'a [u8],
    pub(super) certificate: &'a [u8],
    /// Whether the certificate goes into the machine's store.
    pub(super) is_for_device: bool,
    pub(super) device: &'a str,
    pub(super) user: &'a str,
    pub(super) address: &'a str,
    pub(super) renewal: &'a str,
    pub(super) encoding: Encoding,
    pub(super) serial: u64,
}

impl fmt::Display for Provisioning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<wap-provisioningdoc version=\"1.1\">")?;
        self.certificates(f)?;
        self.account(f)?;
        self.client(f)?;
        f.write_str("</wap-provisioningdoc>")
    }
}

impl Provisioning<'_> {
    /// Writes two characteristics of the same type, as in the samples of MS-MDE2.
    fn certificates(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = |der: &[u8]| {
            format!(
                "<characteristic type=\"{}\"><parm name=\"EncodedCertificate\" value=\"{}\"/></characteristic>",
                thumbprint(der),
                STANDARD.encode(der)
            )
        };
        let (root, certificate) = (node(self.root), node(self.certificate));
        let store = self.store();
        let renewal = escape(self.renewal);
        write!(
            f,
            "<characteristic type=\"CertificateStore\"><characteristic type=\"Root\">\
             <characteristic type=\"System\">{root}</characteristic></characteristic></characteristic>\
             <characteristic type=\"CertificateStore\"><characteristic type=\"My\">\
             <characteristic type=\"{store}\">{certificate}<characteristic type=\"PrivateKeyContainer\"/>\
             </characteristic><characteristic type=\"WSTEP\"><characteristic type=\"Renew\">\
             <parm name=\"ROBOSupport\" value=\"true\" datatype=\"boolean\"/>\
             <parm name=\"RenewPeriod\" value=\"42\" datatype=\"integer\"/>\
             <parm name=\"RetryInterval\" value=\"7\" datatype=\"integer\"/>\
             <parm name=\"ServerURL\" value=\"{renewal}\" datatype=\"string\"/>\
             </characteristic></characteristic></characteristic></characteristic>"
        )
    }

    /// Writes the w7 account, with the credentials for both directions.
    fn account(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = escape(self.address);
        let encoding = self.encoding.media_type();
        let subject = subject_text(self.device);
        let subject = utf8_percent_encode(&subject, RESERVED);
        let store = self.store();
        let nonce = |of: &str| STANDARD.encode(format!("{of}-{}", self.serial));
        let (client, server) = (nonce("server"), nonce("device"));
        write!(
            f,
            "<characteristic type=\"APPLICATION\"><parm name=\"APPID\" value=\"w7\"/>\
             <parm name=\"PROVIDER-ID\" value=\"{PROVIDER_ID}\"/><parm name=\"NAME\" value=\"dmtap\"/>\
             <parm name=\"ADDR\" value=\"{address}\"/><parm name=\"ServerList\" value=\"{address}\"/>\
             <parm name=\"ROLE\" value=\"4294967295\"/><parm name=\"CRLCheck\" value=\"0\"/>\
             <parm name=\"CONNRETRYFREQ\" value=\"6\"/><parm name=\"INITIALBACKOFFTIME\" value=\"30000\"/>\
             <parm name=\"MAXBACKOFFTIME\" value=\"120000\"/><parm name=\"BACKCOMPATRETRYDISABLED\"/>\
             <parm name=\"DEFAULTENCODING\" value=\"{encoding}\"/>\
             <parm name=\"SSLCLIENTCERTSEARCHCRITERIA\" value=\"Subject={subject}&amp;Stores=My%5C{store}\"/>\
             <characteristic type=\"APPAUTH\"><parm name=\"AAUTHLEVEL\" value=\"CLIENT\"/>\
             <parm name=\"AAUTHTYPE\" value=\"DIGEST\"/><parm name=\"AAUTHSECRET\" value=\"{SERVER_PASSWORD}\"/>\
             <parm name=\"AAUTHDATA\" value=\"{client}\"/></characteristic>\
             <characteristic type=\"APPAUTH\"><parm name=\"AAUTHLEVEL\" value=\"APPSRV\"/>\
             <parm name=\"AAUTHTYPE\" value=\"DIGEST\"/><parm name=\"AAUTHNAME\" value=\"{USER}\"/>\
             <parm name=\"AAUTHSECRET\" value=\"{PASSWORD}\"/><parm name=\"AAUTHDATA\" value=\"{server}\"/>\
             </characteristic></characteristic>"
        )
    }

    /// Writes the DMClient node of the provider.
    fn client(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, address) = (escape(self.user), escape(self.address));
        let serial = self.serial;
        write!(
            f,
            "<characteristic type=\"DMClient\"><characteristic type=\"Provider\">\
             <characteristic type=\"{PROVIDER_ID}\"><parm name=\"UPN\" value=\"{user}\" datatype=\"string\"/>\
             <parm name=\"EntDMID\" value=\"{serial}\" datatype=\"string\"/>\
             <parm name=\"ManagementServiceAddress\" value=\"{address}\" datatype=\"string\"/>\
             <characteristic type=\"Poll\"><parm name=\"NumberOfFirstRetries\" value=\"8\" datatype=\"integer\"/>\
             <parm name=\"IntervalForFirstSetOfRetries\" value=\"15\" datatype=\"integer\"/>\
             <parm name=\"NumberOfSecondRetries\" value=\"5\" datatype=\"integer\"/>\
             <parm name=\"IntervalForSecondSetOfRetries\" value=\"3\" datatype=\"integer\"/>\
             <parm name=\"NumberOfRemainingScheduledRetries\" value=\"0\" datatype=\"integer\"/>\
             <parm name=\"IntervalForRemainingScheduledRetries\" value=\"1560\" datatype=\"integer\"/>\
             <parm name=\"PollOnLogin\" value=\"true\" datatype=\"boolean\"/></characteristic>\
             </characteristic></characteristic></characteristic>"
        )
    }

    fn store(&self) -> &'static str {
        if self.is_for_device { "System" } else { "User" }
    }
}

/// The characters that search criteria percent-encode: all but the unreserved ones (RFC 3986 §2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The password that the server authenticates with at the device.
const SERVER_PASSWORD: &str = "Serv3rSecret";
