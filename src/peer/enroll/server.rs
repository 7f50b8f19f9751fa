//! The enrollment server: discovery, policy, and a certificate with a management account for each device.

mod admission;
mod answers;
mod provisioning;

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};

use super::certificate::{EnrollmentCa, validity_of_device};
use super::soap::{SOAP_11, SOAP_12, action};
use crate::dm::Envelope;
use crate::dm::certificate::thumbprint;
use crate::dm::enrollment::{Discover, EnrollmentMessage, RequestSecurityToken, RequestType};
use crate::dm::soap::SoapVersion;
use crate::dm::token::TokenKind;
use crate::identity::{CertificationRequest, SignedRequest};
use crate::markup::utf16::in_utf8;
use crate::markup::{Hint, Limits, decode};
use crate::peer::{Encoding, Plan, PlannedCommand};
pub use admission::{Granted, PresentedCertificate};
use answers::Fault;
use provisioning::Provisioning;

/// The origins of the server: it has several names, like large services, but is one process.
#[derive(Clone, Debug)]
pub struct Sites {
    /// The origin of discovery, such as `https://enterpriseenrollment.example.test:8443`.
    pub discovery: String,
    /// The origin of policy and enrollment.
    pub management: String,
    /// The origin of management sessions. If it differs from the other two, its TLS requires a client certificate.
    pub sessions: String,
}

/// A user who may enroll devices.
#[derive(Clone, Debug)]
pub struct User {
    /// The name, in the form of a mail address.
    pub name: String,
    /// The credentials.
    pub login: Login,
    /// The encoding of management sessions of the user's devices.
    pub encoding: Encoding,
}

/// The credentials of a user.
#[derive(Clone, Debug)]
pub enum Login {
    /// OnPremise: name and password in the message.
    Password(String),
    /// Federated: a token from a sign-in page.
    Token(String),
}

/// An enrollment server with its users and its CA. It answers requests and has no sockets.
#[derive(Debug)]
pub struct EnrollServer {
    sites: Sites,
    users: Vec<User>,
    ca: EnrollmentCa,
    next_serial: u64,
    redirects: bool,
    checks_to: bool,
    granted: Vec<Granted>,
}

impl EnrollServer {
    /// Creates a server that has granted nothing yet; certificates are numbered from `first_serial`.
    pub fn new(sites: Sites, users: Vec<User>, ca: EnrollmentCa, first_serial: u64) -> Self {
        Self {
            sites,
            users,
            ca,
            next_serial: first_serial,
            redirects: false,
            checks_to: true,
            granted: Vec::new(),
        }
    }

    /// Makes the server answer discovery with a redirect to its other name.
    #[must_use]
    pub fn redirecting(mut self) -> Self {
        self.redirects = true;
        self
    }

    /// Makes the server accept messages for other addresses (`To`), like servers that are not based on WCF.
    #[must_use]
    pub fn taking_any_to(mut self) -> Self {
        self.checks_to = false;
        self
    }

    /// Returns what the server has granted, in order; at most the first 1024 grants.
    pub fn granted(&self) -> &[Granted] {
        &self.granted
    }

    /// Returns the first address for management, and the address that devices move to in their first session.
    pub fn management_urls(&self) -> [String; 2] {
        [MANAGEMENT_PATH, MOVED_PATH].map(|path| format!("{}{path}", self.sites.sessions))
    }

    /// Returns the host names of discovery, of policy and enrollment, and of management sessions.
    pub fn names(&self) -> [String; 3] {
        let Sites {
            discovery,
            management,
            sessions,
        } = &self.sites;
        [discovery, management, sessions].map(|origin| {
            let uri: Option<Uri> = origin.parse().ok();
            let host = uri.as_ref().and_then(|uri| uri.host());
            host.unwrap_or_default().to_ascii_lowercase()
        })
    }

    /// Returns the certificate of the CA that signs the certificates of devices, DER.
    pub fn ca(&self) -> &[u8] {
        self.ca.certificate()
    }

    /// Returns the plan for a device at its first address: the demo's plan, and at the end the move to the other
    /// address.
    pub fn first_plan(&self) -> Plan {
        let [_, moved] = self.management_urls();
        let node =
            format!("./Vendor/MSFT/DMClient/Provider/{PROVIDER_ID}/ManagementServerAddressList");
        let mut plan = Self::moved_plan();
        let move_on = PlannedCommand::Replace(node, format!("<{moved}>"));
        if let Some(package) = plan.packages.last_mut() {
            package.commands.push(move_on);
        }
        plan
    }

