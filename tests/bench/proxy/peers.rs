//! nginx and haproxy, configured for this bench: TLS on both legs, a verified server certificate, and persistent
//! connections to the server.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{alpn, role};

/// nginx; `None` where it is not installed.
pub(crate) fn nginx(directory: &Path, address: SocketAddr, server: u16) -> Option<Command> {
    let program = installed("nginx")?;
    let folder = directory.display();
    let leaf = role::leaf_file(directory);
    let leaf = leaf.display();
    let http2 = if alpn() == "h2" { "http2" } else { "" };
    let config = format!(
        "daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
        events {{ worker_connections 1024; }}
        http {{
            access_log off; keepalive_requests 1000000000;
            client_body_temp_path {folder}/n1; proxy_temp_path {folder}/n2; fastcgi_temp_path {folder}/n3;
            uwsgi_temp_path {folder}/n4; scgi_temp_path {folder}/n5;
            upstream server {{ server 127.0.0.1:{server}; keepalive 64; keepalive_requests 1000000000; }}
            server {{
                listen {address} ssl {http2};
                ssl_certificate {leaf}; ssl_certificate_key {leaf};
                location / {{
                    proxy_pass https://server;
                    proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host localhost;
                    proxy_ssl_verify on; proxy_ssl_trusted_certificate {folder}/dmtap-ca-cert.pem;
                    proxy_ssl_name localhost; proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.2 TLSv1.3;
                    client_body_buffer_size 64k; proxy_buffers 16 16k; proxy_buffer_size 16k;
                }}
            }}
        }}"
    );
    let file = directory.join("nginx.conf");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(program);
    command.arg("-e").arg(directory.join("nginx.log"));
    command.arg("-c").arg(file).stderr(Stdio::null());
    Some(command)
}

/// haproxy; `None` where it is not installed.
pub(crate) fn haproxy(directory: &Path, address: SocketAddr, server: u16) -> Option<Command> {
    let program = installed("haproxy")?;
    let folder = directory.display();
    let leaf = role::leaf_file(directory);
    let (leaf, alpn) = (leaf.display(), alpn());
    let config = format!(
        "global
            nbthread 2
            maxconn 1000
        defaults
            mode http
            timeout connect 5s
            timeout client 30s
            timeout server 30s
            http-reuse always
        frontend devices
            bind {address} ssl crt {leaf} alpn {alpn}
            default_backend server
        backend server
            server s 127.0.0.1:{server} ssl verify required ca-file {folder}/dmtap-ca-cert.pem sni str(localhost) verifyhost localhost alpn {alpn}
"
    );
    let file = directory.join("haproxy.cfg");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(program);
    command.arg("-q").arg("-f").arg(file).stderr(Stdio::null());
    Some(command)
}

/// Where a program is; programs for administrators may not be on a user's path.
fn installed(name: &str) -> Option<String> {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .map(|folder| format!("{folder}/{name}"))
        .into_iter()
        .find(|path| Path::new(path).exists())
}
