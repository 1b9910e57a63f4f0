//! FTP, passive and active, a file each way.

use crate::protocol::{Logged, Protocol};

pub(crate) const FTP: Protocol = Protocol {
    name: "FTP",
    needs: &["/usr/sbin/vsftpd", "/usr/bin/curl"],
    serve: "mkdir -p /run/empty ftp
mkdir -m 777 ftp/in
cp files/large.bin ftp
cat > vsftpd.conf <<END
listen=NO
listen_ipv6=YES
background=YES
anonymous_enable=YES
no_anon_password=YES
anon_root=/corpus/ftp
write_enable=YES
anon_upload_enable=YES
anon_umask=022
seccomp_sandbox=NO
secure_chroot_dir=/run/empty
connect_from_port_20=YES
END
vsftpd /corpus/vsftpd.conf",
    talk: "file() {
  curl --silent --show-error --max-time 60 --retry 9 --retry-connrefused --retry-delay 1 \"$@\"
}
file ftp://$HOST/large.bin | cmp - ftp/large.bin
file --ftp-port - ftp://$HOST/large.bin | cmp - ftp/large.bin
file --upload-file files/middle.bin ftp://$HOST/in/$NAME
cmp ftp/in/$NAME files/middle.bin",
    logged: &[
        Logged {
            event_type: "ftp",
            with: None,
            at_least: 15,
        },
        Logged {
            event_type: "ftp_data",
            with: None,
            at_least: 3,
        },
        Logged {
            event_type: "fileinfo",
            with: Some(("/app_proto", "ftp-data")),
            at_least: 3,
        },
        Logged {
            event_type: "alert",
            with: Some(("/alert/signature", "podtap-test FTP")),
            at_least: 1,
        },
    ],
};
