#include "recipes/shard.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <span>

#include "base/error.h"
#include "base/file_lock.h"
#include "base/files.h"
#include "data/audioset_catalogs.h"
#include "data/catalog.h"
#include "data/fbank.h"
#include "data/official_catalogs.h"
#include "data/shard_file.h"
#include "data/shard_index.h"
#include "data/shard_writer.h"
#include "recipes/clip.h"
#include "recipes/progress.h"

namespace tutti::recipes {
namespace fs = std::filesystem;
namespace {

constexpr auto kConfigCopy = "shard.toml";

data::Catalog read_catalog(const ShardInputOptions& input) {
  if (input.manifest.empty() == input.folder.empty()) {
    throw UsageError("give either input.manifest or input.folder",
                     "the one is a CSV file, the other a folder of a data set (input.layout)");
  }
  if (!input.folder.empty()) {
    if (!input.root.empty() && input.layout != "ast")
      throw UsageError(text("input.root = \"", input.root, "\" plays no part"),
                       text("sounds of input.layout = \"", input.layout, "\" lie in input.folder"),
                       "Leave it out; it is of a manifest and of the layout \"ast\".");
    if (input.layout == "esc50") return data::read_esc50(input.folder, input.classes);
    if (input.layout == "speech_commands") return data::read_speech_commands(input.folder, input.classes);
    if (input.layout == "files") return data::read_files(input.folder);
    if (input.layout == "audioset") return data::read_audioset(input.folder, input.classes);
    if (input.layout == "ast")
      return data::read_ast_lists(input.folder, input.root.empty() ? input.folder : input.root,
                                  input.classes);
    return data::read_folders(input.folder, input.classes);
  }
  if (input.layout != "classes")
    throw UsageError(
        text("input.layout = \"", input.layout, "\" is of an input.folder, and input.manifest is given"));
  const auto root = input.root.empty() ? std::nullopt : std::optional<fs::path>(input.root);
  return data::read_manifest(input.manifest, root, input.classes);
}

// Makes the folder, and sees to it that it is this configuration's own, and for one job at a time.
FileLock claim_folder(ShardConfig config) {
  fs::create_directories(config.output.folder);
  FileLock lock(fs::path(config.output.folder) / ".lock", text("'", config.output.folder, "'"));
  const auto copy = fs::path(config.output.folder) / kConfigCopy;
  if (fs::exists(copy)) {
    auto there = read_shard_config(copy);
    std::string list;
    for (const auto& key : differing_keys(sections(there), sections(config))) list += "\n  " + key;
    if (list.empty()) return lock;
    throw UsageError(
        text("'", config.output.folder,
             "' holds shards of another configuration; these keys differ (there and here):", list),
        "", "\nGive another output.folder, or delete that one.");
  }
  replace_file(copy, to_toml(sections(config)));
  return lock;
}

data::ShardRecord make_record(const data::Clip& clip, const ShardConfig& config, const data::Fbank& fbank) {
  const auto& features = config.features;
  const bool keep_waveform = config.output.kind == "waveform";
  auto samples = samples_of(clip.path, features, features.frames);
  auto wave_S = torch::from_blob(samples.data(), {std::ssize(samples)});
  at::Tensor stored;
  if (keep_waveform) {
    stored = stored_samples(samples);
    wave_S = stored.to(torch::kFloat) * 0x1p-15;  // what training will see
  }
  const auto raw_TM = fbank(wave_S.unsqueeze(0)).squeeze(0);
  const auto features_TM = stored_features(raw_TM, features);
  const auto frames = std::min(raw_TM.size(0), features.frames);
  const auto valid_TM = features_TM.narrow(0, 0, frames).to(torch::kFloat);
  if (!keep_waveform) stored = features_TM;

  data::ShardRecord record{
      clip.key,
      clip.fold,
      static_cast<std::int32_t>(keep_waveform ? stored.size(0) : frames),
      clip.labels,
      {},
      data::sum_features({valid_TM.const_data_ptr<float>(), static_cast<std::size_t>(valid_TM.numel())},
                         features.mels)};
  record.values.resize(stored.nbytes());
  std::memcpy(record.values.data(), stored.const_data_ptr(), stored.nbytes());
  return record;
}

// The clips of a catalog, by shard.
class Division {
 public:
  Division(const data::Catalog& catalog, std::int64_t per_shard)
      : clips_(catalog.clips), per_shard_(per_shard) {}

  std::int64_t shards() const { return (std::ssize(clips_) + per_shard_ - 1) / per_shard_; }
  std::span<const data::Clip> clips(std::int64_t shard) const {
    const auto begin = shard * per_shard_;
    return clips_.subspan(static_cast<std::size_t>(begin),
                          static_cast<std::size_t>(std::min(per_shard_, std::ssize(clips_) - begin)));
  }

