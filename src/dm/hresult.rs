//! The HRESULT that Windows shows for a fault or an HTTP status during enrollment (MS-MDE2 §3.5.2.2,
//! MDMRegistration.h).

use std::fmt;

use super::soap::{Fault, local_code};

/// An HRESULT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hresult(pub u32);

impl Hresult {
    /// The result for HTTP 200 with an empty body.
    pub const EMPTY_MESSAGE: Self = Self(0x8018_0029);

    /// Returns the result that Windows shows for a fault: by its ErrorType, otherwise by its innermost known code.
    pub fn of_fault(fault: Fault<'_>) -> Option<Self> {
        let by_type = fault
            .error_type()
            .and_then(|error| Self::of_error_type(&error));
        by_type.or_else(|| {
            let codes: Vec<_> = fault.codes().collect();
            let inner_first = codes.iter().rev();
            inner_first
                .filter_map(|code| Self::of_code(&code.text()))
                .next()
        })
    }

    /// Returns the result that Windows shows for the code of a fault, with or without a prefix: `s:Authentication`. Servers
    /// write an ErrorType there, too.
    pub fn of_code(code: &str) -> Option<Self> {
        let code = local_code(code);
        in_table(&CODES, code).or_else(|| Self::of_error_type(code))
    }

    /// Returns the result that Windows shows for the ErrorType of a DeviceEnrollmentServiceError: `DeviceCapReached`.
    pub fn of_error_type(error_type: &str) -> Option<Self> {
        in_table(&ERROR_TYPES, error_type.trim_ascii())
    }

    /// Returns the result that Windows shows for an HTTP error status.
    pub fn of_http(status: u16) -> Self {
        Self(0x8019_0000 | u32::from(status))
    }
}

impl fmt::Display for Hresult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08X}", self.0)
    }
}

fn in_table(table: &[(&str, u32)], name: &str) -> Option<Hresult> {
    let mut entries = table.iter();
    let found = entries.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, code)| Hresult(*code))
}

/// The subcodes of faults.
const CODES: [(&str, u32); 7] = [
    ("MessageFormat", 0x8018_0001),
    ("Authentication", 0x8018_0002),
    ("Authorization", 0x8018_0003),
    ("CertificateRequest", 0x8018_0004),
    ("EnrollmentServer", 0x8018_0005),
    ("InternalServiceFault", 0x8018_0006),
    ("InvalidSecurity", 0x8018_0007),
];

/// The ErrorTypes of DeviceEnrollmentServiceError.
const ERROR_TYPES: [(&str, u32); 8] = [
    ("DeviceCapReached", 0x8018_0013),
    ("DeviceNotSupported", 0x8018_0014),
    ("NotSupported", 0x8018_0015),
    ("NotEligibleToRenew", 0x8018_0016),
    ("InMaintenance", 0x8018_0017),
    ("UserLicense", 0x8018_0018),
    ("InvalidEnrollmentData", 0x8018_0019),
    ("CustomServerError", 0x8018_0032),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_and_http_statuses_have_the_result_that_windows_shows() {
        assert_eq!(Hresult::of_code("s:Authentication").unwrap().0, 0x8018_0002);
        // A real server writes codes in lower case.
        assert_eq!(
            Hresult::of_code(" s:enrollmentserver\n").unwrap().0,
            0x8018_0005
        );
        assert_eq!(Hresult::of_code("s:Receiver"), None);
        let cap = Hresult::of_code("\n s:DeviceCapReached \n").unwrap();
        assert_eq!(cap.to_string(), "0x80180013");
        let cap = Hresult::of_error_type("DeviceCapReached").unwrap();
        assert_eq!(cap.to_string(), "0x80180013");
        assert_eq!(Hresult::of_http(400).to_string(), "0x80190190");
        assert_eq!(Hresult::of_http(503).to_string(), "0x801901F7");
    }
}
