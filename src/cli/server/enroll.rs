//! `dmtap server --enroll`: the same server with enrollment in front of it.

use std::sync::{Arc, Mutex};

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

/// What an enrolling server is.
#[derive(Debug, clap::Args)]
pub(super) struct EnrollArguments {
    /// Enroll devices too: discovery, policy and certificates, at two names.
    #[arg(long)]
    pub(super) enroll: bool,
    /// With --enroll: the name of discovery.
    #[arg(
        long,
        default_value = "enterpriseenrollment.dmtap.test",
        value_name = "HOST"
    )]
    discovery_name: String,
    /// With --enroll: the name of policy, enrollment and management.
    #[arg(long, default_value = "mdm.dmtap.test", value_name = "HOST")]
    management_name: String,
    /// With --enroll: a user with a password (OnPremise), whose devices speak XML; several may be given.
    #[arg(long, value_name = "NAME=PASSWORD", value_parser = pair)]
    user: Vec<(String, String)>,
    /// With --enroll: a user with a token (Federated), whose devices speak WBXML; several may be given.
    #[arg(long, value_name = "NAME=TOKEN", value_parser = pair)]
    token_user: Vec<(String, String)>,
    /// With --enroll: answer discovery with an HTTP redirect to the other name.
    #[arg(long)]
    redirect: bool,
}

impl EnrollArguments {
    /// Serves until `stop`.
    ///
    /// # Errors
    /// Names that no certificate can hold.
    pub(super) async fn serve(
        &self,
        listener: TcpListener,
        authority: &Authority,
        plan: Option<Plan>,
        tell: OnLine,
        output: Output,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let port = listener.local_addr().map(|address| address.port());
        let port =
            port.map_err(|error| Failure::Failed(format!("error: {}", error_text::io(&error))))?;
        let origin = |name: &str| format!("https://{name}:{port}");
        let sites = Sites {
            discovery: origin(&self.discovery_name),
            management: origin(&self.management_name),
        };
        let url = format!("{}{DISCOVERY_PATH}", sites.discovery);
        let names = [&*self.discovery_name, &*self.management_name];
        let tls = enroll_server::tls(authority, &names).map_err(Failure::Failed)?;
        let users = self.users();
        let first = users
            .first()
            .map(|user| user.name.clone())
            .unwrap_or_default();
        let service = EnrollService::new(sites, users, |server| match self.redirect {
            true => server.redirecting(),
            false => server,
        });
        let mut service = service.map_err(|why| Failure::Failed(format!("error: {why}")))?;
        if let Some(plan) = plan {
            service.moved = Arc::new(Mutex::new(Server::new(plan)));
        }
        service.on_line = tell;
        service.on_grant = match output {
            Output::Text => text_line,
            Output::Json => json_line,
        };
        print::line(&format!("enrollment at {url}"));
        let resolve = names.map(|name| format!("--resolve {name}:{port}:127.0.0.1"));
        let ca = authority.certificate_file().display();
        print::line(&format!(
            "try: dmtap device enroll {url} --root-ca {ca} --user {first} --password … {}",
            resolve.join(" ")
        ));
        enroll_server::serve(listener, tls, Arc::new(service), stop).await;
        Ok(())
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
    } = granted;
    let [user, device] = [user, device].map(|name| printable::line(name));
    print_out(format!(
        "enrolled: device {device} of {user}, certificate {thumbprint}\n"
    ));
}

fn json_line(granted: &Granted) {
    let line = serde_json::json!({
        "v": 1, "enrolled": granted.device, "user": granted.user, "thumbprint": granted.thumbprint
    });
    print_out(format!("{line}\n"));
}

fn print_out(line: String) {
    print::STDOUT.put(line.into_bytes());
}

/// Who may enroll where nobody is named.
const USER: &str = "user@dmtap.test";
const PASSWORD: &str = "password";
