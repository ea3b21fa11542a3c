#!/bin/sh
# Renews the files of this folder from the npm registry: ./renew.sh [VERSION OF XTERM] [VERSION OF THE FIT ADDON]
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

unpack() {
	mkdir "$work/$2"
	(cd "$work" && tar -xzf "$(npm pack --silent "$1")" -C "$2" --strip-components=1)
}
unpack "@xterm/xterm@${1:-6.0.0}" xterm
unpack "@xterm/addon-fit@${2:-0.11.0}" fit
install -m 644 "$work/xterm/lib/xterm.mjs" xterm.js
install -m 644 "$work/xterm/css/xterm.css" xterm.css
install -m 644 "$work/xterm/LICENSE" LICENSE.txt
install -m 644 "$work/fit/lib/addon-fit.mjs" addon-fit.js
install -m 644 "$work/fit/LICENSE" LICENSE-fit.txt
sha256sum xterm.js xterm.css LICENSE.txt addon-fit.js LICENSE-fit.txt > SHA256SUMS
