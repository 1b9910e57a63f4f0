//! HTTP: a large body, many small ones over one connection, chunked both ways.

use crate::protocol::{Logged, Protocol};

pub(crate) const HTTP: Protocol = Protocol {
    name: "HTTP",
    needs: &["/usr/sbin/nginx", "/usr/bin/curl"],
    serve: "mkdir -m 777 put
cat > nginx.conf <<END
user root;
worker_processes 1;
pid /run/nginx.pid;
error_log /corpus/nginx.log;
events {}
http {
  access_log off;
  types { text/plain txt; application/octet-stream bin; }
  client_max_body_size 0;
  server {
    listen 80; listen [::]:80;
    root /corpus/files;
    location /zipped/ { alias /corpus/files/; gzip on; gzip_types text/plain; }
    location /put/ { root /corpus; dav_methods PUT; }
  }
}
END
nginx -c /corpus/nginx.conf",
    talk: "web() { curl --silent --show-error --fail --max-time 60 \"$@\"; }
web http://$HOST/large.bin | cmp - files/large.bin
# 1 connection, 30 requests.
web \"http://$HOST/small-[1-30].txt\" > /dev/null
# A zipped body has no length: the answer is chunked.
web --compressed http://$HOST/zipped/text.txt | cmp - files/text.txt
web --upload-file files/middle.bin --header 'Transfer-Encoding: chunked' http://$HOST/put/$NAME
cmp put/$NAME files/middle.bin
web --range 1000-200999 http://$HOST/large.bin > part; test $(wc -c < part) = 200000
if web http://$HOST/none/podtap-alert; then exit 1; fi",
    logged: &[
        Logged {
            event_type: "http",
            with: None,
            at_least: 35,
        },
        Logged {
            event_type: "fileinfo",
            with: Some(("/app_proto", "http")),
            at_least: 34,
        },
        Logged {
            event_type: "alert",
            with: Some(("/alert/signature", "podtap-test URI")),
            at_least: 1,
        },
        Logged {
            event_type: "alert",
            with: Some(("/alert/signature", "podtap-test file")),
            at_least: 1,
        },
    ],
};
