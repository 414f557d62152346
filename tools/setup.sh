#!/usr/bin/env bash
# setup.sh [--tests]: installs what tutti needs on Debian 12: packages from apt, LibTorch from PyPI under
# .deps/. Does nothing where everything is there. Works as root and with sudo.
#
#   --tests              also what tools/test.sh needs besides
#   TUTTI_TORCH_ROOT=D   takes the LibTorch in the folder D (with include/ and lib/) instead
#   TUTTI_GPU=ON         fetches the CUDA libraries of the wheel too, where no toolkit is installed
#                        (2 GB; without the variable: where an NVIDIA driver is loaded); OFF: never
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/steps.sh
steps_name=setup.sh steps_total=2
trap give_back_to_user EXIT

packages=(
  build-essential cmake ninja-build ccache pkg-config python3 python3-pip git ca-certificates
  openmpi-bin libopenmpi-dev libhdf5-dev libsndfile1-dev libsoxr-dev libxxhash-dev libcsv-dev
  libpng-dev libzip-dev nlohmann-json3-dev libcli11-dev libtomlplusplus-dev libgtest-dev libbenchmark-dev
)
tests=false
case "${1:-}" in
  "") ;;
  --tests)
    tests=true steps_total=3
    packages+=(clang-format-14 clang-tidy-19 python3-h5py slurm-wlm munge iproute2)
    ;;
  *) printf 'setup.sh: unknown argument %s. Usage: tools/setup.sh [--tests]\n' "$1" >&2; exit 2 ;;
esac

# torch, and what its libraries need that no CUDA toolkit has; then what a toolkit (with cuDNN and NCCL)
# would bring. The versions are those that the torch wheel asks for.
torch_version=2.11.0
toolkit_wheels=(nvidia-cusparselt-cu13==0.8.0 nvidia-nvshmem-cu13==3.4.5 nvidia-cufile==1.15.1.6)
cpu_wheels=(nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
cuda_wheels=(
  "${cpu_wheels[@]}" "${toolkit_wheels[@]}" nvidia-cuda-crt==13.0.88 nvidia-cudnn-cu13==9.19.0.56
  nvidia-nccl-cu13==2.28.9
  "cuda-toolkit[cublas,cufft,curand,cusolver,cusparse,nvjitlink,nvrtc,nvtx]==13.0.2"
)
cuda_home=${CUDA_HOME:-/usr/local/cuda}

step "Debian packages"
mkdir -p .deps
command -v dpkg-query >/dev/null || fail "this is no Debian: see docs/install.md for what to install by other means"
# dpkg-query fails where it does not know one of the names.
installed=$(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n' "${packages[@]}" 2>/dev/null || true)
missing=()
for package in "${packages[@]}"; do
  grep -qx "ii $package" <<<"$installed" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "all there"
else
  echo "installing ${missing[*]}"
  as_root apt-get update -qq || fail "'apt-get update' failed: is the package mirror reachable?"
  run_quietly .deps/apt.log as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

step "LibTorch $torch_version"
has_toolkit() { [ -e "$cuda_home/include/nccl.h" ] && [ -e "$cuda_home/include/cudnn.h" ]; }
wants_cuda() { [ "${TUTTI_GPU:-}" != OFF ] && { [ "${TUTTI_GPU:-}" = ON ] || [ -e /proc/driver/nvidia/version ]; }; }
wheels=("torch==$torch_version")
if has_toolkit; then wheels+=("${toolkit_wheels[@]}")
elif wants_cuda; then wheels+=("${cuda_wheels[@]}")
else wheels+=("${cpu_wheels[@]}")
fi
stamp=.deps/site/.complete
if [ -n "${TUTTI_TORCH_ROOT:-}" ]; then
  [ -e "$TUTTI_TORCH_ROOT/lib/libtorch_cpu.so" ] || fail "TUTTI_TORCH_ROOT=$TUTTI_TORCH_ROOT holds no lib/libtorch_cpu.so"
  echo "$TUTTI_TORCH_ROOT, as TUTTI_TORCH_ROOT says"
elif [ "$(cat $stamp 2>/dev/null)" = "${wheels[*]}" ]; then
  echo "there: .deps/site/torch"
else
  echo "fetching ${wheels[*]} from PyPI (torch alone is 530 MB)"
  rm -rf .deps/site .deps/wheels .deps/unpacking
  mkdir -p .deps/wheels .deps/unpacking
  # A wheel is a zip file: any Python's wheel serves, and nothing of it is run. cuda-toolkit is a list of
  # other wheels, so it alone comes with what it depends on.
  for wheel in "${wheels[@]}"; do
    dependencies=--no-deps
    if [[ $wheel == cuda-toolkit* ]]; then dependencies=; fi
    run_quietly .deps/pip.log python3 -m pip download --disable-pip-version-check $dependencies --only-binary=:all: \
      --python-version 3.12 -d .deps/wheels "$wheel"
  done
  for wheel in .deps/wheels/*.whl; do
    run python3 -m zipfile -e "$wheel" .deps/unpacking
  done
  mv .deps/unpacking .deps/site
  rm -rf .deps/wheels
  printf '%s' "${wheels[*]}" >$stamp
fi

if $tests; then
  step "TensorBoard, which one test reads event files with"
  tensorboard=(tensorboard==2.20.0 'setuptools<81')
  stamp=.deps/tensorboard/.complete
  if [ "$(cat $stamp 2>/dev/null)" = "${tensorboard[*]}" ]; then
    echo "there: .deps/tensorboard"
  else
    rm -rf .deps/tensorboard
    run_quietly .deps/pip.log python3 -m pip install --disable-pip-version-check --only-binary=:all: \
      --target .deps/tensorboard "${tensorboard[@]}"
    printf '%s' "${tensorboard[*]}" >$stamp
  fi
fi
end_step
