#!/usr/bin/env bash
# perf_analyzer needs libb64 from Debian; unpack it into FOLDER without installing anything.
# Does nothing where there is no apt-get: the tests that need it then say so and are skipped.
set -u
folder=$1
mkdir -p "$folder"
ls "$folder"/libb64.so.0d >/dev/null 2>&1 && exit 0
command -v apt-get >/dev/null && command -v dpkg >/dev/null || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 0
apt-get download libb64-0d >/dev/null 2>&1 ||
  { apt-get update -qq >/dev/null 2>&1; apt-get download libb64-0d >/dev/null 2>&1; }
for package in libb64-0d_*.deb; do
  [ -f "$package" ] && dpkg -x "$package" "$work" && cp -L "$work"/usr/lib/*/libb64.so.0d "$folder"/
done
exit 0
