//! A device enrolls over real TLS on loopback, and its sessions go to the address that the server sends.

mod attestation;
mod demo;
mod doctor;
mod lab;
mod many;
mod mutual;
mod nginx;
mod renew;
mod secrets;
mod stay;
mod swap;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use dmtap::app::device::RetryPolicy;
use dmtap::app::dial::Dialer;
use dmtap::app::enroll_device::{EnrollError, EnrolledDevice, enroll};
use dmtap::app::enroll_server::{self, EnrollService, new_key};
use dmtap::peer::Encoding;
use dmtap::peer::enroll::{CsrForm, EnrollProfile, Login, RefusedAnswer, Sites, User};
use dmtap::proxy::{Authority, Resolve, Trust};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const DISCOVERY: &str = "enterpriseenrollment.dmtap.test";
const MANAGEMENT: &str = "mdm.dmtap.test";

/// A server with its two names, and the CA that signed its certificate.
struct Bench {
    service: Arc<EnrollService>,
    address: SocketAddr,
    authority: Authority,
    _folder: tempfile::TempDir,
    stop: CancellationToken,
}

impl Bench {
    async fn new(redirects: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::load_or_create(folder.path()).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let origin = |name: &str| format!("https://{name}:{}", address.port());
        let sites = Sites {
            discovery: origin(DISCOVERY),
            management: origin(MANAGEMENT),
            sessions: origin(MANAGEMENT),
        };
        let user = |name: &str, login, encoding| User {
            name: name.into(),
            login,
            encoding,
        };
        let users = vec![
            user("alice@dmtap.test", password(), Encoding::Xml),
            user("bob@dmtap.test", token(), Encoding::Wbxml),
        ];
        let service = EnrollService::new(sites, users, |server| match redirects {
            true => server.redirecting(),
            false => server,
        });
        let service = Arc::new(service.unwrap());
        let tls = service.tls(&authority).unwrap();
        let stop = CancellationToken::new();
        let serving = enroll_server::serve(listener, tls, service.clone(), stop.clone());
        tokio::spawn(serving);
        Self {
            service,
            address,
            authority,
            _folder: folder,
            stop,
        }
    }

    fn dialer(&self) -> Dialer {
        let line = |name| Resolve::new(name, self.address.port(), self.address);
        Dialer::without_dns(vec![line(DISCOVERY), line(MANAGEMENT)])
    }

    fn trust(&self) -> Trust {
        Trust::PlatformAnd(self.authority.certificate_file().to_owned())
    }

    fn url(&self) -> http::Uri {
        let port = self.address.port();
        let url = format!("https://{DISCOVERY}:{port}/EnrollmentServer/Discovery.svc");
        url.parse().unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn password() -> Login {
    Login::Password("Tr0ub4dor&3".into())
}

fn token() -> Login {
    Login::Token("token of bob".into())
}

fn alice() -> EnrollProfile {
    EnrollProfile::new("alice@dmtap.test".into(), password(), CsrForm::Windows10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_enroll_and_are_moved_by_their_first_session() {
    let bench = Bench::new(false).await;
    let bob = EnrollProfile::new("bob@dmtap.test".into(), token(), CsrForm::Windows11);
    for (profile, encoding) in [(alice(), Encoding::Xml), (bob, Encoding::Wbxml)] {
        let dialer = bench.dialer();
        let client = dialer.client(&bench.trust()).unwrap();
        let id = profile.device_id.clone();
        let key = new_key().unwrap();
        let enrollment = enroll(&client, profile, key.clone(), bench.url());
        let enrollment = enrollment.await.unwrap();
        let client = dialer.client_with(&bench.trust(), &enrollment.certificate, key);
        let client = client.unwrap();
        let thumbprint = enrollment.thumbprint.clone();
        let mut device = EnrolledDevice::new(enrollment, id.clone());
        let mut paths = Vec::new();
        for session_id in ["1", "2", "3"] {
            let session = device.session(&client, session_id, RetryPolicy::default());
            let session = session.await.unwrap();
            assert_eq!(session.encoding, encoding);
            assert!(session.done.len() > 10, "{:?}", session.done);
            paths.push(session.url.path().to_owned());
        }
        let moved = "/ManagementServer/Moved.svc";
        assert_eq!(paths, ["/ManagementServer/MDM.svc", moved, moved]);
        let first = bench.service.first.lock();
        let received = &first.session(&id, "1").unwrap().outcomes;
        let (what, code) = received.last().unwrap();
        assert!(what.contains("ManagementServerAddressList"), "{what}");
        assert_eq!(code.0, 200);
        drop(first);
        let port = bench.address.port();
        let expected = [DISCOVERY, MANAGEMENT].map(|name| format!("{name}:{port}"));
        assert_eq!(dialer.contacted(), expected);
        let granted = bench.service.granted();
        assert_eq!(granted.last().unwrap().thumbprint, thumbprint);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_leads_where_the_user_allows_it() {
    let bench = Bench::new(true).await;
    let client = bench.dialer().client(&bench.trust()).unwrap();
    let key = new_key().unwrap();
    let refused = enroll(&client, alice(), key.clone(), bench.url()).await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(
            refused,
            EnrollError::Refused(RefusedAnswer::Redirect { .. })
        ),
        "{refused}"
    );
    let allowing = EnrollProfile {
        allows_redirects: true,
        ..alice()
    };
    enroll(&client, allowing, key, bench.url()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_untrusted_server_and_an_unknown_name_are_not_asked() {
    let bench = Bench::new(false).await;
    let key = new_key().unwrap();
    let dialer = bench.dialer();
    let client = dialer.client(&Trust::Platform);
    if let Ok(client) = client {
        let refused = enroll(&client, alice(), key.clone(), bench.url()).await;
        let why = refused.unwrap_err().to_string();
        assert!(why.contains("its issuer is not known here"), "{why}");
    }
    let client = dialer.client(&bench.trust()).unwrap();
    let elsewhere = "https://elsewhere.test/EnrollmentServer/Discovery.svc";
    let refused = enroll(&client, alice(), key, elsewhere.parse().unwrap()).await;
    let why = refused.unwrap_err().to_string();
    assert!(
        why.contains("elsewhere.test:443 is not in the table of names"),
        "{why}"
    );
}

#[test]
fn an_http_error_or_a_fault_is_not_said_to_be_refused_by_the_device() {
    let http = RefusedAnswer::Http {
        step: "Discover",
        status: http::StatusCode::BAD_GATEWAY,
        text: "dmtap: connection refused".into(),
    };
    let fault = RefusedAnswer::Fault {
        step: "RequestSecurityToken",
        code: "s:Authorization".into(),
        reason: "too many devices".into(),
        hresult: None,
    };
    let redirects = RefusedAnswer::Redirects;
    for (refusal, expected) in [
        (http, "Discover: HTTP 502: dmtap: connection refused"),
        (
            fault,
            "the server answered RequestSecurityToken with the fault s:Authorization: too many devices",
        ),
        (
            redirects,
            "the device refuses: discovery is redirected without end",
        ),
    ] {
        assert_eq!(EnrollError::from(refusal).to_string(), expected);
    }
}
