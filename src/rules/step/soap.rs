//! Steps that answer enrollment.

/// A SOAP fault of enrollment (MS-MDE2 §2.2.6, §2.2.9.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoapFault {
    /// `Subcode/Value`, such as `s:Authorization`.
    pub subcode: &'static str,
    /// `ErrorType` of the detail, such as `DeviceCapReached`; `None`: there is no detail.
    pub error_type: Option<&'static str>,
    /// `Reason/Text`, and the detail's `Message`.
    pub message: String,
    /// `TraceId` of the detail.
    pub trace_id: String,
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
