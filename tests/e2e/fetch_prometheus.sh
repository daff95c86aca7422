#!/usr/bin/env bash
# Tests check metrics with Prometheus' own tools, from Debian; unpack them into FOLDER without
# installing anything. Does nothing where there is no apt-get: the tests then say so and are skipped.
set -u
folder=$1
mkdir -p "$folder"
[ -x "$folder/promtool" ] && exit 0
command -v apt-get >/dev/null && command -v dpkg >/dev/null || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 0
apt-get download prometheus >/dev/null 2>&1 ||
  { apt-get update -qq >/dev/null 2>&1; apt-get download prometheus >/dev/null 2>&1; }
for package in prometheus_*.deb; do
  [ -f "$package" ] && dpkg -x "$package" "$work" && mv "$work"/usr/bin/{prometheus,promtool} "$folder"/
done
exit 0
