//! DNS over UDP and over TCP, with answers too large for a datagram.

use crate::protocol::{Logged, Protocol};

pub(crate) const DNS: Protocol = Protocol {
    name: "DNS",
    needs: &["/usr/sbin/dnsmasq", "/usr/bin/dig"],
    serve: "{
echo no-resolv; echo no-hosts; echo user=root; echo local=/test/
echo host-record=web.test,10.99.0.2,fd99::2
echo mx-host=web.test,mail.test,10
for letter in a b c d e f g h; do
  echo txt-record=long.test,$(printf '%0240d' 0 | tr 0 $letter)
done
} > dnsmasq.conf
dnsmasq --conf-file=/corpus/dnsmasq.conf --pid-file=/run/dnsmasq-dns.pid",
    talk: "ask() { dig @$IP +nocookie +tries=8 +timeout=1 \"$@\"; }
for kind in A AAAA MX; do ask web.test $kind > /dev/null; done
# A question asked again leaves a line that begins with a semicolon.
test $(ask +short web.test A | tail -n 1) = 10.99.0.2
ask +tcp web.test A > /dev/null
# Cut short in UDP, then asked again over TCP.
test $(ask +short +bufsize=512 long.test TXT | grep --count '^\"') = 8
ask none.test A | grep --quiet NXDOMAIN",
    logged: &[
        Logged {
            event_type: "dns",
            with: Some(("/dns/type", "answer")),
            at_least: 8,
        },
        Logged {
            event_type: "dns",
            with: Some(("/proto", "TCP")),
            at_least: 4,
        },
        Logged {
            event_type: "dns",
            with: Some(("/dns/rcode", "NXDOMAIN")),
            at_least: 1,
        },
        Logged {
            event_type: "alert",
            with: Some(("/alert/signature", "podtap-test name")),
            at_least: 1,
        },
    ],
};
