#!/usr/bin/env bash
# Writes the pinned, hashed requirements of the images from pyproject.toml: one file per environment.
# `--check` writes nothing and fails where a file would change. Needs uv,
# and UV_EXTRA_INDEX_URL or UV_FIND_LINKS that lead it to the builds of PyTorch without CUDA.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=requirements/docker

compile() { # FILE, then arguments of uv
  local file=$here/$1.txt target
  shift
  target=$file
  if [ "$check" = 1 ]; then
    target=$(mktemp)
    cp "$file" "$target" # what is pinned stays, as long as it will do
  fi
  uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11 \
    --python-platform x86_64-manylinux_2_28 --constraints requirements/constraints.txt \
    -o "$target" "$@"
  [ "$target" = "$file" ] || diff -u "$file" "$target"
}

check=0
[ "${1:-}" = --check ] && check=1
compile gateway pyproject.toml --extra server --extra tracing --extra s3 --extra gcs --extra azure --extra hf
compile onnx pyproject.toml --extra onnx
compile onnx-gpu $here/onnx-gpu.in
compile torchscript $here/torchscript.in
# With Triton, PyTorch compiles kernels for TorchScript's operations too, which takes a C compiler.
compile torchscript-gpu pyproject.toml --extra torch --no-emit-package triton
compile savedmodel pyproject.toml --extra tensorflow
compile savedmodel-gpu $here/savedmodel-gpu.in
compile loadtests pyproject.toml --extra server --extra demo --extra loadtests
compile build $here/build.in
compile sbom $here/sbom.in
