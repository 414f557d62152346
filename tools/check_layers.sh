#!/usr/bin/env bash
# check_layers.sh [ROOT]: what each folder includes, against the table of docs/design.md. Any other header,
# also of a new library, is an error until it is allowed here on purpose.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

system='<[a-z_0-9]+>|<(fcntl|fnmatch|glob|poll|pthread|sched|signal|spawn|termios|unistd|sys/[a-z]+)\.h>'
tensors='<(ATen/core/[A-Za-z_]+|ATen/ops/[a-z_0-9]+|ATen/Parallel|ATen/TensorOperators|c10/(core|util)/[A-Za-z0-9_/]+)\.h>'
torch='<(ATen|c10|torch)/[A-Za-z0-9_/]+\.h>'
json='<nlohmann/json\.hpp>'
gpu='<(cuda_runtime_api|nccl|(c10|ATen)/cuda/[A-Za-z]+)\.h>'

declare -A allowed=(
  [base]="$system|\"base/.*"
  [data]="$system|$tensors|$json|<(hdf5|sndfile|soxr|xxhash|xxh_x86dispatch|csv|jpeglib|turbojpeg)\.h>|\"(base|data)/.*"
  [dist]="$system|$tensors|$gpu|<mpi\.h>|<torch/csrc/autograd/(variable|function_hook)\.h>|\"(base|dist)/.*"
  [models]="$system|$torch|$json|<zip\.h>|\"(base|models)/.*"
  [recipes]="$system|$torch|$json|<toml\+\+/toml\.h>|<png\.h>|\"(base|data|dist|models|recipes)/.*"
  [launcher]="$system|$torch|$json|<CLI/[A-Za-z]+\.hpp>|\"(base|data|dist|models|recipes|launcher)/.*"
)
quoted='include *([<"][^>"]*[>"])'
failures=0
complain() { printf 'layers: %s\n' "$*" >&2; failures=$((failures + 1)); }

for folder in base data dist models recipes launcher; do
  [ -d "$folder" ] || complain "there is no folder $folder/"
  while IFS=: read -r file line include; do
    [[ $include =~ $quoted ]] || continue
    header=${BASH_REMATCH[1]}
    [[ $header =~ ^(${allowed[$folder]})$ ]] || complain "$file:$line: $folder/ may not include $header"
  done < <(grep -rnE '^ *# *include' --include='*.h' --include='*.cc' --include='*.cu' "$folder")
done

# Readers of untrusted files stay free of torch, also by what they include, so that fuzzing is fast.
reachable() {
  local pending=("$@") seen=" " file line
  while [ ${#pending[@]} -gt 0 ]; do
    file=${pending[0]}
    pending=("${pending[@]:1}")
    [[ $seen != *" $file "* && -e $file ]] || continue
    seen+="$file "
    echo "$file"
    while read -r line; do
      if [[ $line =~ ^#include\ \"([^\"]+)\" ]]; then pending+=("${BASH_REMATCH[1]}"); fi
    done <"$file"
  done
}
shopt -s nullglob
for reader in models/safetensors*.cc models/pth*.cc data/shard_{file,format,index,set}*.cc data/checksum.cc; do
  while read -r file; do
    if grep -qE '^#include <(ATen|c10|torch)/' "$file"; then
      complain "$reader reads untrusted files and may not reach torch headers, but gets to $file"
    fi
  done < <(reachable "$reader")
done

[ $failures -eq 0 ] || { echo "layers: $failures includes against the table in docs/design.md" >&2; exit 1; }
echo "layers: as docs/design.md says"
