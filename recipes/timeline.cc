#include "recipes/timeline.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/frame_stream.h"
#include "data/front_end.h"
#include "recipes/clip.h"
#include "recipes/inference.h"

namespace tutti::recipes {
namespace {

constexpr std::size_t kWindowsInBatch = 8;

// Windows on their way through the model.
class Windows {
 public:
  Windows(const TrainedModel& trained, const TimelineOptions& options,
          const std::function<void(const TimelineWindow&)>& window)
      : trained_(trained),
        top_(options.top),
        window_(window),
        front_end_(trained.recipe.features, trained.recipe.normalisation.mean,
                   trained.recipe.normalisation.std) {}

  void add(std::int64_t start, const at::Tensor& raw_TM) {
    starts_.push_back(start);
    raw_TM_.push_back(raw_TM);
    if (raw_TM_.size() == kWindowsInBatch) score();
  }

  void score() {
    if (raw_TM_.empty()) return;
    const auto& features = trained_.recipe.features;
    const auto input = front_end_(batch_of(raw_TM_, features), at::kCPU);
    const auto scores_BC = class_scores(trained_.recipe.loss, trained_.model->forward(input, {}));
    const double seconds =
        static_cast<double>(data::shift_samples(features)) / static_cast<double>(features.sample_rate);
    for (std::size_t i = 0; i < raw_TM_.size(); ++i) {
      window_({static_cast<double>(starts_[i]) * seconds,
               static_cast<double>(starts_[i] + raw_TM_[i].size(0)) * seconds,
               top_scores(scores_BC[static_cast<std::int64_t>(i)], trained_.classes, top_)});
    }
    starts_.clear();
    raw_TM_.clear();
  }

 private:
  const TrainedModel& trained_;
  std::int64_t top_;
  const std::function<void(const TimelineWindow&)>& window_;
  data::FrontEnd front_end_;
  std::vector<std::int64_t> starts_;  // frames
  std::vector<at::Tensor> raw_TM_;
};

}  // namespace

std::int64_t timeline_hop(const TrainedModel& trained, const TimelineOptions& options) {
  const auto& features = trained.recipe.features;
  if (options.hop <= 0) return std::max<std::int64_t>(1, features.frames / 2);
  const double seconds =
      static_cast<double>(data::shift_samples(features)) / static_cast<double>(features.sample_rate);
  const double hop = std::max(1.0, std::round(options.hop / seconds));
  if (hop > static_cast<double>(features.frames)) {
    throw UsageError(text("a hop of ", options.hop, " s would leave out what lies between windows"),
                     text("the model's window has ", static_cast<double>(features.frames) * seconds, " s"));
  }
  return static_cast<std::int64_t>(hop);
}

void predict_timeline(const TrainedModel& trained, const std::filesystem::path& audio,
                      const TimelineOptions& options,
                      const std::function<void(const TimelineWindow&)>& window) {
  const auto& features = trained.recipe.features;
  const auto hop = timeline_hop(trained, options);
  const torch::NoGradGuard no_grad;
  const data::Fbank fbank(features);
  data::FrameStream stream(audio, features, fbank);
  Windows windows(trained, options, window);
  auto held_TM = stream.read(features.frames);
  for (std::int64_t start = 0;; start += hop) {
    windows.add(start, held_TM);
    if (held_TM.size(0) < features.frames) break;
    const auto next_TM = stream.read(hop);
    if (next_TM.size(0) == 0) break;
    held_TM = torch::cat({held_TM.slice(0, hop), next_TM});
  }
  windows.score();
}

}  // namespace tutti::recipes
