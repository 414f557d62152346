#include "data/decode.h"

#include <gtest/gtest.h>
#include <sndfile.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <numbers>

#include "base/error.h"
#include "base/files.h"
#include "tests/temporary_folder.h"

namespace tutti::data {
namespace {

class Decode : public testing::Test {
 protected:
  // A second of a sine of 500 Hz, level 0.5, in channel 0; the others hold half of it.
  std::filesystem::path write(const std::string& name, int format, int rate = 16000, int channels = 1,
                              int frames = -1) {
    const auto path = folder_.path() / name;
    SF_INFO info{.frames = 0,
                 .samplerate = rate,
                 .channels = channels,
                 .format = format,
                 .sections = 0,
                 .seekable = 0};
    SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
    if (file == nullptr) throw Error("cannot write " + name, sf_strerror(nullptr));
    std::vector<float> samples;
    for (int i = 0; i < (frames < 0 ? rate : frames); ++i) {
      for (int c = 0; c < channels; ++c) {
        samples.push_back(
            static_cast<float>((c == 0 ? 0.5 : 0.25) * std::sin(2 * std::numbers::pi * 500 * i / rate)));
      }
    }
    sf_write_float(file, samples.data(), static_cast<sf_count_t>(samples.size()));
    sf_close(file);
    return path;
  }

  // The part of the sine in the middle of the clip that the samples hold: 1 if it is that sine.
  static double correlation(const Waveform& wave, double level) {
    double product = 0;
    std::size_t begin = wave.samples.size() / 4, end = 3 * wave.samples.size() / 4;
    for (std::size_t i = begin; i < end; ++i) {
      const double turns = 500 * static_cast<double>(i) / static_cast<double>(wave.rate);
      product += wave.samples[i] * std::sin(2 * std::numbers::pi * turns);
    }
    return 2 * product / static_cast<double>(end - begin) / level;
  }

  static std::string complaint(const std::filesystem::path& path) {
    try {
      decode(path, 16000);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(path.native()), std::string::npos) << error.what();
      return error.what();
    }
    return "";
  }
  static void expect_complaint(const std::filesystem::path& path, const std::string& reason) {
    EXPECT_NE(complaint(path).find(reason), std::string::npos) << "'" << complaint(path) << "'";
  }

  // A changed copy.
  std::filesystem::path edit(const std::filesystem::path& path, const std::string& name, auto change) {
    std::string bytes = read_file(path);
    change(bytes);
    write_file(folder_.path() / name, bytes);
    return folder_.path() / name;
  }

  TemporaryFolder folder_;
};

TEST_F(Decode, EveryFormat) {
  struct {
    const char* name;
    int format, rate;
    double tolerance;
  } const cases[] = {
      {"16.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1e-4},
      {"24.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 48000, 1e-4},
      {"float.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 44100, 1e-4},
      {"ulaw.au", SF_FORMAT_AU | SF_FORMAT_ULAW, 8000, 1e-2},
      {"gsm.wav", SF_FORMAT_WAV | SF_FORMAT_GSM610, 8000, 0.1},
      {"a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 22050, 1e-4},
      {"a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 44100, 1e-4},
      {"a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 44100, 2e-2},
      {"a.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, 48000, 2e-2},
      {"a.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 44100, 2e-2},
  };
  for (const auto& c : cases) {
    const Waveform wave = decode(write(c.name, c.format, c.rate), 16000);
    EXPECT_EQ(wave.rate, 16000);
    EXPECT_NEAR(static_cast<double>(wave.samples.size()), 16000, 700) << c.name;
    EXPECT_NEAR(correlation(wave, 0.5), 1, c.tolerance) << c.name;
  }
}

TEST_F(Decode, KeepsEverySampleAtItsOwnRate) {
  const Waveform wave = decode(write("a.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT), 16000);
  ASSERT_EQ(wave.samples.size(), 16000U);
  EXPECT_FLOAT_EQ(wave.samples[8], static_cast<float>(0.5 * std::sin(2 * std::numbers::pi * 0.25)));
}

TEST_F(Decode, Downmix) {
  const auto path = write("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 3);
  EXPECT_NEAR(correlation(decode(path, 16000, "first"), 0.5), 1, 1e-4);
  EXPECT_NEAR(correlation(decode(path, 16000, "mean"), 1.0 / 3), 1, 1e-4);
}

// Sounds of more than one block, and limits in and at the ends of blocks.
TEST_F(Decode, ALimitGivesTheStartOfTheWhole) {
  for (const auto& path : {write("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 2, 150'000),
                           write("b.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 44100, 2, 150'000)}) {
    const auto whole = decode(path, 16000).samples;
    for (std::size_t limit : {1UL, 1000UL, 32768UL, 50'000UL, whole.size(), whole.size() + 1}) {
      const auto part = decode(path, 16000, "first", static_cast<std::int64_t>(limit)).samples;
      ASSERT_EQ(part.size(), std::min(limit, whole.size()));
      EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin())) << limit;
    }
  }
}

TEST_F(Decode, NamesFileAndReason) {
  expect_complaint(folder_.path() / "none.wav", "there is no such file");
  expect_complaint(folder_.path(), "not a regular file");
  const auto wav = write("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16);
  expect_complaint(edit(wav, "text.wav", [](std::string& b) { b = "no sound at all"; }), "cannot decode");
  expect_complaint(edit(wav, "empty.wav", [](std::string& b) { b.clear(); }), "cannot decode");
  expect_complaint(edit(wav, "rate.wav", [](std::string& b) { b.replace(24, 4, 4, '\0'); }), "cannot decode");
  expect_complaint(
      edit(wav, "slow.wav", [](std::string& b) { b.replace(24, 4, std::string("\1\0\0\0", 4)); }),
      "sample rate of 1 Hz");
  expect_complaint(write("none.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, 0), "no samples");
  const auto floats = write("f.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT);
  for (const float value :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    const auto broken = edit(floats, "nan.wav", [&](std::string& b) {
      b.replace(b.size() - 400, 4, reinterpret_cast<const char*>(&value), 4);
    });
    expect_complaint(broken, "sample 15900 is not finite");
  }
}

TEST_F(Decode, ReportsTruncatedFiles) {
  const auto cut = [](std::string& bytes) { bytes.resize(bytes.size() / 2); };
  for (const auto& [name, format] : {std::pair{"a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16},
                                     {"a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16},
                                     {"a.w64", SF_FORMAT_W64 | SF_FORMAT_PCM_16},
                                     {"a.au", SF_FORMAT_AU | SF_FORMAT_PCM_16},
                                     {"a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16},
                                     {"a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS}}) {
    const auto path = write(name, format, 16000, 1, 100'000);
    EXPECT_EQ(complaint(path), "") << name;
    expect_complaint(edit(path, std::string("cut-") + name, cut), "truncated");
  }
}

// A program that writes into a pipe cannot know the length beforehand.
TEST_F(Decode, AcceptsStreamedHeaders) {
  const auto wav = write("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16);
  const auto streamed = edit(wav, "s.wav", [](std::string& b) {
    b.replace(4, 4, 4, '\xff');
    b.replace(40, 4, 4, '\xff');
  });
  EXPECT_EQ(decode(streamed, 16000).samples.size(), 16000U);
}

}  // namespace
}  // namespace tutti::data
