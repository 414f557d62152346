#pragma once
// Sound files to mono waveforms.

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace tutti::data {

struct Waveform {
  std::vector<float> samples;  // full scale is [-1, 1]
  std::int64_t rate = 0;       // Hz
};

// Reads any file that libsndfile knows (WAV, FLAC, Ogg Vorbis, Opus, MP3, AIFF, GSM, ...), takes the
// first channel or the mean over channels (downmix "first" or "mean"), and resamples to sample_rate
// where the file has another. All functions throw Error that names the file and the reason: missing, of an
// unknown format, broken or shorter than its header says, without samples, with samples that are not finite.
class SoundStream {
 public:
  SoundStream(const std::filesystem::path& path, std::int64_t sample_rate,
              const std::string& downmix = "first");
  SoundStream(SoundStream&&) noexcept;
  SoundStream& operator=(SoundStream&&) noexcept;
  ~SoundStream();

  // Samples at sample_rate that the file's header promises.
  double promised() const;

  // Decodes a block and appends what is ready of it. False when that was the last.
  bool read(std::vector<float>& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The whole of a file. Decodes in blocks, and holds no more than the mono samples.
//
// At most `limit` samples at sample_rate are returned, and little more of the file is read. A clip cut by
// a limit equals the start of the whole clip, to the last bit.
Waveform decode(const std::filesystem::path& path, std::int64_t sample_rate,
                const std::string& downmix = "first",
                std::int64_t limit = std::numeric_limits<std::int64_t>::max());

}  // namespace tutti::data
