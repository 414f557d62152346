#pragma once
// Self-supervised pre-training of the Audio Spectrogram Transformer (SSAST: Gong et al. 2022): masked patches
// are told apart (discriminative) and drawn again (generative) from the rest. Parameter names are those of
// the authors' code: v.*, mask_embed, cpredlayer.{0,2}.*, gpredlayer.{0,2}.*.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/layers.h"
#include "models/model.h"
#include "models/registry.h"
#include "models/ssast_options.h"
#include "models/vision_transformer.h"

namespace tutti::models {

class Ssast : public Model {
 public:
  Ssast(const SsastOptions& options, const AstOptions& transformer, const ClipShape& shape,
        std::uint64_t seed);

  // [B, frames, mels], normalised -> [B, 4] float32, of each clip:
  //   0  the loss: discriminative + generative_weight * generative (equation 3)
  //   1  discriminative: mean over the masked patches of -log softmax_j(x_i . c_j) at j = i, where x are the
  //      masked patches and c what the model predicts of them; negatives are of the same clip. The softmax is
  //      over predictions, as in the authors' code and unlike equation 1 (their issue 13).
  //   2  generative: mean squared error over the masked patches (equation 2)
  //   3  accuracy: share of the predictions whose own patch has the highest such softmax
  // Masks are drawn from key_B, for both objectives apart; without keys every clip has the same ones.
  // Clusters of patches are masked, and single ones where a patch spans all mels.
  at::Tensor forward(const at::Tensor& input, const at::Tensor& key_B) override;

  // Positions of another grid, so that pre-training can go on from an AST or another SSAST.
  void adapt(Weights& weights, std::vector<std::string>& report) const override;

  Metadata metadata() const override;  // the patch grid

 private:
  struct Predictor;

  at::Tensor masks(const at::Tensor& key_B, std::int64_t batch, std::uint64_t stream) const;

  SsastOptions options_;
  ClipShape shape_;
  std::shared_ptr<VisionTransformer> v_;
  at::Tensor mask_embed_;
  std::shared_ptr<Predictor> discriminative_, generative_;
};

// The row of model_specs().
ModelSpec ssast_spec();

}  // namespace tutti::models
