#include "recipes/run_log.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/files.h"
#include "tests/expect_error.h"
#include "tests/temporary_folder.h"

namespace tutti::recipes {
namespace {

TEST(RunLog, DropsTheLinesBeyondTheRestoredStep) {
  const TemporaryFolder folder;
  {
    RunLog log(folder.path(), 0);
    for (std::int64_t step = 1; step <= 4; ++step) log.step({step, 1, 0.5, 1e-3, 2.0, 100.0});
    log.validation({4, 1, "validation", {{"accuracy", 0.25}, {"loss", 1.5}}});
  }
  { const RunLog again(folder.path(), 2); }
  EXPECT_EQ(read_file(folder.path() / "metrics.jsonl"),
            R"({"step":1,"epoch":1,"loss":0.5,"lr":0.001,"gradient_norm":2.0,"clips_per_second":100.0})"
            "\n"
            R"({"step":2,"epoch":1,"loss":0.5,"lr":0.001,"gradient_norm":2.0,"clips_per_second":100.0})"
            "\n");
}

TEST(RunLog, ALineCutByAKillIsDropped) {
  const TemporaryFolder folder;
  write_file(folder.path() / "metrics.jsonl", "{\"step\":1,\"loss\":2}\n{\"step\":2,\"lo");
  { const RunLog log(folder.path(), 5); }
  EXPECT_EQ(read_file(folder.path() / "metrics.jsonl"), "{\"step\":1,\"loss\":2}\n");
}

TEST(RunLog, IsReadBackAsItWasWritten) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.jsonl";
  {
    RunLog log(folder.path(), 0);
    log.step({3, 1, 0.5, 1e-3, 2.0, 100.0, {{"data", 0.25}, {"forward", 0.125}}});
    log.validation({3, 1, "validation", {{"accuracy", 0.25}, {"loss", 1.5}}, {{"validation", 2.0}}});
    log.step({4, 2, NAN, 1e-3, 2.0, 100.0});
  }
  write_file(path, read_file(path) + "{\"step\":5,\"epo");  // cut by a kill
  const auto history = read_history(path);
  ASSERT_EQ(history.steps.size(), 2U);
  EXPECT_EQ(history.steps[0].loss, 0.5);
  EXPECT_EQ(history.steps[0].seconds, (PartSeconds{{"data", 0.25}, {"forward", 0.125}}));
  EXPECT_TRUE(std::isnan(history.steps[1].loss));
  ASSERT_EQ(history.validations.size(), 1U);
  EXPECT_EQ(history.validations[0].metrics, (Metrics{{"accuracy", 0.25}, {"loss", 1.5}}));
  EXPECT_EQ(history.validations[0].seconds, (PartSeconds{{"validation", 2.0}}));
}

TEST(RunLog, ADamagedLineIsAnErrorThatNamesIt) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "metrics.jsonl";
  write_file(path, "{\"step\":1,\"lo\n{\"step\":2}\n");
  expect_error([&] { read_history(path); }, {path.string(), "line 1"});
}

TEST(RunLog, OtherRanksWriteNothing) {
  RunLog log;
  log.step({});
  log.validation({});
  log.flush();
}

// TensorFlow's record format: length, masked CRC-32C of it, data, masked CRC-32C of that. The expected bytes
// of the first record were checked with the tensorboard package.
TEST(RunLog, EventFilesBeginAsTensorboardExpects) {
  const TemporaryFolder folder;
  {
    TensorboardWriter writer(folder.path(), 1.5);
    writer.scalar("train/loss", 0.5, 7, 2.5);
  }
  std::string bytes;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    bytes = read_file(entry.path());
  const std::string version = "brain.Event:2";
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x18\0\0\0\0\0\0\0", 8));
  EXPECT_NE(bytes.find(version), std::string::npos);
  EXPECT_NE(bytes.find("train/loss"), std::string::npos);
}

}  // namespace
}  // namespace tutti::recipes