 private:
  std::span<const data::Clip> clips_;
  std::int64_t per_shard_;
};

data::StatisticsOf statistics_of(const data::Catalog& catalog) {
  const bool has_fold_0 = std::ranges::any_of(catalog.clips, [](const auto& clip) { return clip.fold == 0; });
  return has_fold_0 ? data::StatisticsOf::fold_0 : data::StatisticsOf::all;
}

std::string in_words(data::StatisticsOf of, const data::Catalog& catalog) {
  return of == data::StatisticsOf::fold_0 ? text("fold '", catalog.folds.front(), "'") : "all folds";
}

// Whether an earlier call has written this shard, with every clip in it.
bool is_done(const fs::path& path, std::span<const data::Clip> clips) {
  if (!fs::exists(path)) return false;
  const auto shard = data::ShardFile::open(path);
  if (shard.size() != std::ssize(clips)) return false;
  for (std::int64_t i = 0; i < shard.size(); ++i) {
    if (shard.key(i) != clips[static_cast<std::size_t>(i)].key) return false;
  }
  return true;
}

std::vector<Unreadable> gather(const dist::Communicator& world, const std::vector<Unreadable>& own) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& file : own) list.push_back({file.path, file.reason});
  std::vector<Unreadable> all;
  for (const auto& rank : dist::all_gather(world, list.dump())) {
    for (const auto& file : nlohmann::json::parse(rank)) all.push_back({file[0], file[1]});
  }
  std::ranges::sort(all, {}, &Unreadable::path);
  return all;
}

void report_missing(const data::Catalog& catalog, const Log& log) {
  for (const auto& missing : catalog.missing)
    log.warning(missing.list, ": ", missing.clips, " of ", missing.of, " clips have no sound file; left out");
}

// A shard of unreadable clips alone is not written: its number stays free.
void drop_empty(Strings& files, const Division& division, const std::vector<Unreadable>& unreadable) {
  std::set<std::string_view> lost;
  for (const auto& file : unreadable) lost.insert(file.path);
  std::int64_t shard = 0;
  std::erase_if(files, [&](const std::string&) {
    return std::ranges::all_of(division.clips(shard++),
                               [&](const data::Clip& clip) { return lost.contains(clip.path.native()); });
  });
}

}  // namespace

Fields fields(ShardInputOptions& options) {
  return {
      {.name = "manifest",
       .target = &options.manifest,
       .meaning = "CSV file with columns path, label and, if wanted, key and fold"},
      {.name = "folder",
       .target = &options.folder,
       .meaning = "folder of a dataset, laid out as `layout` says"},
      {.name = "layout",
       .target = &options.layout,
       .meaning =
           "classes: a folder of sound files for each class; files: any sound files, without labels; esc50, "
           "speech_commands, audioset: as published, with the official folds; ast: AST's JSON lists, a fold "
           "each",
       .choices = {"classes", "files", "esc50", "speech_commands", "audioset", "ast"}},
      {.name = "root",
       .target = &options.root,
       .meaning = "what the paths of the manifest, or of AST's lists, are relative to; empty: its folder"},
      {.name = "classes",
       .target = &options.classes,
       .meaning =
           "class names in order; empty: those of the data set's own list, else those that occur, sorted"},
  };
}

Fields fields(ShardOutputOptions& options) {
  return {
      {.name = "folder", .target = &options.folder, .meaning = "where the shards and index.json go"},
      {.name = "name", .target = &options.name, .meaning = "NAME-00000-of-00004.h5"},
      {.name = "records_per_shard",
       .target = &options.records_per_shard,
       .meaning = "clips of a shard",
       .least = 1,
       .most = 1e7},
      {.name = "kind",
       .target = &options.kind,
       .meaning = "what is stored of a clip: its log-mel spectrogram, or its waveform in 16 bits",
       .choices = {"spectrogram", "waveform"}},
      {.name = "allow_unreadable",
       .target = &options.allow_unreadable,
       .meaning = "leave files that cannot be read out, and end with exit code 0 all the same",
       .identifies_run = false},
  };
}

Sections sections(ShardConfig& config) {
  return {{"input", fields(config.input)},
          {"features", data::stored_fields(config.features)},
          {"output", fields(config.output)}};
}

ShardConfig read_shard_config(const fs::path& path, const Strings& assignments) {
  ShardConfig config;
  auto all = sections(config);
  for (const auto& entry : parse_toml(read_file(path), path.string())) assign(all, entry);
  for (const auto& assignment : assignments) assign(all, parse_assignment(assignment));
  validate(all);
  data::check(config.features);
  if (config.output.folder.empty())
    throw UsageError(text(path.string(), ": output.folder is missing"), "",
                     "Name the folder for the shards.");
  if (config.output.name.empty() || config.output.name.find('/') != std::string::npos) {
    throw UsageError(text(path.string(), ": output.name = \"", config.output.name, "\" is no file name"));
  }
  return config;
}

