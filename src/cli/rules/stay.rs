//! `dmtap rules show stay`: the rule that is no file.

use crate::builtin_rules::BuiltinRule;
use crate::cli::{Outcome, Output, only_text, write_output};
use crate::flow::origin::Reach;
use crate::stay::kind::{self, Form};

/// The rule among the built-in ones.
pub(super) static STAY: [BuiltinRule; 1] = [BuiltinRule {
    theme: "enrollment",
    name: crate::stay::NAME,
    text: INTRODUCTION,
}];

/// Prints what the rule does.
pub(super) fn show(output: Output) -> Outcome {
    only_text(output, "rules show stay")?;
    let mut text = INTRODUCTION.to_owned();
    for kind in kind::all().filter(|kind| **kind != kind::TO) {
        let form = match (kind.form, kind.reach) {
            (Form::CrlCheck, _) => "1 becomes 0",
            _ if *kind == kind::SYNC_HDR => "mapped, with --stay full",
            (Form::Port, _) => "the port of the address next to it",
            (_, Reach::Learned) => "mapped; a host in no pair gets a path",
            (_, Reach::Mapped) => "mapped",
        };
        text.push_str(&format!("  {:<52} {form}\n", kind.name));
    }
    text.push_str(REST);
    write_output(text.as_bytes())
}

const INTRODUCTION: &str = "\
# A device that enrolls through dmtap stays on it: on in reverse mode, --stay on|off|full.
# A correct device and a correct server notice nothing of it.
#
# The rule stay is no file and cannot be changed; --stay off switches it off, --stay full adds Target and Source of SyncHdr.
# On the way to the device it acts behind all other rules, and leaves alone what they wrote; on the way to the server
# it acts first, so that the other rules see the server's addresses.
#
# URLs of a server change to its public origin, and back; path and query stay:
#   server of --mode reverse:   what the device names, or --public ORIGIN
#   other servers               --map PUBLIC=SERVER
#   a host in no pair           PUBLIC/.dmtap/at/HOST[:PORT]/…

In messages to the device:
";

const REST: &str = "
In header fields to the device:
  Location, Content-Location, Refresh, Content-Security-Policy, Access-Control-Allow-Origin, Domain in Set-Cookie

In pages (HTML) to the device:
  links, forms, refreshes, script locations

In messages to the server:
  Origin, Referer, To of SOAP, Results of these nodes

Never: Push/ChannelURI, AADResourceID, tokens, namespaces, ms-app: and other schemes, downloads of apps, messages
that are signed as a whole. What leads away all the same is noted: STAY-01 to STAY-06.
";
