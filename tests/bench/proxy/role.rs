//! The processes of the bench: this program again, with a role in its environment.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use dmtap::flow::{Event, EventSink};
use dmtap::proxy::{Authority, BodyCapture, Proxy, Scheme, Settings, Trust, Upstream};
use dmtap::record::{Journal, JsonLines, WhenFull};
use dmtap::rules::RuleSet;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{alpn, bare};

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Bare,
    Pass,
    Annotate,
    Record,
    Rules,
    ThousandRules,
}

const ROLES: [Role; 7] = [
    Role::Server,
    Role::Bare,
    Role::Pass,
    Role::Annotate,
    Role::Record,
    Role::Rules,
    Role::ThousandRules,
];

impl Role {
    fn name(self) -> String {
        format!("{self:?}")
    }

    /// The role of this process; `None` for the one that measures.
    pub(crate) fn of_this_process() -> Option<Self> {
        let name = std::env::var(ROLE).ok()?;
        ROLES.into_iter().find(|role| role.name() == name)
    }

    /// Plays it until standard input ends.
    pub(crate) fn play(self) {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let directory = variable(DIRECTORY);
        let server = variable(SERVER).parse::<SocketAddr>().ok();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let address = self.start(Path::new(&directory), server).await;
            println!("{address}");
            let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut vec![]));
            ended.await.unwrap().unwrap();
        });
        runtime.shutdown_timeout(Duration::ZERO);
    }

    async fn start(self, directory: &Path, server: Option<SocketAddr>) -> SocketAddr {
        let authority = Arc::new(Authority::load_or_create(directory).unwrap());
        let ca = authority.certificate_file().to_owned();
        let port = server.map_or(0, |server| server.port());
        if matches!(self, Self::Server | Self::Bare) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let acceptor = bare::acceptor(&authority, &alpn());
            if self == Self::Server {
                tokio::spawn(bare::serve(listener, acceptor));
            } else {
                let server = format!("localhost:{port}").parse().unwrap();
                tokio::spawn(async move { bare::proxy(listener, acceptor, server, &ca).await });
            }
            return address;
        }
        let upstream = Upstream {
            scheme: Scheme::Https,
            host: "localhost".into(),
            port,
        };
        let settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            trust: Trust::PlatformAnd(ca),
            look: match self {
                Self::Annotate | Self::Record | Self::ThousandRules => BodyCapture::Annotate,
                _ => BodyCapture::Pass,
            },
            ..Settings::reverse(upstream)
        };
        let rules = match self {
            Self::Rules => rules(),
            Self::ThousandRules => thousand_rules(),
            _ => RuleSet::default(),
        };
        let proxy = Proxy::bind(settings, authority, Arc::new(rules), self.hear(directory));
        let proxy = proxy.await.unwrap();
        let address = proxy.local_addr();
        tokio::spawn(proxy.run(CancellationToken::new()));
        address
    }

    fn hear(self, directory: &Path) -> Arc<dyn EventSink> {
        if self != Self::Record {
            return Arc::new(Nobody);
        }
        let file = File::create(directory.join("bench.jsonl")).unwrap();
        let lines = JsonLines::new(Wheel { file, written: 0 });
        let journal = Journal::builder().sink("bench.jsonl", Box::new(lines), WhenFull::Block);
        Arc::new(journal.start())
    }
}

/// Rules that look at every command and change one Status of each request.
fn rules() -> RuleSet {
    const FILE: &str = r#"
        [[rule]]
        name = "fail"
        stage = "request"
        match = { command = "Status", answers = "Get", loc-uri = "./Vendor/MSFT/**/Setting2" }
        [[rule.step]]
        set-status = 404

        [[rule]]
        name = "elsewhere"
        stage = "response"
        match = { command = "Exec", loc-uri = "./Device/**" }
        [[rule.step]]
        remove = true
    "#;
    let rules = dmtap::rules::load::parse("bench.toml", FILE).unwrap();
    RuleSet::from_rules(rules).unwrap()
}

/// A thousand rules of every common kind, at both stages, none of which matches what the bench sends.
fn thousand_rules() -> RuleSet {
    const MATCHERS: [&str; 10] = [
        "command = 'Status', loc-uri = './Device/Vendor/MSFT/Other{n}/**'",
        "command = 'Status', loc-uri = './Vendor/MSFT/Policy/Config/Area{n}/*'",
        "command = 'Results', loc-uri = './DevDetail/Ext/Node{n}'",
        "command = ['Add', 'Replace'], loc-uri = './User/Vendor/MSFT/**/Setting{n}'",
        "command = 'Exec', loc-uri = './Vendor/MSFT/RemoteWipe/{n}'",
        "loc-uri = './Vendor/MSFT/Reboot/{n}/**'",
        "command = 'Status', status = '5xx', answers = 'Exec'",
        "device = 'urn:uuid:other-{n}'",
        "session = 'other-{n}', command = 'Status'",
        "host = 'server{n}.example.com', path = '/omadm'",
    ];
    let file: String = (0..1000)
        .map(|n| {
            let matcher = MATCHERS[n % MATCHERS.len()].replace("{n}", &n.to_string());
            let stage = ["request", "response"][n / MATCHERS.len() % 2];
            format!(
                "[[rule]]\nname = 'r{n}'\nstage = '{stage}'\nmatch = {{ {matcher} }}\nstep = {{ delay = '1s' }}\n"
            )
        })
        .collect();
    let rules = dmtap::rules::load::parse("bench.toml", &file).unwrap_or_else(|e| panic!("{e}"));
    RuleSet::from_rules(rules).unwrap()
}

struct Nobody;

impl EventSink for Nobody {
    fn on_event(&self, _: Event) {}
}

/// A file that begins anew before it fills the disk.
struct Wheel {
    file: File,
    written: usize,
}

impl Write for Wheel {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.written > 256 << 20 {
            self.file.seek(SeekFrom::Start(0))?;
            self.written = 0;
        }
        let count = self.file.write(bytes)?;
        self.written += count;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// A process of the bench; it ends when this is dropped.
pub(crate) struct Child {
    process: std::process::Child,
    pub(crate) address: SocketAddr,
}

impl Child {
    pub(crate) fn start(role: Role, directory: &Path, server: Option<&Self>) -> Self {
        let server = server.map_or_else(String::new, |server| server.address.to_string());
        let mut process = Command::new(std::env::current_exe().unwrap())
            .env(ROLE, role.name())
            .env(DIRECTORY, directory)
            .env(SERVER, server)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = process.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let address = line.trim().parse();
        Self {
            process,
            address: address.unwrap_or_else(|_| panic!("{role:?} did not start")),
        }
    }

    /// Processor time it used up to now, where the system tells.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).ok()?;
        let nanoseconds = tasks.filter_map(|task| {
            let path = task.ok()?.path().join("schedstat");
            let text = std::fs::read_to_string(path).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Some(Duration::from_nanos(nanoseconds.sum()))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const ROLE: &str = "DMTAP_BENCH_ROLE";
const DIRECTORY: &str = "DMTAP_BENCH_DIRECTORY";
const SERVER: &str = "DMTAP_BENCH_SERVER";
