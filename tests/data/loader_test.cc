#include "data/loader.h"

#include <gtest/gtest.h>
#include <csignal>

#include <fstream>
#include <set>
#include <thread>

#include "tests/data/shard_fixture.h"
#include "tests/expect_error.h"

namespace tutti::data {
namespace {

class LoaderTest : public testing::Test {
 protected:
  LoaderTest()
      : index_(write_small_set(folder_.path(), {20, 17})),
        set_(ShardSet::open(folder_.path())),
        sampler_(whole_clips(set_, set_.records(Strings{"train"})), Order::shuffled, 5) {
    plan_.batch = 7;
    plan_.epoch = 2;
    plan_.frames = 12;
    plan_.augment = AugmentOptions{.mixup = 0.4, .roll = 3};
    plan_.seed = 9;
  }

  std::vector<Batch> load(EpochPlan plan, LoaderOptions options = {}) const {
    Loader loader(set_, sampler_, plan, options);
    std::vector<Batch> batches;
    while (std::optional<Batch> batch = loader.next()) batches.push_back(std::move(*batch));
    return batches;
  }

  TemporaryFolder folder_;
  ShardIndex index_;
  ShardSet set_;
  Sampler sampler_;
  EpochPlan plan_;
};

bool same(const at::Tensor& a, const at::Tensor& b) {
  return a.defined() == b.defined() && (!a.defined() || (a.sizes() == b.sizes() && a.equal(b)));
}

void expect_same(const Batch& a, const Batch& b) {
  EXPECT_TRUE(same(a.input, b.input));
  EXPECT_TRUE(same(a.length, b.length));
  EXPECT_TRUE(same(a.partner, b.partner));
  EXPECT_TRUE(same(a.partner_length, b.partner_length));
  EXPECT_TRUE(same(a.target, b.target));
  EXPECT_TRUE(same(a.weight, b.weight));
  EXPECT_TRUE(same(a.positions, b.positions));
  EXPECT_TRUE(same(a.groups, b.groups));
  ASSERT_EQ(a.draws.size(), b.draws.size());
  for (std::size_t i = 0; i < a.draws.size(); ++i) EXPECT_EQ(a.draws[i].key, b.draws[i].key);
}

// What a row should hold, from the definitions.
std::vector<float> expected_row(const ShardSet& set, const Example& example, double crop,
                                std::int64_t frames) {
  const std::int64_t mels = 8;
  const std::vector<float> all = record_values(example.record, set.index().schema);
  const std::int64_t length = set.length(example.record);
  const std::int64_t start =
      length > frames ? static_cast<std::int64_t>(crop * static_cast<double>(length - frames + 1)) : 0;
  std::vector<float> row(static_cast<std::size_t>(frames * mels),
                         static_cast<float>(at::Half(static_cast<float>(kFloor))));
  for (std::int64_t i = 0; i < std::min(length, frames) * mels; ++i) {
    row[static_cast<std::size_t>(i)] = all[static_cast<std::size_t>(start * mels + i)];
  }
  return row;
}

std::vector<float> row_of(const at::Tensor& input, std::int64_t row) {
  const at::Tensor values = input.select(0, row).to(at::kFloat).contiguous();
  return {values.const_data_ptr<float>(), values.const_data_ptr<float>() + values.numel()};
}

TEST_F(LoaderTest, RowsHoldTheirClipPartnerAndMixedLabels) {
  std::int64_t position = 0;
  int mixed = 0, cropped = 0;
  for (const Batch& batch : load(plan_)) {
    for (std::int64_t row = 0; row < batch.size(); ++row, ++position) {
      const Draws draws =
          draw(*plan_.augment, sampler_.size(), plan_.frames, 8, plan_.seed, plan_.epoch, position);
      const Example& example = sampler_.at(plan_.epoch, position);
      EXPECT_EQ(batch.positions[row].item<std::int64_t>(), position);
      EXPECT_EQ(batch.groups[row].item<std::int64_t>(), example.group);
      EXPECT_EQ(batch.weight[row].item<float>(), 1);
      EXPECT_EQ(batch.length[row].item<std::int32_t>(),
                std::min<std::int64_t>(set_.length(example.record), 12));
      EXPECT_EQ(row_of(batch.input, row), expected_row(set_, example, draws.crop, plan_.frames));
      cropped += set_.length(example.record) > 12;

      std::vector<float> target(4);
      for (const Label& label : set_.labels(example.record))
        target[static_cast<std::size_t>(label.index)] += draws.mix;
      if (draws.partner >= 0) {
        ++mixed;
        const Example& partner = sampler_.example(draws.partner);
        EXPECT_EQ(row_of(batch.partner, row), expected_row(set_, partner, draws.partner_crop, plan_.frames));
        for (const Label& label : set_.labels(partner.record)) {
          target[static_cast<std::size_t>(label.index)] += 1 - draws.mix;
        }
      } else if (batch.partner.defined()) {
        EXPECT_EQ(batch.partner_length[row].item<std::int32_t>(), 0);
      }
      for (std::int64_t i = 0; i < 4; ++i) {
        EXPECT_FLOAT_EQ(batch.target[row][i].item<float>(), target[static_cast<std::size_t>(i)]);
      }
    }
  }
  EXPECT_EQ(position, sampler_.size());
  EXPECT_GT(mixed, 0);
  EXPECT_GT(cropped, 0);
}

// As in AST: the order is weighted, what a clip is mixed with is not.
TEST_F(LoaderTest, PartnersAreAnyExamplesWhateverIsSampled) {
  std::vector<double> weights(static_cast<std::size_t>(sampler_.size()));
  weights[5] = 1;
  std::vector<Example> examples;
  for (std::int64_t i = 0; i < sampler_.size(); ++i) examples.push_back(sampler_.example(i));
  sampler_ = Sampler(examples, weights, 3);
  plan_.augment->mixup = 1;
  std::set<std::vector<float>> partners;
  for (const Batch& batch : load(plan_)) {
    for (std::int64_t row = 0; row < batch.size(); ++row) {
      EXPECT_EQ(batch.groups[row].item<std::int64_t>(), examples[5].group);
      partners.insert(row_of(batch.partner, row));
    }
  }
  EXPECT_GT(partners.size(), 8U) << "of 23 positions";
}

TEST_F(LoaderTest, ThreadsAndPrefetchDoNotChangeBatches) {
  const std::vector<Batch> expected = load(plan_);
  ASSERT_EQ(std::ssize(expected), 4);  // 23 examples in steps of 7
  EXPECT_EQ(expected.back().size(), 2);
  for (const std::int64_t threads : {1, 2, 3, 4}) {
    for (const std::int64_t prefetch : {1, 2, 9}) {
      const std::vector<Batch> batches = load(plan_, {.threads = threads, .prefetch = prefetch});
      ASSERT_EQ(batches.size(), expected.size());
      for (std::size_t i = 0; i < batches.size(); ++i) expect_same(batches[i], expected[i]);
    }
  }
}

TEST_F(LoaderTest, RanksTogetherSeeTheGlobalBatch) {
  const std::vector<Batch> expected = load(plan_);
  for (const std::int64_t ranks : {2, 4}) {
    std::vector<std::int64_t> rows(expected.size());
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
      EpochPlan plan = plan_;
      plan.rank = rank;
      plan.ranks = ranks;
      const std::vector<Batch> parts = load(plan);
      ASSERT_EQ(parts.size(), expected.size());
      for (std::size_t i = 0; i < parts.size(); ++i) {
        Batch cut = slice(expected[i], rows[i], rows[i] + parts[i].size());
        rows[i] += parts[i].size();
        // A part in which no row is mixed has no partners.
        if (!parts[i].partner.defined()) cut.partner = cut.partner_length = at::Tensor();
        expect_same(parts[i], cut);
      }
    }
    for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i], expected[i].size());
  }
}

