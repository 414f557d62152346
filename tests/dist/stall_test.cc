#include "dist/stall.h"

#include <gtest/gtest.h>

#include <functional>
#include <thread>

namespace tutti::dist {
namespace {

using Stay = CollectiveLog::Stay;

std::shared_ptr<CollectiveLog> make_log(Activity& activity, const std::string& name,
                                        std::vector<int> ranks = {0, 1, 2, 3}) {
  auto log = std::make_shared<CollectiveLog>(std::hash<std::string>()(name), name, std::move(ranks));
  activity.add(log);
  return log;
}

bool contains(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

TEST(CollectiveLog, NumbersCollectivesAndKnowsWhichItIsIn) {
  CollectiveLog log(1, "world", {0, 1});
  EXPECT_EQ(log.moment().entered, 0);
  EXPECT_EQ(log.moment().waiting, 0);
  {
    const Stay stay(log, "barrier");
    EXPECT_EQ(log.moment().entered, 1);
    EXPECT_EQ(log.moment().waiting, 1);
    EXPECT_STREQ(log.moment().collective, "barrier");
  }
  EXPECT_EQ(log.moment().entered, 1);
  EXPECT_EQ(log.moment().waiting, 0);
  const Stay stay(log, "broadcast");
  EXPECT_EQ(log.moment().waiting, 2);
}

TEST(Activity, ForgetsCommunicatorsThatNobodyHolds) {
  Activity activity;
  const auto kept = make_log(activity, "kept");
  make_log(activity, "dropped");
  ASSERT_EQ(activity.logs().size(), 1U);
  EXPECT_EQ(activity.logs()[0], kept);
}

TEST(Activity, WaitsForWhatMustEndBeforeIt) {
  Activity activity;
  EXPECT_TRUE(activity.wait(std::chrono::seconds(0)));
  std::promise<void> promise;
  activity.await_at_end(promise.get_future().share());
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    promise.set_value();
  });
  EXPECT_TRUE(activity.wait(std::chrono::seconds(30)));
  later.join();
  std::promise<void> never;
  activity.await_at_end(never.get_future().share());
  EXPECT_FALSE(activity.wait(std::chrono::seconds(0)));
}

TEST(StallClock, MeasuresOneCollectiveAtATime) {
  Activity activity;
  const auto world = make_log(activity, "world"), gradients = make_log(activity, "gradients");
  StallClock clock;
  clock.look(activity, Seconds(1));
  EXPECT_FALSE(clock.longest());
  std::optional<Stay> stay;
  stay.emplace(*gradients, "all_reduce");
  clock.look(activity, Seconds(1));
  ASSERT_TRUE(clock.longest());
  EXPECT_EQ(clock.longest()->waited.count(), 0) << "it may have begun just now";
  clock.look(activity, Seconds(1));
  clock.look(activity, Seconds(2));
  EXPECT_EQ(clock.longest()->waited.count(), 3);
  EXPECT_EQ(clock.longest()->log, gradients);
  EXPECT_EQ(clock.longest()->number, 1);
  // A second thread in another communicator, for less long.
  const Stay beside(*world, "barrier");
  clock.look(activity, Seconds(1));
  clock.look(activity, Seconds(1));
  EXPECT_EQ(clock.longest()->log, gradients);
  EXPECT_TRUE(contains(describe(clock), "waits 5 s in all_reduce 1 of communicator 'gradients'"))
      << describe(clock);
  // The next collective of the same kind is a new wait.
  stay.reset();
  stay.emplace(*gradients, "all_reduce");
  clock.look(activity, Seconds(1));
  EXPECT_EQ(clock.longest()->log, world);
  EXPECT_EQ(clock.longest()->waited.count(), 2);
}

TEST(StallClock, SaysHowLongARankHasBeenElsewhere) {
  Activity activity;
  const auto world = make_log(activity, "world");
  StallClock clock;
  { const Stay stay(*world, "barrier"); }
  for (int i = 0; i < 5; ++i) clock.look(activity, Seconds(2));
  EXPECT_EQ(describe(clock), "in no collective for 8 s");
}

TEST(Stall, NamesWhoIsBehindAndWhoDoesNotAnswer) {
  Activity activity;
  const Stall stall{make_log(activity, "world", {0, 2, 4, 6, 8}), 57, "all_reduce", Seconds(12)};
  const std::string line = explain(stall, 0,
                                   {{2, {57, "waits 11 s in all_reduce 57 of communicator 'world'"}},
                                    {4, {56, "in no collective for 12 s"}},
                                    {8, {58, "waits 1 s in barrier 58 of communicator 'world'"}}});
  EXPECT_TRUE(contains(line, "rank 0 has waited 12 s in all_reduce 57 of communicator 'world'")) << line;
  EXPECT_TRUE(contains(line, "rank 4 (in no collective for 12 s; came to number 56)")) << line;
  EXPECT_TRUE(contains(line, "rank 6 (does not answer")) << line;
  for (const auto* absent : {"rank 2", "rank 8", "rank 1", "rank 3"})
    EXPECT_FALSE(contains(line, absent)) << line;
}

TEST(Stall, BlamesNoRankWhereAllCame) {
  Activity activity;
  const Stall stall{make_log(activity, "world", {0, 1}), 3, "broadcast", Seconds(600)};
  const std::string line = explain(stall, 1, {{0, {4, "in no collective for 600 s"}}});
  EXPECT_TRUE(contains(line, "all ranks came to it")) << line;
  EXPECT_FALSE(contains(line, "did not arrive")) << line;
}

TEST(Stall, CountsTheRestOfThousands) {
  Activity activity;
  std::vector<int> ranks(1000);
  for (int i = 0; i < 1000; ++i) ranks[static_cast<std::size_t>(i)] = i;
  const std::string line = explain({make_log(activity, "world", ranks), 1, "barrier", Seconds(1)}, 0, {});
  EXPECT_TRUE(contains(line, "rank 8 (")) << line;
  EXPECT_TRUE(contains(line, "and 991 more")) << line;
  EXPECT_FALSE(contains(line, "rank 9 (")) << line;
}

}  // namespace
}  // namespace tutti::dist
