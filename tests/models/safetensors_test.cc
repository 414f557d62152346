#include "models/safetensors.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>

#include "base/error.h"
#include "base/files.h"
#include "tests/models/formula.h"
#include "tests/temporary_folder.h"

namespace tutti::models {
namespace {

using Texts = std::vector<std::string>;

std::string file_with(const std::string& json, std::size_t data_bytes) {
  const std::uint64_t length = json.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  return bytes + json + std::string(data_bytes, 'x');
}

std::vector<std::byte> read(const SafetensorsReader& reader, const TensorEntry& entry) {
  std::vector<std::byte> bytes(entry.end - entry.begin);
  reader.read(entry, bytes);
  return bytes;
}

// Written by the Python package (tests/golden/make_ast.py): it reads what equals its own output.
TEST(Safetensors, RepeatsTheReferenceWritersFileByteForByte) {
  const std::filesystem::path theirs = "tests/golden/types.safetensors";
  const SafetensorsReader reader(theirs);
  EXPECT_EQ(reader.header().entries.size(), 13u);
  std::vector<std::vector<std::byte>> data;
  std::vector<TensorBytes> tensors;
  for (const auto& entry : reader.header().entries) {
    data.push_back(read(reader, entry));
    tensors.push_back({entry.name, entry.dtype, entry.shape, data.back()});
  }
  std::reverse(tensors.begin(), tensors.end());  // the order given does not matter
  const TemporaryFolder folder;
  const auto ours = folder.path() / "types.safetensors";
  write_safetensors(ours, tensors, reader.header().metadata);
  EXPECT_EQ(read_file(ours), read_file(theirs));
}

TEST(Safetensors, RoundTripKeepsNamesShapesBytesAndMetadata) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  const std::array<float, 6> values = {1, 2, 3, 4, 5, 6};
  const std::map<std::string, std::string> metadata = {{"recipe", "a = \"b\"\n# \u00e9"}, {"empty", ""}};
  write_safetensors(path,
                    {{"m", DType::f32, {2, 3}, std::as_bytes(std::span(values))},
                     {"odd", DType::u8, {3}, std::as_bytes(std::span(values)).first(3)},
                     {"none", DType::i64, {0, 9}, {}}},
                    metadata);
  const SafetensorsReader reader(path);
  EXPECT_EQ(reader.header().metadata, metadata);
  ASSERT_EQ(reader.header().entries.size(), 3u);
  for (const auto& entry : reader.header().entries) {
    if (entry.name != "m") continue;
    EXPECT_EQ(entry.shape, (std::vector<std::int64_t>{2, 3}));
    const auto bytes = read(reader, entry);
    EXPECT_TRUE(std::ranges::equal(bytes, std::as_bytes(std::span(values))));
  }
  EXPECT_EQ(read_file(path)[0] % 8, 0) << "data are aligned to 8 bytes";
}

TEST(Safetensors, LyingHeadersAreErrorsThatNameFileAndTensor) {
  const auto entry = [](const std::string& name, const std::string& dtype, const std::string& shape,
                        const std::string& offsets) {
    return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
           offsets + "}";
  };
  const auto a = entry("a", "F32", "[2]", "[0,8]");
  struct Case {
    std::string json;
    Texts said;
  };
  const std::vector<Case> cases = {
      {"{" + entry("a", "F32", "[2]", "[0,800]") + "}", {"'a'", "800"}},
      {"{" + entry("a", "F32", "[200]", "[0,800]") + "}", {"'a'", "800", "16 bytes"}},
      {"{" + entry("a", "F32", "[4]", "[16,0]") + "}", {"'a'"}},
      {"{" + entry("a", "F32", "[2]", "[-8,0]") + "}", {"'a'"}},
      {"{" + entry("a", "F32", "[2]", "[18446744073709551608,18446744073709551615]") + "}", {"'a'"}},
      {"{" + entry("a", "F32", "[4611686018427387904,4611686018427387904]", "[0,0]") + "}",
       {"'a'", "too large"}},
      {"{" + entry("a", "F32", "[0,4611686018427387904,4]", "[0,0]") + "}", {"'a'", "too large"}},
      {"{" + entry("a", "F32", "[1e0]", "[0,4]") + "}", {"'a'", "whole number"}},
      {"{" + entry("a", "F32", "{}", "[0,4]") + "}", {"'a'", "shape"}},
      {"{" + entry("a", "F32", "[2]", "[0,8,9]") + "}", {"'a'", "pair"}},
      {"{" + entry("a", "F33", "[4]", "[0,16]") + "}", {"'a'", "F33"}},
      {"{" + a + "," + entry("b", "F32", "[2]", "[4,12]") + "}", {"'b'", "overlap"}},
      {"{" + a + "," + entry("b", "F32", "[1]", "[12,16]") + "}", {"'b'", "hole"}},
      {"{" + a + "," + entry("a", "F32", "[2]", "[8,16]") + "}", {"'a'", "twice"}},
      {"{" + a + "," + entry("b", "F32", "[2]", "[0,8]") + "}", {"overlap"}},
      {"{" + a + "}", {"8 bytes", "16"}},
      {R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,8],"data_offsets":[0,16]}})", {"twice"}},
      {R"({"a":{"shape":[4],"data_offsets":[0,16]}})", {"'a'", "dtype"}},
      {R"({"a":{"dtype":"F32","data_offsets":[0,16]}})", {"'a'", "shape"}},
      {R"({"a":7})", {"'a'"}},
      {R"({"__metadata__":{"n":7}})", {"__metadata__", "'n'"}},
      {R"({"__metadata__":[]})", {"__metadata__"}},
      {"{\"\xff\":{}}", {"JSON"}},
      {"[]", {"not a JSON object"}},
      {"{", {"JSON"}},
      {std::string(100000, '['), {"JSON", "64 levels"}},
      {"{" + entry("a", "F32", "[" + std::string(100000, '[') + std::string(100000, ']') + "]", "[0,16]") +
           "}",
       {"64 levels"}},
      {"", {"JSON"}},
  };
  const TemporaryFolder folder;
  const auto path = folder.path() / "lying.safetensors";
  for (const auto& [json, said] : cases) {
    write_file(path, file_with(json, 16));
    const auto message = message_of([&] { SafetensorsReader reader(path); });
    EXPECT_NE(message.find("lying.safetensors"), message.npos) << json.substr(0, 200) << ": " << message;
    for (const auto& part : said) {
      EXPECT_NE(message.find(part), message.npos) << json.substr(0, 200) << ": " << message;
    }
  }
}

