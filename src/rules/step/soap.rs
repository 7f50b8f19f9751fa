//! Steps that answer enrollment.

use schemars::JsonSchema;
use serde::Deserialize;
use strum::{IntoStaticStr, VariantNames};

use crate::rules::value::{Named, OneOf};

/// An answer of enrollment in the server's place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, IntoStaticStr, VariantNames)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum SoapStep {
    /// Answers enrollment with a SOAP fault instead of the server.
    #[schemars(extend("examples" = [{"subcode": "s:Authorization", "error-type": "DeviceCapReached"}]))]
    SoapFault(SoapFault),
}

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
    pub subcode: OneOf<Subcode>,
    /// The ErrorType in its detail; without it there is none.
    pub error_type: Option<OneOf<ErrorType>>,
    /// The Reason, for people.
    #[serde(default = "refused")]
    #[schemars(extend("examples" = ["no more devices"]))]
    pub message: String,
    /// The TraceId in its detail.
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

impl Named for Subcode {
    fn all() -> Vec<(&'static str, Self)> {
        SoapFault::SUBCODES
            .map(|(name, _)| (name, Self(name)))
            .to_vec()
    }
}

impl Named for ErrorType {
    fn all() -> Vec<(&'static str, Self)> {
        SoapFault::ERROR_TYPES
            .map(|(name, _)| (name, Self(name)))
            .to_vec()
    }
}

fn refused() -> String {
    "refused by dmtap".into()
}

fn dmtap() -> String {
    "dmtap".into()
}

impl SoapFault {
    /// Every subcode with the error Windows shows for it.
    pub const SUBCODES: [(&'static str, &'static str); 7] = [
        ("s:MessageFormat", "0x80180001"),
        ("s:Authentication", "0x80180002"),
        ("s:Authorization", "0x80180003"),
        ("s:CertificateRequest", "0x80180004"),
        ("s:EnrollmentServer", "0x80180005"),
        ("a:InternalServiceFault", "0x80180006"),
        ("a:InvalidSecurity", "0x80180007"),
    ];

    /// Every error type with the error Windows shows for it.
    pub const ERROR_TYPES: [(&'static str, &'static str); 8] = [
        ("DeviceCapReached", "0x80180013"),
        ("DeviceNotSupported", "0x80180014"),
        ("NotSupported", "0x80180015"),
        ("NotEligibleToRenew", "0x80180016"),
        ("InMaintenance", "0x80180017"),
        ("UserLicense", "0x80180018"),
        ("InvalidEnrollmentData", "0x80180019"),
        ("CustomServerError", "0x80180032"),
    ];
}
