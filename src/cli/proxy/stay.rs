//! The options that keep devices on the proxy: `--stay` and the map of origins.

use std::path::Path;

use crate::app::print;
use crate::cli::Failure;
use crate::flow::origin::{Origin, OriginPair};
use crate::proxy::{Mode, Resolve, StaySettings};
use crate::stay::Extent;

/// The URLs to rewrite, and the pairs of origins.
#[derive(Debug, clap::Args)]
pub(super) struct StayArguments {
    /// Rewrite the URLs in enrollment and DM messages that would lead devices past dmtap (dmtap rules show stay):
    /// on in reverse mode. full also rewrites Target and Source of SyncHdr.
    #[arg(long, value_name = "on|off|full", hide_possible_values = true)]
    stay: Option<Stay>,
    /// The origin under which devices reach dmtap, such as https://mdm.lab.example; the default is what each device
    /// names.
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    public: Option<Origin>,
    /// Another server behind dmtap: what devices send to the origin PUBLIC goes to SERVER. With
    /// https://dm.lab=https://dm.example.com devices reach dmtap as dm.lab, and dmtap rewrites URLs with dm.example.com to
    /// it. Can be repeated.
    #[arg(long = "map", value_name = "PUBLIC=SERVER", value_parser = pair)]
    maps: Vec<OriginPair>,
    /// The address of a server, instead of the one that DNS knows, such as mdm.example.com:443:192.0.2.7; or its URL there,
    /// such as mdm.example.com:443:http://localhost:8080 for a server that writes https and has no TLS itself. Can be
    /// repeated.
    #[arg(long, value_name = "HOST:PORT:ADDRESS")]
    pub(super) resolve: Vec<Resolve>,
}

/// The URLs that dmtap rewrites.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(in crate::cli) enum Stay {
    /// Rewrite the URLs that devices follow.
    #[default]
    On,
    /// Rewrite no URL: the devices leave dmtap.
    Off,
    /// Rewrite those, and Target and Source of SyncHdr.
    Full,
}

impl Stay {
    /// Returns the extent of the rewriting; `None` without it.
    pub(in crate::cli) fn extent(self) -> Option<Extent> {
        match self {
            Self::On => Some(Extent::Followed),
            Self::Off => None,
            Self::Full => Some(Extent::Full),
        }
    }
}

impl StayArguments {
    /// Returns the settings; dmtap keeps the hosts that servers name in `confdir`.
    ///
    /// # Errors
    /// The options do not fit the mode, or each other.
    pub(super) fn settings(
        &self,
        mode: &Mode,
        confdir: Option<&Path>,
    ) -> Result<StaySettings, Failure> {
        let is_on = self.stay.is_some_and(|stay| stay.extent().is_some());
        if *mode == Mode::Regular && (is_on || self.public.is_some() || !self.maps.is_empty()) {
            let why = "--stay, --public and --map need --mode reverse: devices that know the proxy stay on it";
            return Err(Failure::usage(why));
        }
        let mut seen: Vec<&Origin> = self.public.iter().collect();
        for pair in &self.maps {
            if seen.contains(&&pair.public) {
                let why = format_args!("--map: {} stands for two servers", pair.public);
                return Err(Failure::usage(why));
            }
            seen.push(&pair.public);
        }
        Ok(StaySettings {
            extent: self.stay.unwrap_or_default().extent(),
            public: self.public.clone(),
            maps: self.maps.clone(),
            learned_file: confdir.map(|folder| folder.join("origins.json")),
        })
    }

    /// Prints the servers behind public names.
    pub(super) fn announce(&self) {
        for OriginPair { public, server } in &self.maps {
            print::line(&format!("{public} → {server}"));
        }
    }
}

fn origin(text: &str) -> Result<Origin, String> {
    text.parse()
        .map_err(|error: crate::flow::origin::OriginError| error.to_string())
}

fn pair(text: &str) -> Result<OriginPair, String> {
    let (public, server) = text
        .split_once('=')
        .ok_or("PUBLIC=SERVER, such as https://mdm.lab.example=https://mdm.example.com")?;
    Ok(OriginPair {
        public: origin(public)?,
        server: origin(server)?,
    })
}
