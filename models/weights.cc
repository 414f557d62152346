#include "models/weights.h"

#include <ATen/ops/empty.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/fields.h"
#include "base/pattern.h"
#include "models/pth.h"
#include "models/safetensors.h"

namespace tutti::models {
namespace {

constexpr std::array<std::pair<DType, at::ScalarType>, 15> scalar_types = {{
    {DType::boolean, at::kBool},
    {DType::u8, at::kByte},
    {DType::i8, at::kChar},
    {DType::f8_e5m2, at::kFloat8_e5m2},
    {DType::f8_e4m3, at::kFloat8_e4m3fn},
    {DType::i16, at::kShort},
    {DType::u16, at::kUInt16},
    {DType::f16, at::kHalf},
    {DType::bf16, at::kBFloat16},
    {DType::i32, at::kInt},
    {DType::u32, at::kUInt32},
    {DType::f32, at::kFloat},
    {DType::f64, at::kDouble},
    {DType::i64, at::kLong},
    {DType::u64, at::kUInt64},
}};

at::ScalarType scalar_type(DType dtype) {
  for (const auto& [ours, torchs] : scalar_types) {
    if (ours == dtype) return torchs;
  }
  throw Error(text("no tensors of dtype ", name_of(dtype)));
}

DType dtype_of(const NamedTensor& named) {
  for (const auto& [ours, torchs] : scalar_types) {
    if (torchs == named.tensor.scalar_type()) return ours;
  }
  throw Error(text("tensor '", named.name, "' cannot be saved"),
              text("safetensors has no dtype for ", c10::toString(named.tensor.scalar_type())));
}

std::span<std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

std::string listed(std::string_view title, const Strings& names) {
  constexpr std::size_t shown = 12;
  if (names.empty()) return {};
  auto result = text("\n  ", title, " (", names.size(), "):");
  for (std::size_t i = 0; i < names.size() && i < shown; ++i) result += text("\n    ", names[i]);
  if (names.size() > shown) result += text("\n    ... and ", names.size() - shown, " more");
  return result;
}

// What is to be loaded; what the file has for the rest is taken out of it.
std::vector<NamedTensor> without_skipped(std::vector<NamedTensor> parameters, const Strings& skip,
                                         Weights& weights, std::vector<std::string>& report) {
  for (const auto& pattern : skip) {
    if (std::ranges::none_of(parameters, [&](const auto& p) { return matches(p.name, pattern); }))
      throw UsageError(text("model.init_skip: '", pattern, "' matches no parameter of the model"));
  }
  if (skip.empty()) return parameters;
  const auto skipped = [&](const std::string& name, Strings& names) {
    if (std::ranges::none_of(skip, [&](const auto& pattern) { return matches(name, pattern); })) return false;
    names.push_back(name);
    return true;
  };
  Strings kept, dropped;
  std::erase_if(parameters, [&](const NamedTensor& p) { return skipped(p.name, kept); });
  std::erase_if(weights.tensors, [&](const auto& w) { return skipped(w.first, dropped); });
  report.push_back(text("model.init_skip:", listed("keep their initial values", kept),
                        listed("of the file are left out", dropped)));
  return parameters;
}

// Throws unless every parameter has its weight and every weight its parameter.
void check_match(const std::vector<NamedTensor>& parameters, const Weights& weights) {
  Strings missing, misshapen, surplus;
  auto rest = weights.tensors;
  for (const auto& [name, parameter] : parameters) {
    const auto found = rest.find(name);
    if (found == rest.end()) {
      missing.push_back(text(name, " ", parameter.sizes()));
      continue;
    }
    const auto& given = found->second;
    if (given.sizes() != parameter.sizes()) {
      misshapen.push_back(text(name, ": the model has ", parameter.sizes(), ", the file ", given.sizes()));
    } else if (!given.is_floating_point()) {
      misshapen.push_back(text(name, ": not floating-point, but ", c10::toString(given.scalar_type())));
    }
    rest.erase(found);
  }
  for (const auto& [name, tensor] : rest) surplus.push_back(text(name, " ", tensor.sizes()));
  if (missing.empty() && misshapen.empty() && surplus.empty()) return;
  throw Error(
      text("the weights in '", weights.source,
           "' do not fit the model. Compare size, dim, depth, patch, stride, head and classes in [model]. Of "
           "model.init's file, what shall keep its initial value is named by model.init_skip, as in "
           "[\"mlp_head.*\"].",
           listed("missing from the file", missing), listed("of another shape or kind", misshapen),
           listed("unknown to the model", surplus)));
}

Weights load_pth(const std::filesystem::path& path) {
  const PthReader reader(path);
  Weights weights{path.native(), {}, {}};
  for (const auto& entry : reader.entries()) {
    auto tensor = at::empty(entry.tensor.shape, scalar_type(entry.tensor.dtype));
    reader.read(entry, bytes_of(tensor));
    weights.tensors.emplace(entry.name, std::move(tensor));
  }
  return weights;
}

}  // namespace

Weights without_prefix(Weights weights) {
  constexpr std::string_view prefix = "module.";
  std::map<std::string, at::Tensor> tensors;
  for (auto& [name, tensor] : weights.tensors) {
    const bool prefixed = name.starts_with(prefix);
    const auto [place, is_new] = tensors.emplace(prefixed ? name.substr(prefix.size()) : name, tensor);
    if (!is_new) {
      throw Error(text("'", weights.source, "' has '", place->first, "' with and without 'module.'"));
    }
  }
  weights.tensors = std::move(tensors);
  return weights;
}

Weights load_tensors(const std::filesystem::path& path) {
  if (is_pth(path)) return load_pth(path);
  const SafetensorsReader reader(path);
  Weights weights{path.native(), {}, reader.header().metadata};
  for (const auto& entry : reader.header().entries) {
    auto tensor = at::empty(entry.shape, scalar_type(entry.dtype));
    reader.read(entry, bytes_of(tensor));
    weights.tensors.emplace(entry.name, std::move(tensor));
  }
  return weights;
}

void save_tensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                  const Metadata& metadata) {
  std::vector<at::Tensor> on_cpu;  // keeps the bytes alive
  std::vector<TensorBytes> views;
  for (const auto& named : tensors) {
    on_cpu.push_back(named.tensor.detach().cpu().contiguous());
    views.push_back({named.name, dtype_of(named), named.tensor.sizes().vec(), bytes_of(on_cpu.back())});
  }
  auto with_format = metadata;
  with_format.emplace("format", "pt");
  write_safetensors(path, std::move(views), with_format);
}

std::vector<NamedTensor> parameters_of(const Model& model) {
  std::vector<NamedTensor> result;
  for (const auto& item : model.named_parameters()) result.push_back({item.key(), item.value()});
  return result;
}

void save_parameters(const std::filesystem::path& path, const Model& model, const Metadata& metadata) {
  auto all = model.metadata();
  all.insert(metadata.begin(), metadata.end());
  save_tensors(path, parameters_of(model), all);
}

std::vector<std::string> load_parameters(Model& model, Weights weights, const Strings& skip) {
  std::vector<std::string> report;
  weights = without_prefix(std::move(weights));
  model.take_names(weights, report);
  const auto parameters = without_skipped(parameters_of(model), skip, weights, report);
  model.adapt(weights, report);
  check_match(parameters, weights);
  const at::NoGradGuard no_grad;
  for (const auto& [name, parameter] : parameters) parameter.copy_(weights.tensors.at(name));
  return report;
}

}  // namespace tutti::models
