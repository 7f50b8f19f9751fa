//! `dmtap completions`: a completion script for a shell.

use clap::CommandFactory as _;

use super::{Cli, Outcome, Output, only_text, write_output};

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap completions bash > ~/.local/share/bash-completion/completions/dmtap
  dmtap completions zsh > ~/.zfunc/_dmtap     where ~/.zfunc is in fpath
  dmtap completions fish > ~/.config/fish/completions/dmtap.fish")]
pub struct Completions {
    /// Which shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

impl Completions {
    /// Runs the verb.
    ///
    /// # Errors
    /// A script that cannot be written.
    pub fn run(self, output: Output) -> Outcome {
        only_text(output, "completions")?;
        let mut script = Vec::new();
        let mut command = Cli::command();
        clap_complete::generate(self.shell, &mut command, "dmtap", &mut script);
        write_output(&script)
    }
}
