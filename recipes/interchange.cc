#include "recipes/interchange.h"

#include <torch/torch.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <sstream>

#include "base/error.h"
#include "base/files.h"
#include "base/json_depth.h"
#include "data/csv.h"
#include "models/foreign.h"
#include "models/position_embedding.h"
#include "models/registry.h"
#include "models/weights.h"
#include "recipes/checkpoint.h"

namespace tutti::recipes {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr auto kConfig = "config.json";
constexpr auto kPreprocessor = "preprocessor_config.json";
constexpr auto kModelType = "audio-spectrogram-transformer";

// The statistics of AudioSet, for which the authors' models were made (ast, egs/audioset/run.sh).
constexpr double kAudioSetMean = -4.2677393;
constexpr double kAudioSetStd = 4.5689974;

// What a source says of its model.
struct Description {
  Strings assignments;           // keys of a recipe
  Strings classes;               // names; empty where it has none
  std::int64_t class_count = 0;  // 0: it has no classifier
};

std::string assignment(std::string_view key, const Json& value) { return text(key, '=', value.dump()); }

// A JSON object from a file, whose keys have defaults as in transformers, which leaves out what is the
// default.
class Settings {
 public:
  explicit Settings(const fs::path& path) : path_(path) {
    const auto bytes = read_file(path);
    if (!nests_too_deep(bytes)) json_ = Json::parse(bytes, nullptr, /*allow_exceptions=*/false);
    if (!json_.is_object()) throw Error(text("'", path.string(), "' is no JSON object"));
  }

  template <class T>
  T get(const char* key, const T& otherwise) const {
    const auto found = json_.find(key);
    if (found == json_.end() || found->is_null()) return otherwise;
    try {
      return found->get<T>();
    } catch (const Json::exception&) {
      throw Error(text("'", path_.string(), "': \"", key, "\" is ", found->dump()));
    }
  }
  const Json& json() const { return json_; }
  [[noreturn]] void refuse(std::string_view what) const {
    throw Error(text("'", path_.string(), "': ", what));
  }

