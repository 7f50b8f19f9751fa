//! The device that enrolls: it contacts only the servers that answers name, and refuses what Windows refuses.

mod accept;
mod criteria;
mod refused_answer;
mod requests;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{Request, Response, StatusCode, Uri, Version};

use super::csr::{self, CsrForm};
use super::key::PrivateKey;
use super::server::Login;
use crate::dm::enrollment::{EnrollmentMessage, RequestType};
use crate::dm::{Envelope, Hresult};
use crate::identity::{CertificateError, SignedData, Signer as _};
use crate::markup::utf16::in_utf8;
use crate::markup::{Document, Hint, Limits, decode};
pub use accept::Enrollment;
pub use refused_answer::{RefusedAnswer, first_line};
pub use requests::{discover as discover_request, exists as exists_request};

/// The user and the device of an enrollment.
#[derive(Clone, Debug)]
pub struct EnrollProfile {
    /// The user name, in the form of a mail address.
    pub user: String,
    /// The password or token.
    pub login: Login,
    /// The device's id, used in the certificate request and later in sessions: 32 hexadecimal digits.
    pub device_id: String,
    /// The GUID of this enrollment, which goes into the certificate request.
    pub guid: String,
    /// The version of Windows.
    pub csr: CsrForm,
    /// The build of Windows.
    pub os_version: String,
    /// The name of the device.
    pub device_name: String,
    /// `Full` or `Device`: the certificate is for the user's store or for the machine's store.
    pub enrollment_type: &'static str,
    /// Whether the user allows redirects of discovery.
    pub allows_redirects: bool,
    /// Whether the device has a TPM, and sends its attestation if the server has version 5.0 and does not want software
    /// keys.
    pub attests: bool,
}

impl EnrollProfile {
    /// Creates a device of this form with its first user.
    pub fn new(user: String, login: Login, csr: CsrForm) -> Self {
        let (os_version, device_id) = match csr {
            CsrForm::Windows10 => ("10.0.19043.928", "0F1E2D3C4B5A69788796A5B4C3D2E1F0"),
            CsrForm::Windows11 => ("10.0.22598.1", "F0E1D2C3B4A5968778695A4B3C2D1E0F"),
        };
        Self {
            user,
            login,
            device_id: device_id.into(),
            guid: "4D1B3A8C-5C0E-4F6B-9A77-0123456789AB".into(),
            csr,
            os_version: os_version.into(),
            device_name: "DESKTOP-DMTAP01".into(),
            enrollment_type: "Full",
            allows_redirects: false,
            attests: false,
        }
    }

    fn request_version(&self) -> &'static str {
        match self.csr {
            CsrForm::Windows10 => "4.0",
            CsrForm::Windows11 => "5.0",
        }
    }

    fn has(&self) -> &'static str {
        match self.login {
            Login::Password(_) => "OnPremise",
            Login::Token(_) => "Federated",
        }
    }
}

/// The next step after an answer.
#[derive(Debug)]
pub enum Step {
    /// The device sends the next request.
    Send(Box<Request<Bytes>>),
    /// The device is enrolled.
    Enrolled(Box<Enrollment>),
}

/// An enrollment under way.
#[derive(Debug)]
pub struct EnrollingDevice {
    profile: EnrollProfile,
    key: Arc<PrivateKey>,
    stage: Stage,
    url: Uri,
    redirects: u32,
}

/// The last request.
#[derive(Clone, Debug)]
enum Stage {
    Exists,
    Discover,
    GetPolicies { enrollment: Uri },
    RequestToken,
}

impl Stage {
    fn name(&self) -> &'static str {
        match self {
            Self::Exists => "the GET of discovery",
            Self::Discover => "Discover",
            Self::GetPolicies { .. } => "GetPolicies",
            Self::RequestToken => "RequestSecurityToken",
        }
    }
}

impl EnrollingDevice {
    /// Begins an enrollment at the discovery address `url`. Returns the device and its first request.
    pub fn begin(profile: EnrollProfile, key: Arc<PrivateKey>, url: Uri) -> (Self, Request<Bytes>) {
        let request = requests::exists(&url);
        let device = Self {
            profile,
            key,
            stage: Stage::Exists,
            url,
            redirects: 0,
        };
        (device, request)
    }

