#!/usr/bin/env bash
# image_test.sh [TARGET]: builds a target of the Dockerfile and runs tests/images against it.
# With Docker where its engine runs; else, as root on Debian, with podman, and then FROM is a
# stand-in made of Debian's own packages. Says so and leaves where there is neither.
# IMAGE_BUILD_ARGS has more arguments for the build, as `--build-arg PIP_EXTRA_INDEX_URL=...`.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:-onnx}
image=docker.io/library/underway:$target
build=(-f deploy/docker/Dockerfile --target "$target" -t "$image")

if docker info >/dev/null 2>&1; then
  engine=(docker)
  docker build "${build[@]}" ${IMAGE_BUILD_ARGS:-} .
elif [ "$(id -u)" = 0 ] && command -v podman >/dev/null && command -v mmdebstrap >/dev/null; then
  engine=(podman --runtime runc --cgroup-manager cgroupfs)
  base=docker.io/library/python:3.11-slim-bookworm
  if ! podman image exists "$base"; then
    archive=$(mktemp --suffix .tar)
    trap 'rm -f "$archive"' EXIT
    mmdebstrap --variant=minbase --include=ca-certificates,python3,python3-venv,python3-pip \
      bookworm "$archive"
    podman import --quiet "$archive" "$base"
  fi
  certificates=/etc/ssl/certs/ca-certificates.crt
  # shellcheck disable=SC2086
  podman build "${build[@]}" --isolation chroot --network host --format docker --pull=never \
    --volume $certificates:$certificates:ro ${IMAGE_BUILD_ARGS:-} .
else
  echo "image-test: skipped; it takes Docker's engine, or podman, runc and mmdebstrap as root" >&2
  exit 0
fi

UNDERWAY_TEST_ENGINE="${engine[*]}" UNDERWAY_TEST_IMAGE=$image UNDERWAY_TEST_TARGET=$target \
  .venv/bin/python -m pytest tests/images "${@:2}"
