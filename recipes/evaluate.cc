#include "recipes/evaluate.h"

#include <torch/torch.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "data/front_end.h"
#include "data/loader.h"
#include "recipes/precision.h"

namespace tutti::recipes {
namespace {

constexpr std::int64_t kBatch = 32;

// Batches r, r + R, r + 2R, ... of the examples for rank r of R.
std::vector<data::Example> share_of(const std::vector<data::Example>& examples, std::int64_t rank,
                                    std::int64_t ranks) {
  std::vector<data::Example> share;
  const auto count = std::ssize(examples);
  for (std::int64_t begin = rank * kBatch; begin < count; begin += ranks * kBatch) {
    const auto end = std::min(begin + kBatch, count);
    share.insert(share.end(), examples.begin() + begin, examples.begin() + end);
  }
  return share;
}

// The first row of a clip's group gets the mean over the group; the other rows go.
Evaluation by_group(const at::Tensor& scores_BC, const at::Tensor& target_BC, const at::Tensor& groups_B) {
  const auto rows = scores_BC.size(0), classes = scores_BC.size(1);
  const auto score = scores_BC.to(torch::kFloat64).contiguous();
  const auto target = target_BC.contiguous();
  std::map<std::int64_t, std::vector<std::int64_t>> rows_of;
  for (std::int64_t row = 0; row < rows; ++row) rows_of[groups_B[row].item<std::int64_t>()].push_back(row);

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
                    std::span<const std::int64_t> records, const Session& session) {
  if (records.empty()) throw UsageError("there is nothing to evaluate", "the folds asked for hold no clips");
  const auto examples = data::whole_clips(shards, records);
  const std::int64_t ranks = session.world.size();
  std::vector<std::int64_t> counts;
  for (std::int64_t rank = 0; rank < ranks; ++rank)
    counts.push_back(std::ssize(share_of(examples, rank, ranks)));

  const data::Sampler sampler(share_of(examples, session.world.rank(), ranks), data::Order::sequential);
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
  std::vector<at::Tensor> groups = {torch::zeros({0}, torch::kInt64)};
  while (const auto batch = loader.next()) {
    logits.push_back(model.forward(front_end(*batch, session.device), {}).to(torch::kCPU, torch::kFloat32));
    targets.push_back(batch->target);
    groups.push_back(batch->groups);
  }
  const auto logits_BC = gather_rows(session.world, torch::cat(logits), counts);
  const auto target_BC = gather_rows(session.world, torch::cat(targets), counts);
  const auto groups_B = gather_rows(session.world, torch::cat(groups), counts);

  // Rows come rank by rank; in the order of their groups the sum below does not depend on the ranks.
  const auto order = groups_B.argsort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
  const auto ordered_BC = logits_BC.index_select(0, order);
  const auto ordered_target_BC = target_BC.index_select(0, order);
  if (spec.task == models::Task::pretraining)
    return {std::ssize(records), pretext_metrics(heads, ordered_BC), {}, {}};
  const auto loss = evaluate_loss({recipe.loss.name, 0.0}, ordered_BC, ordered_target_BC,
                                  torch::ones({ordered_BC.size(0), 1}));
  auto result =
      by_group(class_scores(recipe.loss, ordered_BC), ordered_target_BC, groups_B.index_select(0, order));
  result.metrics = classification_metrics(result.scores);
  result.metrics.emplace_back("loss", loss.sum.item<double>() / loss.weight.item<double>());
  return result;
}

}  // namespace tutti::recipes
