#include "data/fbank_loops.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numbers>

namespace tutti::data {
namespace {

using Tables = FbankLoops::Tables;

// One sample of each of eight frames, or of half of them in double precision. Operators work lane by lane; a
// compiler makes of it one register of AVX, two of SSE or NEON.
constexpr std::size_t kLanes = 8;
constexpr std::size_t kHalf = kLanes / 2;
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));
using UnalignedLanes =
    float __attribute__((vector_size(kLanes * sizeof(float)), aligned(sizeof(float)), may_alias));
using LaneIndices = std::int32_t __attribute__((vector_size(kLanes * sizeof(float))));
using HalfLanes = float __attribute__((vector_size(kHalf * sizeof(float))));
using Doubles = double __attribute__((vector_size(kHalf * sizeof(double))));

constexpr float kPreEmphasis = 0.97F;

// Inlined into one function for each instruction set, and compiled for that.
#define TUTTI_INLINE inline __attribute__((always_inline))

struct ComplexLanes {
  Doubles re, im;
};

struct Row {
  Lanes lanes;
};

struct Workspace {
  explicit Workspace(const Tables& t)
      : samples(std::make_unique<Row[]>(t.window)),
        z(std::make_unique<ComplexLanes[]>(t.fft_size / 2)),
        power(std::make_unique<Row[]>(t.fft_size / 2)) {}
  std::unique_ptr<Row[]> samples;     // [window]
  std::unique_ptr<ComplexLanes[]> z;  // [fft_size / 2]
  std::unique_ptr<Row[]> power;       // [fft_size / 2]
};

TUTTI_INLINE void add(const ComplexLanes& a, const ComplexLanes& b, ComplexLanes& sum) {
  sum.re = a.re + b.re;
  sum.im = a.im + b.im;
}
TUTTI_INLINE void subtract(const ComplexLanes& a, const ComplexLanes& b, ComplexLanes& difference) {
  difference.re = a.re - b.re;
  difference.im = a.im - b.im;
}
TUTTI_INLINE void multiply(const ComplexLanes& a, FbankLoops::Complex w, ComplexLanes& product) {
  const Doubles re = a.re * w.re - a.im * w.im;
  product.im = a.re * w.im + a.im * w.re;
  product.re = re;
}