TEST_F(LoaderTest, PartsOfABatchMayBeEmpty) {
  plan_.ranks = 4;
  const Batch last = load(plan_).back();  // 2 rows for 4 ranks
  EXPECT_EQ(last.size(), 0);
  EXPECT_EQ(last.input.sizes(), (at::IntArrayRef{0, 12, 8}));
  EXPECT_EQ(last.target.sizes(), (at::IntArrayRef{0, 4}));
  EXPECT_EQ(last.weight.sizes(), (at::IntArrayRef{0, 1}));
}

TEST_F(LoaderTest, GoesOnInTheMiddleOfAnEpoch) {
  const std::vector<Batch> expected = load(plan_);
  plan_.first_step = 2;
  const std::vector<Batch> rest = load(plan_);
  ASSERT_EQ(rest.size(), 2U);
  expect_same(rest[0], expected[2]);
  expect_same(rest[1], expected[3]);
  plan_.first_step = 4;
  EXPECT_TRUE(load(plan_).empty());
}

TEST_F(LoaderTest, EvaluationIsInOrderFromTheStartOfEachClip) {
  const Sampler sequential(whole_clips(set_, set_.records(Strings{"test"})), Order::sequential);
  plan_.augment = {};
  Loader loader(set_, sequential, plan_);
  const std::optional<Batch> batch = loader.next();
  ASSERT_TRUE(batch);
  EXPECT_TRUE(batch->draws.empty());
  EXPECT_FALSE(batch->partner.defined());
  for (std::int64_t row = 0; row < batch->size(); ++row) {
    EXPECT_EQ(row_of(batch->input, row), expected_row(set_, sequential.at(0, row), 0, plan_.frames));
  }
}

