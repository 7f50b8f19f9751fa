//! `dmtap demo`: whole sessions on this machine.

use std::path::PathBuf;
use std::time::Duration;

use super::proxy::stay::Stay;
use super::rule_args::RuleArgs;
use super::{Failure, Outcome, Output};
use crate::app::demo::{self, Closing};
use crate::app::print;
use crate::app::proxy::Live;
use crate::app::rule_sources::Sources;
use crate::proxy::{StaySettings, SwapSettings};

/// Run two sessions on this machine, one in XML and one in WBXML, with one command failed on purpose or a rule you name.
///
/// A simulated device, dmtap and a reference server communicate over TLS on loopback. dmtap writes the records to
/// ./dmtap-demo.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap demo && tshark -r dmtap-demo/demo.pcapng
  dmtap demo --rule permission-denied
  dmtap demo --rules my-rules.toml
  dmtap demo --enroll              devices enroll through dmtap and stay on it
  dmtap demo --enroll --stay off   they leave: exit code 1
  dmtap demo --enroll --no-swap    the server refuses dmtap: exit code 1")]
pub struct Demo {
    /// Rule files or folders (searched recursively for *.toml), applied in this order.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    picked: RuleArgs,
    /// Fail at the end (exit code 1) if a rule never acted, and name each such rule.
    #[arg(long)]
    require_hits: bool,
    /// Enroll two devices, then manage them, instead of two sessions.
    #[arg(long)]
    enroll: bool,
    /// With --enroll: whether dmtap keeps the devices on itself.
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "on|off|full",
        requires = "enroll"
    )]
    stay: Stay,
    /// With --enroll: dmtap does not enroll in place of the devices. The server demands a client certificate, and refuses
    /// dmtap, which has none: exit code 1.
    #[arg(long, requires = "enroll")]
    no_swap: bool,
}

impl Demo {
    /// Runs the verb.
    ///
    /// # Errors
    /// A wrong rule (2); a session that does not come to its end, or a file that cannot be written (1).
    pub fn run(self, output: Output) -> Outcome {
        let live = match output {
            Output::Text => Live::Transcript,
            Output::Json => Live::JsonLines,
        };
        if self.enroll {
            return self.enroll(live, output);
        }
        let (rules, seed) = (self.sources()?, self.picked.seed);
        self.end(demo::run(live, rules, seed, print_wait), output)
    }

    /// Runs a demo to its end, and prints the result.
    fn end(&self, run: impl Future<Output = Result<Closing, String>>, output: Output) -> Outcome {
        let stopped = "interrupted: the demo stopped, and its records end here";
        let ended = super::block_on_unless_interrupted(demo::within_limit(run), stopped)?;
        let closing = ended.map_err(Failure::failed)?;
        let text = match output {
            Output::Text => &closing.text,
            Output::Json => &closing.lines,
        };
        super::write_and_flush(text, output)?;
        match (closing.failure, closing.acted) {
            (Some(why), _) => Err(Failure::failed(why)),
            (None, Err(why)) if self.require_hits => Err(Failure::Failed(why)),
            _ => Ok(()),
        }
    }

    /// Returns the rules of the command line, if there are any.
    fn sources(&self) -> Result<Option<Sources>, Failure> {
        if self.rules.is_empty() && self.picked.is_empty() {
            return Ok(None);
        }
        let sources = self.picked.open(&self.rules)?;
        sources.assemble().map_err(Failure::usage)?;
        Ok(Some(sources))
    }

    fn enroll(&self, live: Live, output: Output) -> Outcome {
        let sources = self.sources()?;
        let stay = StaySettings {
            extent: self.stay.extent(),
            ..StaySettings::default()
        };
        let swap = match self.no_swap {
            true => SwapSettings::Off,
            false => SwapSettings::All,
        };
        self.end(demo::enroll::run(live, stay, swap, sources), output)
    }
}

fn print_wait(asked: Duration) {
    let asked = asked.as_secs();
    print::line(&format!(
        "the server asks to come back in {asked} s: the demo does not wait that long"
    ));
}
