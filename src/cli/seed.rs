//! `--seed`: what the chance of rules is drawn from.

use crate::app::print;
use crate::rules::chance::DEFAULT_SEED;

/// The seed of a run.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Seed {
    /// Seed for `chance` in rules: the same seed and the same conversation give the same faults.
    #[arg(long, default_value_t = DEFAULT_SEED, value_name = "NUMBER")]
    seed: u64,
}

impl Seed {
    /// The number.
    pub(super) fn number(self) -> u64 {
        self.seed
    }

    /// Prints how to get the same faults again.
    pub(super) fn announce(self) {
        print::line(&format!("chance uses --seed {}", self.seed));
    }
}
