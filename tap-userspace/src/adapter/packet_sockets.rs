//! Who listens on an interface: its packet sockets, as the kernel lists them.

use std::{fs, io};

/// Packet sockets of the network namespace that this process lives in. A
/// thread that has entered another one sees its process's own all the same.
const PACKET_SOCKETS: &str = "/proc/self/net/packet";

/// The column that has the interface's index (`packet_seq_show` in
/// net/packet/af_packet.c: sk, RefCnt, Type, Proto, Iface, …).
const INTERFACE_COLUMN: usize = 4;

/// How many packet sockets are bound to the interface of that index.
///
/// # Errors
/// When the kernel does not list them.
pub fn count_on(ifindex: u32) -> io::Result<usize> {
    Ok(count(&fs::read_to_string(PACKET_SOCKETS)?, ifindex))
}

fn count(text: &str, ifindex: u32) -> usize {
    let is_on = |line: &&str| {
        let column = line.split_whitespace().nth(INTERFACE_COLUMN);
        column.and_then(|index| index.parse().ok()) == Some(ifindex)
    };
    text.lines().skip(1).filter(is_on).count()
}

#[cfg(test)]
mod tests {
    use super::count;

    /// As Linux 6.18 writes it: two of Suricata's on interface 3, and one that
    /// is bound to none.
    const TEXT: &str = "\
sk               RefCnt Type Proto  Iface R Rmem   User   Inode
00000000c0ffee01 3      3    0003   3     1 0      990    41211
00000000c0ffee02 3      3    0003   3     1 0      990    41212
00000000c0ffee03 3      10   888e   0     1 0      0      2301
";

    #[test]
    fn sockets_are_counted_by_their_interface() {
        assert_eq!(count(TEXT, 3), 2);
        assert_eq!(count(TEXT, 0), 1);
        assert_eq!(count(TEXT, 1), 0, "a reference count is no interface");
        assert_eq!(count("", 3), 0);
    }
}
