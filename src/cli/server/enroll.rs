//! `dmtap server --enroll`: the same server with enrollment in front of it.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::enroll_server::{self, EnrollService};
use crate::app::print;
use crate::app::server::OnLine;
use crate::cli::{Failure, Output};
use crate::error_text;
use crate::peer::enroll::server::{DISCOVERY_PATH, Granted};
use crate::peer::enroll::{Login, Sites, User};
use crate::peer::{Encoding, Plan, Server};
use crate::printable;
use crate::proxy::Authority;

/// The options of an enrolling server.
#[derive(Debug, clap::Args)]
pub(super) struct EnrollArguments {
    /// Enroll devices too: discovery, policy and certificates, and management, each under a host name of its own.
    #[arg(long)]
    pub(super) enroll: bool,
    /// With --enroll: the name of discovery.
    #[arg(
        long,
        default_value = "enterpriseenrollment.dmtap.test",
        value_name = "HOST",
        requires = "enroll"
    )]
    discovery_name: String,
    /// With --enroll: the name of policy and enrollment.
    #[arg(
        long,
        default_value = "mdm.dmtap.test",
        value_name = "HOST",
        requires = "enroll"
    )]
    management_name: String,
    /// With --enroll: the name of management sessions, where TLS demands the device's certificate. With a name of the
    /// others TLS asks for it, and sessions without it get HTTP 403.
    #[arg(
        long,
        default_value = "dm.dmtap.test",
        value_name = "HOST",
        requires = "enroll"
    )]
    session_name: String,
    /// With --enroll: a user with a password (OnPremise), whose devices speak XML. Can be repeated. With neither --user
    /// nor --token-user it is user@dmtap.test=password.
    #[arg(long, value_name = "NAME=PASSWORD", value_parser = pair, requires = "enroll")]
    user: Vec<(String, String)>,
    /// With --enroll: a user with a token (Federated), whose devices speak WBXML. Can be repeated.
    #[arg(long, value_name = "NAME=TOKEN", value_parser = pair, requires = "enroll")]
    token_user: Vec<(String, String)>,
    /// With --enroll: answer discovery with an HTTP redirect to the other name.
    #[arg(long, requires = "enroll")]
    redirect: bool,
}

impl EnrollArguments {
    /// Serves until `stop`.
    ///
    /// # Errors
    /// A name cannot be in a certificate.
    pub(super) async fn serve(
        &self,
        listener: TcpListener,
        authority: &Authority,
        plan: Option<Plan>,
        on_line: OnLine,
        output: Output,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let address = listener.local_addr();
        let address = address.map_err(|error| Failure::failed(error_text::io(&error)))?;
        let port = address.port();
        let origin = |name: &str| format!("https://{name}:{port}");
        let sites = Sites {
            discovery: origin(&self.discovery_name),
            management: origin(&self.management_name),
            sessions: origin(&self.session_name),
        };
        let discovery = sites.discovery.clone();
        let url = format!("{discovery}{DISCOVERY_PATH}");
        let mut names = vec![&*self.discovery_name];
        for name in [&*self.management_name, &*self.session_name] {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let users = self.users();
        let login = users.first().map(|user| self.login(user));
        let login = login.unwrap_or_default();
        let service = EnrollService::new(sites, users, |server| match self.redirect {
            true => server.redirecting(),
            false => server,
        });
        let mut service = service.map_err(Failure::failed)?;
        let tls = service.tls(authority).map_err(Failure::failed)?;
        if let Some(plan) = plan {
            service.moved = Arc::new(Mutex::new(Server::new(plan)));
        }
        service.on_line = on_line;
        service.on_grant = match output {
            Output::Text => text_line,
            Output::Json => json_line,
        };
        print::line(&format!("enrollment at {url}"));
        let resolve = names.iter();
        let resolve = resolve.map(|name| format!("--resolve {name}:{port}:127.0.0.1"));
        let resolve: Vec<String> = resolve.collect();
        let (ca, resolve) = (authority.certificate_file().display(), resolve.join(" "));
        print::line(&format!(
            "try: dmtap device enroll {url} --root-ca {ca} {login} {resolve}"
        ));
        let through = format!("https://localhost:{PROXY_PORT}{DISCOVERY_PATH}");
        print::line(&format!(
            "through dmtap: dmtap proxy --mode reverse:{discovery} --server-ca {ca} -p {PROXY_PORT} \
             --swap-client-identity {resolve}"
        ));
        print::line(&format!(
            "          then: dmtap device enroll {through} --root-ca {ca} {login}"
        ));
        enroll_server::serve(listener, tls, Arc::new(service), stop).await;
        Ok(())
    }

    /// Returns the options of a device for this user, without secrets from the command line.
    fn login(&self, user: &User) -> String {
        let is_default = self.user.is_empty() && self.token_user.is_empty();
        let secret = match (&user.login, is_default) {
            (_, true) => format!("--password {PASSWORD}"),
            (Login::Password(_), false) => "--password …".into(),
            (Login::Token(_), false) => "--token …".into(),
        };
        format!("--user {} {secret}", user.name)
    }

    fn users(&self) -> Vec<User> {
        let password = |(name, password): &(String, String)| User {
            name: name.clone(),
            login: Login::Password(password.clone()),
            encoding: Encoding::Xml,
        };
        let token = |(name, token): &(String, String)| User {
            name: name.clone(),
            login: Login::Token(token.clone()),
            encoding: Encoding::Wbxml,
        };
        let own = self.user.iter().map(password);
        let users: Vec<User> = own.chain(self.token_user.iter().map(token)).collect();
        match users.is_empty() {
            true => vec![password(&(USER.into(), PASSWORD.into()))],
            false => users,
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text
        .split_once('=')
        .filter(|(name, secret)| !name.is_empty() && !secret.is_empty());
    let pair = pair.ok_or("NAME=SECRET, such as alice@example.com=secret")?;
    Ok((pair.0.into(), pair.1.into()))
}

fn text_line(granted: &Granted) {
    let Granted {
        user,
        device,
        thumbprint,
        ..
    } = granted;
    let [user, device] = [user, device].map(|name| printable::line(name));
    super::print(format!(
        "enrolled: device {device} of {user}, certificate {thumbprint}\n"
    ));
}

fn json_line(granted: &Granted) {
    let line = serde_json::json!({
        "v": 1, "enrolled": granted.device, "user": granted.user, "thumbprint": granted.thumbprint
    });
    super::print(format!("{line}\n"));
}

/// The user if the command line names none.
const USER: &str = "user@dmtap.test";
const PASSWORD: &str = "password";
/// The port of dmtap in the printed example.
const PROXY_PORT: u16 = 8080;
