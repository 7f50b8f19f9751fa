//! A message of enrollment or a provisioning document as plain data: who requests what, and what is granted or refused.
//! Passwords, user tokens and nonces are left out, even from raw records.

mod fact;
mod granted;
mod read;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use smol_str::SmolStr;

pub use fact::Facts;
pub(in crate::record) use granted::day;

/// The content of a message of enrollment.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnrollmentRecord {
    /// The kind of message: `Discover`, `RequestSecurityToken`, `Fault`, `wap-provisioningdoc`; for other messages, the
    /// first element of the body.
    pub message: Option<SmolStr>,
    /// The version of SOAP.
    pub soap: Option<SmolStr>,
    /// `Action`.
    pub action: Option<SmolStr>,
    /// `To`.
    pub to: Option<SmolStr>,
    /// `MessageID`.
    pub message_id: Option<SmolStr>,
    /// `RelatesTo`.
    pub relates_to: Option<SmolStr>,
    /// The kind of proof for the sender's identity: `UsernameToken`, `user token`, `JWT`, `certificate signature`.
    pub authentication: Option<SmolStr>,
    /// The user.
    pub user: Option<SmolStr>,
    /// Further values, by the names of the standards.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub facts: Facts,
    /// The device's certificate request: `subject`, `key`, `signature`.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub csr: Facts,
    /// The certificates, accounts and settings that the server grants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted: Vec<GrantRecord>,
    /// The server's refusal.
    pub fault: Option<FaultRecord>,
}

/// One part of a provisioning document.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GrantRecord {
    /// `certificate`, `renewal`, `account` (w7 APPLICATION) or `provider` (DMClient).
    pub kind: SmolStr,
    /// The name: the path in the store, PROVIDER-ID or the name of the node.
    pub name: Option<SmolStr>,
    /// The values of the part.
    pub facts: Facts,
}

/// A SOAP fault.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultRecord {
    /// The code, such as `s:Receiver`.
    pub code: Option<SmolStr>,
    /// The innermost subcode, such as `s:Authentication`.
    pub subcode: Option<SmolStr>,
    /// The reason.
    pub reason: Option<SmolStr>,
    /// `ErrorType` of the detail.
    pub error_type: Option<SmolStr>,
    /// `Message` of the detail.
    pub message: Option<SmolStr>,
    /// `TraceId` of the detail, or else `ActivityId` of the header; the server's log contains it.
    pub trace_id: Option<SmolStr>,
    /// The error code that Windows shows, such as `0x80180002`.
    pub hresult: Option<SmolStr>,
    /// The meaning of that code.
    pub hresult_means: Option<SmolStr>,
}

impl EnrollmentRecord {
    /// Passes each text to `mask`.
    pub(in crate::record) fn texts(&mut self, mask: &mut impl FnMut(&mut SmolStr)) {
        let own = [
            &mut self.message,
            &mut self.action,
            &mut self.to,
            &mut self.message_id,
            &mut self.relates_to,
            &mut self.user,
        ];
        own.into_iter().flatten().for_each(&mut *mask);
        self.facts.values(mask);
        self.csr.values(mask);
        for granted in &mut self.granted {
            granted.name.iter_mut().for_each(&mut *mask);
            granted.facts.values(mask);
        }
        if let Some(fault) = &mut self.fault {
            let texts = [
                &mut fault.code,
                &mut fault.subcode,
                &mut fault.reason,
                &mut fault.error_type,
                &mut fault.message,
                &mut fault.trace_id,
            ];
            texts.into_iter().flatten().for_each(mask);
        }
    }
}
