//! The command line: one file for each verb.
//!
//! Exit codes: 0 fine, 1 the thing asked about failed, 2 wrong usage or configuration, 130 interrupted.

mod annotate;
pub mod ca;
pub mod completions;
pub mod decode;
pub mod demo;
pub mod device;
pub mod doctor;
pub mod encode;
pub mod explain;
pub mod identity;
pub mod lint;
pub mod proxy;
pub mod rule_args;
pub mod rules;
pub mod server;
mod session_file;
pub mod show;
pub mod why;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;

use crate::app::{print, rule_includes, signal};
use crate::error_text;
use crate::filter::Filter;
use crate::printable;
use crate::proxy::{Authority, CaError, IN_TRANSCRIPT};
use crate::record::journal;

/// An intercepting proxy for OMA DM (Windows MDM): see, record and change the traffic between devices and their server.
#[derive(Debug, Parser)]
#[command(name = "dmtap", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,

    /// Output format: text for people, or one JSON object per line.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        display_order = 990
    )]
    output: Output,

    /// Colors: auto means on a terminal. NO_COLOR and CLICOLOR_FORCE change auto.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        display_order = 991
    )]
    color: ColourWhen,

    /// Log more to stderr (-vv for debug). RUST_LOG works, too.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = 992)]
    verbose: u8,
}

/// The format of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// When output has colours. The option has the spelling of other programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ColourWhen {
    /// On a terminal.
    #[default]
    Auto,
    /// Also in a pipe or a file.
    Always,
    /// Nowhere.
    Never,
}

impl ColourWhen {
    /// Sets the choice for all later output.
    fn apply(self) {
        match self {
            Self::Auto => print::automatic_colours(),
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    Proxy(Box<proxy::Proxy>),
    Demo(demo::Demo),
    Device(Box<device::Device>),
    Server(server::Server),
    Doctor(doctor::Doctor),
    Decode(decode::Decode),
    Encode(encode::Encode),
    Explain(explain::Explain),
    Show(show::Show),
    Lint(lint::LintVerb),
    Why(why::Why),
    Rules(rules::Rules),
    Ca(ca::Ca),
    Identity(identity::Identity),
    Completions(completions::Completions),
}

/// Refuses `--output json` for a verb without JSON.
fn only_text(output: Output, verb: &str) -> Outcome {
    match output {
        Output::Text => Ok(()),
        Output::Json => Err(Failure::usage(format_args!("{verb} has no --output json"))),
    }
}

/// The failure of a verb, with the text to print.
#[derive(Debug)]
pub enum Failure {
    /// The examined thing failed: exit code 1.
    Failed(String),
    /// Wrong usage or configuration: exit code 2.
    Usage(String),
    /// Rules with mistakes, drawn with colours: exit code 2.
    Rules(String),
    /// A signal ended it: exit code 130.
    Interrupted(String),
}

impl Failure {
    /// Creates a failure of the examined thing, for this reason.
    fn failed(why: impl Display) -> Self {
        Self::Failed(format!("error: {why}"))
    }

    /// Creates a failure for wrong usage or configuration, for this reason.
    fn usage(why: impl Display) -> Self {
        Self::Usage(format!("error: {why}"))
    }

    fn unreadable(what: impl Display, why: impl Display) -> Self {
        Self::usage(format_args!("cannot read {what}: {why}"))
    }

    fn unwritable(what: impl Display, error: &io::Error) -> Self {
        let why = error_text::io(error);
        Self::failed(format_args!("cannot write {what}: {why}"))
    }

    /// Returns the text to print.
    fn why(&self) -> &str {
        match self {
            Self::Failed(why) | Self::Usage(why) | Self::Rules(why) | Self::Interrupted(why) => why,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) | Self::Rules(_) => 2,
            Self::Interrupted(_) => signal::INTERRUPTED,
        }
    }
}

/// The end of a verb.
pub type Outcome = Result<(), Failure>;

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = parse();
    cli.color.apply();
    print::print_panics();
    signal::survive_file_limits();
    let _flush = FlushOnExit;
    if !cli.verb.serves() {
        print::STDERR.when_full(print::Full::Wait);
    }
    log_to_stderr(cli.verbose, cli.verb.transcript_shares_stderr(cli.output));
    let output = cli.output;
    let outcome = match cli.verb {
        Verb::Proxy(verb) => verb.run(output),
        Verb::Demo(verb) => verb.run(output),
        Verb::Device(verb) => verb.run(output),
        Verb::Server(verb) => verb.run(output),
        Verb::Doctor(verb) => verb.run(output),
        Verb::Decode(verb) => verb.run(output),
        Verb::Encode(verb) => verb.run(output),
        Verb::Explain(verb) => verb.run(output),
        Verb::Show(verb) => verb.run(output),
        Verb::Lint(verb) => verb.run(output),
        Verb::Why(verb) => verb.run(output),
        Verb::Rules(verb) => verb.run(output),
        Verb::Ca(verb) => verb.run(output),
        Verb::Identity(verb) => verb.run(output),
        Verb::Completions(verb) => verb.run(output),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => complain(&failure),
    }
}