    /// Returns the plan for a device at the other address: the demo's plan, and a query for the device's certificate.
    pub fn moved_plan() -> Plan {
        let mut plan = Plan::demo();
        if let Some(package) = plan.packages.last_mut() {
            package
                .commands
                .push(PlannedCommand::Get(CERT_THUMPRINT.into()));
        }
        plan
    }

    /// Answers a request; `now` is the time since 1970.
    pub fn answer(&mut self, request: &Request<Bytes>, now: Duration) -> Response<Bytes> {
        let (uri, path) = (request.uri(), request.uri().path());
        let Some(host) = host_of(request.headers().get(HOST), uri) else {
            return plain(StatusCode::BAD_REQUEST, "the request names no host\n");
        };
        let manages = is_at(&self.sites.management, host);
        if !manages && !is_at(&self.sites.discovery, host) {
            return misdirected(host);
        }
        let is_here = |(service, _): &(Service, _)| manages || *service == Service::Discovery;
        match (Service::at(path).filter(is_here), request.method()) {
            (Some((Service::Discovery, _)), _) if self.redirects && !manages => {
                redirect(&format!("{}{DISCOVERY_PATH}", self.sites.management))
            }
            (Some((Service::Discovery, _)), &Method::GET) => plain(StatusCode::OK, ""),
            (Some(service), &Method::POST) => self.soap(service, request, host, now),
            _ => plain(StatusCode::NOT_FOUND, "nothing is here\n"),
        }
    }

    /// Returns the answer to a management message for a wrong host; `None` if the host is the one of management
    /// sessions.
    pub fn misdirected(&self, host: Option<&HeaderValue>, uri: &Uri) -> Option<Response<Bytes>> {
        let host = host_of(host, uri).unwrap_or_default();
        (!is_at(&self.sites.sessions, host)).then(|| misdirected(host))
    }

    fn soap(
        &mut self,
        service: (Service, &str),
        request: &Request<Bytes>,
        host: &str,
        now: Duration,
    ) -> Response<Bytes> {
        let document = in_utf8(request.body().clone())
            .and_then(|body| decode(body, Hint::default(), &Limits::default()))
            .ok();
        let Some(envelope) = document.as_ref().and_then(Envelope::of) else {
            return plain(StatusCode::BAD_REQUEST, "the body is not a SOAP envelope\n");
        };
        let shown = request.extensions().get();
        let answer = self.serve(service, envelope, (host, request.uri().path()), shown, now);
        let (status, xml) = match answer {
            Ok(xml) => (StatusCode::OK, xml),
            Err(fault) => {
                let xml = answers::fault(envelope, &fault);
                (StatusCode::INTERNAL_SERVER_ERROR, xml)
            }
        };
        let media_type = match envelope.version() {
            Some(SoapVersion::V1_1) => SOAP_11,
            _ => SOAP_12,
        };
        response(status, CONTENT_TYPE, media_type, xml)
    }

    fn serve(
        &mut self,
        (service, served): (Service, &str),
        envelope: Envelope<'_>,
        (host, path): (&str, &str),
        shown: Option<&PresentedCertificate>,
        now: Duration,
    ) -> Result<String, Fault> {
        if self.checks_to {
            addressed(envelope, host, path)?;
        }
        let action = envelope.action().unwrap_or_default();
        if action != served {
            let why = format!("the action {action:?} is not served at {path}");
            return Err(Fault::sender("a:ActionNotSupported", why));
        }
        match (service, EnrollmentMessage::of(envelope)) {
            (Service::Discovery, Some(EnrollmentMessage::Discover(asked))) => {
                Ok(self.discover(envelope, asked))
            }
            (Service::Policy, Some(EnrollmentMessage::GetPolicies)) => {
                self.user(envelope)?;
                Ok(answers::policies(envelope, &self.sites.management))
            }
            (Service::Enrollment, Some(EnrollmentMessage::Request(asked))) => {
                self.issue(envelope, asked, shown, now)
            }
            _ => {
                let why = "the body does not hold what the action says";
                Err(Fault::of("s:MessageFormat", why.into()))
            }
        }
    }

