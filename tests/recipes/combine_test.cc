#include "recipes/combine.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "base/error.h"
#include "models/registry.h"
#include "models/weights.h"
#include "recipes/checkpoint.h"
#include "recipes/run_epochs.h"
#include "tests/expect_error.h"
#include "tests/temporary_folder.h"

namespace tutti::recipes {
namespace {
namespace fs = std::filesystem;

TrainedModel tiny_model(std::uint64_t seed, const Strings& assignments = {}) {
  TrainedModel trained{.file = text("model-", seed),
                       .recipe = parse_recipe(
                           "[features]\nframes = 16\nmels = 16\nmean = -4\nstd = 4\n[model]\nsize = ''\n"
                           "dim = 8\ndepth = 1\nheads = 2\npatch = [16, 4]\nstride = [16, 4]\nclasses = 3\n",
                           "tiny", assignments),
                       .classes = {"a", "b", "c"},
                       .model = nullptr};
  trained.model = models::find("ast").build(trained.recipe.model, seed);
  return trained;
}

TEST(Combine, MeanOfWeightsIsThatOfFloat64) {
  WeightMean mean;
  std::vector<TrainedModel> all;
  for (const std::uint64_t seed : {1, 2, 3}) {
    all.push_back(tiny_model(seed));
    mean.add(all.back());
  }
  auto result = tiny_model(4);
  mean.assign_to(result);
  const auto parameters = models::parameters_of(*result.model);
  ASSERT_FALSE(parameters.empty());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    auto sum = torch::zeros_like(parameters[i].tensor, torch::kFloat64);
    for (const auto& one : all)
      sum += models::parameters_of(*one.model)[i].tensor.detach().to(torch::kFloat64);
    EXPECT_TRUE(torch::equal(parameters[i].tensor, (sum / 3).to(torch::kFloat32))) << parameters[i].name;
  }
}

TEST(Combine, ModelsThatDifferHaveNoMean) {
  const auto refused = [](const TrainedModel& other, std::initializer_list<std::string> words) {
    WeightMean mean;
    mean.add(tiny_model(1));
    expect_error<Error>([&] { mean.add(other); }, words);
  };
  refused(tiny_model(2, {"features.mean=-3"}), {"model-1", "model-2", "features.mean", "-4", "-3"});
  refused(tiny_model(2, {"loss.name=bce"}), {"loss.name"});
  refused(tiny_model(2, {"model.stride=[16,2]"}), {"model.stride"});
  auto other = tiny_model(2);
  other.classes = {"a", "b", "d"};
  refused(other, {"classes"});
  WeightMean mean;
  mean.add(tiny_model(1, {"model.init=elsewhere", "optimizer.lr=1", "train.seed=5"}));
  EXPECT_NO_THROW(mean.add(tiny_model(2)));
}

ScoredModel scored(const std::string& name, const std::string& loss, std::vector<double> score) {
  ScoredModel result;
  result.name = name;
  result.classes = {"a", "b", "c"};
  result.loss = loss;
  result.keys = {"one", "two"};
  result.evaluation.count = 2;
  result.evaluation.scores = {3, std::move(score), {1, 0, 0, 0, 0, 1}};
  return result;
}

TEST(Combine, MeanOfScoresAndItsLoss) {
  ScoreMean mean;
  mean.add(scored("first", "ce", {0.5, 0.25, 0.25, 0.1, 0.1, 0.8}));
  mean.add(scored("second", "ce", {0.2, 0.7, 0.1, 0.3, 0.3, 0.4}));
  const auto result = mean.mean();
  const std::vector<double> expected = {0.35, 0.475, 0.175, 0.2, 0.2, 0.6};
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(result.evaluation.scores.score[i], expected[i], 1e-15);
  EXPECT_EQ(*find_metric(result.evaluation.metrics, "accuracy"), 0.5);
  EXPECT_NEAR(*find_metric(result.evaluation.metrics, "loss"), -(std::log(0.35) + std::log(0.6)) / 2, 1e-15);

  mean.add(scored("third", "bce", {0.5, 0.5, 0.5, 0.5, 0.5, 0.5}));
  EXPECT_FALSE(find_metric(mean.mean().evaluation.metrics, "loss"));  // of which kind?
}

TEST(Combine, ScoresOfOtherClipsHaveNoMean) {
  const auto first = scored("first", "ce", {0.5, 0.25, 0.25, 0.1, 0.1, 0.8});
  const auto refused = [&](const ScoredModel& other, std::initializer_list<std::string> words) {
    ScoreMean mean;
    mean.add(first);
    expect_error<Error>([&] { mean.add(other); }, words);
  };
  auto other = first;
  other.keys[1] = "three";
  refused(other, {"clip 1", "two", "three"});
  other = first;
  other.evaluation.scores.target[4] = 1;
  refused(other, {"labels", "two"});
  other = first;
  other.classes[2] = "d";
  refused(other, {"classes"});
}

TEST(Combine, LossOfScoresIsThatOfTorch) {
  Scores scores{3, {0.5, 0.25, 0.25, 0.0, 1.0, 0.8}, {1, 0, 1, 1, 0, 0.5}};
  const auto score = torch::tensor(scores.score, torch::kFloat64).view({2, 3});
  const auto target = torch::tensor({1.0, 0.0, 1.0, 1.0, 0.0, 0.5}, torch::kFloat64).view({2, 3});
  EXPECT_NEAR(loss_of_scores("bce", scores), torch::binary_cross_entropy(score, target).item<double>(),
              1e-12);
  const double first = -(std::log(0.5) + std::log(0.25)) / 2, second = (100 - 0.5 * std::log(0.8)) / 1.5;
  EXPECT_NEAR(loss_of_scores("ce", scores), (first + second) / 2, 1e-12);
}

TEST(RunEpochs, Words) {
  EXPECT_EQ(parse_epochs("6-25").first, 6);
  EXPECT_EQ(parse_epochs("6-25").last, 25);
  EXPECT_EQ(parse_epochs("7").last, 7);
  for (const auto* words : {"", "0", "-", "2-", "-2", "3-2", "1-2-3", "1.5", "99999999999999999999", " 1"})
    expect_error<UsageError>([&] { parse_epochs(words); }, {text("'", words, "'")});
}

TEST(RunEpochs, OnlyCheckpointsAtTheEndOfAnEpoch) {
  const TemporaryFolder folder;
  const auto tiny = tiny_model(1);
  const Optimizer optimizer(*tiny.model, tiny.recipe.optimizer, {});
  Checkpoints checkpoints(folder.path() / "checkpoints", true);
  const auto save = [&](std::int64_t step, std::int64_t epochs) {
    checkpoints.save(*tiny.model, optimizer, tiny.recipe, tiny.classes, {step, epochs, 10, {}}, false);
  };
  const auto found = [&](std::int64_t first, std::int64_t last) {
    Strings names;
    for (const auto& path : checkpoints_of(folder.path(), {first, last}))
      names.push_back(fs::path(path).filename());
    return names;
  };
  save(5, 0);
  expect_error<Error>([&] { found(1, 1); }, {"epoch 1"});
  save(25, 2);
  save(30, 3);
  save(40, 3);  // before its validation
  save(43, 4);
  EXPECT_EQ(found(3, 4), (Strings{"step-00000030", "step-00000040"}));
  expect_error<Error>([&] { found(1, 3); }, {"epoch 1, 2", "keep_every_epochs"});
  expect_error<Error>([&] { checkpoints_of(folder.path() / "checkpoints", {1, 1}); }, {"not a run folder"});
}

}  // namespace
}  // namespace tutti::recipes
