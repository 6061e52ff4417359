#!/usr/bin/env bash
# Makes this machine ready for Patela, and does nothing when it already is.
#
#   scripts/setup.sh             Debian packages, npm packages, the Debian root that the test nodes boot, and the kernel
#                                that virtual ones do (needs root)
#   scripts/setup.sh pure        npm packages only: enough for the pure tests, needs no root
#   scripts/setup.sh root-path   prints where the cached Debian root is, or would be
#   scripts/setup.sh virtual-path    prints where the kernel and the root of virtual nodes are, or would be
#   scripts/setup.sh bench       also a second Debian root, with what the bench compares with (needs root)
#   scripts/setup.sh bench-root-path   prints where that one is, or would be
#
# DEBIAN_MIRROR picks another mirror (http://deb.debian.org/debian).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=/var/cache/patela
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
# What the host tests and the demo run on this machine, beyond what Debian always has.
machine_packages=(
  binutils ca-certificates cpio debootstrap dbus iproute2 libtss2-tcti-swtpm0 nftables openssl ovmf pgbouncer postgresql
  qemu-system-x86 swtpm swtpm-tools systemd-boot-efi systemd-container tor tpm2-tools util-linux zstd
)
# Debian's kernel for virtual machines; the TPM's drivers are in it, all else that nodes need are modules.
kernel=linux-image-cloud-amd64
# Raise it when make_root changes in a way that the package list does not show.
recipe=1
# The same of make_virtual.
virtual_recipe=2

say() { printf 'setup: %s\n' "$*"; }
complain() { printf 'setup: %s\n' "$*" >&2; }

# The packages of a root: `root` is the nodes' own, `bench-root` has more.
packages_of() {
  case $1 in
    root) sort -u "$here/scripts/debian-root.packages" ;;
    bench-root) sort -u "$here/scripts/debian-root.packages" "$here/scripts/bench-root.packages" ;;
  esac
}

root_path() {
  local digest
  digest=$({ echo "recipe $recipe"; packages_of "$1"; } | sha256sum)
  echo "$cache/$1-${digest:0:12}"
}

virtual_path() {
  local digest
  digest=$({ echo "recipe $recipe $virtual_recipe $kernel"; packages_of root; } | sha256sum)
  echo "$cache/virtual-${digest:0:12}"
}

missing_packages() {
  local installed
  installed=$(dpkg-query --show --showformat='${Package} ${db:Status-Status}\n' 2>/dev/null || true)
  local name
  for name in "${machine_packages[@]}"; do
    grep -qx "$name installed" <<<"$installed" || echo "$name"
  done
}

is_debian_12() {
  [ -r /etc/os-release ] && (. /etc/os-release && [ "${ID:-}" = debian ] && [ "${VERSION_ID:-}" = 12 ]) &&
    [ "$(uname -m)" = x86_64 ]
}

npm_is_current() {
  local done=$here/node_modules/.package-lock.json
  [ -e "$done" ] && ! [ "$here/package-lock.json" -nt "$done" ]
}

npm_packages() {
  npm_is_current && return
  if ! command -v npm >/dev/null; then
    complain "npm is missing: install Node 18 or newer with npm, then run this again"
    exit 1
  fi
  say "installing the npm packages (about 20 s)"
  # npm warns that Node is too old until the pinned Node is installed: only its errors are shown.
  local log
  log=$(mktemp)
  if ! (cd "$here" && npm ci --no-audit --no-fund >"$log" 2>&1); then
    { grep -v '^npm warn' "$log" || true; } | head -n 60 >&2
    rm -f "$log"
    complain "npm ci failed: see above"
    exit 1
  fi
  rm -f "$log"
  touch "$here/node_modules/.package-lock.json"
}

