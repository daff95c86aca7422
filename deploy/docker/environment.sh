#!/bin/sh
# environment.sh NAME REQUIREMENTS: /opt/underway/NAME, a virtual environment with exactly these
# hashed packages and no installer in it. Only while an image is built.
set -eu
home=/opt/underway/$1
python3 -m venv --without-pip "$home"
python3 -m pip --python "$home/bin/python" install --no-deps --require-hashes --only-binary :all: -r "$2"
if [ "$1" = gateway ]; then
  # The code is a layer of its own.
  echo /opt/underway/code >"$(echo "$home"/lib/python*/site-packages)/underway-code.pth"
fi