data::Catalog catalog_of(const fs::path& shards) {
  return read_catalog(read_shard_config(shards / kConfigCopy).input);
}

ClipStatistics measure_statistics(const ShardConfig& config, const dist::Communicator& world,
                                  const Console& console) {
  at::set_num_threads(1);  // ranks are the parallelism here
  const auto catalog = read_catalog(config.input);
  report_missing(catalog, console.log);
  const Division division(catalog, config.output.records_per_shard);
  const auto of = statistics_of(catalog);
  const data::Fbank fbank(config.features);
  std::vector<Unreadable> unreadable;
  // By shard, as the index adds them: sum, squares, frames. A rank leaves zeros where others have theirs.
  auto table = torch::zeros({division.shards(), 3}, torch::kFloat64);
  Progress progress(console, "clips", std::ssize(catalog.clips));  // this rank's pace stands for all
  std::int64_t done = 0;
  for (std::int64_t s = world.rank(); s < division.shards(); s += world.size()) {
    data::FeatureSums sums;
    for (const auto& clip : division.clips(s)) {
      progress.update(std::min(++done * world.size(), std::ssize(catalog.clips)), "");
      if (of == data::StatisticsOf::fold_0 && clip.fold != 0) continue;
      try {
        sums += make_record(clip, config, fbank).sums;
      } catch (const Error& error) {
        unreadable.push_back({clip.path.string(), error.what()});
      }
    }
    table[s] = torch::tensor({sums.sum, sums.squares, static_cast<double>(sums.frames)}, torch::kFloat64);
  }
  progress.clear();
  world.all_reduce(table, dist::Reduce::sum);

  std::vector<data::FeatureSums> all;
  for (std::int64_t s = 0; s < division.shards(); ++s) {
    const auto* row = table.const_data_ptr<double>() + 3 * s;
    all.push_back({row[0], row[1], static_cast<std::int64_t>(row[2])});
  }
  ClipStatistics result{data::statistics(all, config.features.mels), in_words(of, catalog),
                        gather(world, unreadable)};
  if (result.statistics.frames == 0) {
    throw Error(text("none of the clips of ", result.of, " could be read"), result.unreadable.front().reason);
  }
  return result;
}

std::vector<Unreadable> make_shards(const ShardConfig& config, const dist::Communicator& world,
                                    const Console& console) {
  at::set_num_threads(1);  // ranks are the parallelism here
  const auto catalog = read_catalog(config.input);
  report_missing(catalog, console.log);
  const fs::path folder = config.output.folder;
  std::optional<FileLock> lock;
  if (world.rank() == 0) lock = claim_folder(config);
  world.barrier();

  const auto count = std::ssize(catalog.clips);
  const Division division(catalog, config.output.records_per_shard);
  const auto shard_count = division.shards();
  const auto statistics = statistics_of(catalog);
  const data::ShardSchema schema{config.output.kind, config.features, catalog.classes, catalog.folds};
  const data::Fbank fbank(config.features);
  Strings files;
  for (std::int64_t s = 0; s < shard_count; ++s)
    files.push_back(data::shard_file_name(config.output.name, s, shard_count));
  console.log.info(count, " clips, ", catalog.classes.size(), " classes, ", shard_count, " shards in '",
                   folder.string(), "', ", world.size(), " ranks");

  std::vector<Unreadable> unreadable;
  Progress progress(console, "clips", count);  // this rank's pace stands for all
  std::int64_t done = 0;
  for (std::int64_t s = world.rank(); s < shard_count; s += world.size()) {
    const auto path = folder / files[static_cast<std::size_t>(s)];
    const auto clips = division.clips(s);
    if (is_done(path, clips)) {
      done += std::ssize(clips);
      continue;
    }
    std::vector<data::ShardRecord> records;
    for (const auto& clip : clips) {
      try {
        records.push_back(make_record(clip, config, fbank));
      } catch (const Error& error) {
        unreadable.push_back({clip.path.string(), error.what()});
      }
      progress.update(std::min(++done * world.size(), count), "");
    }
    if (!records.empty()) data::write_shard(path, schema, records, statistics);
  }
  progress.clear();

  const auto all_unreadable = gather(world, unreadable);  // and every shard is there now
  if (world.rank() == 0) {
    drop_empty(files, division, all_unreadable);
    if (files.empty())
      throw Error(text("none of the ", count, " clips could be read"), all_unreadable.front().reason);
    const auto index = data::describe_shards(folder, config.output.name, schema, files);
    data::write_index(folder, index);
    console.log.info(index.records(), " clips written; mean ", index.statistics.mean, ", std ",
                     index.statistics.std, " of ", index.statistics.frames, " frames of ",
                     in_words(statistics, catalog));
  }
  world.barrier();
  return all_unreadable;
}

}  // namespace tutti::recipes
