#include "recipes/checkpoint.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "data/checksum.h"
#include "models/registry.h"
#include "recipes/model_file.h"
#include "tests/expect_error.h"
#include "tests/temporary_folder.h"

namespace tutti::recipes {
namespace {
namespace fs = std::filesystem;

Recipe tiny_recipe() {
  auto recipe = parse_recipe(
      "[features]\nframes = 16\nmels = 16\nmean = -4\nstd = 4\n"
      "[model]\nsize = ''\ndim = 8\ndepth = 1\nheads = 2\npatch = [16, 4]\nstride = [16, 4]\nclasses = 3\n",
      "tiny");
  return recipe;
}

struct TinyRun {
  explicit TinyRun(const fs::path& folder, std::uint64_t seed = 1)
      : recipe(tiny_recipe()),
        model(models::find("ast").build(recipe.model, seed)),
        optimizer(*model, recipe.optimizer, {}),
        checkpoints(folder / "checkpoints", true) {}

  void save(std::int64_t step, bool best = false) {
    checkpoints.save(*model, optimizer, recipe, {"a", "b", "c"}, {step, step / 10, 10, 0.5}, best);
  }

  Recipe recipe;
  std::shared_ptr<models::Model> model;
  Optimizer optimizer;
  Checkpoints checkpoints;
};

TEST(Checkpoint, RestoresWeightsStateAndRecipe) {
  const TemporaryFolder folder;
  TinyRun run(folder.path());
  run.save(10, true);
  TinyRun other(folder.path(), 2);
  const auto newest = *other.checkpoints.newest({});
  const auto state = restore(newest, *other.model, other.optimizer);
  EXPECT_EQ(state.step, 10);
  EXPECT_EQ(state.finished_epochs, 1);
  EXPECT_EQ(state.steps_per_epoch, 10);
  EXPECT_EQ(state.best, 0.5);
  for (const auto& item : run.model->named_parameters()) {
    EXPECT_TRUE(torch::equal(item.value(), other.model->named_parameters()[item.key()])) << item.key();
  }
  const auto trained = load_model(folder.path(), {});
  EXPECT_EQ(trained.classes, (Strings{"a", "b", "c"}));
  EXPECT_EQ(to_toml(trained.recipe), to_toml(run.recipe));
}

TEST(Checkpoint, LinksAndPruning) {
  const TemporaryFolder folder;
  TinyRun run(folder.path());
  for (const std::int64_t step : {10, 20, 30, 40, 50}) {
    run.save(step, step == 10);
    run.checkpoints.prune(/*keep_last=*/2, /*keep_every_steps=*/30);
  }
  const auto root = folder.path() / "checkpoints";
  EXPECT_EQ(fs::read_symlink(root / "latest"), "step-00000050");
  EXPECT_EQ(fs::read_symlink(root / "best"), "step-00000010");
  EXPECT_TRUE(fs::exists(root / "step-00000010"));  // best
  EXPECT_FALSE(fs::exists(root / "step-00000020"));
  EXPECT_TRUE(fs::exists(root / "step-00000030"));  // every 30
  EXPECT_TRUE(fs::exists(root / "step-00000040"));  // last two
  EXPECT_TRUE(fs::exists(root / "step-00000050"));
}

TEST(Checkpoint, ADamagedOneIsNotBelieved) {
  const TemporaryFolder folder;
  TinyRun run(folder.path());
  run.save(10);
  run.save(20);
  const auto newest = folder.path() / "checkpoints" / "step-00000020";
  for (const auto& entry : fs::directory_iterator(newest)) {
    const auto whole = read_file(entry.path());
    for (const auto& damaged : {whole.substr(0, whole.size() / 2),
                                std::string(1, static_cast<char>(whole[0] ^ 1)) + whole.substr(1)}) {
      write_file(entry.path(), damaged);
      std::string warning;
      const Log log([&](Log::Level, std::string_view message) { warning = message; });
      EXPECT_EQ(run.checkpoints.newest(log)->filename(), "step-00000010") << entry.path();
      EXPECT_NE(warning.find("step-00000020"), std::string::npos) << warning;
    }
    write_file(entry.path(), whole);
  }
  EXPECT_EQ(run.checkpoints.newest({})->filename(), "step-00000020");
}

// Any byte, and any length: all of small files, every 61st of the weights.
TEST(Checkpoint, NoChangedByteAndNoCutIsAccepted) {
  const TemporaryFolder folder;
  TinyRun run(folder.path());
  run.save(10);
  const auto checkpoint = folder.path() / "checkpoints" / "step-00000010";
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(checkpoint)) files.push_back(entry.path());
  ASSERT_EQ(files.size(), 4U);
  for (const auto& file : files) {
    const auto whole = read_file(file);
    const std::size_t stride = whole.size() < 2000 ? 1 : 61;
    const auto refused = [&](const std::string& bytes, std::size_t at) {
      std::ofstream(file, std::ios::binary) << bytes;
      expect_error([&] { verify_checkpoint(checkpoint); }, {checkpoint.string(), file.filename().string()});
      if (testing::Test::HasFailure()) FAIL() << file << " at " << at;
    };
    for (std::size_t at = 0; at < whole.size(); at += stride) {
      auto changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (1 << at % 8));
      ASSERT_NO_FATAL_FAILURE(refused(changed, at));
      ASSERT_NO_FATAL_FAILURE(refused(whole.substr(0, at), at));
    }
    std::ofstream(file, std::ios::binary) << whole;
  }
  EXPECT_NO_THROW(verify_checkpoint(checkpoint));
}

