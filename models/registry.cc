#include "models/registry.h"

#include <utility>

#include "base/error.h"
#include "models/ast.h"
#include "models/ssast.h"

namespace tutti::models {

std::vector<ModelSpec> model_specs() { return {ast_spec(), ssast_spec()}; }

ModelSpec find(std::string_view name) {
  std::string known;
  for (auto& spec : model_specs()) {
    if (spec.name == name) return std::move(spec);
    known += text(known.empty() ? "" : ", ", spec.name);
  }
  throw UsageError(text("model.name = \"", name, "\""), text("the known models are ", known));
}

Fields fields(ModelOptions& options) {
  Strings names;
  for (const auto& spec : model_specs()) names.push_back(spec.name);
  Fields result = {
      {.name = "name",
       .target = &options.name,
       .meaning = "the family of models",
       .choices = std::move(names)},
      {.name = "classes",
       .target = &options.classes,
       .meaning = "outputs; 0: as many as the shards have classes",
       .least = 0},
      {.name = "init",
       .target = &options.init,
       .meaning =
           "weights to start from: a checkpoint, a run, a safetensors file or one of torch.save; those of "
           "the AST and SSAST authors, of DeiT and timm, and of Hugging Face are known"},
      {.name = "init_skip",
       .target = &options.init_skip,
       .meaning = "name patterns of parameters that keep their initial values, as in [\"mlp_head.*\"]"},
  };
  for (auto& field : find(options.name).fields(options)) result.push_back(std::move(field));
  return result;
}

}  // namespace tutti::models
