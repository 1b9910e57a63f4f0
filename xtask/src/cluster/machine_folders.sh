#!/bin/sh
# Run on a new machine: its own /run (in memory), /var and kernel settings.
# Arguments: the machine's name, the workspace, an empty folder, the folder
# that becomes /var (below the workspace), and mount options if /var is to be
# in memory instead.
set -eu
name=$1 workspace=$2 stage=$3 var=${4#"$2"/} memory=$5
mount -n -t tmpfs -o mode=755 podtap-xt "$stage"
mkdir "$stage/workspace" "$stage/sysctl" "$stage/lock"
mount -n --bind "$workspace" "$stage/workspace"
mount -n --move "$stage" /run
if [ -n "$memory" ]
then mount -n -t tmpfs -o "mode=755,$memory" podtap-xt /var
else mount -n --bind "/run/workspace/$var" /var
fi
mkdir -p /var/lib /var/log /var/cache /var/tmp
ln -sfn /run /var/run
case $workspace in /var/*|/run/*)
    mkdir -p "$workspace"
    mount -n --bind /run/workspace "$workspace"
esac
# A bpffs of its own, as every node has one.
mkdir -p /sys/fs/bpf && mount -n -t bpf bpf /sys/fs/bpf
# What the kubelet wants of these, which are the whole computer's:
# it reads that all is well and writes nothing.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 \
    kernel/panic_on_oops=1 kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000
do
    [ -e "/proc/sys/${setting%=*}" ] || continue
    file=/run/sysctl/$(echo "${setting%=*}" | tr / .)
    echo "${setting#*=}" >"$file"
    mount -n --bind "$file" "/proc/sys/${setting%=*}"
done
# Pods with mount propagation need a shared root.
mount -n --make-rshared /
hostname "$name"