// `latest` and `best` are for readers: a run goes by the folders themselves.
TEST(Checkpoint, LinksThatAKilledRunLeftBehindDoNoHarm) {
  const TemporaryFolder folder;
  TinyRun run(folder.path());
  run.save(10);
  const auto root = folder.path() / "checkpoints";
  fs::remove(root / "latest");
  fs::create_directory_symlink("step-00000099", root / "latest");
  fs::create_directory_symlink("step-00000010", root / "latest.writing");
  EXPECT_EQ(run.checkpoints.newest({})->filename(), "step-00000010");
  run.save(20);
  EXPECT_EQ(fs::read_symlink(root / "latest"), "step-00000020");
  const TinyRun again(folder.path());
  EXPECT_FALSE(fs::exists(fs::symlink_status(root / "latest.writing")));
}

TEST(Checkpoint, StrangeFilesAreErrorsThatNameThem) {
  const TemporaryFolder folder;
  write_file(folder.path() / "state.json", "{\"step\": 1.5, \"finished_epochs\": 1}");
  expect_error([&] { read_state(folder.path()); }, {"state.json", "'step'"});
  for (const std::string step : {"-1", "18446744073709551615"}) {
    write_file(folder.path() / "state.json", text("{\"step\": ", step, ", \"finished_epochs\": 1}"));
    expect_error([&] { read_state(folder.path()); }, {"state.json", "'step'"});
  }
  write_file(folder.path() / "state.json", "{\"step\": 1, \"finished_epochs\": 1, \"steps_per_epoch\": 0}");
  expect_error([&] { read_state(folder.path()); }, {"state.json", "'steps_per_epoch'"});
  write_file(folder.path() / "state.json", "[]");
  expect_error([&] { read_state(folder.path()); }, {"state.json", "'step'"});

  // A manifest whose checksum holds over what no manifest says.
  const auto with = [&](const nlohmann::ordered_json& files, std::initializer_list<std::string> parts) {
    nlohmann::ordered_json manifest = {{"format_version", 1}, {"files", files}};
    const auto body = manifest.dump(1);
    manifest["xxh3"] = data::hex(data::xxh3(std::as_bytes(std::span(body))));
    write_file(folder.path() / "MANIFEST.json", manifest.dump(1) + "\n");
    expect_error([&] { verify_checkpoint(folder.path()); }, parts);
  };
  with({{"state.json", {{"bytes", "many"}, {"xxh3", "0"}}}}, {"MANIFEST.json", "'state.json'"});
  with({{std::string(300, 'x'), {{"bytes", 2}, {"xxh3", "0"}}}}, {"x is missing"});
  with({{"state.json", 7}}, {"MANIFEST.json", "'state.json'"});
  with({{"../state.json", {{"bytes", 2}, {"xxh3", "0"}}}}, {"MANIFEST.json", "'../state.json'"});
  with({{"state.json", {{"bytes", 2}, {"xxh3", "0"}}}}, {"state.json", "checksum"});
  write_file(folder.path() / "MANIFEST.json", std::string(100'000, '['));
  expect_error([&] { verify_checkpoint(folder.path()); }, {"MANIFEST.json", "64 levels"});

  // A folder with more digits than a step has is nobody's checkpoint.
  fs::create_directories(folder.path() / "checkpoints" / "step-99999999999999999999");
  EXPECT_FALSE(Checkpoints(folder.path() / "checkpoints", false).newest({}));
}

TEST(Checkpoint, WhatAKilledRunLeftIsRemoved) {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / "checkpoints" / ".writing-step-00000030");
  TinyRun run(folder.path());
  EXPECT_FALSE(fs::exists(folder.path() / "checkpoints" / ".writing-step-00000030"));
  EXPECT_FALSE(run.checkpoints.newest({}));
}

TEST(Checkpoint, PathsThatHoldNoneSayWhatWasLookedFor) {
  const TemporaryFolder folder;
  EXPECT_THROW(find_weights(folder.path() / "missing"), Error);
  try {
    find_weights(folder.path());
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("neither model.safetensors nor checkpoints/best"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace tutti::recipes
