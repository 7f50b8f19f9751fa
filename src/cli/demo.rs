//! `dmtap demo`: a whole session on this machine.

use std::path::PathBuf;
use std::time::Duration;

use super::rule_args::RuleArgs;
use super::seed::Seed;
use super::{Failure, Outcome, Output};
use crate::app::demo::{self, Play};
use crate::app::{print, signal};

/// Run two sessions on this machine, one in XML and one in WBXML, with one command failed on purpose or a rule you name.
///
/// A simulated device, dmtap and a reference server communicate over TLS on loopback. dmtap writes the records to
/// ./dmtap-demo.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap demo && tshark -r dmtap-demo/demo.pcapng
  dmtap demo --rule permission-denied
  dmtap demo --rules my-rules.toml")]
pub struct Demo {
    /// Rule files or folders (searched recursively for *.toml), applied in this order.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    picked: RuleArgs,
    #[command(flatten)]
    seed: Seed,
}

impl Demo {
    /// Runs the verb.
    ///
    /// # Errors
    /// A wrong rule (2); a session that does not come to its end, or a file that cannot be written (1).
    pub fn run(self, output: Output) -> Outcome {
        let live = match output {
            Output::Text => crate::app::proxy::Live::Transcript,
            Output::Json => crate::app::proxy::Live::JsonLines,
        };
        let seed = self.seed.number();
        let play = match self.rules.is_empty() && self.picked.is_empty() {
            true => Play::short(seed).map_err(Failure::Failed)?,
            false => {
                let sources = self.picked.open(&self.rules, seed)?;
                let assembled = sources.assemble();
                assembled.map_err(|error| Failure::Usage(format!("error: {error}")))?;
                Play::with(sources)
            }
        };
        let run = demo::run(live, play, print_wait);
        let ended = super::block_on(async { signal::unless_interrupted(run).await })?;
        let stopped = "interrupted: the demo stopped, and its records end here";
        let closing = ended
            .ok_or_else(|| Failure::Interrupted(stopped.into()))?
            .map_err(|why| Failure::Failed(format!("error: {why}")))?;
        match output {
            Output::Text => super::write_and_end(closing.text.as_bytes()),
            Output::Json => super::write_and_end(closing.line.as_bytes()),
        }
    }
}

fn print_wait(asked: Duration) {
    let asked = asked.as_secs();
    print::line(&format!(
        "the server asks to come back in {asked} s: the demo does not wait that long"
    ));
}
