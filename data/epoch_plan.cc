#include "data/epoch_plan.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <span>

#include "data/features.h"

namespace tutti::data {
namespace {

// Stored clips on their way into one tensor: spectrograms [B, frames, mels] float16, waveforms [B, samples]
// int16. Both are rows of steps of 16-bit words.
class Rows {
 public:
  Rows(const ShardSet& shards, const EpochPlan& plan, std::int64_t rows)
      : shards_(shards), layout_(shards.layout()), frames_(plan.frames), steps_(layout_.steps(plan.frames)) {
    const auto options = at::TensorOptions().pinned_memory(plan.pin_memory);
    if (layout_.ragged) {
      input = at::empty({rows, steps_}, options.dtype(at::kShort));
    } else {
      input = at::empty({rows, steps_, layout_.words}, options.dtype(at::kHalf));
      silence_ = at::Half(static_cast<float>(kFloor)).x;
    }
    length = at::zeros({rows}, at::kInt);
  }

  // A clip that is longer than a row starts at `crop` of the frames that can be left out.
  void read(std::int64_t row, const Example& example, double crop) {
    const std::int64_t whole = shards_.frames(example.record);
    const std::int64_t valid = std::clamp<std::int64_t>(whole - example.start, 0, example.length);
    const std::int64_t frames = std::min(valid, frames_);
    const auto first =
        example.start + static_cast<std::int64_t>(crop * static_cast<double>(valid - frames + 1));
    // Up to a clip's end with those samples that fill no frame: to a longer clip they are mixed in.
    const std::int64_t clip_end = shards_.length(example.record);
    const std::int64_t start = std::min(first * layout_.shift, clip_end);
    const std::int64_t end = first + frames < whole ? start + layout_.steps(frames) : clip_end;
    const std::int64_t count = std::min(end - start, steps_);

    const std::span<std::uint16_t> values = this->values(row);
    const auto stored = values.first(static_cast<std::size_t>(count * layout_.words));
    shards_.read(example.record, start, count, std::as_writable_bytes(stored));
    std::ranges::fill(values.subspan(stored.size()), silence_);
    length.mutable_data_ptr<std::int32_t>()[row] = static_cast<std::int32_t>(count);
  }

  void leave_empty(std::int64_t row) { std::ranges::fill(values(row), silence_); }

  at::Tensor input;
  at::Tensor length;

 private:
  std::span<std::uint16_t> values(std::int64_t row) {
    const std::int64_t size = steps_ * layout_.words;
    return {static_cast<std::uint16_t*>(input.mutable_data_ptr()) + row * size,
            static_cast<std::size_t>(size)};
  }

  const ShardSet& shards_;
  const RecordLayout layout_;
  const std::int64_t frames_;  // of a row
  const std::int64_t steps_;   // likewise
  std::uint16_t silence_ = 0;  // the bits of a word beyond a clip
};

// Labels add, as in AST: classes that both clips of a mixture have sum to 1.
void add_labels(const std::vector<Label>& labels, float weight, std::span<float> target) {
  for (const Label& label : labels) target[static_cast<std::size_t>(label.index)] += weight * label.weight;
}

std::vector<Draws> draw_rows(const EpochPlan& plan, const Sampler& sampler, std::int64_t mels,
                             Positions where) {
  std::vector<Draws> draws;
  if (!plan.augment) return draws;
  for (std::int64_t position = where.begin; position < where.end; ++position) {
    draws.push_back(draw(*plan.augment, sampler.size(), plan.frames, mels, plan.seed, plan.epoch, position));
  }
  return draws;
}

}  // namespace

std::int64_t steps(std::int64_t examples, std::int64_t batch) { return (examples + batch - 1) / batch; }

Positions positions(const EpochPlan& plan, std::int64_t examples, std::int64_t step) {
  const std::int64_t begin = step * plan.batch;
  const std::int64_t count = std::min(plan.batch, examples - begin);
  return {begin + count * plan.rank / plan.ranks, begin + count * (plan.rank + 1) / plan.ranks};
}

std::optional<Batch> assemble(const ShardSet& shards, const Sampler& sampler, const EpochPlan& plan,
                              std::int64_t step, const std::stop_token& stop) {
  const Positions where = positions(plan, sampler.size(), step);
  const std::int64_t rows = where.end - where.begin;
  const std::int64_t classes = std::ssize(shards.classes());

  Batch batch;
  batch.draws = draw_rows(plan, sampler, shards.index().schema.features.mels, where);
  batch.target = at::zeros({rows, classes}, at::kFloat);
  batch.weight = at::ones({rows, 1}, at::kFloat);
  batch.positions = at::empty({rows}, at::kLong);
  batch.groups = at::empty({rows}, at::kLong);
  Rows own(shards, plan, rows);
  std::optional<Rows> partners;
  if (std::ranges::any_of(batch.draws, [](const Draws& draws) { return draws.partner >= 0; })) {
    partners.emplace(shards, plan, rows);
  }

  for (std::int64_t row = 0; row < rows; ++row) {
    if (stop.stop_requested()) return {};
    const Example& example = sampler.at(plan.epoch, where.begin + row);
    const Draws draws = batch.draws.empty() ? Draws{} : batch.draws[static_cast<std::size_t>(row)];
    const std::span target(batch.target.mutable_data_ptr<float>() + row * classes,
                           static_cast<std::size_t>(classes));
    own.read(row, example, draws.crop);
    add_labels(shards.labels(example.record), draws.mix, target);
    if (draws.partner >= 0) {
      const Example& partner = sampler.example(draws.partner);
      partners->read(row, partner, draws.partner_crop);
      add_labels(shards.labels(partner.record), 1 - draws.mix, target);
    } else if (partners) {
      partners->leave_empty(row);
    }
    batch.positions.mutable_data_ptr<std::int64_t>()[row] = where.begin + row;
    batch.groups.mutable_data_ptr<std::int64_t>()[row] = example.group;
  }

  batch.input = own.input;
  batch.length = own.length;
  if (partners) {
    batch.partner = partners->input;
    batch.partner_length = partners->length;
  }
  return batch;
}

}  // namespace tutti::data
