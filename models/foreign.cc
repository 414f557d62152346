#include "models/foreign.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <regex>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "models/position_embedding.h"

namespace tutti::models {
namespace {

using Tensors = std::map<std::string, at::Tensor>;
using Rename = std::pair<std::string_view, std::string_view>;

// Hugging Face's names and ours (modeling_audio_spectrogram_transformer.py): of the model, inside a block, of
// the head.
constexpr std::array hugging_face = {
    Rename{"embeddings.cls_token", "v.cls_token"},
    Rename{"embeddings.distillation_token", "v.dist_token"},
    Rename{"embeddings.position_embeddings", "v.pos_embed"},
    Rename{"embeddings.patch_embeddings.projection.", "v.patch_embed.proj."},
    Rename{"layernorm.", "v.norm."},
};
constexpr std::array hugging_face_block = {
    Rename{"layernorm_before.", "norm1."},
    Rename{"layernorm_after.", "norm2."},
    Rename{"attention.output.dense.", "attn.proj."},
    Rename{"attention.o_proj.", "attn.proj."},
    Rename{"intermediate.dense.", "mlp.fc1."},
    Rename{"mlp.fc1.", "mlp.fc1."},
    Rename{"output.dense.", "mlp.fc2."},
    Rename{"mlp.fc2.", "mlp.fc2."},
    Rename{"attention.attention.query.", "attn.q."},
    Rename{"attention.q_proj.", "attn.q."},
    Rename{"attention.attention.key.", "attn.k."},
    Rename{"attention.k_proj.", "attn.k."},
    Rename{"attention.attention.value.", "attn.v."},
    Rename{"attention.v_proj.", "attn.v."},
};
constexpr std::array hugging_face_classifier = {
    Rename{"classifier.layernorm.", "mlp_head.0."},
    Rename{"classifier.dense.", "mlp_head.1."},
};

// The name with its beginning exchanged by the first row that fits; nothing where none does. From ours to
// theirs, the first of several is the name before transformers 5.
using Side = std::string_view Rename::*;
template <std::size_t N>
std::optional<std::string> renamed(std::string_view name, const std::array<Rename, N>& table,
                                   Side from = &Rename::first, Side to = &Rename::second) {
  for (const auto& row : table) {
    if (name.starts_with(row.*from)) return text(row.*to, name.substr((row.*from).size()));
  }
  return std::nullopt;
}

template <std::size_t N>
std::optional<std::string> restored(std::string_view name, const std::array<Rename, N>& table) {
  return renamed(name, table, &Rename::second, &Rename::first);
}

std::optional<std::string> from_hugging_face(const std::string& name) {
  constexpr std::string_view model = "audio_spectrogram_transformer.";
  if (auto classifier = renamed(name, hugging_face_classifier)) return classifier;
  if (!name.starts_with(model)) return std::nullopt;
  const auto rest = name.substr(model.size());
  static const std::regex block(R"((?:encoder\.layer|layers)\.(\d+)\.(.*))");
  std::smatch match;
  if (!std::regex_match(rest, match, block)) return renamed(rest, hugging_face);
  const auto part = renamed(match[2].str(), hugging_face_block);
  return part ? std::optional(text("v.blocks.", match[1].str(), '.', *part)) : std::nullopt;
}

// DeiT's and timm's names are the authors' without "v.".
std::optional<std::string> from_timm(const std::string& name) {
  for (const std::string_view own :
       {"cls_token", "dist_token", "pos_embed", "patch_embed.", "blocks.", "norm.", "head.", "head_dist."}) {
    if (name.starts_with(own)) return "v." + name;
  }
  return std::nullopt;
}

// All tensors under new names; those without one keep theirs.
template <class Name>
Tensors rename_all(const Weights& weights, Name name_of) {
  Tensors tensors;
  for (const auto& [name, tensor] : weights.tensors) {
    const auto [place, is_new] = tensors.emplace(name_of(name).value_or(name), tensor);
    if (!is_new) throw Error(text("'", weights.source, "' has two tensors for '", place->first, "'"));
  }
  return tensors;
}

// attn.q, attn.k, attn.v of every block -> attn.qkv, in this order.
void join_queries_keys_values(Weights& weights) {
  static const std::regex query(R"((v\.blocks\.\d+\.attn\.)q\.(weight|bias))");
  Tensors joined;
  for (const auto& [name, tensor] : weights.tensors) {
    std::smatch match;
    if (!std::regex_match(name, match, query)) continue;
    std::vector<at::Tensor> parts;
    for (const char* part : {"q.", "k.", "v."}) {
      const auto found = weights.tensors.find(text(match[1].str(), part, match[2].str()));
      if (found == weights.tensors.end() || found->second.sizes() != tensor.sizes())
        throw Error(
            text("'", weights.source, "' has no ", match[1].str(), part, match[2].str(), " like ", name));
      parts.push_back(found->second);
    }
    joined.emplace(text(match[1].str(), "qkv.", match[2].str()), at::cat(parts));
  }
  static const std::regex part(R"(v\.blocks\.\d+\.attn\.[qkv]\..*)");
  std::erase_if(weights.tensors, [](const auto& entry) { return std::regex_match(entry.first, part); });
  weights.tensors.merge(joined);
}

// An image's patches are as many down as across.
void state_square_grid(Weights& weights) {
  const auto found = weights.tensors.find("v.pos_embed");
  if (found == weights.tensors.end() || found->second.dim() != 3) return;
  const auto patches = found->second.size(1) - (weights.tensors.contains("v.dist_token") ? 2 : 1);
  const auto side = std::llround(std::sqrt(std::max<std::int64_t>(patches, 0)));
  if (side > 0 && side * side == patches)
    weights.metadata.emplace(kPositionalGrid, to_text(PatchGrid{side, side}));
}

// [D, 3, 16, 16] -> [D, 1, 16, 16]: a sum, because a spectrogram stands for each of the three channels.
void sum_channels(Weights& weights, std::vector<std::string>& report) {
  const auto found = weights.tensors.find("v.patch_embed.proj.weight");
  constexpr std::int64_t colours = 3;
  if (found == weights.tensors.end() || found->second.dim() != 4 || found->second.size(1) != colours) return;
  found->second = found->second.sum(1, /*keepdim=*/true);
  report.emplace_back("summed the three input channels of v.patch_embed.proj.weight");
}

std::optional<std::int64_t> take_number(Weights& weights, const std::string& name) {
  const auto found = weights.tensors.find(name);
  if (found == weights.tensors.end() || found->second.numel() != 1) return std::nullopt;
  const auto number = found->second.item<std::int64_t>();
  weights.tensors.erase(found);
  return number;
}

// SSAST pre-trains on patches that do not overlap, so the clip's size tells the grid.
void take_pretraining(Weights& weights, std::vector<std::string>& report) {
  const auto mels = take_number(weights, "p_input_fdim");
  const auto frames = take_number(weights, "p_input_tdim");
  const auto patch = weights.tensors.find("v.patch_embed.proj.weight");
  if (mels && frames && patch != weights.tensors.end() && patch->second.dim() == 4 &&
      patch->second.numel() > 0) {
    const PatchGrid grid{*mels / patch->second.size(2), *frames / patch->second.size(3)};
    weights.metadata.emplace(kPositionalGrid, to_text(grid));
    weights.metadata.emplace(kPretrainingClip, to_text(PatchGrid{*mels, *frames}));
    report.push_back(
        text("p_input_fdim and p_input_tdim say a grid of ", to_text(grid), " patches (mels x frames)"));
  }
  for (const std::string_view part : {"mask_embed", "cpredlayer.", "gpredlayer."}) {
    const auto count =
        std::erase_if(weights.tensors, [&](const auto& e) { return e.first.starts_with(part); });
    if (count > 0) report.push_back(text("left out ", part, " (", count, " tensors), of pre-training alone"));
  }
}

}  // namespace

std::vector<NamedTensor> hugging_face_tensors(const std::vector<NamedTensor>& parameters) {
  const std::string model = "audio_spectrogram_transformer.";
  static const std::regex block(R"(v\.blocks\.(\d+)\.(.*))");
  static const std::regex joined(R"(attn\.qkv\.(weight|bias))");
  std::vector<NamedTensor> result;
  for (const auto& [name, tensor] : parameters) {
    std::smatch match, part;
    if (const auto classifier = restored(name, hugging_face_classifier)) {
      result.push_back({*classifier, tensor});
    } else if (!std::regex_match(name, match, block)) {
      result.push_back({model + restored(name, hugging_face).value(), tensor});
    } else {
      const auto prefix = text(model, "encoder.layer.", match[1].str(), '.');
      const auto rest = match[2].str();
      if (!std::regex_match(rest, part, joined)) {
        result.push_back({prefix + restored(rest, hugging_face_block).value(), tensor});
        continue;
      }
      const auto parts = tensor.chunk(3);
      constexpr std::array names = {"query.", "key.", "value."};
      for (std::size_t i = 0; i < names.size(); ++i)
        result.push_back({text(prefix, "attention.attention.", names[i], part[1].str()), parts[i]});
    }
  }
  return result;
}

void take_authors_names(Weights& weights, std::vector<std::string>& report) {
  if (weights.tensors.contains("audio_spectrogram_transformer.embeddings.cls_token")) {
    weights.tensors = rename_all(weights, from_hugging_face);
    join_queries_keys_values(weights);
    report.emplace_back("took Hugging Face's names for AST");
  } else if (weights.tensors.contains("patch_embed.proj.weight")) {
    weights.tensors = rename_all(weights, from_timm);
    state_square_grid(weights);
    report.emplace_back("took the names of DeiT and timm");
  }
  sum_channels(weights, report);
  take_pretraining(weights, report);
}

Weights load_foreign(const std::filesystem::path& path, std::vector<std::string>& report) {
  auto weights = without_prefix(load_tensors(path));
  take_authors_names(weights, report);
  return weights;
}

}  // namespace tutti::models
