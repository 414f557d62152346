#!/usr/bin/env bash
# make_seeds.sh BUILD: writes the inputs corpus/*/seed-* anew, from small real files and with tests/data/make_shards
# of the folder BUILD.
set -euo pipefail
cd "$(dirname "$0")/../.."
make_shards=$1/tests/data/make_shards
corpus=tests/fuzz/corpus
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for target in checkpoint csv index manifest pth recipe safetensors shard shard_fields; do mkdir -p $corpus/$target; done
rm -f $corpus/*/seed-*

"$make_shards" "$folder" seed
cp "$folder/index.json" $corpus/index/seed-set
cp "$folder"/*.h5 $corpus/shard/seed-shard
"$make_shards" "$folder/waveform" seed waveform
cp "$folder/waveform/index.json" $corpus/index/seed-waveforms
cp "$folder/waveform"/*.h5 $corpus/shard/seed-waveforms

cp recipes/gcin/tone.toml $corpus/recipe/seed-tone
cp recipes/gcin/rime.toml $corpus/recipe/seed-rime
cp tests/golden/types.safetensors $corpus/safetensors/seed-types
printf '\2\0\0\0\0\0\0\0{}' >$corpus/safetensors/seed-empty

for file in zip_nested legacy evil complex; do cp tests/golden/$file.pth $corpus/pth/seed-$file; done
python3 -m zipfile -e tests/golden/zip.pth "$folder" && cp "$folder/zip/data.pkl" $corpus/pth/seed-pickle

printf 'path,label\na.wav,dog\n"b, c.wav","cat; dog"\n' >$corpus/manifest/seed-labels
printf '\xef\xbb\xbfpath, key ,label,fold\r\n"d/\xe3\x84\x85.ogg",k1,a,train\r\ne.ogg,,b;a,07\r\n' >$corpus/manifest/seed-folds
cp $corpus/manifest/seed-* $corpus/csv
printf 'a,"b ""quoted"" ,\nover lines",  c\n\n,,\n' >$corpus/csv/seed-quotes

cat >$corpus/checkpoint/seed-manifest <<'JSON'
{
 "format_version": 1,
 "files": {"weights": {"bytes": 4, "xxh3": "6497a96f53a89890"}}
}
JSON
printf '{\n "step": 12,\n "finished_epochs": 3,\n "steps_per_epoch": 4,\n "best": 0.5\n}\n' >$corpus/checkpoint/seed-state

# No change; the attribute mels as 5 float64; the dataset length as 3 int16; label_index as 2 int32; offset as 4
# int64, of which the third is less than the second.
printf '' >$corpus/shard_fields/seed-none
printf '\4\1\5\1\5' >$corpus/shard_fields/seed-attribute
printf '\17\1\0\1\3\1\0\2\0\3\0\0\1' >$corpus/shard_fields/seed-length
printf '\22\1\1\1\2\1\0\0\0\0\0\0\0\0\1' >$corpus/shard_fields/seed-labels
printf '\27\1\2\1\4\0\0\0\0\0\0\0\0\0\0\15\6\0\0\0\0\0\0\160\3\0\0\0\0\0\0\327\7\0\0\0\0\0\0\0\1' >$corpus/shard_fields/seed-offset
