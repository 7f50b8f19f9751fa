//! `dmtap encode`: XML to WBXML.

use std::io::IsTerminal;
use std::path::PathBuf;

use super::{Failure, Outcome, Output, read_input, write_bytes};
use crate::dm::pasted::unpack;
use crate::markup::utf16::in_utf8;
use crate::markup::wbxml::encode::{PublicIdForm, Version, WbxmlOptions, encode};
use crate::markup::{Hint, Limits, decode};
use crate::printable;

/// Encode an XML message as WBXML.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dmtap encode message.xml -o message.wbxml
  dmtap encode message.xml --wbxml-version 1.3 --public-id text | xxd")]
pub struct Encode {
    /// The message; `-` reads standard input.
    file: PathBuf,
    /// Where to write; standard output if absent.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The version of WBXML to write: 1.1, 1.2 or 1.3.
    #[arg(long, default_value = "1.2", value_parser = version, value_name = "VERSION")]
    wbxml_version: Version,
    /// How to write the document type.
    #[arg(long, value_enum, default_value_t = PublicId::Numeric, value_name = "FORM")]
    public_id: PublicId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum PublicId {
    /// As a number, such as 0x1201.
    Numeric,
    /// As a name in the string table.
    Text,
}

impl Encode {
    /// Runs the verb.
    ///
    /// # Errors
    /// A broken message, one that WBXML cannot hold, or a file that cannot be read or written.
    pub fn run(self, output: Output) -> Outcome {
        super::only_text(output, "encode")?;
        let name = printable::path(&self.file);
        let source = unpack(read_input(&self.file)?);
        let document = in_utf8(source)
            .and_then(|source| decode(source, Hint::default(), &Limits::default()))
            .map_err(|error| Failure::failed(format_args!("{name}: {error}")))?;
        let options = WbxmlOptions {
            version: self.wbxml_version,
            public_id: match self.public_id {
                PublicId::Numeric => PublicIdForm::Numeric,
                PublicId::Text => PublicIdForm::Text,
            },
        };
        let bytes = encode(&document, &options)
            .map_err(|error| Failure::failed(format_args!("{name}: {error}")))?;
        self.write(&bytes)
    }

    fn write(&self, bytes: &[u8]) -> Outcome {
        let Some(out) = &self.out else {
            if std::io::stdout().is_terminal() {
                let remedy = "WBXML is binary: name a file with -o, or pipe it";
                return Err(Failure::usage(remedy));
            }
            return write_bytes(bytes);
        };
        let written = std::fs::write(out, bytes);
        written.map_err(|error| Failure::unwritable(out.display(), &error))
    }
}

fn version(text: &str) -> Result<Version, String> {
    match text {
        "1.1" => Ok(Version::V1_1),
        "1.2" => Ok(Version::V1_2),
        "1.3" => Ok(Version::V1_3),
        _ => Err("one of 1.1, 1.2, 1.3".into()),
    }
}