TEST(Safetensors, TornFilesAreErrors) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "torn.safetensors";
  const auto whole = read_file("tests/golden/types.safetensors");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    write_file(path, std::string_view(whole).substr(0, length));
    EXPECT_THROW(SafetensorsReader{path}, Error) << length;
  }
  write_file(path, whole + "x");
  EXPECT_THROW(SafetensorsReader{path}, Error);
  write_file(path, std::string(8, '\xff') + "{}");
  EXPECT_THROW(SafetensorsReader{path}, Error);
  EXPECT_THROW(SafetensorsReader{folder.path() / "missing"}, Error);
  EXPECT_THROW(SafetensorsReader{folder.path()}, Error);
}

TEST(Safetensors, AFileThatShrinksIsAnErrorNotACrash) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  write_file(path, read_file("tests/golden/types.safetensors"));
  const SafetensorsReader reader(path);
  std::filesystem::resize_file(path, 16);
  EXPECT_THROW(read(reader, reader.header().entries.front()), Error);
}

TEST(Safetensors, WriterRefusesWhatNoReaderWouldTake) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  const std::array<std::byte, 8> bytes{};
  EXPECT_THROW(write_safetensors(path, {{"a", DType::f32, {3}, bytes}}, {}), Error);
  EXPECT_THROW(write_safetensors(path, {{"a", DType::f32, {2}, bytes}, {"a", DType::f64, {1}, bytes}}, {}),
               Error);
  EXPECT_THROW(write_safetensors(path, {{"__metadata__", DType::f32, {2}, bytes}}, {}), Error);
  EXPECT_THROW(write_safetensors(path, {{"\xff", DType::f32, {2}, bytes}}, {}), Error);
  EXPECT_THROW(write_safetensors(path, {}, {{"a", "\xff"}}), Error);
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace tutti::models
