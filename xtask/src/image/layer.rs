//! A file system layer, made of files in memory.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::Result;
use tar::{Builder, EntryType, Header};

/// A file or folder of a layer.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A regular file: content and mode.
    File(Vec<u8>, u32),
    /// A folder and its mode.
    Folder(u32),
    /// A symbolic link and where it points to.
    Link(String),
}

/// A layer made of files, by path without the leading slash.
#[derive(Clone, Debug, Default)]
pub struct Layer(pub BTreeMap<String, Entry>);

impl Layer {
    /// Adds an entry, and the folders above it that are not there yet.
    pub fn add(&mut self, path: &str, entry: Entry) {
        let above = Path::new(path).ancestors().skip(1).filter_map(Path::to_str);
        for folder in above.filter(|folder| !folder.is_empty()) {
            self.0
                .entry(folder.to_owned())
                .or_insert(Entry::Folder(0o755));
        }
        self.0.insert(path.to_owned(), entry);
    }

    /// The layer as a tar.
    pub fn tar(&self) -> Result<Vec<u8>> {
        let mut tar = Builder::new(Vec::new());
        for (path, entry) in &self.0 {
            match entry {
                Entry::File(content, mode) => {
                    append(
                        &mut tar,
                        path,
                        content.len() as u64,
                        *mode,
                        EntryType::Regular,
                        content.as_slice(),
                    )?;
                }
                Entry::Folder(mode) => append(
                    &mut tar,
                    &format!("{path}/"),
                    0,
                    *mode,
                    EntryType::Directory,
                    &[][..],
                )?,
                Entry::Link(target) => {
                    let mut header = header(0, 0o777, EntryType::Symlink);
                    tar.append_link(&mut header, path, target)?;
                }
            }
        }
        Ok(tar.into_inner()?)
    }
}

/// Adds one entry to a tar, with a fixed time and owner.
pub(super) fn append<W: Write>(
    tar: &mut Builder<W>,
    path: &str,
    size: u64,
    mode: u32,
    kind: EntryType,
    content: impl Read,
) -> Result<()> {
    tar.append_data(&mut header(size, mode, kind), path, content)?;
    Ok(())
}

fn header(size: u64, mode: u32, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_is_in_them() {
        let mut layer = Layer::default();
        layer.add("usr/bin/tool", Entry::File(b"content".to_vec(), 0o755));
        layer.add("bin", Entry::Link("usr/bin".to_owned()));
        let bytes = layer.tar().unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let paths: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(paths, ["bin", "usr/", "usr/bin/", "usr/bin/tool"]);
    }
}
