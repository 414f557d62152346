#include "models/registry.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/models/formula.h"

namespace tutti::models {
namespace {

TEST(Registry, EverySpecBuildsCountsAndDescribesItself) {
  for (const auto& spec : model_specs()) {
    ModelOptions options;
    options.name = spec.name;
    options.classes = 7;
    options.frames = 1024;
    options.mels = 128;
    EXPECT_FALSE(spec.summary.empty()) << spec.name;
    EXPECT_FALSE(spec.fields(options).empty()) << spec.name;
    const auto model = spec.build(options, 1);
    EXPECT_GT(parameter_count(*model), 0) << spec.name;
    const auto flops = spec.flops(options);
    EXPECT_GE(flops.whole, flops.computed) << spec.name;
    const auto heads = spec.heads(options);
    EXPECT_EQ(heads.front().begin, 0) << spec.name;
    if (spec.task == Task::classification) {
      EXPECT_EQ(heads.back().end, 7) << spec.name;
    }
  }
}

TEST(Registry, FieldsAreTheCommonOnesAndTheFamilys) {
  ModelOptions options;
  std::vector<std::string> names;
  for (const auto& field : fields(options)) {
    names.push_back(field.name);
    EXPECT_EQ(complaint(field), "") << field.name;
    EXPECT_FALSE(field.meaning.empty()) << field.name;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"name", "classes", "init", "init_skip", "size", "dim", "depth",
                                             "heads", "mlp_ratio", "patch", "stride", "head", "drop_path",
                                             "dropout", "norm_epsilon", "positions"}));
}

TEST(Registry, UnknownNameListsTheKnown) {
  const auto message = message_of([] { find("astt"); });
  EXPECT_NE(message.find("astt"), message.npos) << message;
  EXPECT_NE(message.find("the known models are ast, ssast"), message.npos) << message;
}

}  // namespace
}  // namespace tutti::models