 private:
  fs::path path_;
  Json json_;
};

// {"0": "Speech", "1": ...} in the order of the numbers.
Strings class_names(const Settings& config) {
  const auto found = config.json().find("id2label");
  if (found == config.json().end()) return {};
  Strings names;
  for (std::size_t i = 0; i < found->size(); ++i) {
    const auto name = found->is_object() ? found->find(std::to_string(i)) : found->end();
    if (name == found->end() || !name->is_string()) config.refuse(text("id2label has no name for class ", i));
    names.push_back(*name);
  }
  return names;
}

// The defaults are those of ASTConfig and ASTFeatureExtractor.
Description describe_hugging_face(const fs::path& folder) {
  const Settings config(folder / kConfig);
  if (const auto type = config.get<std::string>("model_type", ""); type != kModelType)
    config.refuse(text("model_type is \"", type, "\", not \"", kModelType, '"'));
  if (const auto activation = config.get<std::string>("hidden_act", "gelu"); activation != "gelu")
    config.refuse(text("hidden_act is \"", activation, "\"; tutti has \"gelu\""));
  const auto integer = [&](const char* key, std::int64_t otherwise) { return config.get(key, otherwise); };
  const auto dim = integer("hidden_size", 768), patch = integer("patch_size", 16);
  if (dim < 1) config.refuse(text("hidden_size is ", dim));
  Description said;
  said.classes = class_names(config);
  said.class_count = std::ssize(said.classes);
  const bool multi_label = config.get<std::string>("problem_type", "") == "multi_label_classification";
  said.assignments = {
      "model.size=\"\"",
      assignment("model.dim", dim),
      assignment("model.depth", integer("num_hidden_layers", 12)),
      assignment("model.heads", integer("num_attention_heads", 12)),
      assignment("model.mlp_ratio",
                 static_cast<double>(integer("intermediate_size", 3072)) / static_cast<double>(dim)),
      assignment("model.patch", {patch, patch}),
      assignment("model.stride", {integer("frequency_stride", 10), integer("time_stride", 10)}),
      assignment("model.norm_epsilon", config.get("layer_norm_eps", 1e-12)),
      assignment("features.frames", integer("max_length", 1024)),
      assignment("features.mels", integer("num_mel_bins", 128)),
      assignment("loss.name", multi_label ? "bce" : "ce"),
  };
  if (!fs::exists(folder / kPreprocessor)) return said;
  const Settings features(folder / kPreprocessor);
  if (!features.get("do_normalize", true)) features.refuse("do_normalize is false; tutti's models normalise");
  said.assignments.push_back(assignment("features.mean", features.get("mean", kAudioSetMean)));
  said.assignments.push_back(assignment("features.std", features.get("std", kAudioSetStd)));
  said.assignments.push_back(
      assignment("features.sample_rate", features.get<std::int64_t>("sampling_rate", 16000)));
  return said;
}

// What the shapes of tensors under the authors' names say.
Description describe_weights(const models::Weights& weights) {
  const auto shape = [&](const char* name) {
    const auto found = weights.tensors.find(name);
    return found == weights.tensors.end() ? std::vector<std::int64_t>() : found->second.sizes().vec();
  };
  const auto patch = shape("v.patch_embed.proj.weight"), hidden = shape("v.blocks.0.mlp.fc1.weight");
  const auto positions = shape("v.pos_embed"), classifier = shape("mlp_head.1.weight");
  if (patch.size() != 4 || hidden.size() != 2 || positions.size() != 3 || patch[0] < 1) {
    throw Error(text("'", weights.source, "' is not the weights of an AST, a DeiT or an SSAST"),
                "v.patch_embed.proj.weight, v.blocks.0.mlp.fc1.weight or v.pos_embed is missing");
  }
  std::int64_t depth = 0;
  while (weights.tensors.contains(text("v.blocks.", depth, ".norm1.weight"))) ++depth;
  constexpr std::int64_t kHead = 64;  // channels of a head, in every DeiT
  const bool two_tokens = weights.tensors.contains("v.dist_token");
  const bool audio_set = positions[1] == (two_tokens ? 2 : 1) + 12 * 101;
  Description said;
  said.assignments = {
      "model.size=\"\"",
      assignment("model.dim", patch[0]),
      assignment("model.depth", depth),
      assignment("model.heads", std::max<std::int64_t>(1, patch[0] / kHead)),
      assignment("model.mlp_ratio", static_cast<double>(hidden[0]) / static_cast<double>(patch[0])),
      assignment("model.patch", {patch[2], patch[3]}),
      assignment("model.head", two_tokens ? "cls_dist" : "cls"),
  };
  if (classifier.size() == 2) said.class_count = classifier[0];
  if (const auto clip = weights.metadata.find(models::kPretrainingClip); clip != weights.metadata.end()) {
    const auto size = models::grid_from_text(clip->second, weights.source);
    for (const auto& known :
         {assignment("model.head", "mean"), assignment("model.stride", {patch[2], patch[3]}),
          assignment("features.mels", size.mels), assignment("features.frames", size.frames),
          assignment("features.mean", kAudioSetMean), assignment("features.std", kAudioSetStd)})
      said.assignments.push_back(known);
  }
  if (audio_set && classifier.size() == 2) {
    for (const auto& known : {assignment("features.mean", kAudioSetMean),
                              assignment("features.std", kAudioSetStd), assignment("loss.name", "bce")})
      said.assignments.push_back(known);
  }
  return said;
}

Strings read_class_names(const fs::path& path) {
  if (path.extension() != ".csv") {
    Strings names;
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
      if (line.ends_with('\r')) line.pop_back();
      if (!line.empty()) names.push_back(line);
    }
    return names;
  }
  const auto rows = data::read_csv(path);
  const auto header = rows.empty() ? Strings() : rows.front().fields;
  const auto column = std::ranges::find(header, "display_name") - header.begin();
  if (column == std::ssize(header)) throw data::csv_error(path, 1, "there is no column 'display_name'");
  Strings names;
  for (const auto& row : std::span(rows).subspan(1)) {
    if (std::ssize(row.fields) <= column) throw data::csv_error(path, row.line, "it has too few fields");
    names.push_back(row.fields[static_cast<std::size_t>(column)]);
  }
  return names;
}

