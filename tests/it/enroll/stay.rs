//! A device behind dmtap follows a redirect of discovery and stays.

use std::sync::Arc;

use dmtap::app::device::RetryPolicy;
use dmtap::app::dial::{Dialer, Resolve};
use dmtap::app::enroll_device::{EnrolledDevice, enroll};
use dmtap::app::enroll_server::new_key;
use dmtap::peer::enroll::EnrollProfile;
use dmtap::proxy::{self, Proxy, Scheme, Settings, SwapSettings, Upstream, UpstreamHttp};

use super::doctor::Nobody;
use super::{Bench, DISCOVERY, MANAGEMENT, alice};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_leads_no_device_past_dmtap() {
    for version in [UpstreamHttp::Http1, UpstreamHttp::Http2] {
        let bench = Bench::new(true).await;
        let confdir = tempfile::tempdir().unwrap();
        let port = bench.address.port();
        let mut settings = Settings::reverse(Upstream {
            scheme: Scheme::Https,
            host: DISCOVERY.into(),
            port,
        });
        settings.listen.set_port(0);
        settings.trust = bench.trust();
        settings.upstream_http = version;
        settings.confdir = Some(confdir.path().to_owned());
        settings.swap = SwapSettings::All;
        settings.resolve = [DISCOVERY, MANAGEMENT]
            .map(|host| proxy::Resolve {
                host: host.into(),
                port,
                address: bench.address.ip(),
            })
            .into();
        // The second name has a public name of its own: redirects lead to servers of the map.
        let pair = format!("https://two.dmtap.test:443=https://{MANAGEMENT}:{port}");
        let (public, server) = pair.split_once('=').unwrap();
        settings.stay.maps = vec![dmtap::flow::origin::OriginPair {
            public: public.parse().unwrap(),
            server: server.parse().unwrap(),
        }];
        let authority = Arc::new(
            dmtap::proxy::Authority::load_or_create(
                bench.authority.certificate_file().parent().unwrap(),
            )
            .unwrap(),
        );
        let proxy = Proxy::bind(settings, authority, Arc::default(), Arc::new(Nobody));
        let proxy = proxy.await.unwrap();
        let here = proxy.local_addr();
        tokio::spawn(proxy.run(bench.stop.clone()));
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
