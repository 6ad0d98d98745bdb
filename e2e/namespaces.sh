#!/bin/bash
# namespaces.sh COMMAND...   PID 1 of the node: prepares its mounts, devices and network, then runs COMMAND.
#
# Everything that a node writes is in memory. Mounts, sysctls, /dev and /etc of the machine stay as they are.
set -eu
mount --make-rprivate /
mount -t proc proc /proc

# /sys of this network namespace, with the hierarchies of this cgroup namespace.
hierarchies=$(ls /sys/fs/cgroup)
unified=$(stat -f -c %T /sys/fs/cgroup)
mount -t sysfs -o ro sysfs /sys
if [[ $unified == cgroup2fs ]]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
    mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    for name in $hierarchies; do
        options=$name
        [[ $name != unified ]] || continue
        [[ $name != systemd ]] || options=none,name=systemd
        mkdir "/sys/fs/cgroup/$name"
        mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/$name"
    done
fi

# Writes to these go to memory. containerd's snapshots are overlays, which cannot be below another overlay.
mount -t tmpfs -o mode=755 tmpfs /run
for directory in etc var opt; do
    mkdir -p "/run/overlay/$directory/"{upper,work}
    mount -t overlay -o "lowerdir=/$directory,upperdir=/run/overlay/$directory/upper,workdir=/run/overlay/$directory/work" overlay "/$directory"
done
for directory in /var/lib/kubelet /var/lib/containerd /var/lib/cni /var/log /etc/cni /etc/cdi /opt/cni; do
    mkdir -p "$directory"
    mount -t tmpfs -o mode=755 tmpfs "$directory"
done
mkdir -p /run/lock /run/netns /run/home /var/log/pods /var/log/containers /opt/cni/bin
# kubectl and Helm write caches.
export HOME=/run/home
[[ -L /var/run ]] || { mkdir -p /var/run; mount --bind /run /var/run; }

# A /dev of its own, to which the written node adds its device nodes.
mkdir -p /run/dev
mount -t tmpfs -o mode=755 tmpfs /run/dev
for node in null zero full random urandom tty kmsg fuse console; do
    [[ ! -e /dev/$node ]] || cp -a "/dev/$node" /run/dev/
done
mkdir /run/dev/{pts,shm,mqueue}
ln -s /proc/self/fd /run/dev/fd
ln -s pts/ptmx /run/dev/ptmx
ln -s /proc/self/fd/0 /run/dev/stdin
ln -s /proc/self/fd/1 /run/dev/stdout
ln -s /proc/self/fd/2 /run/dev/stderr
mount --move /run/dev /dev
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t mqueue mqueue /dev/mqueue

# The kubelet sets these for the whole machine where they differ. It finds its own values here, and writes nothing.
sysctl_seen() {
    local file=/run/sysctl/${1//\//_}
    echo "$2" >"$file"
    mount --bind "$file" "/proc/sys/$1"
}
mkdir /run/sysctl
sysctl_seen vm/overcommit_memory 1
sysctl_seen vm/panic_on_oom 0
sysctl_seen kernel/panic 10
sysctl_seen kernel/panic_on_oops 1
sysctl_seen kernel/keys/root_maxkeys 1000000
sysctl_seen kernel/keys/root_maxbytes 25000000

# Two NUMA nodes that divide the CPUs, for the kubelet's Topology Manager. The plugin reads its own /sys.
numa=/sys/devices/system/node
cpus=$(nproc --all)
if [[ -d $numa/node0 && $cpus -gt 1 ]]; then
    half=$((cpus / 2))
    mkdir -p /run/numa/node{0,1}/hugepages
    echo 0-1 | tee /run/numa/online >/run/numa/possible
    for node in 0 1; do
        first=$((node * half))
        last=$((node == 0 ? half - 1 : cpus - 1))
        cp -r --no-preserve=all "$numa/node0/hugepages/." "/run/numa/node$node/hugepages/" 2>/dev/null || true
        sed "s/^Node 0/Node $node/" "$numa/node0/meminfo" >"/run/numa/node$node/meminfo"
        echo "$first-$last" >"/run/numa/node$node/cpulist"
        for cpu in $(seq $first $last); do ln -s "../../cpu/cpu$cpu" "/run/numa/node$node/cpu$cpu"; done
    done
    echo '10 20' >/run/numa/node0/distance
    echo '20 10' >/run/numa/node1/distance
    mount --bind /run/numa "$numa"
fi

# Mounts propagate to containers as on a node; the group of peers is in this namespace only.
mount --make-rshared /

# An address and a default route, without which the kubelet and the API server have no address. Names are resolved
# without a name server, for which each query would wait ten seconds.
hostname node1
ip link set lo up
ip link add node0 type veth peer name node1
ip address add 10.200.0.2/24 dev node0
ip link set node0 up
ip link set node1 up
ip route add default via 10.200.0.1 dev node0
printf '127.0.0.1 localhost\n10.200.0.2 node1\n' >/run/hosts
mount --bind /run/hosts /etc/hosts
: >/run/resolv.conf
if [[ -e /etc/resolv.conf ]]; then mount --bind /run/resolv.conf "$(realpath /etc/resolv.conf)"; fi

# This shell reaps what the node's processes leave.
"$@" &
command=$!
# Ctrl-C reaches the command as well, because it reaches the whole group.
trap : INT
status=0
while kill -0 $command 2>/dev/null; do
    wait $command && status=0 || status=$?
done
exit $status