    /// Answers with the user's kind of authentication. For an unknown user, it is a password.
    fn discover(&self, envelope: Envelope<'_>, asked: Discover<'_>) -> String {
        let name = asked.field("EmailAddress").unwrap_or_default();
        let mut users = self.users.iter();
        let user = users.find(|user| user.name.eq_ignore_ascii_case(&name));
        let is_federated = user.is_some_and(|user| matches!(user.login, Login::Token(_)));
        // From version 5.0 on, devices use their TPM to prove that they hold the key.
        let version = match asked.field("RequestVersion").as_deref() {
            None | Some("1.0" | "2.0" | "3.0" | "4.0") => "4.0",
            Some(_) => "5.0",
        };
        answers::discovered(envelope, &self.sites.management, is_federated, version)
    }

    /// Returns the sender of a message.
    fn user(&self, envelope: Envelope<'_>) -> Result<&User, Fault> {
        let security = envelope.security();
        let token = security.and_then(|security| security.binary_token());
        let token = token.filter(|token| token.kind() == TokenKind::UserToken);
        let token = token.and_then(|token| token.octets());
        let name = security.and_then(|security| security.username());
        let password = security.and_then(|security| security.password());
        let password = password.map(|password| password.text());
        if token.is_none() && name.is_none() {
            let why = "the message holds neither a UsernameToken nor a user token";
            return Err(Fault::of("a:InvalidSecurity", why.into()));
        }
        let known = self.users.iter().find(|user| match &user.login {
            Login::Token(own) => token.as_deref() == Some(own.as_bytes()),
            Login::Password(own) => {
                let is_named = |name: &str| user.name.eq_ignore_ascii_case(name);
                name.as_deref().is_some_and(is_named) && password.as_deref() == Some(own)
            }
        });
        known.ok_or_else(|| {
            let who = name.map_or("the token".into(), |name| format!("the password of {name}"));
            Fault::of(
                "s:Authentication",
                format!("{who} is not known to this server"),
            )
        })
    }

    /// Issues the certificate and the account.
    fn issue(
        &mut self,
        envelope: Envelope<'_>,
        asked: RequestSecurityToken<'_>,
        shown: Option<&PresentedCertificate>,
        now: Duration,
    ) -> Result<String, Fault> {
        let malformed = |why: &str| Fault::of("s:MessageFormat", why.into());
        let refused = |why: String| Fault::of("s:CertificateRequest", why);
        let token = asked.token().and_then(|it| Some((it.kind(), it.octets()?)));
        let (user, csr) = match (asked.request_type(), token) {
            (Some(RequestType::Issue), Some((TokenKind::Pkcs10, csr))) => {
                (self.user(envelope)?.clone(), csr)
            }
            (Some(RequestType::Renew), Some((TokenKind::Pkcs7, signed))) => {
                let signed = SignedRequest::read(&signed);
                let signed = signed.map_err(|error| refused(error.to_string()))?;
                let user = self.holder(&signed, shown, asked, now)?;
                (user, signed.request().to_vec())
            }
            (Some(RequestType::Issue | RequestType::Renew), _) => {
                let why = "the message holds no PKCS#10, or no PKCS#7 to renew";
                return Err(refused(why.into()));
            }
            _ => return Err(malformed("only Issue and Renew are served")),
        };
        // The name only has to be present, as for most servers.
        let requested =
            CertificationRequest::read(&csr).map_err(|error| refused(error.to_string()))?;
        if requested.subject() == EMPTY_NAME {
            return Err(refused("the certificate request has no subject".into()));
        }
        let device = asked.context("DeviceID").filter(|id| !id.is_empty());
        let device = device
            .ok_or_else(|| malformed("there is no DeviceID"))?
            .into_owned();
        let serial = self.next_serial;
        let issued = self.ca.issue(&requested, &device, serial, now);
        let issued = issued.map_err(|error| Fault::of("s:EnrollmentServer", error.to_string()))?;
        self.next_serial += 1;
        let [address, _] = self.management_urls();
        let renewal = format!("{}{ENROLLMENT_PATH}", self.sites.management);
        let document = Provisioning {
            root: self.ca.certificate(),
            certificate: &issued,
            is_for_device: asked.context("EnrollmentType").as_deref() == Some("Device"),
            device: &device,
            user: &user.name,
            address: &address,
            renewal: &renewal,
            encoding: user.encoding,
            serial,
        };
        let document = document.to_string();
        if self.granted.len() < MOST_GRANTED {
            let thumbprint = thumbprint(&issued);
            let user = user.name;
            self.granted.push(Granted {
                user,
                device,
                thumbprint,
                certificate: issued,
                validity: validity_of_device(now),
                is_used: false,
            });
        }
        Ok(answers::granted(envelope, &document, now))
    }
}

