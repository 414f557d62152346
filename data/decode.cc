#include "data/decode.h"

#include <sndfile.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>
#include <regex>
#include <span>
#include <sstream>

#include "base/error.h"
#include "data/resample.h"

namespace tutti::data {
namespace {

// Beyond these a header is broken: nothing audible, or no recorder.
constexpr int kLeastRate = 1000, kMostRate = 1'000'000;
constexpr int kMostChannels = 1024;

constexpr std::int64_t kBlock = 1 << 16;  // samples, over all channels

// A header may promise anything; more than this is not reserved on its word.
constexpr double kMostReserved = 1 << 28;

// Programs that write into a pipe promise about 2^31 or 2^32 bytes; and a chunk of odd size has a pad byte.
constexpr std::int64_t kUnknownLength = 0x7f00'0000, kPadding = 1;

class SoundFile {
 public:
  explicit SoundFile(const std::filesystem::path& path) : path_(path) {
    std::error_code error;
    if (const auto status = std::filesystem::status(path, error); !std::filesystem::exists(status)) {
      throw failure("there is no such file");
    } else if (!std::filesystem::is_regular_file(status)) {
      throw failure("it is not a regular file");
    }
    file_.reset(sf_open(path.c_str(), SFM_READ, &info_));
    if (!file_) throw failure(sf_strerror(nullptr));
    if (info_.samplerate < kLeastRate || info_.samplerate > kMostRate) {
      throw failure(text("its header gives a sample rate of ", info_.samplerate, " Hz"));
    }
    if (info_.channels < 1 || info_.channels > kMostChannels) {
      throw failure(text("its header gives ", info_.channels, " channels"));
    }
    check_promised_length();
  }

  std::int64_t rate() const { return info_.samplerate; }
  std::int64_t channels() const { return info_.channels; }
  std::int64_t frames() const { return info_.frames; }

  // Interleaved frames; an empty span at the end.
  std::span<const float> read() {
    const std::int64_t wanted = std::max<std::int64_t>(1, kBlock / channels());
    buffer_.resize(static_cast<std::size_t>(wanted * channels()));
    const std::int64_t count = sf_readf_float(file_.get(), buffer_.data(), wanted);
    frames_read_ += count;
    if (count < wanted) check_end();
    return std::span(buffer_).first(static_cast<std::size_t>(count * channels()));
  }

  Error failure(std::string_view reason) const {
    return Error(text("cannot decode '", path_.native(), "'"), reason);
  }

