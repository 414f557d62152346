#pragma once
// The families of models by name. A new family is a row of model_specs() and its options here.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "models/ast_options.h"
#include "models/model.h"
#include "models/ssast_options.h"

namespace tutti::models {

enum class InputKind { spectrogram, image, waveform };

// classification: logits over the classes. pretraining: no labels are read, and the outputs of a clip are the
// loss and what else is measured of it, each with its name in heads().
enum class Task { classification, pretraining };

// The table [model] of a recipe.
struct ModelOptions {
  std::string name = "ast";
  std::int64_t classes = 0;  // 0: as many as the shards have
  std::int64_t frames = 0;   // from [features], not a key of [model]
  std::int64_t mels = 0;     // likewise
  std::string init;          // a weight file or checkpoint to start from
  Strings init_skip;         // patterns of parameters that do not
  AstOptions ast;            // of ssast, too
  SsastOptions ssast;
};

// `name`, `classes`, `init`, then the keys of the family that options.name selects now: so read `name`
// first, then ask again. Throws UsageError for an unknown name.
Fields fields(ModelOptions& options);

// A named slice [begin, end) of the outputs.
struct Head {
  std::string name;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

// Floating-point operations of one clip's forward pass; a multiplication with its addition counts 2.
// Matrix products and convolutions only: the rest (normalisation, GELU, softmax) is below 1%.
struct Flops {
  double whole = 0;     // every token through every layer: comparable with published figures
  double computed = 0;  // what forward() executes: rows that the head does not read are left out
};

// The functions throw UsageError that names key and values when the options cannot be built.
struct ModelSpec {
  std::string name;
  std::string summary;  // one line for --help
  InputKind input_kind;
  Task task;
  std::function<Fields(ModelOptions&)> fields;  // the family's own keys
  // Initial values depend on the seed and on each parameter's name and shape alone.
  std::function<std::shared_ptr<Model>(const ModelOptions&, std::uint64_t seed)> build;
  std::function<Flops(const ModelOptions&)> flops;
  std::function<std::vector<Head>(const ModelOptions&)> heads;
};

std::vector<ModelSpec> model_specs();

// Throws UsageError that lists the known names.
ModelSpec find(std::string_view name);

}  // namespace tutti::models
