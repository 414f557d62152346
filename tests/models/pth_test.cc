// Files of torch.save; tests/golden/make_pth.py made them.
#include "models/pth.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "models/weights.h"
#include "tests/expect_error.h"
#include "tests/temporary_folder.h"

namespace tutti::models {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = "tests/golden";

at::Tensor counting(at::IntArrayRef shape, at::ScalarType dtype = at::kFloat) {
  return torch::arange(c10::multiply_integers(shape)).reshape(shape).to(dtype);
}

class PthFiles : public testing::TestWithParam<const char*> {};

TEST_P(PthFiles, HoldWhatTorchSaved) {
  const auto weights = load_tensors(kGolden / GetParam());
  const auto shared = counting({4, 6});
  const std::map<std::string, at::Tensor> expected = {
      {"matrix", counting({3, 5})},
      {"transposed", counting({3, 4})},
      {"row", shared[2]},
      {"column", shared.select(1, 1)},
      {"half", counting({7}, at::kHalf)},
      {"bfloat", counting({7}, at::kBFloat16)},
      {"double", counting({2, 2}, at::kDouble)},
      {"count", torch::tensor(std::int64_t{12})},
      {"parameter", counting({2, 3})},
      {"empty", torch::zeros({0, 3})},
  };
  ASSERT_EQ(weights.tensors.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(weights.tensors.contains(name)) << name;
    EXPECT_EQ(weights.tensors.at(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(torch::equal(weights.tensors.at(name), tensor)) << name << '\n' << weights.tensors.at(name);
  }
}

INSTANTIATE_TEST_SUITE_P(All, PthFiles, testing::Values("zip.pth", "zip_nested.pth", "legacy.pth"));

TEST(Pth, NothingInAFileIsRun) {
  const fs::path trace = "tutti-was-here";  // what evil.pth and the others would make
  fs::remove(trace);
  load_tensors(kGolden / "legacy.pth");
  expect_error([] { load_tensors(kGolden / "evil.pth"); },
               {"evil.pth", "'bias' is no tensor", "posix.system"});
  EXPECT_FALSE(fs::exists(trace));
}

TEST(Pth, SaysWhatIsMissing) {
  expect_error([] { load_tensors(kGolden / "list.pth"); }, {"list.pth", "no mapping"});
  expect_error([] { load_tensors(kGolden / "no_weights.pth"); },
               {"no_weights.pth", "'state', 'args'", "state_dict"});
  expect_error([] { load_tensors(kGolden / "complex.pth"); },
               {"complex.pth", "'complex'", "ComplexFloatStorage"});
}

// Changed anywhere, or cut off anywhere, a file is refused or gives tensors of the same shapes; zip files
// have checksums, so those that are read give the same values.
TEST(Pth, DamagedFiles) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.pth";
  for (const std::string name : {"zip.pth", "legacy.pth"}) {
    const auto whole = read_file(kGolden / name);
    const auto reference = load_tensors(kGolden / name);
    int refused = 0;
    for (std::size_t at = 0; at < whole.size(); at += 3) {
      auto changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (1 << at % 8));
      for (const auto& bytes : {changed, whole.substr(0, at)}) {
        std::ofstream(path, std::ios::binary) << bytes;
        try {
          const PthReader reader(path);
          for (const auto& entry : reader.entries()) {
            std::vector<std::byte> out(c10::multiply_integers(entry.tensor.shape) *
                                       size_of(entry.tensor.dtype));
            reader.read(entry, out);
          }
        } catch (const Error& error) {
          EXPECT_NE(std::string(error.what()).find("x.pth"), std::string::npos) << error.what();
          ++refused;
        }
      }
    }
    EXPECT_GT(refused, static_cast<int>(whole.size() / 3)) << name;  // all that are cut off, and more
  }
}

}  // namespace
}  // namespace tutti::models
