//! `dmtap demo`: a whole session on this machine.

use super::picked::Picked;
use super::seed::Seed;
use super::{Failure, Outcome, Output, runtime};
use crate::app::demo::{self, Play};

/// Watch two sessions pass, one in XML and one in WBXML, with one command failed on purpose or a story you name.
///
/// A simulated device, dmtap and a reference server talk over TLS on loopback. The records are written to
/// ./dmtap-demo.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap demo && tshark -r dmtap-demo/demo.pcapng
  dmtap demo --rule permission-denied")]
pub struct Demo {
    #[command(flatten)]
    picked: Picked,
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
        let play = match self.picked.is_empty() {
            true => Play::short(seed).map_err(Failure::Failed)?,
            false => {
                let rules = self.picked.open(&[], seed)?.assemble();
                Play::with(
                    rules
                        .map_err(|error| Failure::Usage(format!("error: {error}")))?
                        .0,
                )
            }
        };
        let closing = runtime()?
            .block_on(demo::run(live, play))
            .map_err(|why| Failure::Failed(format!("error: {why}")))?;
        match output {
            Output::Text => super::write_output(closing.as_bytes()),
            Output::Json => Ok(()),
        }
    }
}
