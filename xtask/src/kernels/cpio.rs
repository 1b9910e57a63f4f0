//! Writes cpio archives in the format that the kernel unpacks (`newc`,
//! Documentation/driver-api/early-userspace/buffer-format.rst).

/// An archive under way.
#[derive(Debug, Default)]
pub(super) struct Cpio {
    bytes: Vec<u8>,
    entries: u32,
}

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_644;
const EXECUTABLE: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;

impl Cpio {
    /// Adds a folder; to be done before what is in it.
    pub(super) fn folder(&mut self, path: &str) {
        self.entry(path, FOLDER, (0, 0), &[]);
    }

    /// Adds a file.
    pub(super) fn file(&mut self, path: &str, contents: &[u8]) {
        self.entry(path, FILE, (0, 0), contents);
    }

    /// Adds a file that can be run.
    pub(super) fn executable(&mut self, path: &str, contents: &[u8]) {
        self.entry(path, EXECUTABLE, (0, 0), contents);
    }

    /// Adds a character device.
    pub(super) fn device(&mut self, path: &str, major_minor: (u32, u32)) {
        self.entry(path, CHARACTER_DEVICE, major_minor, &[]);
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, (major, minor): (u32, u32), contents: &[u8]) {
        self.entries += 1;
        let fields = [
            u64::from(self.entries),
            u64::from(mode),
            // Owner, group, number of links, time of change.
            0,
            0,
            1,
            0,
            contents.len() as u64,
            // The device that it lies on.
            0,
            0,
            u64::from(major),
            u64::from(minor),
            path.len() as u64 + 1,
            // No checksum in this format.
            0,
        ];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(contents);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_name_and_contents_are_padded_to_four() {
        let mut cpio = Cpio::default();
        cpio.file("ab", b"12345");
        let bytes = cpio.finish();
        assert!(bytes.starts_with(b"07070100000001000081a4"));
        // 110 bytes of header, a name of 3, padded to 116; 5 of contents.
        assert_eq!(&bytes[110..116], b"ab\0\0\0\0");
        assert_eq!(&bytes[116..124], b"12345\0\0\0");
        assert!(bytes[124..].starts_with(b"070701"));
        assert_eq!(bytes.len() % 4, 0);
    }
}
