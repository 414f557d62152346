#include "recipes/report_clips.h"

#include <torch/torch.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/files.h"
#include "data/front_end.h"
#include "data/loader.h"
#include "recipes/image.h"
#include "recipes/shard.h"

namespace tutti::recipes {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kMostColumns = 400;  // of a picture; more cannot be seen, and make the page large
constexpr double kLogRange = 12;            // natural logarithms below the maximum that are shown: 52 dB
constexpr std::uintmax_t kMostSoundBytes = 200'000;

// [frames, mels] in [0, 1]: time to the right, low mels at the bottom.
std::string picture(at::Tensor x_TM, Palette palette) {
  if (x_TM.size(0) > kMostColumns)
    x_TM = torch::adaptive_avg_pool2d(x_TM.unsqueeze(0), {kMostColumns, x_TM.size(1)}).squeeze(0);
  const auto rows = x_TM.t().flip(0).to(torch::kCPU, torch::kFloat).contiguous();
  return png_data_uri({rows.const_data_ptr<float>(), static_cast<std::size_t>(rows.numel())}, rows.size(1),
                      rows.size(0), palette);
}

std::string spectrogram(const at::Tensor& raw_TM) {
  const auto x = raw_TM.to(torch::kFloat);
  const double most = x.max().item<double>();
  const double least = std::max(x.min().item<double>(), most - kLogRange);
  return picture((x - least) / std::max(most - least, 1e-6), Palette::spectrogram);
}

std::string media_type(const fs::path& path) {
  static const std::map<std::string, std::string> types = {{".wav", "audio/wav"},   {".ogg", "audio/ogg"},
                                                           {".oga", "audio/ogg"},   {".opus", "audio/ogg"},
                                                           {".flac", "audio/flac"}, {".mp3", "audio/mpeg"}};
  auto extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto found = types.find(extension);
  return found == types.end() ? "" : found->second;
}

}  // namespace

void add_pictures(std::vector<ShownClip>& clips, std::span<const std::int64_t> records, models::Model& model,
                  const Recipe& recipe, const data::ShardSet& shards, const Session& session) {
  const data::Sampler sampler(data::whole_clips(shards, records), data::Order::sequential);
  const data::EpochPlan plan{.batch = 1, .frames = recipe.features.frames};
  data::Loader loader(shards, sampler, plan, recipe.loader);
  const data::FrontEnd front_end(recipe.features, recipe.normalisation.mean, recipe.normalisation.std);
  const torch::NoGradGuard no_grad;
  for (auto& clip : clips) {
    const auto batch = loader.next();
    clip.spectrogram = spectrogram(front_end.log_mel(*batch, torch::kCPU).x_BTM[0]);
    const auto attention = model.attention(front_end(*batch, session.device));
    if (!attention.defined()) continue;
    for (const auto& layer_TM : attention[0].unbind())
      clip.attention.push_back(picture(layer_TM / layer_TM.max().clamp_min(1e-12), Palette::attention));
  }
}

std::string add_sounds(std::vector<ShownClip>& clips, const data::ShardSet& shards) {
  std::map<std::string, fs::path> path_of;
  try {
    for (const auto& clip : catalog_of(shards.folder()).clips) path_of[clip.key] = clip.path;
  } catch (const Error& error) {
    return text("There are no sounds here: where they lie cannot be told any more. ", error.what());
  }
  std::int64_t found = 0;
  for (auto& clip : clips) {
    const auto& path = path_of[clip.key];
    const auto type = media_type(path);
    std::error_code none;
    const auto bytes = fs::file_size(path, none);
    if (type.empty() || none || bytes > kMostSoundBytes) continue;
    clip.sound = data_uri(type, read_file(path));
    ++found;
  }
  if (found > 0 || clips.empty()) return "";
  return text(
      "There are no sounds here: the files are not where they were when the shards were made, are of a kind "
      "that browsers do not play, or have more than ",
      kMostSoundBytes / 1000, " kB.");
}

}  // namespace tutti::recipes