debian_packages() {
  local missing
  missing=$(missing_packages | tr '\n' ' ')
  [ -z "$missing" ] && return
  say "installing Debian packages: $missing"
  export DEBIAN_FRONTEND=noninteractive
  # apt would start the tor and the PostgreSQL of the machine itself: nobody asked for that.
  local guard=/usr/sbin/policy-rc.d
  if ! [ -e "$guard" ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$guard"
    chmod 755 "$guard"
  fi
  local log
  log=$(mktemp)
  # shellcheck disable=SC2086 # a list of names
  if ! { apt-get update && apt-get install --yes --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    complain "apt-get failed: see above"
    exit 1
  fi
  rm -f "$log"
}

# Has something made in the cache that is not there: `cached PATH COMMAND...`.
cached() {
  local target=$1
  shift
  [ -d "$target" ] && return
  mkdir -p "$cache"
  # Two set-ups at once: the second one waits and finds the work done.
  (
    flock 9
    [ -d "$target" ] && exit
    rm -rf "$cache"/making-*
    "$@"
  ) 9>"$cache/lock"
}

make_root() {
  local target making=$cache/making-$$
  target=$(root_path "$1")
  say "making the Debian root of the test nodes in $target (about a minute)"
  local include
  include=$(packages_of "$1" | paste -sd,)
  local log=$cache/debootstrap.log
  if ! debootstrap --variant=minbase --include="$include" bookworm "$making" "$mirror" 2>&1 </dev/null |
    tee "$log" | progress; then
    tail -n 20 "$log" >&2
    rm -rf "$making"
    complain "debootstrap failed: the whole output is in $log"
    exit 1
  fi
  blank "$making"
  mv -T "$making" "$target"
}

# What a virtual node boots: a kernel, and the root of the nodes with the kernel's modules as an initramfs.
make_virtual() {
  local target making=$cache/making-$$
  target=$(virtual_path)
  say "making the kernel and the root of virtual nodes in $target (about 15 s)"
  mkdir -p "$making/package" "$making/image"
  local log=$cache/virtual.log
  if ! fetch_kernel "$making/package" >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -rf "$making"
    complain "the kernel could not be fetched: the whole output is in $log"
    exit 1
  fi
  local version tree=$making/tree
  version=$(basename "$making"/package/lib/modules/*)
  # Links to the files of the root that is cached, which are not written here: only left out, and others put beside them.
  cp --archive --link "$(root_path root)" "$tree"
  rm -rf "$tree"/usr/share/{doc,info,locale,man,zsh} "$tree"/var/cache/* "$tree"/var/lib/apt
  ln -s /lib/systemd/systemd "$tree/init"
  local modules=$tree/usr/lib/modules/$version part
  mkdir -p "$modules"
  cp "$making/package/lib/modules/$version"/modules.* "$modules"
  for part in arch crypto drivers/char drivers/net drivers/virtio fs/efivarfs lib net virt; do
    mkdir -p "$modules/kernel/$part"
    cp --archive "$making/package/lib/modules/$version/kernel/$part/." "$modules/kernel/$part"
  done
  chroot "$tree" depmod "$version"
  # Another archive is put behind this one, and the kernel looks for it where four bytes begin.
  (cd "$tree" && find . -mindepth 1 -print0 | cpio --null --quiet --create --format=newc --owner=0:0 --reproducible) |
    zstd --quiet --threads=0 -3 >"$making/image/root.cpio.zst"
  truncate --size=%512 "$making/image/root.cpio.zst"
  cp "$making/package/boot/vmlinuz-$version" "$making/image/vmlinuz"
  mv -T "$making/image" "$target"
  rm -rf "$making"
}

# The package that Debian's name for its newest kernel stands for, unpacked and not installed.
fetch_kernel() (
  cd "$1"
  name=$(apt-cache depends "$kernel" 2>/dev/null | sed -n 's/^ *Depends: //p')
  if [ -z "$name" ] || ! apt-get download "$name"; then
    # The lists are missing, or older than what the mirror has.
    apt-get update
    name=$(apt-cache depends "$kernel" | sed -n 's/^ *Depends: //p')
    apt-get download "$name"
  fi
  dpkg-deb --extract ./*.deb .
)

# One line for each stage of debootstrap, not one for each package.
progress() {
  local line stage='' now
  while IFS= read -r line; do
    now=
    case $line in
      *Retrieving*) now='fetching packages' ;;
      *"Extracting "*) now='extracting the base' ;;
      *"Unpacking "*) now='unpacking' ;;
      *"Configuring "*) now='configuring' ;;
    esac
    [ -n "$now" ] && [ "$now" != "$stage" ] && say "  $now" && stage=$now
  done
  return 0
}

# What makes a Debian root a diskless image: no identity, no name, no password, nothing of this machine, and no
# daemon that a node would not run by itself.
blank() {
  local root=$1 unit
  : >"$root/etc/machine-id"
  rm -f "$root/var/lib/dbus/machine-id" "$root/etc/hostname"
  : >"$root/etc/resolv.conf"
  chroot "$root" usermod --password '*' root
  for unit in tor.service tor@default.service systemd-networkd.service systemd-networkd.socket systemd-resolved.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
  done
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/var/log/*.log "$root"/var/log/apt
  # Debian's own default instance leaves keys behind if it ever ran: they would be the same on every node.
  find "$root/var/lib/tor" -mindepth 1 -delete 2>/dev/null || true
}

case ${1:-all} in
  root-path)
    root_path root
    ;;
  bench-root-path)
    root_path bench-root
    ;;
  virtual-path)
    virtual_path
    ;;
  pure)
    npm_packages
    ;;
  all | bench)
    if ! is_debian_12; then
      system=$( (. /etc/os-release 2>/dev/null && echo "${PRETTY_NAME:-unknown}") || uname -s)
      complain "this needs Debian 12 on x86_64; here is: $system, $(uname -m)"
      complain "for the pure tests alone: scripts/setup.sh pure"
      exit 1
    fi
    if [ "$(id -u)" != 0 ]; then
      complain "this needs root (network namespaces, containers); you are $(id -un)"
      missing=$(missing_packages | tr '\n' ' ')
      [ -z "$missing" ] || complain "missing Debian packages: $missing"
      [ -d "$(root_path root)" ] || complain "missing the Debian root of the test nodes: $(root_path root)"
      [ -d "$(virtual_path)" ] || complain "missing the kernel and the root of virtual nodes: $(virtual_path)"
      npm_is_current || complain "missing or old npm packages: $here/node_modules"
      complain "run it as root, or for the pure tests alone: scripts/setup.sh pure"
      exit 1
    fi
    debian_packages
    npm_packages
    cached "$(root_path root)" make_root root
    cached "$(virtual_path)" make_virtual
    # Not `&&`: its false would be the script's own status.
    if [ "${1:-all}" = bench ]; then cached "$(root_path bench-root)" make_root bench-root; fi
    ;;
  *)
    complain "unknown mode \"$1\": say nothing, \"pure\", \"root-path\", \"virtual-path\", \"bench\" or \"bench-root-path\""
    exit 2
    ;;
esac
