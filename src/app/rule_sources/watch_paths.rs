//! The folders in which changes of rule files are noticed.
//!
//! The watch is on the folders of the files: editors replace a file by a new one, and a watch on the old file would
//! see nothing more.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RemoveKind};

use super::read;

/// The folders to watch, and the names in them that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchPaths {
    folders: BTreeSet<PathBuf>,
    names: BTreeSet<OsString>,
    /// Whether an argument is a folder, so that folders in it matter.
    nested: bool,
}

impl WatchPaths {
    /// Returns the paths for files and folders of rules, and for the files that rules name. Blocks.
    pub(super) fn of(arguments: &[PathBuf], includes: &[PathBuf]) -> Self {
        let mut places = Self::default();
        for path in arguments {
            let inside = read::folders(path);
            places.nested |= !inside.is_empty();
            places.folders.extend(inside);
        }
        let files = arguments.iter().filter(|path| !path.is_dir());
        // A folder that is gone cannot be watched, and must not prevent the watch on the others.
        let has_folder = |path: &&PathBuf| folder(path).is_dir();
        for path in files
            .chain(includes.iter().filter(has_folder))
            .flat_map(|path| both(path))
        {
            places.names.extend(path.file_name().map(OsString::from));
            places.folders.insert(folder(&path));
        }
        let named = arguments.iter().flat_map(|path| both(path));
        let named = named.filter_map(|path| path.file_name().map(OsString::from));
        places.names.extend(named);
        places
    }

    /// Returns the folders to watch.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.iter().map(PathBuf::as_path)
    }

    /// Whether an event may be a change of the files. Reading them is an event, too, but no change.
    pub fn concern(&self, event: &notify::Event) -> bool {
        let written = AccessKind::Close(AccessMode::Write);
        if matches!(event.kind, EventKind::Access(kind) if kind != written) {
            return false;
        }
        let folders = matches!(
            event.kind,
            EventKind::Create(CreateKind::Folder)
                | EventKind::Remove(RemoveKind::Folder)
                | EventKind::Modify(ModifyKind::Name(_))
        );
        let ours = |path: &PathBuf| {
            let name = path.file_name();
            // `..data`: the link that is replaced when a mounted ConfigMap changes.
            name.is_some_and(|name| self.names.contains(name) || name == "..data")
                || path.extension().is_some_and(|form| form == "toml")
        };
        event.need_rescan()
            || event.paths.is_empty()
            || event.paths.iter().any(ours)
            || self.nested && folders
    }
}

/// Returns a path, and the target if it is a link.
fn both(path: &Path) -> Vec<PathBuf> {
    let real = path.canonicalize();
    std::iter::once(path.to_owned()).chain(real).collect()
}

/// Returns the folder of a file.
fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
