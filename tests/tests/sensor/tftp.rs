//! TFTP, by the server that dnsmasq has.

use crate::protocol::{Logged, Protocol};

pub(crate) const TFTP: Protocol = Protocol {
    name: "TFTP",
    needs: &["/usr/sbin/dnsmasq", "/usr/bin/curl"],
    serve: "dnsmasq --conf-file=/dev/null --port=0 --user=root --enable-tftp \\
  --tftp-root=/corpus/files --pid-file=/run/dnsmasq-tftp.pid",
    talk: "curl --silent --show-error --max-time 60 --tftp-blksize 1400 \\
  tftp://$HOST/middle.bin | cmp - files/middle.bin",
    logged: &[Logged {
        event_type: "tftp",
        with: Some(("/tftp/file", "middle.bin")),
        at_least: 1,
    }],
};
