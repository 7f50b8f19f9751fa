//! The `dmtap` program: everything is in the library.

fn main() -> std::process::ExitCode {
    dmtap::cli::main()
}
