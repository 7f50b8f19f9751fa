//! Real peers around the real program: curl as the device, nginx as the server.

use crate::support::echo;
use crate::support::peers;
use crate::support::running;

use std::fmt::Write;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use echo::Echo;
use peers::{corpus, have, messages};
use running::{Running, listening, start};
use tempfile::TempDir;

#[test]
fn every_real_message_passes_byte_for_byte_over_http_1_and_2() {
    let (true, true, Some(corpus)) = (have("curl"), have("nginx"), corpus()) else {
        return;
    };
    let site = Site::open();
    let mut files = messages(&corpus);
    assert!(
        files.len() > 200,
        "{} files in {}",
        files.len(),
        corpus.display()
    );
    files.extend(site.oddities());
    let (jsonl, pcapng) = (site.path("all.jsonl"), site.path("all.pcapng"));
    let proxy = site.proxy(&["-w", text(&jsonl), "-w", text(&pcapng)]);

    for version in ["--http1.1", "--http2"] {
        site.echo.state.bodies.lock().unwrap().clear();
        site.curl_all(&proxy.address, version, &files);
        let received = site.echo.state.bodies.lock().unwrap();
        assert_eq!(
            received.len(),
            files.len(),
            "{version}: every message reached the server"
        );
        for (at, file) in files.iter().enumerate() {
            let sent = fs::read(file).unwrap();
            assert!(
                received[at] == sent,
                "{version} {}: the server got other bytes",
                file.display()
            );
            let back = fs::read(site.path(&format!("out/{at}"))).unwrap_or_default();
            assert!(
                back == sent,
                "{version} {}: the device got other bytes",
                file.display()
            );
        }
    }
    assert_eq!(proxy.terminate(), Some(0));
    let record = fs::read_to_string(jsonl).unwrap();
    let requests = record
        .lines()
        .filter(|line| line.contains(r#""event":"request""#))
        .count();
    assert_eq!(requests, 2 * files.len(), "the record holds every request");
}

#[test]
fn curl_reaches_a_server_through_regular_mode() {
    let (true, true) = (have("curl"), have("nginx")) else {
        return;
    };
    let site = Site::open();
    let proxy = site.start(&["--mode", "regular", "--server-ca", text(&site.server_ca)]);
    let proxy_url = format!("http://{}", proxy.address);
    for version in ["--http1.1", "--http2"] {
        let output = site.curl(&[
            version,
            "-x",
            &proxy_url,
            "--data-binary",
            "<SyncML/>",
            &format!("https://localhost:{}/", site.port),
        ]);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "<SyncML/>",
            "{output:?}"
        );
    }
}

#[test]
fn an_untrusted_server_is_refused_with_502_and_a_reason_and_accepted_with_k() {
    let (true, true) = (have("curl"), have("nginx")) else {
        return;
    };
    let site = Site::open();
    let mode = site.reverse();
    let log = site.path("untrusted.log");
    let proxy = site.start_with_log(&["--mode", &mode], &log);
    let url = format!("https://localhost:{}/", port(&proxy));
    // Often, since a request whose end comes after the answer was once reset, now and then.
    for _ in 0..40 {
        let output = site.curl(&["-w", "%{http_code}", "-d", "x", &url]);
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(answer.ends_with("502"), "{output:?}");
    }
    assert_eq!(proxy.terminate(), Some(0));
    let log = fs::read_to_string(log).unwrap();
    assert!(
        log.contains("--server-ca"),
        "the log names the remedy: {log}"
    );

    let proxy = site.start(&["--mode", &mode, "-k"]);
    let url = format!("https://localhost:{}/", port(&proxy));
    let output = site.curl(&["-d", "x", &url]);
    assert_eq!(output.stdout, b"x", "{output:?}");
}

#[test]
fn a_server_that_is_down_gives_the_device_502() {
    if !have("curl") {
        return;
    }
    let site = Site::without_server();
    let proxy = site.start(&[
        "--mode",
        &format!("reverse:https://localhost:{}", free_port()),
    ]);
    let url = format!("https://localhost:{}/", port(&proxy));
    let output = site.curl(&["-o", "/dev/null", "-w", "%{http_code}", "-d", "x", &url]);
    assert_eq!(output.stdout, b"502", "{output:?}");
}

#[test]
fn sigterm_lets_the_running_exchange_end_and_completes_the_records() {
    let (true, true) = (have("curl"), have("nginx")) else {
        return;
    };
    let site = Site::open();
    let files = ["term.jsonl", "term.pcapng", "term.txt"].map(|name| site.path(name));
    let saves = files.each_ref().map(|file| text(file));
    let proxy = site.proxy(&["-w", saves[0], "-w", saves[1], "-w", saves[2]]);
    let url = format!("https://localhost:{}/slow", port(&proxy));
    let curl = site
        .curl_command(&["--data-binary", "<SyncML/>", &url])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    site.echo.wait_for_request();
    let pid = proxy.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    site.echo.open_gate();
    let output = curl.wait_with_output().unwrap();
    assert_eq!(
        output.stdout, b"<SyncML/>",
        "the device got its answer: {output:?}"
    );
    let mut proxy = proxy;
    assert_eq!(proxy.child.wait().unwrap().code(), Some(0));

    let lines = fs::read_to_string(&files[0]).unwrap();
    for line in lines.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("whole lines of JSON");
    }
    assert!(
        lines.contains(r#""event":"response""#),
        "the response is on record: {lines}"
    );
    let shown = peers::dmtap().arg("show").arg(&files[0]).output().unwrap();
    assert!(shown.status.success(), "{shown:?}");
    assert!(fs::read_to_string(&files[2]).unwrap().contains("/slow"));
    if have("tshark") {
        let mut tshark = Command::new("tshark");
        tshark
            .arg("-r")
            .arg(&files[1])
            .args(["-Y", "http.response"]);
        let listed = tshark.output().unwrap();
        assert!(listed.status.success(), "{listed:?}");
        assert_eq!(
            String::from_utf8_lossy(&listed.stdout).lines().count(),
            1,
            "{listed:?}"
        );
    }
}

#[test]
fn a_device_stays_on_dmtap_in_front_of_nginx_with_two_names() {
    let (true, true) = (have("curl"), have("nginx")) else {
        return;
    };
    let site = Site::open();
    let nginx = site.port;
    let mode = format!("reverse:https://mdm.example.com:{nginx}");
    let resolve = ["mdm", "dm"].map(|name| format!("{name}.example.com:{nginx}:127.0.0.1"));
    let proxy = site.start(&[
        "--mode",
        &mode,
        "--server-ca",
        text(&site.server_ca),
        "--resolve",
        &resolve[0],
        "--resolve",
        &resolve[1],
    ]);
    let port = port(&proxy);
    let public = format!("https://localhost:{port}");
    let soap = |inside: &str| {
        format!(
            "<Envelope xmlns=\"http://www.w3.org/2003/05/soap-envelope\"><Body>{inside}</Body></Envelope>"
        )
    };
    let discovered = |at: &str| {
        soap(&format!(
            "<DiscoverResult><EnrollmentServiceUrl>{at}/wstep?a=1</EnrollmentServiceUrl></DiscoverResult>"
        ))
    };
    for version in ["--http1.1", "--http2"] {
        let ask = |url: &str, body: &str| {
            let kind = "Content-Type: application/soap+xml; charset=utf-8";
            let output = site.curl(&[version, "-i", "-H", kind, "--data-binary", body, url]);
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            String::from_utf8(output.stdout).unwrap()
        };
        // The redirect leads to the other name, by a path of the only name the device knows.
        let moved = ask(
            &format!("{public}/EnrollmentServer/Discovery.svc"),
            "<Discover/>",
        );
        let below = format!("{public}/.dmtap/at/dm.example.com:{nginx}");
        let location = format!("location: {below}/EnrollmentServer/Discovery.svc");
        assert!(
            moved.to_lowercase().contains(&location.to_lowercase()),
            "{moved}"
        );
        // nginx takes the request for that of the other name.
        let sent = discovered(&format!("https://dm.example.com:{nginx}"));
        let gets = ask(&format!("{below}/EnrollmentServer/Discovery.svc"), &sent);
        assert!(
            gets.to_lowercase().contains("x-name: dm.example.com"),
            "{gets}"
        );
        assert!(gets.ends_with(&discovered(&below)), "{gets}");
        assert!(gets.to_lowercase().contains("content-length: "), "{gets}");
        let other = ask(&format!("{public}/.dmtap/at/example.org/"), "");
        assert!(other.contains(" 404"), "{other}");
    }
    assert_eq!(proxy.terminate(), Some(0));
}

/// A folder with nginx in front of an echo, a certificate for it, and dmtap's own CA.
struct Site {
    folder: TempDir,
    echo: Echo,
    port: u16,
    server_ca: PathBuf,
    _nginx: Option<Running>,
}

impl Site {
    fn open() -> Self {
        let mut site = Self::without_server();
        site.make_certificate();
        let config = site.path("nginx.conf");
        fs::write(&config, site.nginx_config()).unwrap();
        let child = Command::new("nginx")
            .args([
                "-p",
                text(site.folder.path()),
                "-c",
                text(&config),
                "-e",
                "stderr",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        site._nginx = Some(listening(child, ("127.0.0.1", site.port)));
        site
    }

    fn without_server() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("out")).unwrap();
        let server_ca = folder.path().join("server.pem");
        Self {
            folder,
            echo: Echo::start(),
            port: free_port(),
            server_ca,
            _nginx: None,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn make_certificate(&self) {
        let made =
            rcgen::generate_simple_self_signed(vec!["localhost".into(), "*.example.com".into()])
                .unwrap();
        fs::write(&self.server_ca, made.cert.pem()).unwrap();
        fs::write(self.path("server.key"), made.signing_key.serialize_pem()).unwrap();
    }

    fn nginx_config(&self) -> String {
        let (folder, port, echo) = (self.folder.path().display(), self.port, self.echo.address);
        format!(
            "daemon off; master_process off; pid {folder}/nginx.pid; events {{}}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl http2; server_name localhost;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
    location / {{ proxy_pass http://{echo}; }}
  }}
  server {{
    listen 127.0.0.1:{port} ssl http2; server_name mdm.example.com;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
    location / {{ return 302 https://dm.example.com:{port}$request_uri; }}
  }}
  server {{
    listen 127.0.0.1:{port} ssl http2; server_name dm.example.com;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
    location / {{ add_header X-Name dm.example.com; proxy_pass http://{echo}; }}
  }}
}}"
        )
    }

    fn reverse(&self) -> String {
        format!("reverse:https://localhost:{}", self.port)
    }

    /// dmtap in front of this site's server.
    fn proxy(&self, more: &[&str]) -> Running {
        let mode = self.reverse();
        let mut arguments = vec!["--mode", &mode, "--server-ca", text(&self.server_ca)];
        arguments.extend(more);
        self.start(&arguments)
    }

    fn start(&self, arguments: &[&str]) -> Running {
        self.start_with_log(arguments, &self.path("dmtap.log"))
    }

    fn start_with_log(&self, arguments: &[&str], log: &Path) -> Running {
        let confdir = self.path("conf");
        let mut all = vec!["proxy", "-q", "-p", "0", "--confdir", text(&confdir)];
        all.extend(arguments);
        start(&all, log)
    }

    fn curl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("curl");
        let ca = self.path("conf/dmtap-ca-cert.pem");
        command.args([
            "-sS",
            "--noproxy",
            "",
            "--max-time",
            "60",
            "--cacert",
            text(&ca),
        ]);
        command.args(arguments);
        command
    }

    fn curl(&self, arguments: &[&str]) -> Output {
        self.curl_command(arguments).output().unwrap()
    }

    /// Posts every file on kept connections; the answers go to `out/`.
    fn curl_all(&self, address: &str, version: &str, files: &[PathBuf]) {
        let port = address.rsplit(':').next().unwrap();
        let ca = self.path("conf/dmtap-ca-cert.pem");
        let mut config = String::new();
        for (at, file) in files.iter().enumerate() {
            let wbxml = file.extension().is_some_and(|e| e == "wbxml");
            let form = if wbxml { "wbxml" } else { "xml" };
            let out = self.path(&format!("out/{at}"));
            write!(
                config,
                "url = \"https://localhost:{port}/ManagementServer/MDM.svc?mode=Maintenance\"\n\
                 cacert = \"{}\"\nmax-time = 60\n{}\ndata-binary = \"@{}\"\n\
                 header = \"Content-Type: application/vnd.syncml.dm+{form}\"\noutput = \"{}\"\nnext\n",
                ca.display(),
                version.trim_start_matches('-'),
                file.display(),
                out.display()
            )
            .unwrap();
        }
        let file = self.path("curl.conf");
        fs::write(&file, config.trim_end_matches("next\n")).unwrap();
        let output = Command::new("curl")
            .args(["-sS", "-K", text(&file)])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{version}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Bodies that are no message at all.
    fn oddities(&self) -> Vec<PathBuf> {
        let noise: Vec<u8> = (0..100_000_u32).map(|n| ((n * 7919) >> 5) as u8).collect();
        let bodies: [(&str, &[u8]); 4] = [
            ("empty", b""),
            ("noise", &noise),
            ("cut", b"<SyncML><SyncHdr>"),
            ("nul", b"\0\0\0"),
        ];
        bodies
            .map(|(name, body)| {
                let path = self.path(name);
                fs::write(&path, body).unwrap();
                path
            })
            .into()
    }
}

fn port(running: &Running) -> &str {
    running.address.rsplit(':').next().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A port below the range from which the system takes ports by itself.
pub(crate) fn free_port() -> u16 {
    let start = 20_000 + (std::process::id() % 10_000) as u16;
    (start..32_000)
        .chain(20_000..start)
        .find(|port| is_free(*port))
        .expect("a free port")
}

fn is_free(port: u16) -> bool {
    use std::collections::HashSet;
    use std::sync::{LazyLock, Mutex};
    static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    TcpListener::bind(("127.0.0.1", port)).is_ok() && GIVEN.lock().unwrap().insert(port)
}
