//! SOAP of enrollment: the constants that both simulators write.

pub(super) use quick_xml::escape::escape;

pub(super) use crate::dm::soap::action;

/// The media type of SOAP 1.2.
pub(super) const SOAP_12: &str = "application/soap+xml; charset=utf-8";
/// The media type of SOAP 1.1.
pub(super) const SOAP_11: &str = "text/xml; charset=utf-8";
/// The namespaces of envelopes.
pub(super) const ENVELOPE_12: &str = "http://www.w3.org/2003/05/soap-envelope";
pub(super) const ENVELOPE_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
pub(super) const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
pub(super) const WSSE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
pub(super) const WSU: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
/// `EncodingType` of every token.
pub(super) const BASE64_BINARY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#base64binary";
pub(super) const WST: &str = "http://docs.oasis-open.org/ws-sx/ws-trust/200512";
pub(super) const ISSUE: &str = "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue";
pub(super) const RENEW: &str = "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Renew";
pub(super) const DISCOVERY: &str =
    "http://schemas.microsoft.com/windows/management/2012/01/enrollment";
pub(super) const POLICY: &str = "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy";
pub(super) const WSTEP: &str = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment";
pub(super) const TOKEN_TYPE: &str =
    "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentToken";
/// `ValueType` of a certificate request.
pub(super) const PKCS10: &str =
    "http://schemas.microsoft.com/windows/pki/2009/01/enrollment#PKCS10";
/// `ValueType` of a signed message with a certificate request.
pub(super) const PKCS7: &str = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment#PKCS7";
/// `ValueType` of a token from a sign-in page.
pub(super) const USER_TOKEN: &str = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentUserToken";
/// `ValueType` of the provisioning document.
pub(super) const PROVISION_DOC: &str = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentProvisionDoc";
