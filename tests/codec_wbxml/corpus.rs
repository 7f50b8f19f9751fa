//! Real messages, where the shared corpus is at hand.

use std::path::{Path, PathBuf};

use crate::support::{decode, outline};

/// The files of a corpus folder, in order; none where the corpus is not at hand.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus"));
    let Ok(entries) = std::fs::read_dir(corpus.join(folder)) else {
        println!("skipped: no corpus folder {folder}");
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn what_devices_sent_is_read() {
    for file in files("device-wbxml")
        .iter()
        .filter(|file| file.extension().unwrap() == "wbxml")
    {
        let document = decode(&std::fs::read(file).unwrap())
            .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        println!(
            "{} {:?}\n{}",
            file.display(),
            document.flags(),
            outline(&document)
        );
    }
}