    /// Begins the renewal of a certificate at `url`: `key` is the new key, and the old key signs the request.
    ///
    /// # Errors
    /// Returns [`RefusedAnswer::Unusable`] if a key cannot sign.
    pub fn renew(
        mut profile: EnrollProfile,
        key: Arc<PrivateKey>,
        old: (&[u8], &PrivateKey),
        url: Uri,
    ) -> Result<(Self, Request<Bytes>), RefusedAnswer> {
        // Microsoft's documentation: a renewal has the user's name with an empty password.
        profile.login = Login::Password(String::new());
        let device = Self {
            profile,
            key,
            stage: Stage::RequestToken,
            url,
            redirects: 0,
        };
        let EnrollProfile {
            guid,
            device_id,
            csr,
            ..
        } = &device.profile;
        let unusable = |why: String| device.unusable(&why);
        let request = csr::request(*csr, guid, device_id, &device.key);
        let request = request.map_err(|error| unusable(error.to_string()))?;
        let (certificate, old) = old;
        let signed = SignedData::around(&request, certificate, old);
        let signed = signed.map_err(|error| unusable(error.to_string()))?;
        let token = STANDARD.encode(signed);
        let (url, profile) = (&device.url, &device.profile);
        let request = requests::request_token(url, profile, RequestType::Renew, &token);
        Ok((device, request))
    }

    /// Handles the answer to the last request.
    ///
    /// # Errors
    /// Returns a [`RefusedAnswer`] if the device does not enroll.
    pub fn answer(&mut self, response: &Response<Bytes>) -> Result<Step, RefusedAnswer> {
        if response.status().is_redirection() {
            return self.redirected(response);
        }
        match self.stage.clone() {
            Stage::Exists => {
                self.expect_ok(response)?;
                if self.url.scheme_str() != Some("https") {
                    return Err(self.unusable("discovery without TLS leads nowhere"));
                }
                self.stage = Stage::Discover;
                Ok(send(requests::discover(&self.url, &self.profile)))
            }
            Stage::Discover => self.discovered(response),
            Stage::GetPolicies { enrollment } => {
                let document = self.read(response)?;
                let Some(EnrollmentMessage::GetPoliciesResponse(policies)) = message(&document)
                else {
                    return Err(self.unusable("it is not a GetPoliciesResponse"));
                };
                // An answer without any policy does not stop Windows: it makes its default key.
                let mut providers = policies.crypto_providers();
                if providers.any(|provider| provider == SOFTWARE_KEYS) {
                    self.profile.attests = false;
                }
                self.request_token(enrollment)
            }
            Stage::RequestToken => {
                let document = self.read(response)?;
                let answer = match message(&document) {
                    Some(EnrollmentMessage::Response(answer)) => answer,
                    _ => return Err(self.unusable("it is not a RequestSecurityTokenResponse")),
                };
                let provisioning = answer.provisioning(&Limits::default());
                let provisioning = provisioning
                    .ok_or_else(|| self.unusable("it holds no provisioning document"))?;
                let mut enrollment =
                    accept::accept(provisioning.document(), self.key.public_key())?;
                // If the server names no address for renewals, the device uses the address of the enrollment
                // (CertificateStore CSP).
                let url = &self.url;
                enrollment.renewal.get_or_insert_with(|| url.to_string());
                Ok(Step::Enrolled(Box::new(enrollment)))
            }
        }
    }

    /// Follows a redirect of discovery, if the user allows it.
    fn redirected(&mut self, response: &Response<Bytes>) -> Result<Step, RefusedAnswer> {
        let step = self.stage.name();
        let to = response.headers().get(LOCATION);
        let to = to.and_then(|to| to.to_str().ok()).unwrap_or_default();
        let is_discovery = matches!(self.stage, Stage::Exists | Stage::Discover);
        if !is_discovery || !self.profile.allows_redirects {
            let to = to.to_owned();
            return Err(RefusedAnswer::Redirect { step, to });
        }
        self.redirects += 1;
        if self.redirects > MOST_REDIRECTS {
            return Err(RefusedAnswer::Redirects);
        }
        let here = &self.url;
        let absolute = match to.strip_prefix('/') {
            Some(_) => {
                let authority = here.authority().map_or("", |authority| authority.as_str());
                format!("{}://{authority}{to}", here.scheme_str().unwrap_or("https"))
            }
            None => to.into(),
        };
        self.url = self.address("Location", &absolute)?;
        Ok(send(match self.stage {
            Stage::Discover => requests::discover(&self.url, &self.profile),
            _ => requests::exists(&self.url),
        }))
    }

