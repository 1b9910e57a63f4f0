//! SSH with throwaway keys: a file each way.

use crate::protocol::{Logged, Protocol};

pub(crate) const SSH: Protocol = Protocol {
    name: "SSH",
    needs: &["/usr/sbin/sshd", "/usr/bin/scp"],
    serve: "mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f host-key
ssh-keygen -q -t ed25519 -N '' -f user-key
cat > sshd.conf <<END
Port 2222
HostKey /corpus/host-key
AuthorizedKeysFile /corpus/user-key.pub
StrictModes no
UsePAM no
PermitRootLogin yes
Subsystem sftp internal-sftp
END
/usr/sbin/sshd -f /corpus/sshd.conf -E /corpus/sshd.log",
    talk: "# Its log says why, if it does not work.
trap 'test $? = 0 || cat sshd.log >&2' EXIT
copy() {
  scp -q -P 2222 -i user-key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \\
    -o ConnectTimeout=60 \"$@\"
}
copy root@$HOST:/corpus/files/large.bin ssh-$NAME
cmp ssh-$NAME files/large.bin
copy files/large.bin root@$HOST:/corpus/ssh-up-$NAME
cmp ssh-up-$NAME files/large.bin",
    logged: &[
        Logged {
            event_type: "ssh",
            with: Some(("/ssh/client/proto_version", "2.0")),
            at_least: 2,
        },
        Logged {
            event_type: "flow",
            with: Some(("/app_proto", "ssh")),
            at_least: 2,
        },
        Logged {
            event_type: "alert",
            with: Some(("/alert/signature", "podtap-test SSH")),
            at_least: 2,
        },
    ],
};
