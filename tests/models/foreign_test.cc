// Weights of other projects: a model's own, under their names and in their shapes.
#include "models/foreign.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>
#include <regex>

#include "models/ast.h"
#include "models/position_embedding.h"
#include "tests/expect_error.h"

namespace tutti::models {
namespace {

AstOptions options(const std::string& head = "cls_dist") {
  return {.size = "", .dim = 24, .depth = 2, .heads = 3, .stride = {16, 16}, .head = head};
}
constexpr ClipShape clip(std::int64_t frames) { return {.frames = frames, .mels = 128, .classes = 5}; }

// The weights of `model` after `rename`, which may also give a name that is empty: left out.
Weights renamed(const Model& model, const std::function<std::string(const std::string&)>& rename) {
  Weights weights{"their.pth", {}, {}};
  for (const auto& [name, tensor] : parameters_of(model)) {
    if (const auto theirs = rename(name); !theirs.empty()) weights.tensors[theirs] = tensor.detach().clone();
  }
  return weights;
}

std::string replaced(std::string name, const std::vector<std::pair<std::string, std::string>>& rules) {
  for (const auto& [from, to] : rules) name = std::regex_replace(name, std::regex(from), to);
  return name;
}

// query, key and value are rows 0 to D, D to 2D and 2D to 3D of qkv.
Weights split(Weights weights, const std::string& query, const std::string& key, const std::string& value) {
  for (const auto& [name, tensor] : std::map(weights.tensors)) {
    if (name.find("qkv") == name.npos) continue;
    const auto parts = tensor.chunk(3);
    const std::regex qkv("qkv");
    weights.tensors[std::regex_replace(name, qkv, query)] = parts[0];
    weights.tensors[std::regex_replace(name, qkv, key)] = parts[1];
    weights.tensors[std::regex_replace(name, qkv, value)] = parts[2];
    weights.tensors.erase(name);
  }
  return weights;
}

void expect_equal(const Model& a, const Model& b, const std::string& but = "none") {
  const auto others = b.named_parameters();
  for (const auto& [name, tensor] : parameters_of(a)) {
    if (name.starts_with(but)) continue;
    EXPECT_TRUE(at::equal(tensor, others[name])) << name;
  }
}

const std::vector<std::pair<std::string, std::string>> hugging_face = {
    {"^v.cls_token", "P.embeddings.cls_token"},
    {"^v.dist_token", "P.embeddings.distillation_token"},
    {"^v.pos_embed", "P.embeddings.position_embeddings"},
    {"^v.patch_embed.proj", "P.embeddings.patch_embeddings.projection"},
    {"^v.norm", "P.layernorm"},
    {"^mlp_head.0", "classifier.layernorm"},
    {"^mlp_head.1", "classifier.dense"},
    {"norm1", "layernorm_before"},
    {"norm2", "layernorm_after"},
};

TEST(Foreign, HuggingFaceBeforeTransformers5) {
  auto rules = hugging_face;
  rules.insert(rules.end(), {{"^v.blocks.(\\d+)", "P.encoder.layer.$1"},
                             {"attn.proj", "attention.output.dense"},
                             {"attn.qkv", "attention.attention.qkv"},
                             {"mlp.fc1", "intermediate.dense"},
                             {"mlp.fc2", "output.dense"},
                             {"^P", "audio_spectrogram_transformer"}});
  const Ast theirs(options(), clip(64), 1);
  Ast ours(options(), clip(64), 2);
  load_parameters(ours, split(renamed(theirs, [&](const auto& name) { return replaced(name, rules); }),
                              "query", "key", "value"));
  expect_equal(ours, theirs);
}

TEST(Foreign, HuggingFaceSinceTransformers5) {
  auto rules = hugging_face;
  rules.insert(rules.end(), {{"^v.blocks.(\\d+)", "P.layers.$1"},
                             {"attn.proj", "attention.o_proj"},
                             {"attn.qkv", "attention.qkv"},
                             {"^P", "audio_spectrogram_transformer"}});
  const Ast theirs(options(), clip(64), 1);
  Ast ours(options(), clip(64), 2);
  auto weights = split(renamed(theirs, [&](const auto& name) { return replaced(name, rules); }), "q_proj",
                       "k_proj", "v_proj");
  load_parameters(ours, weights);
  expect_equal(ours, theirs);
  weights.tensors.erase("audio_spectrogram_transformer.layers.1.attention.k_proj.bias");
  expect_error([&] { load_parameters(ours, weights); }, {"their.pth", "v.blocks.1.attn.k.bias"});
}

// Three channels, a classifier of 1000 classes, 24 x 24 patches; what is new keeps its initial values.
TEST(Foreign, DeitWithTwoTokens) {
  const Ast theirs(options(), clip(64), 1);
  auto weights =
      renamed(theirs, [](const auto& name) { return name.starts_with("v.") ? name.substr(2) : ""; });
  const auto colours = torch::randn({24, 3, 16, 16});
  weights.tensors["patch_embed.proj.weight"] = colours;
  weights.tensors["head.weight"] = weights.tensors["head_dist.weight"] = torch::zeros({1000, 24});
  const auto positions = torch::randn({1, 2 + 24 * 24, 24});
  weights.tensors["pos_embed"] = positions;

  Ast ours(options(), clip(64), 2);
  const Ast fresh(options(), clip(64), 2);
  expect_error([&] { load_parameters(ours, weights); }, {"mlp_head.1.weight", "missing", "init_skip"});
  expect_equal(ours, fresh);
  const auto report = load_parameters(ours, weights, {"mlp_head.*"});
  EXPECT_EQ(report.size(), 6U) << "names, channels, two classifiers, positions, what is skipped";
  const auto parameters = ours.named_parameters();
  EXPECT_TRUE(at::allclose(parameters["v.patch_embed.proj.weight"], colours.sum(1, true)));
  // 8 x 4 of 24 x 24, from row 12 - 4 and column 12 - 2 on (ast_models.py, lines 91 to 107).
  EXPECT_TRUE(
      at::equal(parameters["v.pos_embed"][0][2 + 3 * 4 + 1], positions[0][2 + (8 + 3) * 24 + 10 + 1]));
  EXPECT_TRUE(at::equal(parameters["mlp_head.1.weight"], fresh.named_parameters()["mlp_head.1.weight"]));
  EXPECT_TRUE(at::equal(parameters["v.blocks.1.attn.qkv.weight"],
                        theirs.named_parameters()["v.blocks.1.attn.qkv.weight"]));
  expect_error<UsageError>([&] { load_parameters(ours, weights, {"mlp_haed.*"}); },
                           {"init_skip", "mlp_haed.*"});
}

// Whatever grid the model has, an image's is square: 16 x 16 here is not 8 x 32, nor 24 x 24 the model's 8
// x 72.
TEST(Foreign, PositionsOfImagesAreSquare) {
  const auto bare = [](const auto& name) { return name.starts_with("v.") ? name.substr(2) : std::string(); };
  for (const std::int64_t side : {14, 16, 24}) {
    Ast ours(options(), clip(1152), 2);
    auto weights = renamed(ours, bare);
    const auto positions = torch::randn({1, 2 + side * side, 24});
    weights.tensors["pos_embed"] = positions;
    load_parameters(ours, weights, {"mlp_head.*"});
    const auto expected = adapted_positions(positions, 2, {side, side}, {8, 72});
    EXPECT_TRUE(at::equal(ours.named_parameters()["v.pos_embed"], expected)) << side;
  }
}

// What is skipped need not fit: positions of no grid that could be guessed; a second token that is not there.
TEST(Foreign, WhatIsSkippedIsNotAdapted) {
  const Ast theirs(options("cls"), clip(64), 1);
  auto weights = renamed(theirs, [](const auto& name) { return name; });
  weights.tensors["v.pos_embed"] = torch::randn({1, 1 + 31, 24});
  Ast ours(options(), clip(64), 2);
  const Ast fresh(options(), clip(64), 2);
  load_parameters(ours, weights, {"v.pos_embed", "v.dist_token"});
  EXPECT_TRUE(at::equal(ours.named_parameters()["v.pos_embed"], fresh.named_parameters()["v.pos_embed"]));
  EXPECT_TRUE(at::equal(ours.named_parameters()["v.cls_token"], theirs.named_parameters()["v.cls_token"]));
  load_parameters(ours, weights, {"v.pos_embed", "v.dist_token", "v.*_token"});
}

// A patch of no extent, of which there would be infinitely many.
TEST(Foreign, SsastWithPatchesOfNothing) {
  Ast ours(options("mean"), clip(64), 1);
  auto weights = renamed(ours, [](const auto& name) { return name; });
  weights.tensors["v.patch_embed.proj.weight"] = torch::zeros({24, 1, 0, 16});
  weights.tensors["p_input_fdim"] = weights.tensors["p_input_tdim"] = torch::tensor(std::int64_t{128});
  expect_error([&] { load_parameters(ours, weights); }, {"v.patch_embed.proj.weight", "[24, 1, 0, 16]"});
}

TEST(Foreign, OneTokenAndTwo) {
  const Ast two(options(), clip(64), 1);
  const auto same = [](const auto& name) { return name; };
  Ast one(options("cls"), clip(64), 2);
  load_parameters(one, renamed(two, same));
  const auto ours = one.named_parameters(), theirs = two.named_parameters();
  EXPECT_TRUE(at::equal(ours["v.pos_embed"][0][0], theirs["v.pos_embed"][0][0]));
  EXPECT_TRUE(at::equal(ours["v.pos_embed"][0][1], theirs["v.pos_embed"][0][2]));
  Ast other(options(), clip(64), 3);
  expect_error([&] { load_parameters(other, renamed(one, same)); }, {"one token", "model.head = \"cls\""});
}

TEST(Foreign, SsastLeavesPretrainingBehind) {
  const Ast theirs(options("mean"), clip(1024), 1);
  auto weights = renamed(theirs, [](const auto& name) {
    return name.starts_with("v.") ? "module." + name : std::string();  // pre-trained: it has no classifier
  });
  weights.tensors["module.mask_embed"] = torch::zeros({1, 1, 24});
  weights.tensors["module.p_input_fdim"] = torch::tensor(std::int64_t{128});
  weights.tensors["module.p_input_tdim"] = torch::tensor(std::int64_t{1024});
  for (const auto* layer : {"cpredlayer.0.", "cpredlayer.2.", "gpredlayer.0.", "gpredlayer.2."}) {
    weights.tensors[text("module.", layer, "weight")] = torch::zeros({24, 24});
    weights.tensors[text("module.", layer, "bias")] = torch::zeros({24});
  }
  Ast ours(options("mean"), clip(160), 2);
  load_parameters(ours, weights, {"mlp_head.*"});
  // 8 x 10 of 8 x 64, from column 32 - 5 on.
  EXPECT_TRUE(at::equal(ours.named_parameters()["v.pos_embed"][0][2 + 3 * 10 + 4],
                        theirs.named_parameters()["v.pos_embed"][0][2 + 3 * 64 + 27 + 4]));
  Ast whole(options("mean"), clip(1024), 3);
  load_parameters(whole, weights, {"mlp_head.*"});
  expect_equal(whole, theirs, "mlp_head");
}

}  // namespace
}  // namespace tutti::models