    fn discovered(&mut self, response: &Response<Bytes>) -> Result<Step, RefusedAnswer> {
        let document = self.read(response)?;
        let Some(EnrollmentMessage::DiscoverResponse(answer)) = message(&document) else {
            return Err(self.unusable("it is not a DiscoverResponse"));
        };
        let version = answer.enrollment_version();
        let major = version.and_then(|it| it.split('.').next()?.parse::<u32>().ok());
        if major.is_some_and(|major| major < 5) {
            self.profile.attests = false;
        }
        let asked = answer.auth_policy().unwrap_or_default();
        let given = self.profile.has();
        if asked != given {
            let asked = asked.into_owned();
            return Err(RefusedAnswer::Login { asked, given });
        }
        let url = |name: &str| {
            let found = answer.urls().find(|url| url.local() == name);
            found
                .map(|url| self.address(name, url.text().trim()))
                .transpose()
        };
        let enrollment = url("EnrollmentServiceUrl")?
            .ok_or_else(|| self.unusable("it names no EnrollmentServiceUrl"))?;
        let Some(policy) = url("EnrollmentPolicyServiceUrl")? else {
            // MS-MDE2 §3.1: without a policy service this step is skipped.
            return self.request_token(enrollment);
        };
        let host = |url: &Uri| url.host().unwrap_or_default().to_ascii_lowercase();
        let (own, other) = (host(&policy), host(&enrollment));
        if own != other {
            let (policy, enrollment) = (own, other);
            return Err(RefusedAnswer::Hosts { policy, enrollment });
        }
        let request = requests::get_policies(&policy, &self.profile);
        self.stage = Stage::GetPolicies { enrollment };
        self.url = policy;
        Ok(send(request))
    }

    fn request_token(&mut self, url: Uri) -> Result<Step, RefusedAnswer> {
        let csr = self.csr();
        let csr = csr.map_err(|error| self.unusable(&error.to_string()))?;
        let request = requests::request_token(&url, &self.profile, RequestType::Issue, &csr);
        self.stage = Stage::RequestToken;
        self.url = url;
        Ok(send(request))
    }

    fn csr(&self) -> Result<String, CertificateError> {
        let EnrollProfile {
            csr,
            guid,
            device_id,
            ..
        } = &self.profile;
        let der = csr::request(*csr, guid, device_id, &self.key);
        let der = der.map_err(CertificateError::about(
            "the certificate request cannot be written",
        ))?;
        Ok(csr::base64(*csr, &der))
    }

    /// Reads the document of an answer. Refuses a chunked answer, a fault and an HTTP error.
    fn read(&self, response: &Response<Bytes>) -> Result<Document, RefusedAnswer> {
        let step = self.stage.name();
        let has_length = response.headers().contains_key(CONTENT_LENGTH);
        if response.version() < Version::HTTP_2 && !has_length {
            return Err(RefusedAnswer::Chunked(step));
        }
        let media_type = response.headers().get(CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        let hint = Hint {
            media_type: media_type.and_then(|value| value.split(';').next()),
            ..Hint::default()
        };
        let document = in_utf8(response.body().clone())
            .and_then(|body| decode(body, hint, &Limits::default()));
        let fault = document
            .as_ref()
            .ok()
            .and_then(|document| fault(step, document));
        if let Some(fault) = fault {
            return Err(fault);
        }
        self.expect_ok(response)?;
        document.map_err(|error| self.unusable(&error.to_string()))
    }

    fn expect_ok(&self, response: &Response<Bytes>) -> Result<(), RefusedAnswer> {
        let (step, status) = (self.stage.name(), response.status());
        match status {
            StatusCode::OK => Ok(()),
            status => {
                let text = first_line(response.headers(), response.body());
                Err(RefusedAnswer::Http { step, status, text })
            }
        }
    }

    fn address(&self, what: &str, text: &str) -> Result<Uri, RefusedAnswer> {
        let uri: Option<Uri> = text.parse().ok();
        let uri = uri.filter(|uri| uri.host().is_some() && uri.scheme().is_some());
        uri.ok_or_else(|| self.unusable(&format!("{what} is not an address: {text:?}")))
    }

    fn unusable(&self, why: &str) -> RefusedAnswer {
        RefusedAnswer::Unusable {
            step: self.stage.name(),
            why: why.into(),
        }
    }
}

fn send(request: Request<Bytes>) -> Step {
    Step::Send(Box::new(request))
}

fn message(document: &Document) -> Option<EnrollmentMessage<'_>> {
    EnrollmentMessage::of(Envelope::of(document)?)
}

fn fault(step: &'static str, document: &Document) -> Option<RefusedAnswer> {
    let fault = Envelope::of(document)?.fault()?;
    let code = fault.subcode().or_else(|| fault.code());
    Some(RefusedAnswer::Fault {
        step,
        code: code.unwrap_or_default().into_owned(),
        reason: fault.reason().unwrap_or_default().into_owned(),
        hresult: Hresult::of_fault(fault).map(|hresult| hresult.to_string()),
    })
}

/// The name of Windows' provider for keys without a TPM.
const SOFTWARE_KEYS: &str = "Microsoft Software Key Storage Provider";
/// The most redirects that are followed.
const MOST_REDIRECTS: u32 = 5;
