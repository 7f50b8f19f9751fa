//! A running proxy with all its events.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dmtap::flow::CapturedMessage;
use dmtap::flow::event::{Event, EventSink};
use dmtap::proxy::{Authority, LiveRules, Origin, Proxy, Scheme, Settings, Trust};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::device::Device;

/// A proxy in a directory of its own.
pub struct Rig {
    pub directory: TempDir,
    pub address: SocketAddr,
    pub log: Arc<EventLog>,
    rules: Arc<LiveRules>,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

impl Rig {
    /// Starts at a free port.
    pub async fn start(settings: Settings) -> Self {
        Self::start_at(settings, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub async fn start_at(settings: Settings, listen: SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Arc::new(Authority::load_or_create(directory.path()).unwrap());
        let log = Arc::new(EventLog::default());
        let settings = Settings { listen, ..settings };
        let proxy = Proxy::bind(settings, authority, Arc::default(), log.clone())
            .await
            .unwrap();
        let rules = proxy.rules();
        let address = proxy.local_addr();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(proxy.run(shutdown.clone()));
        Self {
            directory,
            address,
            log,
            rules,
            shutdown,
            running,
        }
    }

    /// The CA devices must trust.
    pub fn ca(&self) -> PathBuf {
        self.directory.path().join("dmtap-ca-cert.pem")
    }

    pub async fn device(&self, alpn: &str) -> Device {
        Device::connect(self.address, &self.ca(), alpn).await
    }

    /// Puts the rules of a file in force.
    pub fn rule(&self, text: &str) {
        let rules = dmtap::rules::load::parse("test.toml", text).unwrap();
        let set = dmtap::rules::RuleSet::from_rules(rules).unwrap();
        self.rules.publish(Arc::new(set), &[]);
    }

    /// Begins to shut down.
    pub fn shut_down(&self) {
        self.shutdown.cancel();
    }

    /// Shuts down and waits for the end.
    pub async fn stop(self) -> Arc<EventLog> {
        self.shutdown.cancel();
        soon(self.running).await.unwrap();
        self.log
    }
}

/// Settings in front of a server on loopback whose CA is in a file.
pub fn in_front_of(address: SocketAddr, ca: &Path) -> Settings {
    Settings {
        trust: Trust::PlatformAnd(ca.to_owned()),
        ..Settings::reverse(Origin {
            scheme: Scheme::Https,
            host: "localhost".into(),
            port: address.port(),
        })
    }
}

/// Everything a proxy reported.
pub struct EventLog {
    events: Mutex<Vec<Event>>,
    count: watch::Sender<usize>,
}

impl Default for EventLog {
    fn default() -> Self {
        Self {
            events: Mutex::default(),
            count: watch::Sender::new(0),
        }
    }
}

impl EventSink for EventLog {
    fn on_event(&self, event: Event) {
        self.events.lock().unwrap().push(event);
        self.count.send_modify(|count| *count += 1);
    }
}

impl EventLog {
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// Waits until one event gives something.
    pub async fn until<T>(&self, pick: impl Fn(&Event) -> Option<T>) -> T {
        let mut count = self.count.subscribe();
        let found = async {
            loop {
                if let Some(found) = self.events().iter().find_map(&pick) {
                    return found;
                }
                count.changed().await.unwrap();
            }
        };
        soon(found).await
    }

    pub async fn request(&self) -> Arc<CapturedMessage> {
        self.until(|event| match event {
            Event::Request(captured) => Some(captured.clone()),
            _ => None,
        })
        .await
    }

    pub async fn response(&self) -> Arc<CapturedMessage> {
        self.until(|event| match event {
            Event::Response(captured) => Some(captured.clone()),
            _ => None,
        })
        .await
    }

    /// Events by name, in order.
    pub fn names(&self) -> Vec<&'static str> {
        let name = |event: &Event| match event {
            Event::Opened(_) => "opened",
            Event::ConnectionDecided { .. } => "admitted",
            Event::Refused { .. } => "refused",
            Event::Malformed { .. } => "malformed",
            Event::Closed { .. } => "closed",
            Event::Request(_) => "request",
            Event::Response(_) => "response",
            Event::Failed { .. } => "failed",
            _ => "another",
        };
        self.events().iter().map(name).collect()
    }
}

/// What must happen soon; a test that hangs fails.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("this takes too long")
}

/// A request as the server read it, without the mark of the proxy: that is another one each time.
pub fn unmarked(request: &str) -> String {
    let mark = "via: 1.1 dmtap-";
    let Some((head, rest)) = request.split_once(mark) else {
        // Some rules send no whole head.
        return request.to_owned();
    };
    let (mark, rest) = rest.split_once("\r\n").unwrap();
    assert!(mark.len() == 16 && !rest.contains("via: "), "{request}");
    head.to_owned() + rest
}
