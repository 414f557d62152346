#pragma once
// Weight files to and from tensors and models, by name.

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "models/model.h"

namespace tutti::models {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

// What a weight file holds: tensors on the CPU, in the file's dtypes.
struct Weights {
  std::string source;  // the path, for messages
  std::map<std::string, at::Tensor> tensors;
  Metadata metadata;
};

// Names without the prefix "module." that DataParallel gives. Throws Error where a name is there with it and
// without.
Weights without_prefix(Weights weights);

// Reads a safetensors file or, by its first bytes, what torch.save wrote (models/pth.h). Throws Error that
// names path and tensor.
Weights load_tensors(const std::filesystem::path& path);

// Writes a safetensors file, with "format": "pt" added to its metadata, as readers expect. Tensors may
// lie on any device and need not be contiguous. Throws Error as write_safetensors() does.
void save_tensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                  const Metadata& metadata);

// The model's parameters, not copied, in the order of their registration.
std::vector<NamedTensor> parameters_of(const Model& model);

// save_tensors of all parameters, with model.metadata() besides.
void save_parameters(const std::filesystem::path& path, const Model& model, const Metadata& metadata);

// Copies weights into the model's parameters by name, with or without the prefix "module.", after
// model.take_names() and model.adapt(). Parameters that one of the patterns `skip` matches ("mlp_head.*")
// keep their values, whatever the file has for them. Returns what was adapted, dropped and kept, a line each,
// for the log. Throws Error that lists missing, surplus and wrongly shaped names, and UsageError for a
// pattern that matches no parameter; the model is unchanged then.
std::vector<std::string> load_parameters(Model& model, Weights weights,
                                         const std::vector<std::string>& skip = {});

}  // namespace tutti::models