/// Parses the command line. The help of a verb without JSON does not show `--output`.
fn parse() -> Cli {
    use clap::{CommandFactory as _, FromArgMatches as _};
    let mut command = Cli::command();
    let output = |option: &&clap::Arg| option.get_id() == "output";
    let output = command.get_arguments().find(output).cloned();
    // An option of the verb itself replaces the global one.
    let hidden = output.map(|output| output.global(false).hide(true));
    for verb in ["encode", "completions"] {
        command = command.mut_subcommand(verb, |verb| verb.args(hidden.clone()));
    }
    let asked = command.clone().try_get_matches();
    let asked = asked.unwrap_or_else(|error| exit_with_example(&command, &error));
    let found = Cli::from_arg_matches(&asked);
    found.unwrap_or_else(|error| error.exit())
}

/// Ends with the error of a command line; behind it the right name of an option, or an example if an argument is missing.
fn exit_with_example(command: &clap::Command, error: &clap::Error) -> ! {
    let unknown = error.get(clap::error::ContextKind::InvalidArg);
    let names = [("--port", "-p PORT"), ("--json", "--output json")];
    let named = |it: &&(&str, &str)| unknown.is_some_and(|unknown| unknown.to_string() == it.0);
    if let Some((_, right)) = names.iter().find(named) {
        let _ = error.print();
        let _ = writeln!(io::stderr(), "\nhelp: dmtap calls it {right}");
        std::process::exit(error.exit_code());
    }
    if error.kind() == clap::error::ErrorKind::MissingRequiredArgument {
        let mut verb = command;
        for word in std::env::args().skip(1) {
            verb = verb.find_subcommand(word).unwrap_or(verb);
        }
        let help = verb.get_after_help().map(ToString::to_string);
        let example = help.as_deref().and_then(|help| help.lines().nth(1));
        if let Some(example) = example {
            // It does not matter if there is no reader.
            let _ = error.print();
            let _ = writeln!(io::stderr(), "\nExample:\n{example}");
            std::process::exit(error.exit_code());
        }
    }
    error.exit()
}

impl Verb {
    /// Whether the transcript goes to the same reader as standard error. The transcript shows the failures.
    fn transcript_shares_stderr(&self, output: Output) -> bool {
        let prints = match self {
            Self::Proxy(proxy) => proxy.prints_transcript(output),
            Self::Demo(_) => output == Output::Text,
            _ => false,
        };
        prints && print::is_stdout_stderr()
    }

    /// Whether others depend on the verb while it runs, so that an unread output must not block it.
    fn serves(&self) -> bool {
        matches!(
            self,
            Self::Proxy(_) | Self::Demo(_) | Self::Device(_) | Self::Server(_)
        )
    }
}

/// A guard that waits a moment for the last output to be read when it is dropped.
struct FlushOnExit;

impl Drop for FlushOnExit {
    fn drop(&mut self) {
        // It does not matter if there is no reader.
        let _ = print::STDOUT.finish(EXIT_TIMEOUT);
        let _ = print::STDERR.finish(EXIT_TIMEOUT);
    }
}

fn complain(failure: &Failure) -> ExitCode {
    match (failure, failure.why().trim_end()) {
        (_, "") => {}
        (Failure::Rules(_), why) => print::coloured(why),
        (_, why) => print::line(why),
    }
    ExitCode::from(failure.exit_code())
}

/// Starts the log on standard error; `has_transcript` is whether its reader also sees the transcript.
fn log_to_stderr(verbose: u8, has_transcript: bool) {
    use tracing_subscriber::EnvFilter;
    let default = match verbose {
        // dmtap itself reports the errors of the verifier, with a remedy. A watched folder may be removed.
        0 => "warn,rustls_platform_verifier=off,notify=error",
        1 => "dmtap=info,warn,rustls_platform_verifier=off,notify=error",
        2 => "dmtap=debug,info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| match has_transcript {
        // The transcript shows the failures already.
        true => EnvFilter::new(format!("{default},{IN_TRANSCRIPT}=off")),
        false => EnvFilter::new(default),
    });
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .log_internal_errors(false)
        .with_writer(&print::STDERR);
    // An error means that there is a subscriber already, which stays.
    let _ = match io::stderr().is_terminal() {
        true => log.with_target(false).without_time().try_init(),
        false => log.with_target(false).try_init(),
    };
}

/// Runs the work of a verb that uses the network.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        let why = error_text::io(&error);
        Failure::Failed(format!("error: cannot start the runtime: {why}"))
    })?;
    let done = runtime.block_on(work);
    // Reading from a pipe may never end.
    runtime.shutdown_timeout(EXIT_TIMEOUT);
    Ok(done)
}

/// Like [`block_on`], but a signal ends the work: then the failure has these words.
fn block_on_unless_interrupted<T>(
    work: impl Future<Output = T>,
    words: &str,
) -> Result<T, Failure> {
    let ended = block_on(async { signal::unless_interrupted(work).await })?;
    ended.ok_or_else(|| Failure::Interrupted(words.into()))
}

