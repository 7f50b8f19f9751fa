//! A message of enrollment or a provisioning document as plain data: who asks, for what, and what is granted or
//! refused. Passwords, user tokens and nonces are not in it, not even in raw records.

mod fact;
mod granted;
mod read;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use fact::Facts;

/// What a message of enrollment says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EnrollmentRecord<'a> {
    /// What the message is: `Discover`, `RequestSecurityToken`, `Fault`, `wap-provisioningdoc`; the first element of
    /// the body where that is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Cow<'a, str>>,
    /// The version of SOAP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soap: Option<Cow<'a, str>>,
    /// `Action`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Cow<'a, str>>,
    /// `To`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Cow<'a, str>>,
    /// `MessageID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Cow<'a, str>>,
    /// `RelatesTo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relates_to: Option<Cow<'a, str>>,
    /// How the message says who sends it: `UsernameToken`, `user token`, `JWT`, `certificate signature`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Cow<'a, str>>,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Cow<'a, str>>,
    /// What else it says, by the names of the standards.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub facts: Facts<'a>,
    /// The certificate request of the device: `subject`, `key`, `signature`.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub csr: Facts<'a>,
    /// What the server grants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted: Vec<GrantRecord<'a>>,
    /// Why the server refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultRecord<'a>>,
}

/// One part of a provisioning document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GrantRecord<'a> {
    /// `certificate`, `renewal`, `account` (w7 APPLICATION) or `provider` (DMClient).
    pub kind: Cow<'a, str>,
    /// Its name: the path in the store, PROVIDER-ID or the name of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'a, str>>,
    /// What it says.
    pub facts: Facts<'a>,
}

/// A SOAP fault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord<'a> {
    /// The code, such as `s:Receiver`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Cow<'a, str>>,
    /// The innermost subcode, such as `s:Authentication`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subcode: Option<Cow<'a, str>>,
    /// The reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    /// `ErrorType` of the detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_type: Option<Cow<'a, str>>,
    /// `Message` of the detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Cow<'a, str>>,
    /// `TraceId` of the detail, else `ActivityId` of the header: the server's log has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Cow<'a, str>>,
    /// What Windows shows for it, such as `0x80180002`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hresult: Option<Cow<'a, str>>,
}

impl<'a> EnrollmentRecord<'a> {
    /// Hands out each text, for masking.
    pub(in crate::record) fn texts(&mut self, mask: &mut impl FnMut(&mut Cow<'a, str>)) {
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
