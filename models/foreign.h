#pragma once
// Weights that other projects wrote, under the names of the AST authors' code, which are tutti's.

#include <filesystem>
#include <string>
#include <vector>

#include "models/weights.h"

namespace tutti::models {

// Recognised by their names:
//   - the authors' SSAST: what pre-training alone needs (mask_embed, cpredlayer, gpredlayer) is left out, and
//     p_input_fdim and p_input_tdim become metadata: the grid of its positions, and kPretrainingClip;
//   - ImageNet's DeiT and ViT (timm's names): the prefix "v." is added, the three input channels are summed
//     (ast_models.py of the authors, line 86), the grid of positions is square;
//   - Hugging Face's AST, by the names before transformers 5 and since: query, key and value are joined.
// Each change is a line of the report. Names that belong to none of these stay as they are. Throws Error that
// names the source when two tensors would get one name, or a part of query, key and value is missing.
void take_authors_names(Weights& weights, std::vector<std::string>& report);

// The key in the metadata of an SSAST for the size of the clips that it was trained on, as "128x1024": mels,
// then frames.
inline constexpr auto kPretrainingClip = "pretraining_clip";

// load_tensors(), without the prefix "module.", under these names.
Weights load_foreign(const std::filesystem::path& path, std::vector<std::string>& report);

// The other way: an AST's parameters under the names of Hugging Face's AST before transformers 5, which later
// ones read too. Query, key and value are views of the joined tensors.
std::vector<NamedTensor> hugging_face_tensors(const std::vector<NamedTensor>& parameters);

}  // namespace tutti::models
