//! The options of the control API, `--control` and others.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::app::control::{ControlSettings, Reach, Token, TokenError};
use crate::app::print;
use crate::app::proxy::Running;
use crate::cli::Failure;

/// The control API of `dmtap proxy`.
#[derive(Debug, clap::Args)]
pub(super) struct ControlArguments {
    /// Port of the control API, through which local programs switch rules; 0 selects a free one. Requests need a
    /// bearer token: DMTAP_CONTROL_TOKEN, or one that dmtap creates and prints at the start.
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = address)]
    control: Option<SocketAddr>,
    /// Read the control token from this file; dmtap creates the file if it does not exist.
    #[arg(long, value_name = "FILE", requires = "control")]
    control_token_file: Option<PathBuf>,
    /// Allow an address of the control API that other machines can reach.
    #[arg(long, requires = "control")]
    control_anywhere: bool,
}

impl ControlArguments {
    /// Whether the control API is enabled.
    pub(super) fn is_given(&self) -> bool {
        self.control.is_some()
    }

    /// Returns the settings of the control API, if it is enabled.
    ///
    /// # Errors
    /// The token cannot be read, or is too short.
    pub(super) fn settings(&self) -> Result<Option<ControlSettings>, Failure> {
        let Some(listen) = self.control else {
            return Ok(None);
        };
        let token = match (&self.control_token_file, from_environment()) {
            (Some(file), _) => Token::in_file(file),
            (None, Some(token)) => Token::chosen(&token),
            (None, None) => Token::random(),
        };
        let token = token.map_err(|error| Failure::usage(self.blame(&error)))?;
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

    /// Describes the error of a token, with its source.
    fn blame(&self, error: &TokenError) -> String {
        match (error, &self.control_token_file) {
            (TokenError::Weak, Some(file)) => format!("{}: {error}", file.display()),
            (TokenError::Weak, None) => format!("{VARIABLE}: {error}"),
            _ => error.to_string(),
        }
    }

    /// Prints the address of the control API and its token.
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
                "warning: the control API is not encrypted: everybody who can read traffic to {address} can read the \
                 token and change the rules"
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
