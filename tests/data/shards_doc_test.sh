#!/usr/bin/env bash
# shards_doc_test.sh MAKE_SHARDS DOC: runs the Python lines of docs/shards.md on a shard, and looks at what
# they print. Needs h5py: python3-h5py, which tools/setup.sh installs, or PYTHON=... names another python.
set -euo pipefail
make_shards=$1
doc=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The n-th Python lines of the page.
lines_of() { awk -v wanted="$1" '/^```python$/ { n++; inside = 1; next } /^```$/ { inside = 0 } inside && n == wanted' "$doc"; }
lines=$(lines_of 1)
[ "$(wc -l <<<"$lines")" = 5 ] || { echo "$doc should open a shard in five lines:"; echo "$lines"; exit 1; }
waveform_lines=$(lines_of 2)
"$make_shards" "$folder/shards" rime
"$make_shards" "$folder/waveforms/shards" rime waveform
cd "$folder"
python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import h5py' || { echo "$python has no h5py: apt-get install python3-h5py"; exit 1; }
output=$("$python" -c "$lines")
echo "$output"

# Record 11 of tests/data/shard_fixture.h.
for part in 'clip/ㄅ11.ogg (18, 8) [0 1 3] ' "'format_version': 1" "'mels': 8" "'downmix': b'first'"; do
  grep -qF -- "$part" <<<"$output" || { echo "not printed: $part"; exit 1; }
done
"$python" - <<'PYTHON'
import h5py
import numpy

shard = h5py.File("shards/rime-00000-of-00001.h5")
types = {name: str(dataset.dtype) for name, dataset in shard.items()}
expected = {"features": "float16", "length": "int32", "fold": "int16", "label_offset": "int64",
            "label_index": "int32", "key": "|S14", "xxh3": "uint64"}
assert types == expected, types
features = shard["features"]
assert features.id.get_offset() % 4096 == 0
length = shard["length"][:]
assert numpy.all(features[0, length[0]:] == numpy.float16(-15.9424))
assert all("xxh3" in shard[name].attrs for name in types if name != "features")
assert shard.attrs["kind"] == b"spectrogram" and shard.attrs["classes"] == 4
PYTHON

cd waveforms
output=$("$python" -c "$waveform_lines")
echo "$output"
for part in 'clip/ㄅ11.ogg (1119,) int16 ' "'kind': b'waveform'"; do
  grep -qF -- "$part" <<<"$output" || { echo "not printed: $part"; exit 1; }
done
"$python" - <<'PYTHON'
import h5py

shard = h5py.File("shards/rime-00000-of-00001.h5")
types = {name: str(dataset.dtype) for name, dataset in shard.items()}
expected = {"samples": "int16", "offset": "int64", "length": "int32", "fold": "int16", "label_offset": "int64",
            "label_index": "int32", "key": "|S14", "xxh3": "uint64"}
assert types == expected, types
offset = shard["offset"][:]
assert (offset[1:] - offset[:-1] == shard["length"][:]).all() and offset[-1] == shard["samples"].size
assert shard["samples"].id.get_offset() % 4096 == 0
assert all("xxh3" in shard[name].attrs for name in types if name != "samples")
PYTHON
