#include "data/front_end.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "base/error.h"

namespace tutti::data {
namespace {

// The draws of a batch, a column each, in one tensor: one transfer to the device.
enum Column {
  kMix,
  kStretch,
  kGain,  // natural log of the energy
  kFreqStart,
  kFreqEnd,
  kTimeStart,
  kTimeEnd,
  kNoise,
  kKeyLow,
  kKeyHigh,
  kRoll,
  kColumns,
};

at::Tensor table(const std::vector<Draws>& draws, at::Device device) {
  const std::int64_t rows = std::ssize(draws);
  at::Tensor table = at::empty({kColumns, rows}, at::kDouble);  // holds 32-bit words exactly
  double* values = table.mutable_data_ptr<double>();
  for (std::int64_t row = 0; row < rows; ++row) {
    const Draws& drawn = draws[static_cast<std::size_t>(row)];
    const auto set = [&](Column column, double value) { values[column * rows + row] = value; };
    set(kMix, drawn.mix);
    set(kStretch, drawn.stretch);
    set(kGain, drawn.gain_db * std::numbers::ln10 / 10);
    set(kFreqStart, drawn.freq_mask.start);
    set(kFreqEnd, drawn.freq_mask.start + drawn.freq_mask.width);
    set(kTimeStart, drawn.time_mask.start);
    set(kTimeEnd, drawn.time_mask.start + drawn.time_mask.width);
    set(kNoise, drawn.noise);
    set(kKeyLow, static_cast<double>(drawn.key & 0xffffffff));
    set(kKeyHigh, static_cast<double>(drawn.key >> 32));
    set(kRoll, drawn.roll);
  }
  return table.to(device);
}

// A column that broadcasts over [B, frames, mels].
at::Tensor column(const at::Tensor& table, Column which, at::ScalarType type) {
  return table.select(0, which).to(type).view({-1, 1, 1});
}

// Rows of frames by index_BT.
at::Tensor take_frames(const at::Tensor& x_BTM, const at::Tensor& index_BT) {
  return x_BTM.gather(1, index_BT.unsqueeze(2).expand(x_BTM.sizes()));
}

at::Tensor frame_numbers(const at::Tensor& x_BTM, at::ScalarType type) {
  return at::arange(x_BTM.size(1), x_BTM.options().dtype(type));
}

// Frame t comes from t / stretch, between valid frames only. A clip gets (length - 1) * stretch + 1 frames.
at::Tensor stretch(const at::Tensor& x_BTM, at::Tensor& length_B, const at::Tensor& table) {
  const at::Tensor factor_B = table.select(0, kStretch);
  const at::Tensor last_B = (length_B - 1).clamp_min(0);
  const at::Tensor from_BT =
      at::minimum(frame_numbers(x_BTM, at::kDouble) / factor_B.unsqueeze(1), last_B.unsqueeze(1));
  const at::Tensor left_BT = from_BT.to(at::kLong);
  const at::Tensor right_BT = at::minimum(left_BT + 1, last_B.unsqueeze(1));
  const at::Tensor weight_BT1 = (from_BT - left_BT).to(at::kFloat).unsqueeze(2);
  const at::Tensor stretched_B = (last_B * factor_B).to(at::kLong) + 1;
  length_B = at::where(length_B > 0, stretched_B, 0).clamp_max(x_BTM.size(1));
  return at::lerp(take_frames(x_BTM, left_BT), take_frames(x_BTM, right_BT), weight_BT1);
}

// Silence stays silent: what is at the floor has no energy to amplify.
at::Tensor amplify(const at::Tensor& x_BTM, const at::Tensor& table) {
  const at::Tensor louder = (x_BTM + column(table, kGain, at::kFloat)).clamp_min(kFloor);
  return at::where(x_BTM > kFloor, louder, x_BTM);
}

// Where `mask`, which broadcasts over x, is true. x is finite, so a product will do, and costs a tenth of
// masked_fill on a CPU.
void fill(at::Tensor& x_BTM, const at::Tensor& mask, double value) {
  x_BTM.mul_(mask.logical_not().to(x_BTM.scalar_type()));
  if (value != 0) x_BTM.add_(mask.to(x_BTM.scalar_type()), value);
}

void mask(at::Tensor& x_BTM, const at::Tensor& table) {
  const auto band = [&](std::int64_t dimension, Column start, Column end) {
    const at::Tensor index = at::arange(x_BTM.size(dimension), table.options()).unsqueeze(0);
    const at::Tensor inside =
        (index >= table.select(0, start).unsqueeze(1)).logical_and(index < table.select(0, end).unsqueeze(1));
    fill(x_BTM, inside.unsqueeze(dimension == 1 ? 2 : 1), 0);
  };
  band(2, kFreqStart, kFreqEnd);
  band(1, kTimeStart, kTimeEnd);
}

// A bijective hash of 32-bit words ("lowbias32" with the constants of TheIronBorn; Wellons, hash-prospector).
// Its multipliers are below 2^31, so that no product overflows int64: any device gives the same bits.
at::Tensor hash(at::Tensor x) {
  constexpr std::int64_t kWord = 0xffffffff;
  x = x.bitwise_xor(x.bitwise_right_shift(16)).mul_(0x21f0aaad).bitwise_and_(kWord);
  x.bitwise_xor_(x.bitwise_right_shift(15)).mul_(0x735a2d97).bitwise_and_(kWord);
  return x.bitwise_xor_(x.bitwise_right_shift(15));
}

// U[0, 1) with 24 bits for each element, from the row's key and the element's place in the row alone.
at::Tensor uniform(const at::Tensor& x_BTM, const at::Tensor& table) {
  const at::Tensor place = at::arange(x_BTM.size(1) * x_BTM.size(2), x_BTM.options().dtype(at::kLong))
                               .view({1, x_BTM.size(1), x_BTM.size(2)});
  const at::Tensor once = hash(place.bitwise_xor(column(table, kKeyLow, at::kLong)));
  const at::Tensor word = hash(once.bitwise_xor(column(table, kKeyHigh, at::kLong)));
  return word.bitwise_right_shift(8).to(at::kFloat).mul_(0x1p-24);
}

at::Tensor roll(const at::Tensor& x_BTM, const at::Tensor& table) {
  const at::Tensor shift_B1 = table.select(0, kRoll).to(at::kLong).unsqueeze(1);
  return take_frames(x_BTM, (frame_numbers(x_BTM, at::kLong) - shift_B1).remainder(x_BTM.size(1)));
}

}  // namespace

FrontEnd::FrontEnd(const FeatureOptions& features, double mean, double std)
    : features_(features),
      fbank_(features),
      padding_(features.padding == "floor" ? kFloor : 0),
      mean_(mean),
      std_(std) {
  if (!(std > 0) || !std::isfinite(std) || !std::isfinite(mean)) {
    throw UsageError(text("features cannot be normalised with mean ", mean, " and std ", std),
                     "std must be positive",
                     "Give normalisation.mean and normalisation.std, or shards that have statistics");
  }
}

LogMel FrontEnd::log_mel(const Batch& batch, at::Device device, const at::Tensor& draws) const {
  const at::Tensor weight_B = draws.select(0, kMix);
  return batch.input.scalar_type() == at::kShort
             ? log_mel_of_waveforms(batch, device, weight_B, fbank_, features_)
             : log_mel_of_spectrograms(batch, device, weight_B);
}

LogMel FrontEnd::log_mel(const Batch& batch, at::Device device) const {
  return log_mel(batch, device, table(batch.draws, device));
}

at::Tensor FrontEnd::operator()(const Batch& batch, at::Device device) const {
  const auto any = [&](auto member, auto neutral) {
    return std::ranges::any_of(batch.draws,
                               [&](const Draws& d) { return std::invoke(member, d) != neutral; });
  };
  const at::Tensor draws = table(batch.draws, device);

  auto [x_BTM, length_B] = log_mel(batch, device, draws);
  if (any(&Draws::stretch, 1)) x_BTM = stretch(x_BTM, length_B, draws);
  if (any(&Draws::gain_db, 0)) x_BTM = amplify(x_BTM, draws);
  fill(x_BTM, (frame_numbers(x_BTM, at::kLong) >= length_B.unsqueeze(1)).unsqueeze(2), padding_);
  const auto width = [](auto member) {
    return [member](const Draws& d) { return std::invoke(member, d).width; };
  };
  if (any(width(&Draws::freq_mask), 0) || any(width(&Draws::time_mask), 0)) mask(x_BTM, draws);
  x_BTM.sub_(mean_).div_(2 * std_);
  if (any(&Draws::noise, 0)) x_BTM.addcmul_(column(draws, kNoise, at::kFloat), uniform(x_BTM, draws));
  if (any(&Draws::roll, 0)) x_BTM = roll(x_BTM, draws);
  return x_BTM;
}

}  // namespace tutti::data