fs::path weights_in(const fs::path& folder) {
  for (const auto* name : {kModelFile, "pytorch_model.bin"}) {
    if (fs::exists(folder / name)) return folder / name;
  }
  throw Error(text("'", folder.string(), "' holds no weights"),
              "neither model.safetensors nor pytorch_model.bin is there");
}

// What makes Hugging Face's classes no place for the model; empty where they can hold it.
std::string unlike_hugging_face(const Recipe& recipe) {
  const auto& model = recipe.model.ast;
  const data::FeatureOptions theirs;
  const auto& ours = recipe.features;
  if (recipe.model.name != "ast") return text("model.name is \"", recipe.model.name, "\", not \"ast\"");
  if (model.patch[0] != model.patch[1])
    return text("model.patch = [", model.patch[0], ", ", model.patch[1], "]: theirs are square");
  if (model.head != "cls_dist")
    return text("model.head = \"", model.head, "\": theirs reads the mean of CLS and DIST");
  if (ours.padding != "zero") return text("features.padding = \"", ours.padding, "\": theirs is \"zero\"");
  const auto differ = [](std::string_view key, double value, double fixed) {
    return value == fixed ? "" : text("features.", key, " = ", value, ": theirs is ", fixed);
  };
  for (const auto& why :
       {differ("frame_length_ms", ours.frame_length_ms, theirs.frame_length_ms),
        differ("frame_shift_ms", ours.frame_shift_ms, theirs.frame_shift_ms),
        differ("low_hz", ours.low_hz, theirs.low_hz),
        differ("high_hz", ours.high_hz == ours.sample_rate / 2.0 ? 0 : ours.high_hz, theirs.high_hz)}) {
    if (!why.empty()) return why;
  }
  return {};
}

void write_hugging_face(const TrainedModel& trained, const fs::path& folder) {
  const auto& recipe = trained.recipe;
  const auto ast = models::resolved(recipe.model.ast,
                                    {recipe.features.frames, recipe.features.mels, recipe.model.classes});
  Json labels = Json::object(), numbers = Json::object();
  for (std::size_t i = 0; i < trained.classes.size(); ++i) {
    labels[std::to_string(i)] = trained.classes[i];
    numbers[trained.classes[i]] = i;
  }
  const Json config = {
      {"architectures", {"ASTForAudioClassification"}},
      {"model_type", kModelType},
      {"hidden_size", ast.dim},
      {"num_hidden_layers", ast.depth},
      {"num_attention_heads", ast.heads},
      {"intermediate_size", static_cast<std::int64_t>(static_cast<double>(ast.dim) * ast.mlp_ratio)},
      {"hidden_act", "gelu"},
      {"hidden_dropout_prob", 0.0},
      {"attention_probs_dropout_prob", 0.0},
      {"initializer_range", 0.02},
      {"layer_norm_eps", ast.norm_epsilon > 0 ? ast.norm_epsilon : 1e-6},
      {"patch_size", ast.patch[0]},
      {"qkv_bias", true},
      {"frequency_stride", ast.stride[0]},
      {"time_stride", ast.stride[1]},
      {"max_length", recipe.features.frames},
      {"num_mel_bins", recipe.features.mels},
      {"problem_type",
       recipe.loss.name == "bce" ? "multi_label_classification" : "single_label_classification"},
      {"id2label", labels},
      {"label2id", numbers},
  };
  const Json preprocessor = {
      {"feature_extractor_type", "ASTFeatureExtractor"},
      {"do_normalize", true},
      {"feature_size", 1},
      {"max_length", recipe.features.frames},
      {"mean", recipe.normalisation.mean},
      {"num_mel_bins", recipe.features.mels},
      {"padding_side", "right"},
      {"padding_value", 0.0},
      {"return_attention_mask", false},
      {"sampling_rate", recipe.features.sample_rate},
      {"std", recipe.normalisation.std},
  };
  models::save_tensors(folder / kModelFile,
                       models::hugging_face_tensors(models::parameters_of(*trained.model)), {});
  write_file(folder / kConfig, config.dump(2) + "\n");
  write_file(folder / kPreprocessor, preprocessor.dump(2) + "\n");
}

}  // namespace

