//! TLS 1.2, which shows its certificate, and TLS 1.3, which does not.

use crate::protocol::{Logged, Protocol};

pub(crate) const TLS: Protocol = Protocol {
    name: "TLS",
    needs: &["/usr/sbin/nginx", "/usr/bin/curl", "/usr/bin/openssl"],
    serve: "openssl req -x509 -newkey rsa:2048 -noenc -days 30 -subj /CN=web.test \\
  -addext subjectAltName=DNS:web.test -keyout tls.key -out tls.crt
cat > tls.conf <<END
user root;
worker_processes 1;
pid /run/nginx-tls.pid;
error_log /corpus/nginx-tls.log;
events {}
http {
  access_log off;
  server {
    listen 443 ssl; listen [::]:443 ssl;
    ssl_certificate /corpus/tls.crt;
    ssl_certificate_key /corpus/tls.key;
    root /corpus/files;
  }
}
END
nginx -c /corpus/tls.conf",
    talk: "web() {
  curl --silent --show-error --fail --max-time 60 --cacert tls.crt \\
    --connect-to web.test:443:$HOST:443 \"$@\"
}
for version in 1.2 1.3; do
  web --tlsv$version --tls-max $version https://web.test/large.bin | cmp - files/large.bin
  web --tlsv$version --tls-max $version \"https://web.test/small-[1-5].txt\" > /dev/null
done
# With a session ticket, and resumed with it.
for way in sess_out sess_in; do
  openssl s_client -connect $HOST:443 -servername web.test -CAfile tls.crt -tls1_2 \\
    -$way session < /dev/null > /dev/null
done",
    logged: &[
        Logged {
            event_type: "tls",
            with: None,
            at_least: 6,
        },
        Logged {
            event_type: "tls",
            with: Some(("/tls/subject", "CN=web.test")),
            at_least: 3,
        },
        Logged {
            event_type: "tls",
            with: Some(("/tls/version", "TLS 1.3")),
            at_least: 2,
        },
        Logged {
            event_type: "tls",
            with: Some(("/tls/sni", "web.test")),
            at_least: 6,
        },
        Logged {
            event_type: "alert",
            with: Some(("/alert/signature", "podtap-test SNI")),
            at_least: 6,
        },
    ],
};