/// The services of enrollment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Discovery,
    Policy,
    Enrollment,
}

impl Service {
    /// All services, each with its path and its action.
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Discovery, DISCOVERY_PATH, action::DISCOVER),
        (Self::Policy, POLICY_PATH, action::GET_POLICIES),
        (Self::Enrollment, ENROLLMENT_PATH, action::RST),
    ];

    fn at(path: &str) -> Option<(Self, &'static str)> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|(_, own, _)| own.eq_ignore_ascii_case(path));
        found.map(|(service, _, action)| (service, action))
    }
}

/// Checks that a message is addressed to this place: WCF compares `a:To` with the address of the request.
fn addressed(envelope: Envelope<'_>, host: &str, path: &str) -> Result<(), Fault> {
    let to = envelope.to().unwrap_or_default();
    let uri: Option<Uri> = to.parse().ok();
    let fits = uri.is_some_and(|uri| {
        let authority = uri.authority().map(|authority| authority.as_str());
        authority.is_some_and(|to| same_host(to, host)) && uri.path().eq_ignore_ascii_case(path)
    });
    fits.then_some(()).ok_or_else(|| {
        let why = format!(
            "The message with To '{to}' cannot be processed at the receiver, due to an AddressFilter mismatch at the \
             EndpointDispatcher."
        );
        Fault::sender("a:DestinationUnreachable", why)
    })
}

/// Returns the host that a request names, in HTTP/1.1 and HTTP/2.
fn host_of<'r>(host: Option<&'r HeaderValue>, uri: &'r Uri) -> Option<&'r str> {
    let authority = uri.authority().map(|authority| authority.as_str());
    host.and_then(|host| host.to_str().ok()).or(authority)
}

fn is_at(origin: &str, host: &str) -> bool {
    origin
        .split_once("://")
        .is_some_and(|(_, own)| same_host(own, host))
}

fn misdirected(host: &str) -> Response<Bytes> {
    let why = format!("{host} is not the name of this server\n");
    plain(StatusCode::MISDIRECTED_REQUEST, &why)
}

/// Compares two hosts without regard to case; a missing port counts as 443.
fn same_host(one: &str, other: &str) -> bool {
    let plain = |host: &str| {
        host.strip_suffix(":443")
            .unwrap_or(host)
            .to_ascii_lowercase()
    };
    plain(one) == plain(other)
}

fn plain(status: StatusCode, text: &str) -> Response<Bytes> {
    response(
        status,
        CONTENT_TYPE,
        "text/html; charset=utf-8",
        text.into(),
    )
}

fn redirect(to: &str) -> Response<Bytes> {
    response(StatusCode::FOUND, LOCATION, to, String::new())
}

/// Makes an answer with a Content-Length: Windows refuses chunked answers.
fn response(
    status: StatusCode,
    name: http::HeaderName,
    value: &str,
    body: String,
) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let length = response.body().len().into();
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length);
    // An origin with other characters cannot be one that a request has reached.
    if let Ok(value) = value.parse() {
        headers.insert(name, value);
    }
    response
}

/// The path of discovery, which is the same at every server.
pub const DISCOVERY_PATH: &str = "/EnrollmentServer/Discovery.svc";
/// The path of the first management sessions.
pub const MANAGEMENT_PATH: &str = "/ManagementServer/MDM.svc";
/// The path of management sessions after the move.
pub const MOVED_PATH: &str = "/ManagementServer/Moved.svc";
const POLICY_PATH: &str = "/EnrollmentServer/Policy.svc";
const ENROLLMENT_PATH: &str = "/EnrollmentServer/Enrollment.svc";
/// The server's name in accounts.
pub const PROVIDER_ID: &str = "dmtap-sim";
/// The node with which the device reports its certificate, as spelled in the DDF.
const CERT_THUMPRINT: &str = "./Vendor/MSFT/CertificateStore/MY/WSTEP/CertThumprint";
/// A Name without a part: an empty SEQUENCE.
const EMPTY_NAME: [u8; 2] = [0x30, 0];
/// The most grants that are remembered.
const MOST_GRANTED: usize = 1024;
