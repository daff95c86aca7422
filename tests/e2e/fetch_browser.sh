#!/usr/bin/env bash
# Tests of the console need Chromium, from Debian, and axe-core, from npm: install the one where we
# may, put the other into FOLDER. Where that cannot be, the tests say what to install and are skipped.
set -u
folder=$1
if ! command -v chromium >/dev/null && command -v apt-get >/dev/null; then
  if [ "$(id -u)" = 0 ]; then
    echo "Installing Chromium for the tests of the console ..."
    apt-get install -y -qq chromium >/dev/null 2>&1 ||
      { apt-get update -qq >/dev/null 2>&1; apt-get install -y -qq chromium >/dev/null 2>&1; }
  else
    echo "The tests of the console are skipped: they need Chromium (as root: apt-get install chromium)"
  fi
fi
mkdir -p "$folder"
[ -s "$folder/axe.min.js" ] && exit 0
command -v npm >/dev/null || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work" axe-core@4 >/dev/null 2>&1 &&
  cp "$work/node_modules/axe-core/axe.min.js" "$folder/axe.min.js"
exit 0
