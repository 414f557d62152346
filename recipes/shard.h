#pragma once
// Sharding: a catalog of sound files to HDF5 shards, shared out over MPI ranks.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/catalog.h"
#include "data/feature_sums.h"
#include "data/features.h"
#include "dist/communicator.h"
#include "recipes/config.h"
#include "recipes/console.h"

namespace tutti::recipes {

struct ShardInputOptions {
  std::string manifest;  // a CSV file, or
  std::string folder;    // a dataset's
  std::string layout = "classes";
  std::string root;  // what the paths of a manifest, or of layout "ast", are relative to
  Strings classes;
};
Fields fields(ShardInputOptions& options);

struct ShardOutputOptions {
  std::string folder;
  std::string name = "shard";
  std::string kind = "spectrogram";  // or "waveform"
  std::int64_t records_per_shard = 1024;
  bool allow_unreadable = false;
};
Fields fields(ShardOutputOptions& options);

// The configuration of `tutti shard`.
struct ShardConfig {
  ShardInputOptions input;
  data::FeatureOptions features;
  ShardOutputOptions output;
};
Sections sections(ShardConfig& config);

// Throws UsageError that names file, key and value.
ShardConfig read_shard_config(const std::filesystem::path& path, const Strings& assignments = {});

// The catalog that a folder of shards was made from, by the configuration saved there. Throws Error when it
// is not at hand any more.
data::Catalog catalog_of(const std::filesystem::path& shards);

// A file that could not be read: left out of the shards.
struct Unreadable {
  std::string path;
  std::string reason;
};

// What `tutti shard --stats` tells.
struct ClipStatistics {
  data::Statistics statistics;
  std::string of;  // the clips that they are over, in words
  std::vector<Unreadable> unreadable;
};

// The statistics that index.json of these clips would hold, to the last bit. Writes nothing. Collective; the
// same on all ranks, and for every number of them. Throws Error when no clip that counts can be read.
ClipStatistics measure_statistics(const ShardConfig& config, const dist::Communicator& world,
                                  const Console& console);

// Writes the shards that are not there yet, and last index.json. Which records a shard holds depends on the
// catalog alone, so the files are the same for every number of ranks. Collective; all ranks return the
// same list. Throws UsageError when the folder holds shards made with another configuration.
std::vector<Unreadable> make_shards(const ShardConfig& config, const dist::Communicator& world,
                                    const Console& console);

}  // namespace tutti::recipes
