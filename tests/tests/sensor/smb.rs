//! SMB 3 without encryption: a listing, and a file each way.

use crate::protocol::{Logged, Protocol};

pub(crate) const SMB: Protocol = Protocol {
    name: "SMB",
    needs: &["/usr/sbin/smbd", "/usr/bin/smbclient"],
    serve: "mkdir smb share
cp files/large.bin share
cat > smb.conf <<END
[global]
map to guest = Bad User
guest account = root
server role = standalone server
disable netbios = yes
smb ports = 445
load printers = no
log file = /corpus/smb/log
private dir = /corpus/smb
lock directory = /corpus/smb
state directory = /corpus/smb
cache directory = /corpus/smb
pid directory = /corpus/smb
ncalrpc dir = /corpus/smb/rpc
[share]
path = /corpus/share
guest ok = yes
read only = no
END
smbd --daemon --configfile=/corpus/smb.conf",
    talk: "share() {
  smbclient --configfile=smb.conf --no-pass --timeout=60 //$IP/share --command \"$1\"
}
tries=0
until share ls; do tries=$((tries + 1)); test $tries -lt 30; sleep 0.2; done
share \"get large.bin smb-$NAME\"
cmp smb-$NAME files/large.bin
share \"put files/middle.bin $NAME\"
cmp share/$NAME files/middle.bin",
    logged: &[
        Logged {
            event_type: "smb",
            with: Some(("/smb/command", "SMB2_COMMAND_CREATE")),
            at_least: 3,
        },
        Logged {
            event_type: "fileinfo",
            with: Some(("/app_proto", "smb")),
            at_least: 2,
        },
        Logged {
            event_type: "alert",
            with: Some(("/alert/signature", "podtap-test share")),
            at_least: 2,
        },
    ],
};