TEST_F(LoaderTest, WindowsOfALongClipHoldOnlyTheirFrames) {
  std::int64_t longest = 0;
  for (std::int64_t i = 0; i < set_.size(); ++i)
    longest = set_.length(i) > set_.length(longest) ? i : longest;
  ASSERT_EQ(set_.length(longest), 20);
  const Sampler windows({{longest, 0, 8, longest}, {longest, 8, 8, longest}, {longest, 16, 8, longest}},
                        Order::sequential);
  plan_.augment = {};
  Loader loader(set_, windows, plan_);
  const std::optional<Batch> batch = loader.next();
  const std::vector<float> all = record_values(longest, index_.schema);
  for (const auto& [row, length] : {std::pair<std::int64_t, std::int64_t>{0, 8}, {1, 8}, {2, 4}}) {
    EXPECT_EQ(batch->length[row].item<std::int32_t>(), length);
    std::vector<float> expected(96, static_cast<float>(at::Half(static_cast<float>(kFloor))));
    std::copy_n(all.begin() + row * 64, length * 8, expected.begin());
    EXPECT_EQ(row_of(batch->input, row), expected);
  }
}

TEST_F(LoaderTest, ErrorsComeInTheirTurn) {
  // Damages the record of position 15, which is in step 2, where it is first read.
  plan_.augment = AugmentOptions{};
  const std::int64_t record = sampler_.at(plan_.epoch, 15).record;
  const bool second = record >= index_.shards[0].count;
  const ShardEntry& entry = index_.shards[second ? 1 : 0];
  const std::int64_t at = entry.offset + (second ? record - index_.shards[0].count : record) * 320 + 5;
  std::fstream(folder_.path() / entry.file, std::ios::in | std::ios::out | std::ios::binary)
      .seekp(at)
      .put('\x01');

  Loader loader(set_, sampler_, plan_, {.threads = 3, .prefetch = 8});
  EXPECT_TRUE(loader.next());
  EXPECT_TRUE(loader.next());
  expect_error([&] { loader.next(); }, {entry.file, std::string(set_.key(record)), "checksum"});
  expect_error([&] { loader.next(); }, {entry.file});
}

TEST_F(LoaderTest, CanBeDestroyedWhileBusyOrIdle) {
  for (int i = 0; i < 50; ++i) {
    Loader loader(set_, sampler_, plan_, {.threads = 1 + i % 4, .prefetch = 1 + i % 3});
    for (int taken = 0; taken < i % 4; ++taken) loader.next();
  }
}

TEST_F(LoaderTest, ThreadsDoNotTakeSignals) {
  const Loader loader(set_, sampler_, plan_, {.threads = 3, .prefetch = 2});
  int threads = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == std::to_string(getpid())) continue;
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (!line.starts_with("SigBlk:")) continue;
      const auto blocked = std::stoull(line.substr(7), nullptr, 16);
      for (const int number : {SIGTERM, SIGUSR1, SIGINT}) threads += (blocked >> (number - 1) & 1) != 0;
    }
  }
  EXPECT_GE(threads, 9);
  sigset_t own;
  pthread_sigmask(SIG_SETMASK, nullptr, &own);
  EXPECT_EQ(sigismember(&own, SIGTERM), 0);
}

TEST_F(LoaderTest, RefusesPlansThatCannotBe) {
  const auto refused = [&](auto change, const std::string& part) {
    EpochPlan plan = plan_;
    change(plan);
    expect_error<UsageError>([&] { Loader(set_, sampler_, plan); }, {part});
  };
  refused([](EpochPlan& plan) { plan.batch = 0; }, "batch is 0");
  refused([](EpochPlan& plan) { plan.rank = 1; }, "rank 1 of 1");
  refused([](EpochPlan& plan) { plan.first_step = 5; }, "step 5 of an epoch of 4");
  refused([](EpochPlan& plan) { plan.frames = 0; }, "frames is 0");
  expect_error<UsageError>([&] { Loader(set_, sampler_, plan_, {.threads = 0}); }, {"threads is 0"});
}

TEST_F(LoaderTest, NothingToLoadIsAnEmptyEpoch) {
  const Sampler none({}, Order::shuffled);
  Loader loader(set_, none, plan_);
  EXPECT_FALSE(loader.next());
}

}  // namespace
}  // namespace tutti::data
