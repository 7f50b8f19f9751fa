//! The token that requests to the control API need.

use std::io::Read;
use std::path::Path;
use std::{fmt, fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use subtle::ConstantTimeEq;

use crate::error_text;
use crate::proxy::{warn_if_readable, write_private};

/// A secret of [`LEAST`] characters or more. Only [`Token::reveal`] shows it.
#[derive(Clone)]
pub struct Token(String);

/// The reason why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is too short, or cannot be in a header field.
    #[error(
        "a token has {LEAST} characters or more, all of them letters, digits or signs of ASCII without spaces"
    )]
    Weak,
    /// Its file cannot be read or written.
    #[error("cannot read or write the token's file {0}: {why}", why = error_text::io(.1))]
    File(String, io::Error),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for a token")]
    NoRandom,
}

impl Token {
    /// Creates a token from a text, without the white space around it.
    ///
    /// # Errors
    /// [`TokenError::Weak`].
    pub fn chosen(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let fits = text.len() >= LEAST && text.bytes().all(|byte| byte.is_ascii_graphic());
        match fits {
            true => Ok(Self(text.to_owned())),
            false => Err(TokenError::Weak),
        }
    }

    /// Creates a token of 192 random bits.
    pub fn random() -> Result<Self, TokenError> {
        let mut bytes = [0; 24];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| TokenError::NoRandom)?;
        Ok(Self(BASE64.encode(bytes)))
    }

    /// Returns the token in a file. If there is no file, it writes a new token there that only the owner can read.
    pub fn in_file(file: &Path) -> Result<Self, TokenError> {
        let failed = |error| TokenError::File(file.display().to_string(), error);
        match fs::File::open(file) {
            Ok(open) => {
                warn_if_readable(file, "token");
                let mut text = String::new();
                let read = open.take(MOST_FILE).read_to_string(&mut text);
                read.map_err(failed)?;
                Self::chosen(&text)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let token = Self::random()?;
                let written = write_private(file, format!("{}\n", token.0).as_bytes());
                if written
                    .as_ref()
                    .is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists)
                {
                    // A part of a token would be refused at the next start.
                    let _ = fs::remove_file(file);
                }
                written.map_err(failed)?;
                Ok(token)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Returns the secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether a text is this token. The time of the comparison does not depend on the first difference.
    pub(super) fn is(&self, text: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(text).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The least length of a token, in characters.
const LEAST: usize = 16;
/// The limit of a token's file, in bytes.
const MOST_FILE: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_and_fits_a_header_field() {
        let check = |text: &str, fits: bool| {
            assert_eq!(Token::chosen(text).is_ok(), fits, "{text:?}");
        };
        check("0123456789abcdef", true);
        check(" 0123456789abcdef\n", true);
        check("0123456789abcde", false);
        check("0123456789 abcdef", false);
        check("0123456789abcdefé", false);
        check("", false);
    }

    #[test]
    fn two_random_ones_differ_and_none_is_shown_by_accident() {
        let (one, two) = (Token::random().unwrap(), Token::random().unwrap());
        assert_ne!(one.reveal(), two.reveal());
        assert!(one.is(one.reveal().as_bytes()));
        assert!(!one.is(two.reveal().as_bytes()));
        assert!(!one.is(b""));
        assert!(!format!("{one:?}").contains(one.reveal()));
    }

    #[test]
    fn a_file_gets_a_token_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let first = Token::in_file(&file).unwrap();
        assert_eq!(Token::in_file(&file).unwrap().reveal(), first.reveal());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                fs::metadata(&file).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
        fs::write(&file, "short").unwrap();
        assert!(matches!(Token::in_file(&file), Err(TokenError::Weak)));
    }
}
