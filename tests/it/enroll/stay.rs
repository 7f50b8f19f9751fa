//! A device behind dmtap follows a redirect of discovery and stays.

use std::net::SocketAddr;
use std::sync::Arc;

use dmtap::app::device::RetryPolicy;
use dmtap::app::dial::Dialer;
use dmtap::app::enroll_device::{EnrolledDevice, enroll};
use dmtap::app::enroll_server::new_key;
use dmtap::flow::origin::OriginPair;
use dmtap::peer::enroll::EnrollProfile;
use dmtap::proxy::{
    Authority, Origin, Proxy, Resolve, Scheme, Settings, SwapSettings, Trust, UpstreamHttp,
};
use tempfile::TempDir;

use super::doctor::Nobody;
use super::{Bench, DISCOVERY, MANAGEMENT, alice};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_leads_no_device_past_dmtap() {
    for version in [UpstreamHttp::Http1, UpstreamHttp::Http2] {
        let bench = Bench::new(true).await;
        let mut settings = behind(&bench);
        settings.upstream_http = version;
        settings.swap = SwapSettings::All;
        // The second name has a public name of its own: redirects lead to servers of the map.
        settings.stay.maps = vec![second_pair(&bench)];
        let (here, _confdir) = run(settings, &bench).await;
        let port = bench.address.port();
        let dialer = Dialer::without_dns(vec![
            Resolve::new("one.dmtap.test", 443, here),
            Resolve::new("two.dmtap.test", 443, here),
            Resolve::new(DISCOVERY, port, bench.address),
            Resolve::new(MANAGEMENT, port, bench.address),
        ]);
        let client = dialer.client(&bench.trust()).unwrap();
        let profile = EnrollProfile {
            allows_redirects: true,
            ..alice()
        };
        let id = profile.device_id.clone();
        let url = "https://one.dmtap.test/EnrollmentServer/Discovery.svc"
            .parse()
            .unwrap();
        let key = new_key().unwrap();
        let enrollment = enroll(&client, profile, key.clone(), url).await.unwrap();
        let client = dialer.client_with(&bench.trust(), &enrollment.certificate, key);
        let client = client.unwrap();
        let renewal = enrollment.renewal.as_deref();
        assert_eq!(
            renewal,
            Some("https://two.dmtap.test/EnrollmentServer/Enrollment.svc")
        );
        let mut device = EnrolledDevice::new(enrollment, id);
        for session_id in ["1", "2"] {
            let session = device.session(&client, session_id, RetryPolicy::default());
            session.await.unwrap();
        }
        let expected = ["one.dmtap.test:443", "two.dmtap.test:443"];
        assert_eq!(dialer.contacted(), expected, "{version:?}");
    }
}

/// With `-k`, any certificate will do for the servers that the user names, and not for those that a server names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_only_a_server_named_are_verified_even_with_k() {
    for is_mapped in [true, false] {
        let bench = Bench::new(false).await;
        let mut settings = behind(&bench);
        settings.trust = Trust::Anything;
        if is_mapped {
            settings.stay.maps = vec![second_pair(&bench)];
        }
        let (here, _confdir) = run(settings, &bench).await;
        let names = ["one.dmtap.test", "two.dmtap.test"];
        let dialer = Dialer::without_dns(names.map(|name| Resolve::new(name, 443, here)).into());
        let client = dialer.client(&bench.trust()).unwrap();
        let url = "https://one.dmtap.test/EnrollmentServer/Discovery.svc";
        let url = url.parse().unwrap();
        let enrolled = enroll(&client, alice(), new_key().unwrap(), url).await;
        let refusal = enrolled.err().map(|error| error.to_string());
        assert_eq!(refusal.is_none(), is_mapped, "{refusal:?}");
        assert!(refusal.is_none_or(|refusal| refusal.contains("502")));
    }
}

/// A proxy in front of the first name, which finds both without DNS.
fn behind(bench: &Bench) -> Settings {
    let port = bench.address.port();
    let mut settings = Settings::reverse(Origin {
        scheme: Scheme::Https,
        host: DISCOVERY.into(),
        port,
    });
    settings.listen.set_port(0);
    settings.trust = bench.trust();
    settings.resolve = [DISCOVERY, MANAGEMENT]
        .map(|host| Resolve::new(host, port, bench.address))
        .into();
    settings
}

fn second_pair(bench: &Bench) -> OriginPair {
    let port = bench.address.port();
    OriginPair {
        public: "https://two.dmtap.test:443".parse().unwrap(),
        server: format!("https://{MANAGEMENT}:{port}").parse().unwrap(),
    }
}

/// Where it listens, and its folder.
async fn run(mut settings: Settings, bench: &Bench) -> (SocketAddr, TempDir) {
    let confdir = tempfile::tempdir().unwrap();
    settings.confdir = Some(confdir.path().to_owned());
    let folder = bench.authority.certificate_file().parent().unwrap();
    let authority = Arc::new(Authority::load_or_create(folder).unwrap());
    let proxy = Proxy::bind(settings, authority, Arc::default(), Arc::new(Nobody));
    let proxy = proxy.await.unwrap();
    let here = proxy.local_addr();
    tokio::spawn(proxy.run(bench.stop.clone()));
    (here, confdir)
}