void import_model(const ImportOptions& options, const Log& log) {
  const bool is_folder = fs::is_directory(options.source);
  Strings report;
  auto weights = models::load_foreign(is_folder ? weights_in(options.source) : options.source, report);
  auto said = is_folder ? describe_hugging_face(options.source) : describe_weights(weights);
  said.assignments.insert(said.assignments.end(), options.assignments.begin(), options.assignments.end());
  auto recipe = options.recipe.empty() ? parse_recipe("", options.source.string(), said.assignments)
                                       : read_recipe(options.recipe, options.assignments);

  auto classes = options.classes.empty() ? said.classes : read_class_names(options.classes);
  if (recipe.model.classes == 0) recipe.model.classes = said.class_count;
  if (recipe.model.classes == 0) {
    throw UsageError(text("'", weights.source, "' has no classifier"), "it was trained for something else",
                     "Say how many classes the model shall have, and that their weights are new: "
                     "--set model.classes=N --set 'model.init_skip=[\"mlp_head.*\"]'.");
  }
  if (classes.empty()) classes = numbered_classes(recipe.model.classes);
  if (std::ssize(classes) != recipe.model.classes) {
    throw UsageError(
        text("model.classes = ", recipe.model.classes, ", and ", classes.size(), " class names are given"));
  }
  if (recipe.normalisation.from_shards()) {
    throw UsageError(text("nothing says how the input of '", weights.source, "' is normalised"), "",
                     "Give the mean and standard deviation of its training data: --set features.mean=M --set "
                     "features.std=S.");
  }

  const auto model =
      models::find(recipe.model.name).build(recipe.model, static_cast<std::uint64_t>(recipe.train.seed));
  const auto count = weights.tensors.size();
  const auto loaded = models::load_parameters(*model, std::move(weights), recipe.model.init_skip);
  save_model(options.output, *model, recipe, classes);
  log.info("'", options.source.string(), "': ", count, " tensors by the authors' names");
  for (const auto* lines : {&std::as_const(report), &loaded}) {
    for (const auto& line : *lines) log.info("  ", line);
  }
  log.info("'", options.output.string(), "': ", recipe.model.name, " with ", models::parameter_count(*model),
           " parameters, ", recipe.model.classes, " classes, ", recipe.features.frames, " frames of ",
           recipe.features.mels, " mels, normalised by mean ", recipe.normalisation.mean, " and std ",
           recipe.normalisation.std);
}

void export_hugging_face(const TrainedModel& trained, const fs::path& folder) {
  if (const auto why = unlike_hugging_face(trained.recipe); !why.empty())
    throw Error(text("'", trained.file.string(), "' cannot become a model of Hugging Face's"), why);
  make_folder(folder, [&](const fs::path& writing) { write_hugging_face(trained, writing); });
}

void export_authors(const TrainedModel& trained, const fs::path& folder) {
  auto tensors = models::parameters_of(*trained.model);
  if (models::find(trained.recipe.model.name).task ==
      models::Task::pretraining) {  // SSAST's loader asks for them
    tensors.push_back({"p_input_fdim", torch::tensor(trained.recipe.features.mels)});
    tensors.push_back({"p_input_tdim", torch::tensor(trained.recipe.features.frames)});
  }
  for (auto& named : tensors) named.name = "module." + named.name;
  make_folder(folder, [&](const fs::path& writing) {
    models::save_tensors(writing / kModelFile, tensors, trained.model->metadata());
  });
}

}  // namespace tutti::recipes
