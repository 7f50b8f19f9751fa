//! The state that keeps devices on the proxy: the origins that devices and servers use, and the hosts that servers
//! named.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::settings::{Mode, Settings};
use crate::flow::origin::{LearnedHosts, NamedHost, Origin, Origins};
use crate::stay::Extent;

/// The `stay` state of the whole proxy.
pub(super) struct Stay {
    /// The origins of reverse mode; `None` in regular mode.
    pub(super) origins: Option<Origins>,
    /// How much is rewritten; `None` if nothing is.
    pub(super) extent: Option<Extent>,
    learned: Mutex<Arc<LearnedHosts>>,
    file: Option<PathBuf>,
}

impl Stay {
    /// Loads the state, with the hosts that earlier runs learned.
    ///
    /// # Errors
    /// An error if the file of the hosts cannot be read.
    pub(super) fn new(settings: &Settings) -> io::Result<Self> {
        let stay = &settings.stay;
        let origins = match &settings.mode {
            Mode::Reverse { server } => Some(Origins {
                server: Origin::new(server.scheme, &server.host, server.port),
                public: stay.public.clone(),
                maps: stay.maps.clone(),
            }),
            Mode::Regular => None,
        };
        let learned = match &stay.learned_file {
            Some(file) => read(file)?,
            None => LearnedHosts::default(),
        };
        Ok(Self {
            extent: stay.extent.filter(|_| origins.is_some()),
            origins,
            learned: Mutex::new(Arc::new(learned)),
            file: stay.learned_file.clone(),
        })
    }

    /// Returns the hosts learned so far.
    pub(super) fn learned(&self) -> Arc<LearnedHosts> {
        self.lock().clone()
    }

    /// Adds hosts that a server named.
    pub(super) fn learn(&self, hosts: Vec<NamedHost>) {
        if hosts.is_empty() {
            return;
        }
        let mut learned = self.lock();
        let mut more = LearnedHosts::clone(&learned);
        let added = hosts
            .into_iter()
            .filter(|host| more.add(host.clone()))
            .count();
        if added == 0 {
            return;
        }
        *learned = Arc::new(more);
        // This happens at most once for each host. The file must be written before the device comes back.
        if let Some(file) = &self.file
            && let Err(error) = write(file, &learned)
        {
            tracing::warn!(
                "{}: {error}: the hosts learned are kept for this run only",
                file.display()
            );
        }
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Arc<LearnedHosts>> {
        self.learned.lock()
    }
}

/// The format of the file.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    v: u32,
    hosts: Vec<String>,
}

fn read(file: &Path) -> io::Result<LearnedHosts> {
    use io::Read;
    let mut text = String::new();
    let opened = match std::fs::File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LearnedHosts::default()),
        opened => opened,
    };
    let read = opened.and_then(|opened| opened.take(LONGEST).read_to_string(&mut text));
    let broken = |why: String| {
        io::Error::other(format!(
            "{}: {why}; remove the file to begin with no hosts",
            file.display()
        ))
    };
    read.map_err(|error| broken(error.to_string()))?;
    let written: Written =
        serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
    let mut learned = LearnedHosts::default();
    for host in &written.hosts {
        let named =
            NamedHost::parse(host).ok_or_else(|| broken(format!("{host:?} is no host name")))?;
        learned.add(named);
    }
    Ok(learned)
}

/// Replaces the file completely. Hosts that another proxy added meanwhile are kept.
fn write(file: &Path, learned: &LearnedHosts) -> io::Result<()> {
    let mut all = learned.clone();
    for host in read(file).unwrap_or_default().iter() {
        all.add(host.clone());
    }
    let written = Written {
        v: 1,
        hosts: all.iter().map(ToString::to_string).collect(),
    };
    let draft = file.with_extension(format!("json.{}", std::process::id()));
    let text = serde_json::to_string_pretty(&written)?;
    std::fs::write(&draft, text + "\n")?;
    std::fs::rename(&draft, file).inspect_err(|_| {
        // An incomplete draft is useless.
        let _ = std::fs::remove_file(&draft);
    })
}

/// The most bytes of the file: many times the length of 64 host names.
const LONGEST: u64 = 64 << 10;
