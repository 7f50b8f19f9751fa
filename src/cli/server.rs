//! `dmtap server`: the reference DM server.

mod enroll;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Failure, Outcome, Output, block_on, json_line};
use crate::app::rule_includes;
use crate::app::rule_sources::read;
use crate::app::server::{self, ServerLine};
use crate::app::{beginning, print, signal};
use crate::dm::StatusCode;
use crate::error_text;
use crate::peer::{self, Plan};
use crate::printable;
use crate::proxy::cannot_listen;
use crate::record::jsonl;
use enroll::EnrollArguments;

/// Run a reference DM server: it accepts any device and sends it the commands of a plan.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap server -p 8443
  dmtap server -p 8443 --plan plan.toml
  dmtap server -p 8443 --enroll --user alice@example.com=secret

It prints a line for each command that a device answers.

A plan is TOML, one [[package]] for each turn of the server:
  max-msg-size = 3000    # optional: longest message in bytes; longer values go out in chunks
  max-obj-size = 100000  # optional: longest value in bytes that it takes
  [[package]]
  commands = [ { get = \"./DevDetail/SwV\" }, { replace = [\"./Vendor/MSFT/X/Colour\", \"blue\"] } ]

Its certificate comes from dmtap's CA, so that a device trusting that CA trusts the server.")]
pub struct Server {
    /// Listen address: an IP address, or a name such as localhost.
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS", value_parser = super::listen_host)]
    listen_host: IpAddr,
    /// Listen port; 0 selects a free one.
    #[arg(short = 'p', long, default_value_t = 8443, value_name = "PORT", value_parser = super::proxy::port)]
    listen_port: u16,
    /// The plan: a TOML file with the commands for devices.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Folder of the CA; the default is ~/.dmtap.
    #[arg(long, env = "DMTAP_CONFDIR", value_name = "FOLDER")]
    confdir: Option<PathBuf>,
    #[command(flatten)]
    enroll: EnrollArguments,
}

impl Server {
    /// Runs the verb until it is interrupted.
    ///
    /// # Errors
    /// A wrong plan, or an address that is taken.
    pub fn run(self, output: Output) -> Outcome {
        let plan = self.read_plan()?;
        let authority = super::authority(self.confdir.as_deref())?;
        let tls = server::tls(&authority).map_err(Failure::Failed)?;
        block_on(async {
            let address = SocketAddr::new(self.listen_host, self.listen_port);
            let listener = TcpListener::bind(address).await;
            let listener =
                listener.map_err(|error| Failure::usage(cannot_listen(address, &error)))?;
            let address = listener.local_addr().unwrap_or(address);
            let stop = CancellationToken::new();
            // Signals are caught before the line that others wait for.
            tokio::spawn(signal::cancel_on_signal(stop.clone()));
            tokio::spawn(signal::cancel_on_hangup(stop.clone()));
            print::line(&format!(
                "listening at https://{address}/  (interrupt to stop)"
            ));
            authority
                .exposure()
                .iter()
                .for_each(|words| print::line(words));
            if output == Output::Json {
                let start = beginning::start_record("https", address, &authority);
                print(jsonl::line(jsonl::START, &start));
            }
            let on_line = match output {
                Output::Text => text_lines,
                Output::Json => json_lines,
            };
            if self.enroll.enroll {
                let plan = self.plan.is_some().then_some(plan);
                let serving = self
                    .enroll
                    .serve(listener, &authority, plan, on_line, output, stop);
                return serving.await;
            }
            let state = Arc::new(Mutex::new(peer::Server::new(plan)));
            server::serve(listener, tls, state, on_line, stop).await;
            Ok(())
        })?
    }

    fn read_plan(&self) -> Result<Plan, Failure> {
        let Some(file) = &self.plan else {
            return Ok(Plan::demo());
        };
        let name = printable::path(file);
        let text = rule_includes::read_bounded(file, rule_includes::MOST).and_then(read::decoded);
        let text = text.map_err(|why| Failure::unreadable(&name, why))?;
        let plan = toml::from_str(&text);
        plan.map_err(|error| {
            Failure::usage(format_args!("{name}:{}", error_text::toml(&error, &text)))
        })
    }
}

fn text_lines(answers: &ServerLine<'_>) {
    let line = |(what, code): &(String, StatusCode)| {
        let (code, what) = (code.to_string(), printable::line(what));
        format!("device answered: {code:<28}  {what}\n")
    };
    print(answers.outcomes.iter().map(line).collect());
}

fn json_lines(record: &ServerLine<'_>) {
    let line = |(what, code): &(String, StatusCode)| {
        let (device, session) = (record.device, record.session);
        json_line(serde_json::json!({
            "v": 1, "device": device, "session": session, "command": what, "status": code.0
        }))
    };
    print(record.outcomes.iter().map(line).collect());
}

/// Prints lines without waiting for the reader of standard output, since devices must not wait for it.
fn print(lines: String) {
    print::STDOUT.put(lines.into_bytes());
}
