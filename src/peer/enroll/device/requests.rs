//! The device's messages as Windows writes them. The MessageIDs are constants, as in Windows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA, USER_AGENT};
use http::{Request, Uri};

use super::super::soap::{
    ADDRESSING, BASE64_BINARY, DISCOVERY, ENVELOPE_12, ISSUE, PKCS7, PKCS10, POLICY, RENEW,
    SOAP_12, TOKEN_TYPE, USER_TOKEN, WSSE, WST, WSU, action, escape,
};
use super::EnrollProfile;
use crate::dm::enrollment::RequestType;
use crate::peer::enroll::Login;

/// Makes the request that asks whether there is a server.
pub fn exists(url: &Uri) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = url.clone();
    with_agent(request)
}

/// Makes a Discover.
pub fn discover(url: &Uri, profile: &EnrollProfile) -> Request<Bytes> {
    let (user, build) = (escape(&profile.user), escape(&profile.os_version));
    let version = profile.request_version();
    let body = format!(
        "<Discover xmlns=\"{DISCOVERY}\"><request xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <EmailAddress>{user}</EmailAddress><OSEdition>72</OSEdition><RequestVersion>{version}</RequestVersion>\
         <DeviceType>CIMClient_Windows</DeviceType><ApplicationVersion>{build}</ApplicationVersion>\
         <AuthPolicies><AuthPolicy>OnPremise</AuthPolicy><AuthPolicy>Federated</AuthPolicy></AuthPolicies>\
         </request></Discover>"
    );
    post(
        url,
        action::DISCOVER,
        "748132ec-a575-4329-b01b-6171a9cf8478",
        "",
        &body,
    )
}

/// Makes a GetPolicies.
pub(super) fn get_policies(url: &Uri, profile: &EnrollProfile) -> Request<Bytes> {
    let body = format!(
        "<GetPolicies xmlns=\"{POLICY}\" xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><client>\
         <lastUpdate i:nil=\"true\"/><preferredLanguage i:nil=\"true\"/></client><requestFilter i:nil=\"true\"/>\
         </GetPolicies>"
    );
    post(
        url,
        action::GET_POLICIES,
        "72048B64-0F19-448F-8C2E-B4C661860AA0",
        &security(profile),
        &body,
    )
}

/// The identifier of the hardware: 64 hexadecimal digits.
const HW_DEV_ID: &str = "D3A1B2C4E5F60718293A4B5C6D7E8F90D3A1B2C4E5F60718293A4B5C6D7E8F90";

/// Makes a RequestSecurityToken. `token` is the certificate request in base64: PKCS#10 to issue, PKCS#7 to renew.
pub(super) fn request_token(
    url: &Uri,
    profile: &EnrollProfile,
    request_type: RequestType,
    token: &str,
) -> Request<Bytes> {
    let (request_type, value_type) = match request_type {
        RequestType::Renew => (RENEW, PKCS7),
        _ => (ISSUE, PKCS10),
    };
    let item = |(name, value): &(&str, &str)| {
        let value = escape(*value);
        format!("<ac:ContextItem Name=\"{name}\"><ac:Value>{value}</ac:Value></ac:ContextItem>")
    };
    let items = [
        ("OSEdition", "72"),
        ("OSVersion", &profile.os_version),
        ("DeviceName", &profile.device_name),
        ("MAC", "02-00-00-00-00-01"),
        ("DeviceID", &profile.device_id),
        ("EnrollmentType", profile.enrollment_type),
        ("DeviceType", "CIMClient_Windows"),
        ("ApplicationVersion", &profile.os_version),
        // Servers refuse a request without this id, because they use it to identify the hardware.
        ("HWDevID", HW_DEV_ID),
        ("Locale", "en-US"),
        ("NotInOobe", "false"),
        ("RequestVersion", profile.request_version()),
    ];
    let proof: &[(&str, &str)] = match profile.attests {
        true => &[
            ("AIKPub", "c2ltdWxhdGVkIEFJSw=="),
            ("AIKAttestationClaim", "c2ltdWxhdGVkIGNsYWlt"),
        ],
        false => &[],
    };
    let items: String = items.iter().chain(proof).map(item).collect();
    let body = format!(
        "<wst:RequestSecurityToken><wst:TokenType>{TOKEN_TYPE}</wst:TokenType>\
         <wst:RequestType>{request_type}</wst:RequestType>\
         <wsse:BinarySecurityToken ValueType=\"{value_type}\" EncodingType=\"{BASE64_BINARY}\">{token}\
         </wsse:BinarySecurityToken>\
         <ac:AdditionalContext xmlns=\"http://schemas.xmlsoap.org/ws/2006/12/authorization\">{items}\
         </ac:AdditionalContext></wst:RequestSecurityToken>"
    );
    post(
        url,
        action::RST,
        "0d5a1441-5891-453b-becf-a2e5f6ea3749",
        &security(profile),
        &body,
    )
}

/// Returns the security header with the user's credentials.
fn security(profile: &EnrollProfile) -> String {
    let inside = match &profile.login {
        Login::Token(token) => {
            let token = STANDARD.encode(token);
            format!(
                "<wsse:BinarySecurityToken ValueType=\"{USER_TOKEN}\" EncodingType=\"{BASE64_BINARY}\">{token}\
                 </wsse:BinarySecurityToken>"
            )
        }
        Login::Password(password) => {
            let (user, password) = (escape(&profile.user), escape(password));
            format!(
                "<wsse:UsernameToken u:Id=\"uuid-cc1ccc1f-2fba-4bcf-b063-ffc0cac77917-4\">\
                 <wsse:Username>{user}</wsse:Username><wsse:Password wsse:Type=\"http://docs.oasis-open.org/wss/2004/01/\
                 oasis-200401-wss-username-token-profile-1.0#PasswordText\">{password}</wsse:Password>\
                 </wsse:UsernameToken>"
            )
        }
    };
    format!("<wsse:Security s:mustUnderstand=\"1\">{inside}</wsse:Security>")
}

fn post(url: &Uri, action: &str, id: &str, security: &str, body: &str) -> Request<Bytes> {
    let to = with_port(url);
    let to = escape(&to);
    let envelope = format!(
        "<s:Envelope xmlns:s=\"{ENVELOPE_12}\" xmlns:a=\"{ADDRESSING}\" xmlns:u=\"{WSU}\" xmlns:wsse=\"{WSSE}\" \
         xmlns:wst=\"{WST}\" xmlns:ac=\"http://schemas.xmlsoap.org/ws/2006/12/authorization\"><s:Header>\
         <a:Action s:mustUnderstand=\"1\">{action}</a:Action><a:MessageID>urn:uuid:{id}</a:MessageID>\
         <a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo>\
         <a:To s:mustUnderstand=\"1\">{to}</a:To>{security}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    );
    let mut request = Request::new(Bytes::from(envelope));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = url.clone();
    let media_type = HeaderValue::from_static(SOAP_12);
    request.headers_mut().insert(CONTENT_TYPE, media_type);
    with_agent(request)
}

/// Returns an address as Windows writes it into `To`: always with the port.
fn with_port(url: &Uri) -> String {
    let port = match url.port() {
        Some(_) => "",
        None if url.scheme_str() == Some("http") => ":80",
        None => ":443",
    };
    let scheme = url.scheme_str().unwrap_or("https");
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    format!("{scheme}://{authority}{port}{path}")
}

fn with_agent(mut request: Request<Bytes>) -> Request<Bytes> {
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static("ENROLLClient"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    request
}
