#!/bin/sh
# Fetch systemd-boot for 64-bit ARM from the host's Debian mirrors, without touching the host's packages: fetch-efi.sh FILE
set -eu
out=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/state/lists/partial" "$dir/cache/archives/partial"
apt() {
	apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o "Dir::State=$dir/state" -o "Dir::State::lists=$dir/state/lists" \
		-o "Dir::Cache=$dir/cache" -o Dir::State::status=/dev/null -o Debug::NoLocking=1 -o APT::Sandbox::User=root "$@"
}
apt update
(cd "$dir" && apt download systemd-boot-efi)
dpkg-deb --fsys-tarfile "$dir"/systemd-boot-efi*.deb | tar -xO ./usr/lib/systemd/boot/efi/systemd-bootaa64.efi > "$dir/efi"
mkdir -p "$(dirname "$out")"
mv "$dir/efi" "$out"