 private:
  void check_end() const {
    const bool failed = sf_error(file_.get()) != SF_ERR_NO_ERROR;
    // An MPEG stream without an index only estimates its length.
    const bool estimated = (info_.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_MPEG;
    if (frames_read_ < info_.frames && info_.frames < SF_COUNT_MAX && (failed || !estimated)) {
      throw failure(text("it is truncated or damaged: ", frames_read_, " of its ", info_.frames,
                         " samples can be read"));
    }
    if (failed) throw failure(sf_strerror(file_.get()));
  }

  // libsndfile takes a short file for what is there, and tells the difference only in its log, in lines
  // like "data : 352800 (should be 211662)".
  void check_promised_length() const {
    char log[4096] = {};
    sf_command(file_.get(), SFC_GET_LOG_INFO, log, sizeof log);
    std::istringstream lines(log);
    for (std::string line; std::getline(lines, line);) {
      if (line.find("ended unexpectedly") != std::string::npos)
        throw failure("it is truncated: its end is missing");
      static const std::regex size(
          R"(^ *(?:data|SSND|Data Size|riff) *: (\d{1,18}) \(should be (\d{1,18})\))");
      std::smatch match;
      if (!std::regex_search(line, match, size)) continue;
      const std::int64_t promised = std::stoll(match[1]), found = std::stoll(match[2]);
      if (promised < kUnknownLength && promised > found + kPadding) {
        throw failure(text("it is truncated: it holds ", found, " of ", promised, " bytes"));
      }
    }
  }

  struct Close {
    void operator()(SNDFILE* file) const { sf_close(file); }
  };

  std::filesystem::path path_;
  SF_INFO info_{};
  std::unique_ptr<SNDFILE, Close> file_;
  std::vector<float> buffer_;
  std::int64_t frames_read_ = 0;
};

// One channel of interleaved frames, or their mean.
std::span<const float> downmix_frames(std::span<const float> frames, std::int64_t channels, bool mean,
                                      std::vector<float>& mono) {
  if (channels == 1) return frames;
  const auto step = static_cast<std::size_t>(channels);
  mono.resize(frames.size() / step);
  for (std::size_t i = 0; i < mono.size(); ++i) {
    const auto frame = frames.subspan(i * step, step);
    mono[i] = mean ? static_cast<float>(std::accumulate(frame.begin(), frame.end(), 0.0) /
                                        static_cast<double>(channels))
                   : frame.front();
  }
  return mono;
}

// The position of the first sample that is infinite or NaN. Looks at bits, so that the usual case, none, is
// one maximum over all.
std::optional<std::size_t> first_not_finite(std::span<const float> samples) {
  constexpr std::uint32_t kMagnitude = 0x7fff'ffff, kInfinity = 0x7f80'0000;
  std::uint32_t largest = 0;
  for (const float sample : samples) {
    largest = std::max(largest, std::bit_cast<std::uint32_t>(sample) & kMagnitude);
  }
  if (largest < kInfinity) return std::nullopt;
  const auto found = std::ranges::find_if_not(samples, [](float sample) { return std::isfinite(sample); });
  return static_cast<std::size_t>(found - samples.begin());
}

}  // namespace

struct SoundStream::State {
  State(const std::filesystem::path& path, std::int64_t sample_rate, const std::string& downmix)
      : file(path), rate(sample_rate), mean(downmix == "mean") {
    if (file.rate() != rate) resampler.emplace(file.rate(), rate);
  }

  SoundFile file;
  std::int64_t rate;
  bool mean;
  std::optional<Resampler> resampler;
  std::vector<float> mixed;
  std::int64_t decoded = 0;
};

SoundStream::SoundStream(const std::filesystem::path& path, std::int64_t sample_rate,
                         const std::string& downmix)
    : state_(std::make_unique<State>(path, sample_rate, downmix)) {}
SoundStream::SoundStream(SoundStream&&) noexcept = default;
SoundStream& SoundStream::operator=(SoundStream&&) noexcept = default;
SoundStream::~SoundStream() = default;

double SoundStream::promised() const {
  const auto& file = state_->file;
  return static_cast<double>(file.frames()) * static_cast<double>(state_->rate) /
         static_cast<double>(file.rate());
}

bool SoundStream::read(std::vector<float>& out) {
  auto& [file, rate, mean, resampler, mixed, decoded] = *state_;
  const auto frames = file.read();
  if (frames.empty()) {
    if (decoded == 0) throw file.failure("it holds no samples");
    if (resampler) resampler->finish(out);
    return false;
  }
  const auto mono = downmix_frames(frames, file.channels(), mean, mixed);
  if (const auto bad = first_not_finite(mono))
    throw file.failure(text("sample ", decoded + static_cast<std::int64_t>(*bad), " is not finite"));
  decoded += static_cast<std::int64_t>(mono.size());
  if (resampler) {
    resampler->push(mono, out);
  } else {
    out.insert(out.end(), mono.begin(), mono.end());
  }
  return true;
}

Waveform decode(const std::filesystem::path& path, std::int64_t sample_rate, const std::string& downmix,
                std::int64_t limit) {
  SoundStream stream(path, sample_rate, downmix);
  Waveform wave{.samples = {}, .rate = sample_rate};
  const double reserved =
      std::min({stream.promised() + 1, static_cast<double>(limit) + kBlock, kMostReserved});
  wave.samples.reserve(static_cast<std::size_t>(reserved));
  while (static_cast<std::int64_t>(wave.samples.size()) < limit && stream.read(wave.samples)) {
  }
  if (static_cast<std::int64_t>(wave.samples.size()) > limit)
    wave.samples.resize(static_cast<std::size_t>(limit));
  return wave;
}

}  // namespace tutti::data
