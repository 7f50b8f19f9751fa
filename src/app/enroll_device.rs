//! The enrolling device on the network: enrollment, then management sessions at the address from the server.

pub mod report;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};

use super::device::{RetryPolicy, SessionError, run_session};
use super::dial::HttpClient;
use crate::dm::StatusCode;
use crate::markup::Limits;
use crate::peer::enroll::{
    EnrollProfile, EnrollingDevice, Enrollment, PrivateKey, RefusedAnswer, Step,
};
use crate::peer::{Device, Encoding, Profile, device};
use crate::proxy::ServerError;

/// The reason why a device is not enrolled, or a session failed.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// No server answered, or only one that the device does not trust.
    #[error("no response from {url}: {why}")]
    NoResponse {
        /// The address.
        url: Uri,
        /// The reason, with all causes.
        why: String,
    },
    /// The device refused an answer.
    #[error("the device refuses: {0}")]
    Refused(RefusedAnswer),
    /// The answer is an error: an HTTP error, or a fault.
    #[error("{0}")]
    Answered(RefusedAnswer),
    /// A management session failed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The address of the next session is not valid.
    #[error("the device is to go to {0:?}, which is not an address")]
    Address(String),
    /// It reached the limit of requests.
    #[error("the enrollment did not end within {MOST_REQUESTS} requests")]
    Endless,
}

impl From<RefusedAnswer> for EnrollError {
    fn from(refusal: RefusedAnswer) -> Self {
        match refusal {
            RefusedAnswer::Http { .. } | RefusedAnswer::Fault { .. } => Self::Answered(refusal),
            refusal => Self::Refused(refusal),
        }
    }
}

/// Enrolls a device at a discovery address.
pub async fn enroll(
    client: &HttpClient,
    profile: EnrollProfile,
    key: Arc<PrivateKey>,
    url: Uri,
) -> Result<Enrollment, EnrollError> {
    let (mut device, mut request) = EnrollingDevice::begin(profile, key, url);
    for _ in 0..MOST_REQUESTS {
        let response = send(client, request).await?;
        match device.answer(&response)? {
            Step::Send(next) => request = *next,
            Step::Enrolled(enrollment) => return Ok(*enrollment),
        }
    }
    Err(EnrollError::Endless)
}

/// Renews the certificate of an enrolled device, whose key is `old`, with a new key.
pub async fn renew(
    client: &HttpClient,
    profile: EnrollProfile,
    enrollment: &Enrollment,
    old: &PrivateKey,
    key: Arc<PrivateKey>,
) -> Result<Enrollment, EnrollError> {
    // The client presents the old certificate to a server that asks for one.
    let url = enrollment.renewal.clone().unwrap_or_default();
    let address = url.parse().map_err(|_| EnrollError::Address(url))?;
    let old = (&*enrollment.certificate, old);
    let (mut device, request) = EnrollingDevice::renew(profile, key, old, address)?;
    let response = send(client, request).await?;
    match device.answer(&response)? {
        Step::Enrolled(enrollment) => Ok(*enrollment),
        Step::Send(_) => Err(EnrollError::Endless),
    }
}

/// Sends a request and returns the whole answer.
pub async fn send(
    client: &HttpClient,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, EnrollError> {
    let url = request.uri().clone();
    let no_response = |why: String| EnrollError::NoResponse {
        url: url.clone(),
        why,
    };
    let why = |error: &(dyn std::error::Error + 'static)| {
        let error = ServerError::of(error, "--root-ca");
        error.without_insecure(None).to_string()
    };
    let exchange = async {
        let response = client.request(request.map(Full::new)).await;
        let (parts, body) = response.map_err(|error| why(&error))?.into_parts();
        let body = Limited::new(body, Limits::default().bytes).collect().await;
        let body = body.map_err(|error| format!("the answer broke off: {}", why(&*error)))?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    };
    let exchange = tokio::time::timeout(ANSWER, exchange).await;
    let exchange =
        exchange.unwrap_or_else(|_| Err(format!("nothing came within {} s", ANSWER.as_secs())));
    exchange.map_err(no_response)
}

/// One management session of an enrolled device.
#[derive(Debug)]
pub struct ManagementSession {
    /// The address of the server.
    pub url: Uri,
    /// The encoding of the messages.
    pub encoding: Encoding,
    /// The commands of the server, and the device's answers.
    pub done: Vec<(String, StatusCode)>,
}

/// An enrolled device with its tree.
#[derive(Debug)]
pub struct EnrolledDevice {
    /// The enrollment that the server granted.
    pub enrollment: Enrollment,
    device: Device,
}

impl EnrolledDevice {
    /// Creates a device with the nodes of its account.
    pub fn new(enrollment: Enrollment, device_id: String) -> Self {
        let profile = Profile {
            id: device_id,
            ..Profile::default()
        };
        let tree = enrollment.in_tree(device::demo_tree());
        Self {
            device: Device::new(profile, tree),
            enrollment,
        }
    }

    /// Replaces the certificate by that of a renewal.
    pub fn renewed(&mut self, renewed: Enrollment) {
        self.device
            .change_tree(|tree| renewed.certificate_in_tree(tree));
        self.enrollment.certificate = renewed.certificate;
        self.enrollment.thumbprint = renewed.thumbprint;
        self.enrollment.subject = renewed.subject;
    }

    /// Runs one session, at the current address.
    pub async fn session(
        &mut self,
        client: &HttpClient,
        session_id: &str,
        retry: RetryPolicy,
    ) -> Result<ManagementSession, EnrollError> {
        let list = self.device.text(&self.enrollment.address_list());
        let address = self.enrollment.next_address(&list.unwrap_or_default());
        let url: Uri = address.parse().map_err(|_| EnrollError::Address(address))?;
        let encoding = self.enrollment.encoding;
        run_session(client, &url, &mut self.device, session_id, encoding, retry).await?;
        Ok(ManagementSession {
            url,
            encoding,
            done: self.device.done.clone(),
        })
    }
}

/// The limit of requests of one enrollment: three, and redirects.
const MOST_REQUESTS: u32 = 20;
/// The time limit for an answer.
const ANSWER: Duration = Duration::from_secs(60);
