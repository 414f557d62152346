#include "data/frame_stream.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>
#include <sndfile.h>

#include "base/counter_rng.h"
#include "tests/expect_error.h"
#include "tests/temporary_folder.h"

namespace tutti::data {
namespace {

// Noise in two channels.
std::filesystem::path write_noise(const TemporaryFolder& folder, int format, int rate, int count) {
  auto path = folder.path() / std::to_string(rate);
  SF_INFO info{
      .frames = 0, .samplerate = rate, .channels = 2, .format = format, .sections = 0, .seekable = 0};
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  EXPECT_NE(file, nullptr) << sf_strerror(nullptr);
  CounterRng rng(1, 2);
  std::vector<float> samples(2 * static_cast<std::size_t>(count));
  for (auto& sample : samples) sample = 0.2F * static_cast<float>(rng.normal());
  sf_write_float(file, samples.data(), static_cast<sf_count_t>(samples.size()));
  sf_close(file);
  return path;
}

at::Tensor all_at_once(const std::filesystem::path& path, const FeatureOptions& options, const Fbank& fbank) {
  auto wave = decode(path, options.sample_rate, options.downmix);
  return fbank(at::from_blob(wave.samples.data(), {1, std::ssize(wave.samples)}, at::kFloat)).squeeze(0);
}

at::Tensor streamed(const std::filesystem::path& path, const FeatureOptions& options, const Fbank& fbank,
                    std::int64_t most) {
  FrameStream stream(path, options, fbank);
  std::vector<at::Tensor> parts;
  for (;;) {
    parts.push_back(stream.read(most));
    if (parts.back().size(0) < most) break;
  }
  EXPECT_EQ(stream.read(most).size(0), 0);
  return at::cat(parts);
}

TEST(FrameStream, TheFramesOfTheWholeBitForBit) {
  const TemporaryFolder folder;
  FeatureOptions sparse;
  sparse.frame_shift_ms = 40;  // samples between frames are in none
  FeatureOptions mean;
  mean.downmix = "mean";
  for (const auto& options : {FeatureOptions{}, sparse, mean}) {
    const Fbank fbank(options);
    for (const int rate : {16000, 44100}) {
      const auto path = write_noise(folder, SF_FORMAT_FLAC | SF_FORMAT_PCM_16, rate, 150'000);
      const auto whole_TM = all_at_once(path, options, fbank);
      for (const std::int64_t most : {1, 100, 512, 5000}) {
        const auto frames_TM = streamed(path, options, fbank, most);
        ASSERT_EQ(frames_TM.sizes(), whole_TM.sizes()) << rate << ' ' << most;
        EXPECT_TRUE(frames_TM.equal(whole_TM)) << rate << ' ' << most;
      }
    }
  }
}

TEST(FrameStream, AFileWithoutAFrameIsTooShort) {
  const TemporaryFolder folder;
  const FeatureOptions options;
  const Fbank fbank(options);
  const auto path = write_noise(folder, SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 399);
  FrameStream stream(path, options, fbank);
  expect_error<Error>([&] { stream.read(10); }, {path.string(), "too short", "399", "400"});
  const auto enough = write_noise(folder, SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 400);
  EXPECT_EQ(FrameStream(enough, options, fbank).read(10).size(0), 1);
}

}  // namespace
}  // namespace tutti::data
