#!/usr/bin/env bash
# Installs what tutti needs on Debian 12: packages from apt, LibTorch from PyPI under .deps/.
# Does nothing where everything is there. Works as root and with sudo.
set -euo pipefail
cd "$(dirname "$0")/.."

torch_version=2.11.0
packages=(
  build-essential cmake ninja-build ccache pkg-config python3 python3-pip git
  openmpi-bin libopenmpi-dev libhdf5-dev libsndfile1-dev libsoxr-dev libxxhash-dev libcsv-dev
  nlohmann-json3-dev libcli11-dev libtomlplusplus-dev libgtest-dev libbenchmark-dev
  ca-certificates
)
# What the pinned wheel needs besides itself: the toolkit brings the rest where there is one.
cpu_wheels=(nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
gpu_wheels=(nvidia-cusparselt-cu13==0.8.0 nvidia-nvshmem-cu13==3.4.5 nvidia-cufile==1.15.1.6)

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "'$*' needs root, and there is no sudo. Ask your administrator, or see docs/install.md for a machine without root."
  fi
}

mkdir -p .deps
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || die "missing: ${missing[*]}. This is no Debian: see docs/install.md."
  say "[1/2] installing ${#missing[@]} Debian packages: ${missing[*]}"
  as_root apt-get update -qq || die "apt-get update failed: is the package mirror reachable?"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    >.deps/apt.log 2>&1 || { tail -n 20 .deps/apt.log >&2; die "apt-get install failed"; }
  rm -f .deps/apt.log
else
  say "[1/2] Debian packages: all there"
fi

wheels=("torch==$torch_version")
if [ -e "${CUDA_HOME:-/usr/local/cuda}/include/nccl.h" ] && [ -e "${CUDA_HOME:-/usr/local/cuda}/include/cudnn.h" ]; then
  wheels+=("${gpu_wheels[@]}")
else
  wheels+=("${cpu_wheels[@]}")
fi
stamp=".deps/site/.complete"
if [ -n "${TUTTI_TORCH_ROOT:-}" ]; then
  say "[2/2] LibTorch: $TUTTI_TORCH_ROOT, as TUTTI_TORCH_ROOT says"
elif [ "$(cat $stamp 2>/dev/null)" = "${wheels[*]}" ]; then
  say "[2/2] LibTorch $torch_version: there"
else
  say "[2/2] LibTorch $torch_version from PyPI (530 MB, about a minute): ${wheels[*]}"
  rm -rf .deps/site .deps/wheels .deps/unpacking
  mkdir -p .deps/wheels .deps/unpacking
  # A wheel is a zip file: any Python's wheel serves, and nothing of it is run.
  python3 -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 -d .deps/wheels "${wheels[@]}" \
    || die "PyPI did not give ${wheels[*]}"
  for wheel in .deps/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" .deps/unpacking || die "$wheel is damaged: run again"
  done
  mv .deps/unpacking .deps/site
  rm -rf .deps/wheels
  printf '%s' "${wheels[*]}" >"$stamp"
fi
