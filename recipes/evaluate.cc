#include "recipes/evaluate.h"

#include <torch/torch.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "data/clip_windows.h"
#include "data/front_end.h"
#include "data/loader.h"
#include "recipes/precision.h"

namespace tutti::recipes {
namespace {

constexpr std::int64_t kBatch = 32;

// The positions of batches r, r + R, r + 2R, ... of so many examples, for rank r of R.
std::vector<std::int64_t> share_of(std::int64_t count, std::int64_t rank, std::int64_t ranks) {
  std::vector<std::int64_t> share;
  for (std::int64_t begin = rank * kBatch; begin < count; begin += ranks * kBatch) {
    for (auto position = begin; position < std::min(begin + kBatch, count); ++position)
      share.push_back(position);
  }
  return share;
}

std::vector<data::Example> examples_of(const data::ShardSet& shards, std::span<const std::int64_t> records,
                                       std::int64_t frames, const LongClips& long_clips) {
  if (!long_clips.windows) return data::whole_clips(shards, records);
  const auto hop = long_clips.hop > 0 ? long_clips.hop : std::max<std::int64_t>(1, frames / 2);
  if (hop > frames) {
    throw UsageError(text("a hop of ", hop, " frames would leave out what lies between windows"),
                     text("the model's have ", frames));
  }
  return data::clip_windows(shards, records, frames, hop);
}

// Rows by clip, in ascending order of the groups.
std::map<std::int64_t, std::vector<std::int64_t>> rows_by_group(const std::vector<data::Example>& examples) {
  std::map<std::int64_t, std::vector<std::int64_t>> rows;
  for (std::int64_t row = 0; row < std::ssize(examples); ++row)
    rows[examples[static_cast<std::size_t>(row)].group].push_back(row);
  return rows;
}

// Each clip's score is the mean over its rows; its target is that of the first.
Evaluation by_group(const at::Tensor& scores_BC, const at::Tensor& target_BC,
                    const std::map<std::int64_t, std::vector<std::int64_t>>& rows_of) {
  const auto classes = scores_BC.size(1);
  const auto score = scores_BC.to(torch::kFloat64).contiguous();
  const auto target = target_BC.contiguous();
  Evaluation result{std::ssize(rows_of), {}, {classes, {}, {}}, {}};
  for (const auto& [group, members] : rows_of) {
    const auto* first_target = target.const_data_ptr<float>() + members.front() * classes;
    result.groups.push_back(group);
    result.scores.target.insert(result.scores.target.end(), first_target, first_target + classes);
    for (std::int64_t c = 0; c < classes; ++c) {
      double sum = 0;
      for (const auto row : members) sum += score.const_data_ptr<double>()[row * classes + c];
      result.scores.score.push_back(sum / static_cast<double>(members.size()));
    }
  }
  return result;
}

// The mean of each output of a model of pre-training, in float64.
Metrics pretext_metrics(const std::vector<models::Head>& heads, const at::Tensor& outputs_BC) {
  const auto mean = outputs_BC.to(torch::kFloat64).mean(0);
  Metrics metrics;
  for (const auto& head : heads) metrics.emplace_back(head.name, mean[head.begin].item<double>());
  return metrics;
}

// [B, 1]: the rows of a clip share a weight of 1.
at::Tensor row_weights(const std::map<std::int64_t, std::vector<std::int64_t>>& rows_of, std::int64_t rows) {
  auto weight_B1 = torch::ones({rows, 1});
  for (const auto& [group, members] : rows_of) {
    for (const auto row : members)
      weight_B1.mutable_data_ptr<float>()[row] = 1 / static_cast<float>(members.size());
  }
  return weight_B1;
}

// Rows of every rank, without the padding, by rank.
at::Tensor gather_rows(const dist::Communicator& world, const at::Tensor& rows,
                       const std::vector<std::int64_t>& counts) {
  auto padded_sizes = rows.sizes().vec();
  padded_sizes[0] = *std::ranges::max_element(counts);
  auto padded = torch::zeros(padded_sizes, rows.options());
  padded.narrow(0, 0, rows.size(0)).copy_(rows);
  const auto gathered = world.all_gather(padded);
  std::vector<at::Tensor> parts;
  for (std::size_t rank = 0; rank < counts.size(); ++rank) {
    parts.push_back(gathered[static_cast<std::int64_t>(rank)].narrow(0, 0, counts[rank]));
  }
  return torch::cat(parts);
}

}  // namespace

Evaluation evaluate(models::Model& model, const Recipe& recipe, const data::ShardSet& shards,
                    std::span<const std::int64_t> records, const Session& session,
                    const LongClips& long_clips) {
  if (records.empty()) throw UsageError("there is nothing to evaluate", "the folds asked for hold no clips");
  const auto examples = examples_of(shards, records, recipe.features.frames, long_clips);
  const std::int64_t ranks = session.world.size(), rows = std::ssize(examples);
  std::vector<std::int64_t> counts, gathered;  // rows of each rank; positions, rank by rank
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    const auto share = share_of(rows, rank, ranks);
    counts.push_back(std::ssize(share));
    gathered.insert(gathered.end(), share.begin(), share.end());
  }
  std::vector<data::Example> own;
  for (const auto position : share_of(rows, session.world.rank(), ranks))
    own.push_back(examples[static_cast<std::size_t>(position)]);

  const data::Sampler sampler(own, data::Order::sequential);
  const data::EpochPlan plan{
      .batch = kBatch, .frames = recipe.features.frames, .pin_memory = session.device.is_cuda()};
  data::Loader loader(shards, sampler, plan, recipe.loader);
  const data::FrontEnd front_end(recipe.features, recipe.normalisation.mean, recipe.normalisation.std);

  const torch::NoGradGuard no_grad;
  const Autocast autocast(recipe.train.precision, session.device);
  model.eval();
  const auto spec = models::find(recipe.model.name);
  const auto heads = spec.heads(recipe.model);
  std::vector<at::Tensor> logits = {torch::zeros({0, heads.back().end})};
  std::vector<at::Tensor> targets = {torch::zeros({0, recipe.model.classes})};
  while (const auto batch = loader.next()) {
    logits.push_back(model.forward(front_end(*batch, session.device), {}).to(torch::kCPU, torch::kFloat32));
    targets.push_back(batch->target);
  }

  // Rows come rank by rank; in the order of their positions no sum depends on the ranks.
  const auto order = torch::tensor(gathered, torch::kInt64).argsort();
  const auto logits_BC = gather_rows(session.world, torch::cat(logits), counts).index_select(0, order);
  const auto rows_of = rows_by_group(examples);
  if (spec.task == models::Task::pretraining)
    return {std::ssize(rows_of), pretext_metrics(heads, logits_BC), {}, {}};
  const auto target_BC = gather_rows(session.world, torch::cat(targets), counts).index_select(0, order);
  const auto loss = evaluate_loss({recipe.loss.name, 0.0}, logits_BC, target_BC, row_weights(rows_of, rows));
  auto result = by_group(class_scores(recipe.loss, logits_BC), target_BC, rows_of);
  result.metrics = classification_metrics(result.scores);
  result.metrics.emplace_back("loss", loss.sum.item<double>() / loss.weight.item<double>());
  return result;
}

}  // namespace tutti::recipes
