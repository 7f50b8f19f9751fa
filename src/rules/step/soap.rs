//! Enrollment faults.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::rules::value::named;

/// An enrollment fault (MS-MDE2).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    rename = "`soap-fault`",
    rename_all = "kebab-case",
    deny_unknown_fields,
    expecting = "soap-fault = { subcode = \"s:Authorization\", error-type = \"DeviceCapReached\" }"
)]
#[schemars(rename = "soap-fault")]
pub struct SoapFault {
    /// The subcode of the fault, with its prefix.
    pub subcode: Subcode,
    /// The ErrorType in the detail of the fault; without it, the fault has no detail.
    pub error_type: Option<ErrorType>,
    /// The Reason of the fault, for people; also the Message in its detail.
    #[serde(default = "refused")]
    #[schemars(extend("examples" = ["no more devices"]))]
    pub message: String,
    /// The TraceId in the detail of the fault.
    #[serde(default = "dmtap")]
    #[schemars(extend("examples" = ["dmtap"]))]
    pub trace_id: String,
}

/// A subcode of [`SoapFault::SUBCODES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subcode(pub &'static str);

/// An ErrorType of [`SoapFault::ERROR_TYPES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorType(pub &'static str);

named! {
    Subcode: SoapFault::SUBCODES.map(|name| (name, Self(name))).to_vec();
    ErrorType: SoapFault::ERROR_TYPES.map(|name| (name, Self(name))).to_vec();
}

fn refused() -> String {
    "refused by dmtap".into()
}

fn dmtap() -> String {
    "dmtap".into()
}

impl SoapFault {
    /// All subcodes, with the prefixes that enrollment uses.
    pub const SUBCODES: [&'static str; 7] = [
        "s:MessageFormat",
        "s:Authentication",
        "s:Authorization",
        "s:CertificateRequest",
        "s:EnrollmentServer",
        "a:InternalServiceFault",
        "a:InvalidSecurity",
    ];

    /// All ErrorTypes.
    pub const ERROR_TYPES: [&'static str; 8] = [
        "DeviceCapReached",
        "DeviceNotSupported",
        "NotSupported",
        "NotEligibleToRenew",
        "InMaintenance",
        "UserLicense",
        "InvalidEnrollmentData",
        "CustomServerError",
    ];
}