/// Parses a time: `5s`, `500ms`, `2m`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map(SignedDuration::try_from_secs_f64);
    let duration = seconds.unwrap_or_else(|_| text.parse());
    let duration = duration.and_then(Duration::try_from);
    duration.map_err(|_| format!("{text} is not a time: write 5s, 500ms or 2m"))
}

/// Parses the address of `--listen-host`: an IP address, or a name of this machine such as `localhost`.
fn listen_host(text: &str) -> Result<IpAddr, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(text).parse() {
        return Ok(address);
    }
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    let found = (text, 0).to_socket_addrs().ok();
    let found: Vec<IpAddr> = found
        .into_iter()
        .flatten()
        .map(|found| found.ip())
        .collect();
    let first = found
        .iter()
        .find(|address| address.is_ipv4())
        .or(found.first());
    first.copied().ok_or_else(|| {
        "name an address of this machine: 127.0.0.1 or localhost for this machine alone, 0.0.0.0 or :: for all".into()
    })
}

/// Returns dmtap's certificate authority: in `confdir`, else in `~/.dmtap`.
fn authority(confdir: Option<&Path>) -> Result<Authority, Failure> {
    let folder = self::confdir(confdir)?;
    Authority::load_or_create(&folder).map_err(|error| {
        let help = match (&error, confdir) {
            (CaError::Io { .. }, None) => "\nhelp: --confdir FOLDER keeps the CA in another folder",
            _ => "",
        };
        Failure::usage(format_args!("{error}{help}"))
    })
}

/// Returns the folder of the CA: `confdir`, else `~/.dmtap`.
fn confdir(confdir: Option<&Path>) -> Result<PathBuf, Failure> {
    let home = || std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    match confdir {
        Some(folder) => Ok(folder.to_owned()),
        None => home().map(|home| home.join(".dmtap")).ok_or_else(|| {
            Failure::usage("no home folder is known (HOME is not set): name a folder for the CA with --confdir FOLDER")
        }),
    }
}

/// Parses a filter of the command line.
fn filter(text: Option<&str>) -> Result<Option<Filter>, Failure> {
    let read = text.map(Filter::read).transpose();
    read.map_err(|error| Failure::Usage(error.to_string()))
}

/// Parses a filter that the shell may have split into words.
fn filter_of(words: &[String]) -> Result<Option<Filter>, Failure> {
    let text = words.join(" ");
    filter((!words.is_empty()).then_some(&text))
}

/// Reports that a filter selects none of the exchanges that were read.
fn report_no_match(filter: &[String], exchanges: u64) {
    let filter = filter.join(" ");
    let read = printable::counted(exchanges, "exchange");
    print::line(&format!("no exchange matches {filter} ({read} read)"));
}

/// Reads a file, or standard input for `-`.
fn read_input(file: &Path) -> Result<Vec<u8>, Failure> {
    if file.as_os_str() != "-" {
        let read = rule_includes::read_bounded(file, MOST_INPUT);
        return read.map_err(|why| Failure::unreadable(printable::path(file), why));
    }
    let read = rule_includes::take_bounded(io::stdin().lock(), MOST_INPUT);
    read.map_err(|why| Failure::unreadable("standard input", why))
}

/// Writes to standard output. A reader that left (`| head`) is no error.
fn write_output(bytes: &[u8]) -> Outcome {
    write_to(anstream::stdout().lock(), bytes)
}

/// Like [`write_output`], for bytes that are no text and have no colours.
fn write_bytes(bytes: &[u8]) -> Outcome {
    write_to(io::stdout().lock(), bytes)
}

fn write_to(mut out: impl Write, bytes: &[u8]) -> Outcome {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::unwritable("standard output", &error))
        }
        _ => Ok(()),
    }
}

/// Returns a value as a line of JSON.
fn json_line(value: impl Display) -> String {
    format!("{value}\n")
}

/// Like [`write_output`], but characters that a terminal would obey or hide are escaped in text; JSON has escapes of its
/// own.
fn write_text(text: &str, output: Output) -> Outcome {
    match output {
        Output::Text => write_output(printable::lines(text).as_bytes()),
        Output::Json => write_output(text.as_bytes()),
    }
}

/// Like [`write_text`], for verbs that catch signals: they end even if nobody reads.
fn write_and_flush(text: &str, output: Output) -> Outcome {
    let text = match output {
        Output::Text => printable::lines(text),
        Output::Json => text.into(),
    };
    print::STDOUT.put(text.into_owned().into_bytes());
    let written = print::STDOUT.finish(journal::FAREWELL);
    written.map_err(|error| Failure::unwritable("standard output", &error))
}

/// The time limit for printing the rest of the output at the end.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// The limit of a file or standard input, in bytes.
const MOST_INPUT: u64 = 256 << 20;

const EXAMPLES: &str = "\
Examples:
  dmtap demo                                           sessions on this machine, with one fault
  dmtap proxy --mode reverse:https://mdm.example.com -w session.jsonl -w session.pcapng
  dmtap decode message.wbxml --annotate                show what a message contains
  dmtap show session.jsonl                             show a recorded session
  dmtap explain 0x87D10194                             what a number, a name or an id means";
