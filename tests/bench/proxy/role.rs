//! The processes of the bench. The server and the bare proxy are this program again, with a role in its environment;
//! dmtap is the program of the same build; nginx and haproxy come from the system.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use dmtap::proxy::Authority;
use tokio::net::TcpListener;

use super::{alpn, bare, peers};

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Bare,
    Nginx,
    Haproxy,
    /// `dmtap proxy` with these arguments; `{dir}` is the bench's folder.
    Dmtap(&'static [&'static str]),
}

/// Plays the role of this process, if it has one, until standard input ends.
pub(crate) fn play_role_of_this_process() -> bool {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let role = variable(ROLE);
    if role.is_empty() {
        return false;
    }
    let directory = variable(DIRECTORY);
    let server = variable(SERVER).parse::<SocketAddr>().ok();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let authority = Authority::load_or_create(Path::new(&directory)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        if let Some(server) = server {
            let acceptor = bare::acceptor(&authority, &[&alpn()]);
            let ca = authority.certificate_file().to_owned();
            let server = format!("localhost:{}", server.port()).parse().unwrap();
            tokio::spawn(async move { bare::proxy(listener, acceptor, server, &ca).await });
        } else {
            // nginx speaks HTTP/1.1 to servers, whatever devices speak.
            let acceptor = bare::acceptor(&authority, &[&alpn(), "http/1.1"]);
            tokio::spawn(bare::serve(listener, acceptor));
        }
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut vec![]));
        ended.await.unwrap().unwrap();
    });
    runtime.shutdown_timeout(Duration::ZERO);
    true
}

/// A process of the bench; it ends when this is dropped.
pub(crate) struct Child {
    process: std::process::Child,
    pub(crate) address: SocketAddr,
}

impl Child {
    /// `None` where the program is not installed.
    pub(crate) fn start(role: Role, directory: &Path, server: Option<&Self>) -> Option<Self> {
        let port = server.map_or(0, |server| server.address.port());
        match role {
            Role::Server | Role::Bare => {
                let server = server.map_or_else(String::new, |s| s.address.to_string());
                let mut process = Command::new(std::env::current_exe().unwrap())
                    .env(ROLE, format!("{role:?}"))
                    .env(DIRECTORY, directory)
                    .env(SERVER, server)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                let line = first_line(process.stdout.as_mut().unwrap());
                Some(Self {
                    address: line.trim().parse().unwrap(),
                    process,
                })
            }
            Role::Dmtap(arguments) => {
                let mut process = Command::new(env!("CARGO_BIN_EXE_dmtap"))
                    .args(["proxy", "-p", "0", "--mode"])
                    .arg(format!("reverse:https://localhost:{port}"))
                    .arg("--server-ca")
                    .arg(directory.join("dmtap-ca-cert.pem"))
                    .arg("--confdir")
                    .arg(directory)
                    .args(arguments.iter().map(|a| in_directory(a, directory)))
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                let mut log = process.stderr.take().unwrap();
                // Warnings about rules come first.
                let line = loop {
                    let line = first_line(&mut log);
                    if line.is_empty() || line.contains("https://") {
                        break line;
                    }
                };
                let (_, address) = line
                    .split_once("https://")
                    .unwrap_or_else(|| panic!("{line}"));
                let address = address.split_whitespace().next().unwrap().parse().unwrap();
                // What else it logs is read and dropped.
                std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
                Some(Self { process, address })
            }
            Role::Nginx | Role::Haproxy => {
                let address = free_address();
                let mut command = match role {
                    Role::Nginx => peers::nginx(directory, address, port)?,
                    _ => peers::haproxy(directory, address, port)?,
                };
                let process = command.spawn().unwrap();
                let child = Self { process, address };
                while TcpStream::connect(address).is_err() {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Some(child)
            }
        }
    }

    /// Processor time that it and its children used up to now, where the system says.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        let id = self.process.id();
        let children = format!("/proc/{id}/task/{id}/children");
        let children = std::fs::read_to_string(children).unwrap_or_default();
        let workers = children.split_whitespace().filter_map(|id| id.parse().ok());
        std::iter::once(id).chain(workers).map(cpu_of).sum()
    }
}

fn cpu_of(process: u32) -> Option<Duration> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let nanoseconds = tasks.filter_map(|task| {
        let path = task.ok()?.path().join("schedstat");
        let text = std::fs::read_to_string(path).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Some(Duration::from_nanos(nanoseconds.sum()))
}

fn first_line(output: &mut impl Read) -> String {
    let mut line = String::new();
    BufReader::with_capacity(1, output)
        .read_line(&mut line)
        .unwrap();
    line
}

fn in_directory(argument: &str, directory: &Path) -> String {
    argument.replace("{dir}", directory.to_str().unwrap())
}

fn free_address() -> SocketAddr {
    StdListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

impl Drop for Child {
    fn drop(&mut self) {
        if cfg!(unix) {
            // nginx and haproxy end their workers when they are asked to.
            let id = self.process.id().to_string();
            let _ = Command::new("kill").args(["-TERM", &id]).status();
        } else {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// A certificate of dmtap's CA for `localhost` with its key, for proxies that read files: both in one PEM file.
pub(crate) fn leaf_file(directory: &Path) -> PathBuf {
    let path = directory.join("localhost.pem");
    if !path.exists() {
        let authority = Authority::load_or_create(directory).unwrap();
        let secret = std::fs::read_to_string(directory.join("dmtap-ca.pem")).unwrap();
        let certificate = std::fs::read_to_string(authority.certificate_file()).unwrap();
        let ca_key = rcgen::KeyPair::from_pem(&secret).unwrap();
        let issuer = rcgen::Issuer::from_ca_cert_pem(&certificate, ca_key).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let names = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let leaf = names.signed_by(&key, &issuer).unwrap();
        std::fs::write(&path, leaf.pem() + &key.serialize_pem()).unwrap();
    }
    path
}

const ROLE: &str = "DMTAP_BENCH_ROLE";
const DIRECTORY: &str = "DMTAP_BENCH_DIRECTORY";
const SERVER: &str = "DMTAP_BENCH_SERVER";
