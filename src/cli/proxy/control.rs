//! `--control`: rules switched while dmtap runs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::app::control::{ControlSettings, Reach, Token, TokenError};
use crate::app::print;
use crate::app::proxy::Running;
use crate::cli::Failure;

/// The control API of `dmtap proxy`.
#[derive(Debug, clap::Args)]
pub(super) struct ControlArguments {
    /// Let programs on this machine switch rules, at a port of its own; 0 takes a free one. Whoever asks must show
    /// a token: DMTAP_CONTROL_TOKEN, else one that is made and printed at the start.
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = address)]
    control: Option<SocketAddr>,
    /// Keep the control token in this file; a new one is written there if there is none.
    #[arg(long, value_name = "FILE", requires = "control")]
    control_token_file: Option<PathBuf>,
    /// Let the control API listen at an address that other machines reach.
    #[arg(long, requires = "control")]
    control_anywhere: bool,
}

impl ControlArguments {
    /// What the control API is told, if there is to be one.
    ///
    /// # Errors
    /// A token that cannot be read or is too short.
    pub(super) fn settings(&self) -> Result<Option<ControlSettings>, Failure> {
        let Some(listen) = self.control else {
            return Ok(None);
        };
        let token = match (&self.control_token_file, from_environment()) {
            (Some(file), _) => Token::in_file(file),
            (None, Some(token)) => Token::chosen(&token),
            (None, None) => Token::random(),
        };
        let token =
            token.map_err(|error| Failure::Usage(format!("error: {}", self.blame(&error))))?;
        let reach = match self.control_anywhere {
            true => Reach::Anybody,
            false => Reach::Loopback,
        };
        Ok(Some(ControlSettings {
            listen,
            reach,
            token,
        }))
    }

    /// What is wrong with a token, and where it was chosen.
    fn blame(&self, error: &TokenError) -> String {
        match (error, &self.control_token_file) {
            (TokenError::Weak, Some(file)) => format!("{}: {error}", file.display()),
            (TokenError::Weak, None) => format!("{VARIABLE}: {error}"),
            _ => error.to_string(),
        }
    }

    /// Says where the control API is, and what it must be shown.
    pub(super) fn announce(&self, running: &Running<'_>) {
        let Some((address, token)) = &running.control else {
            return;
        };
        let token = match &self.control_token_file {
            Some(file) => format!("token in {}", file.display()),
            None if from_environment().is_some() => format!("token in {VARIABLE}"),
            None => format!("token {}", token.reveal()),
        };
        print::line(&format!("control at http://{address}, {token}"));
        if !address.ip().is_loopback() {
            print::line(&format!(
                "warning: whoever reaches {address} and reads the token on its way, which is not encrypted, can \
                 change the rules"
            ));
        }
    }
}

fn from_environment() -> Option<String> {
    std::env::var(VARIABLE)
        .ok()
        .filter(|token| !token.is_empty())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    let address = text.replacen("localhost:", "127.0.0.1:", 1).parse();
    address.map_err(|_| "a port, such as 9090, or an address with one, such as [::1]:9090".into())
}

const VARIABLE: &str = "DMTAP_CONTROL_TOKEN";
