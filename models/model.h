#pragma once
// What every family of models is to the rest of tutti: tensors in, logits out.

#include <torch/nn/module.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tutti::models {

struct Weights;

// Strings kept in a weight file beside the tensors.
using Metadata = std::map<std::string, std::string>;

// Parameters are float32, named as the original authors named them, and have their initial values
// when the constructor returns. No model draws from torch's global generator.
class Model : public torch::nn::Module {
 public:
  // Logits [B, classes] float32 of an input as the front end gives it (AST: [B, frames, mels] float32,
  // normalised). key_B int64 [B], on the input's device, has a generator key per sample: drop path and
  // dropout depend on a sample's key alone, not on its place in a batch or on the rank. An undefined
  // key_B means evaluation: nothing is dropped. B = 0 is allowed and gives gradients that are zero.
  virtual at::Tensor forward(const at::Tensor& input, const at::Tensor& key_B) = 0;

  // Where the head looks: for each layer, the attention of the rows that the head reads, mean over these rows
  // and over the attention heads, spread over the input: [B, layers, frames, mels] for a spectrogram. Only
  // ratios within a layer mean something. Computed anew, in evaluation mode; undefined where a family has
  // no such rows.
  virtual at::Tensor attention(const at::Tensor& /*input*/) { return {}; }

  // Gives the weights of other projects this family's names, and leaves out dead parts, one line of the
  // report for each change. Names have no prefix "module." here.
  virtual void take_names(Weights&, std::vector<std::string>& /*report*/) const {}

  // Then, what is to be loaded: brings weights of another shape into this model's (a positional embedding of
  // another grid), likewise.
  virtual void adapt(Weights&, std::vector<std::string>& /*report*/) const {}

  // What a weight file must say for adapt() to understand it later.
  virtual Metadata metadata() const { return {}; }
};

// Numbers in all parameters, trained or frozen.
std::int64_t parameter_count(const Model& model);

}  // namespace tutti::models
