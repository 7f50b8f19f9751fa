//! Which rules act, and what their chance is drawn from.

use std::path::PathBuf;

use crate::app::rule_sources::Sources;
use crate::cli::Failure;
use crate::cli::rule_args::RuleArgs;
use crate::cli::seed::Seed;

/// The rules of `dmtap proxy`.
#[derive(Debug, clap::Args)]
pub(super) struct RuleArguments {
    /// Rule files, in the order in which they act; of a folder all *.toml in it and in the folders
    /// in it, by path. One that is saved while dmtap runs takes effect at the next exchange.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    picked: RuleArgs,
    #[command(flatten)]
    pub(super) seed: Seed,
}

impl RuleArguments {
    /// Reads the files.
    ///
    /// # Errors
    /// Files that cannot be read or are wrong, all of them.
    pub(super) fn open(&self) -> Result<Sources, Failure> {
        self.picked.open(&self.rules, self.seed.number())
    }
}
