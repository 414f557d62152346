#pragma once
// Sound files to mono waveforms.

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

namespace tutti::data {

struct Waveform {
  std::vector<float> samples;  // full scale is [-1, 1]
  std::int64_t rate = 0;       // Hz
};

// Reads any file that libsndfile knows (WAV, FLAC, Ogg Vorbis, Opus, MP3, AIFF, GSM, ...), takes the
// first channel or the mean over channels (downmix "first" or "mean"), and resamples to sample_rate
// where the file has another. Decodes in blocks, and holds no more than the mono samples.
//
// At most `limit` samples at sample_rate are returned, and little more of the file is read. A clip cut by
// a limit equals the start of the whole clip, to the last bit.
//
// Throws Error that names the file and the reason: missing, of an unknown format, broken or shorter than
// its header says, without samples, with samples that are not finite.
Waveform decode(const std::filesystem::path& path, std::int64_t sample_rate,
                const std::string& downmix = "first",
                std::int64_t limit = std::numeric_limits<std::int64_t>::max());

}  // namespace tutti::data
