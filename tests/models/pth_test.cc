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

// By repeating what it has kept a small pickle can ask for any amount of memory: here 2,000 lists of 200,000.
TEST(Pth, PicklesThatGrow) {
  std::string bytes =
      "\x80\x02"
      "ctorch\nSize\nq\x01"
      "0]q\x02(N";
  bytes.append(200'000, '2').append("e0h\x02\x85q\x03").append("0");
  for (int i = 0; i < 2000; ++i) bytes += "h\x01h\x03R0";
  expect_error([&] { Pickle(bytes + "N.", "x.pth"); }, {"x.pth", "400 MB"});
}

// Changed anywhere, or cut off anywhere, a file is refused or read within its bounds; zip files have
// checksums, so what is read of them is what was written.
TEST(Pth, DamagedFiles) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.pth";
  for (const std::string name : {"zip.pth", "legacy.pth"}) {
    const auto whole = read_file(kGolden / name);
    const auto reference = load_tensors(kGolden / name);
    int refused = 0;
    const auto expect_as_before = [&](const PthEntry& entry, std::span<const std::byte> bytes) {
      ASSERT_TRUE(reference.tensors.contains(entry.name)) << entry.name;
      const auto& tensor = reference.tensors.at(entry.name);
      EXPECT_EQ(tensor.sizes(), at::IntArrayRef(entry.tensor.shape)) << entry.name;
      const auto* values = static_cast<const std::byte*>(tensor.const_data_ptr());
      EXPECT_TRUE(std::ranges::equal(bytes, std::span(values, tensor.nbytes()))) << entry.name;
    };
    for (std::size_t at = 0; at < whole.size(); at += 3) {
      auto changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (1 << at % 8));
      for (const auto& bytes : {changed, whole.substr(0, at)}) {
        std::ofstream(path, std::ios::binary) << bytes;
        try {
          const PthReader reader(path);
          for (const auto& entry : reader.entries()) {
            std::vector<std::byte> out(entry.bytes);
            reader.read(entry, out);
            if (name == "zip.pth") expect_as_before(entry, out);
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