// Eight rows of eight, turned.
TUTTI_INLINE void transpose(Lanes (&r)[kLanes]) {
  Lanes pairs[kLanes], fours[kLanes];
#pragma GCC unroll 4
  for (std::size_t i = 0; i < kLanes; i += 2) {
    pairs[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pairs[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
#pragma GCC unroll 2
  for (std::size_t i = 0; i < kLanes; i += 4) {
#pragma GCC unroll 2
    for (std::size_t j = 0; j < 2; ++j) {
      fours[i + 2 * j] = __builtin_shufflevector(pairs[i + j], pairs[i + 2 + j], 0, 1, 8, 9, 4, 5, 12, 13);
      fours[i + 2 * j + 1] =
          __builtin_shufflevector(pairs[i + j], pairs[i + 2 + j], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
#pragma GCC unroll 4
  for (std::size_t j = 0; j < 4; ++j) {
    r[j] = __builtin_shufflevector(fours[j], fours[4 + j], 0, 1, 2, 3, 8, 9, 10, 11);
    r[4 + j] = __builtin_shufflevector(fours[j], fours[4 + j], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

// frames [lane] to samples [window] of lanes.
TUTTI_INLINE void gather(const float* const (&frames)[kLanes], std::size_t window, Lanes* samples) {
  std::size_t n = 0;
  for (; n + kLanes <= window; n += kLanes) {
    Lanes rows[kLanes];
#pragma GCC unroll 8
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      rows[lane] = *reinterpret_cast<const UnalignedLanes*>(frames[lane] + n);
    }
    transpose(rows);
#pragma GCC unroll 8
    for (std::size_t i = 0; i < kLanes; ++i) samples[n + i] = rows[i];
  }
  for (; n < window; ++n) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) samples[n][lane] = frames[lane][n];
  }
}

// Mean removal, pre-emphasis, taper: in float32 by the operations of torchaudio's fbank, whose rounding is
// what a near-silent mel bin beside a loud one holds. More exact values would agree less.
TUTTI_INLINE void condition(const Tables& t, Lanes* samples) {
  Lanes even = {}, odd = {};
  for (std::size_t n = 0; n + 1 < t.window; n += 2) {
    even += samples[n];
    odd += samples[n + 1];
  }
  if (t.window % 2 == 1) even += samples[t.window - 1];
  const Lanes mean = (even + odd) / static_cast<float>(t.window);
  Lanes before = samples[0] - mean;
  for (std::size_t n = 0; n < t.window; ++n) {
    const Lanes centred = samples[n] - mean;
    samples[n] = (centred - kPreEmphasis * before) * t.taper[n];
    before = centred;
  }
}

// Half of the lanes to double precision, and back.
TUTTI_INLINE void widen(const Lanes& lanes, std::size_t half, Doubles& wide) {
  HalfLanes part;
  std::memcpy(&part, reinterpret_cast<const float*>(&lanes) + half * kHalf, sizeof part);
  wide = __builtin_convertvector(part, Doubles);
}
TUTTI_INLINE void narrow(const Doubles& wide, std::size_t half, Lanes& lanes) {
  const HalfLanes part = __builtin_convertvector(wide, HalfLanes);
  std::memcpy(reinterpret_cast<float*>(&lanes) + half * kHalf, &part, sizeof part);
}

// The samples of half of the lanes, with zeros up to the FFT's size, as the complex signal
// x[2n] + i x[2n + 1].
TUTTI_INLINE void pack(const Tables& t, const Lanes* samples, std::size_t half, ComplexLanes* z) {
  Doubles* x = &z->re;
  for (std::size_t n = 0; n < t.window; ++n) {
    widen(samples[n], half, x[n]);
  }
  std::fill(x + t.window, x + t.fft_size, Doubles{});
}

// In place: decimation in frequency by four, the last pass by two if the size is no power of four.
// Frequency k comes out at t.position[k].
TUTTI_INLINE void fft(const Tables& t, std::size_t size, ComplexLanes* z) {
  const FbankLoops::Twiddles* twiddles = t.twiddles.data();
  std::size_t length = size;
  for (; length >= 4; length /= 4) {
    const std::size_t quarter = length / 4;
    for (std::size_t first = 0; first < size; first += length) {
      for (std::size_t j = 0; j < quarter; ++j) {
        ComplexLanes& a = z[first + j];
        ComplexLanes& b = z[first + j + quarter];
        ComplexLanes& c = z[first + j + 2 * quarter];
        ComplexLanes& d = z[first + j + 3 * quarter];
        ComplexLanes even, odd, even_difference, turned, y;
        add(a, c, even);
        subtract(a, c, even_difference);
        add(b, d, odd);
        turned.re = b.im - d.im;  // -i (b - d)
        turned.im = d.re - b.re;
        add(even, odd, a);
        subtract(even, odd, y);
        multiply(y, twiddles[j].w2, c);
        add(even_difference, turned, y);
        multiply(y, twiddles[j].w1, b);
        subtract(even_difference, turned, y);
        multiply(y, twiddles[j].w3, d);
      }
    }
    twiddles += quarter;
  }
  if (length == 2) {
    for (std::size_t first = 0; first < size; first += 2) {
      const ComplexLanes a = z[first];
      const ComplexLanes b = z[first + 1];
      add(a, b, z[first]);
      subtract(a, b, z[first + 1]);
    }
  }
}

// From the FFT Z of the complex signal x[2n] + i x[2n + 1], the power spectrum of the real signal x: with
// E = Z[k] + Z*[M - k], O = -i (Z[k] - Z*[M - k]) and T = O exp(-2 pi i k / N), |E + T|^2 / 4 at k and
// |E - T|^2 / 4 at M - k, M = N / 2.
TUTTI_INLINE void power_spectrum(const Tables& t, const ComplexLanes* z, std::size_t half, Lanes* power) {
  const std::size_t middle = t.fft_size / 2;
  const Doubles constant = z[0].re + z[0].im;
  narrow(constant * constant, half, power[0]);
  for (std::size_t k = 1; k <= middle / 2; ++k) {
    const ComplexLanes& low = z[t.position[k]];
    const ComplexLanes& high = z[t.position[middle - k]];
    ComplexLanes even, odd, turned, y;
    even.re = low.re + high.re;
    even.im = low.im - high.im;
    odd.re = low.im + high.im;
    odd.im = high.re - low.re;
    multiply(odd, t.half_turns[k], turned);
    subtract(even, turned, y);
    narrow(0.25 * (y.re * y.re + y.im * y.im), half, power[middle - k]);
    add(even, turned, y);
    narrow(0.25 * (y.re * y.re + y.im * y.im), half, power[k]);
  }
}

// The natural logarithm of each lane, floored at ln(2^-23); NaN and infinity stay what they are.
// x = 2^e m with m in [sqrt(1/2), sqrt(2)), and ln m = 2 artanh((m - 1) / (m + 1)) by its power series,
// whose next term is below 7e-10. Within 2 units in the last place.
TUTTI_INLINE void log_of(const Lanes& energy, Lanes& result) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  constexpr std::int32_t kRootOfHalf = 0x3f3504f3;  // sqrt(1/2) as bits
  constexpr float kLn2High = 0.693359375F;          // few enough bits that e times it is exact
  constexpr float kLn2Low = -2.12194440e-4F;
  const Lanes floor = Lanes{} + FLT_EPSILON;
  const Lanes x = energy < floor ? floor : energy;
  const LaneIndices exponent = (reinterpret_cast<LaneIndices>(x) - kRootOfHalf) >> 23;
  const LaneIndices bits = reinterpret_cast<LaneIndices>(x) - (exponent << 23);
  const Lanes m = reinterpret_cast<Lanes>(bits);
  const Lanes s = (m - 1.0F) / (m + 1.0F);
  const Lanes square = s * s;
  const Lanes tail = square * (2.0F / 3 + square * (2.0F / 5 + square * (2.0F / 7 + square * (2.0F / 9))));
  const Lanes e = __builtin_convertvector(exponent, Lanes);
  const Lanes value = e * kLn2High + (e * kLn2Low + (s + s + s * tail));
  result = x <= kLargest ? value : x;
}

// power [fft_size / 2] to log energies [lane][mels] of the first `frames` lanes.
TUTTI_INLINE void log_mel_energies(const Tables& t, const Lanes* power, std::size_t frames,
                                   float* log_energies) {
  const std::size_t whole = frames == kLanes ? t.mels / kLanes * kLanes : 0;
  Lanes rows[kLanes];
  for (std::size_t mel = 0; mel < t.mels; ++mel) {
    const FbankLoops::Filter& filter = t.filters[mel];
    const float* weights = t.weights.data() + filter.first_weight;
    Lanes energy{}, log_energy;
    for (std::size_t i = 0; i < filter.bins; ++i) energy += weights[i] * power[filter.first_bin + i];
    log_of(energy, log_energy);
    if (mel >= whole) {
      for (std::size_t lane = 0; lane < frames; ++lane) log_energies[lane * t.mels + mel] = log_energy[lane];
      continue;
    }
    rows[mel % kLanes] = log_energy;
    if (mel % kLanes != kLanes - 1) continue;
    transpose(rows);
#pragma GCC unroll 8
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      *reinterpret_cast<UnalignedLanes*>(log_energies + lane * t.mels + mel + 1 - kLanes) = rows[lane];
    }
  }
}

TUTTI_INLINE void all_frames(const Tables& t, const float* samples, std::size_t frames, float* log_energies,
                             const Workspace& work) {
  Lanes* lanes = &work.samples[0].lanes;
  ComplexLanes* z = work.z.get();
  Lanes* power = &work.power[0].lanes;
  for (std::size_t first = 0; first < frames; first += kLanes) {
    const std::size_t count = std::min(kLanes, frames - first);
    const float* starts[kLanes];  // spare lanes repeat the last frame
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      starts[lane] = samples + (first + std::min(lane, count - 1)) * t.shift;
    }
    gather(starts, t.window, lanes);
    condition(t, lanes);
    for (std::size_t half = 0; half < 2; ++half) {
      pack(t, lanes, half, z);
      fft(t, t.fft_size / 2, z);
      power_spectrum(t, z, half, power);
    }
    log_mel_energies(t, power, count, log_energies + first * t.mels);
  }
}

#ifdef __x86_64__
// Without FMA, so that the bits are those of the other version.
__attribute__((target("avx2"))) void all_frames_avx2(const Tables& t, const float* samples,
                                                     std::size_t frames, float* log_energies,
                                                     const Workspace& work) {
  all_frames(t, samples, frames, log_energies, work);
}
#endif

void all_frames_anywhere(const Tables& t, const float* samples, std::size_t frames, float* log_energies,
                         const Workspace& work) {
  all_frames(t, samples, frames, log_energies, work);
}

FbankLoops::Complex turn(std::size_t k, std::size_t size) {
  const double angle = -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(size);
  return {std::cos(angle), std::sin(angle)};
}

// Each pass leaves the frequencies k = r (mod 4) in its r-th quarter.
std::size_t fft_position(std::size_t k, std::size_t size) {
  std::size_t position = 0;
  for (; size >= 4; size /= 4, k /= 4) position += k % 4 * (size / 4);
  return position + k % size;
}

}  // namespace

FbankLoops::FbankLoops(const FbankDefinition& definition) {
  Tables& t = tables_;
  t.window = static_cast<std::size_t>(definition.window);
  t.shift = static_cast<std::size_t>(definition.shift);
  t.fft_size = static_cast<std::size_t>(definition.fft_size);
  t.mels = static_cast<std::size_t>(definition.filters_KM.size(1));
  const auto* taper = definition.taper_W.const_data_ptr<float>();
  t.taper.assign(taper, taper + t.window);

  const std::size_t half = t.fft_size / 2;
  for (std::size_t length = half; length >= 4; length /= 4) {
    for (std::size_t j = 0; j < length / 4; ++j) {
      t.twiddles.push_back({turn(j, length), turn(2 * j, length), turn(3 * j, length)});
    }
  }
  for (std::size_t k = 0; k < half; ++k) {
    t.position.push_back(fft_position(k, half));
    t.half_turns.push_back(turn(k, t.fft_size));
  }

  const at::Tensor filters_MK = definition.filters_KM.t().contiguous();
  for (std::size_t mel = 0; mel < t.mels; ++mel) {
    const float* row = filters_MK.const_data_ptr<float>() + mel * half;
    const auto heard = [](float weight) { return weight > 0; };
    const float* first = std::find_if(row, row + half, heard);
    const float* last = std::find_if_not(first, row + half, heard);
    t.filters.push_back(
        {static_cast<std::size_t>(first - row), static_cast<std::size_t>(last - first), t.weights.size()});
    t.weights.insert(t.weights.end(), first, last);
  }
}

void FbankLoops::operator()(const float* samples, std::int64_t frames, float* log_energies) const {
  auto* run = all_frames_anywhere;
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2")) run = all_frames_avx2;
#endif
  run(tables_, samples, static_cast<std::size_t>(frames), log_energies, Workspace(tables_));
}

}  // namespace tutti::data
