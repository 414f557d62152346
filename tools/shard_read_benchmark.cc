// shard_read_benchmark [FOLDER]: random records of a set of shards through ShardSet::read, beside bare pread
// of the same records in the same order, in GB/s of stored bytes (page cache warm). Without FOLDER it writes
// 512 MB of AudioSet-sized records (1024 x 128 float16) to a temporary one.

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"
#include "data/sampler.h"
#include "data/shard_set.h"
#include "data/shard_writer.h"

namespace tutti::data {
namespace {

namespace fs = std::filesystem;

constexpr int kRounds = 5;

void write_set(const fs::path& folder) {
  ShardSchema schema;
  schema.classes = {"noise"};
  schema.folds = {"train"};
  constexpr std::int64_t kShards = 8;
  constexpr std::int64_t kRecords = 250;
  Strings files;
  for (std::int64_t shard = 0; shard < kShards; ++shard) {
    std::vector<ShardRecord> records(kRecords);
    for (std::int64_t i = 0; i < kRecords; ++i) {
      ShardRecord& record = records[static_cast<std::size_t>(i)];
      record.key = std::to_string(shard * kRecords + i);
      record.length = 1024;
      record.labels = {{0, 1}};
      record.values.resize(1024 * record_layout(schema).step_bytes(), static_cast<std::byte>(i % 64));
    }
    files.push_back(shard_file_name("benchmark", shard, kShards));
    write_shard(folder / files.back(), schema, records);
  }
  write_index(folder, describe_shards(folder, "benchmark", schema, files));
}

// Every record once, in random order.
std::vector<std::int64_t> random_order(const ShardSet& set) {
  std::vector<Example> examples;
  for (std::int64_t i = 0; i < set.size(); ++i) examples.push_back({.record = i});
  const Sampler sampler(std::move(examples), Order::shuffled, 1);
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < sampler.size(); ++i) order.push_back(sampler.at(0, i).record);
  return order;
}

using ReadRecord = std::function<void(std::int64_t record, std::span<std::byte> out)>;

// GB/s over all records, cut evenly among threads.
double rate(const std::vector<std::int64_t>& order, std::size_t bytes, std::size_t threads,
            const ReadRecord& read) {
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> workers;
    for (std::size_t t = 0; t < threads; ++t) {
      workers.emplace_back([&, t] {
        std::vector<std::byte> out(bytes);
        for (std::size_t i = t; i < order.size(); i += threads) read(order[i], out);
      });
    }
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return static_cast<double>(order.size() * bytes) / seconds.count() * 1e-9;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void measure(const fs::path& folder) {
  const ShardSet set = ShardSet::open(folder);
  const ShardIndex& index = set.index();
  const std::int64_t frames = set.layout().most_steps;
  const std::size_t bytes = static_cast<std::size_t>(frames) * set.layout().step_bytes();
  const std::vector<std::int64_t> order = random_order(set);

  struct Place {
    int descriptor;
    std::int64_t offset;
  };
  std::vector<tutti::Descriptor> files;
  std::vector<Place> places;
  for (const ShardEntry& shard : index.shards) {
    files.emplace_back(::open((folder / shard.file).c_str(), O_RDONLY));
    for (std::int64_t i = 0; i < shard.count; ++i) {
      places.push_back({files.back().get(), shard.offset + i * static_cast<std::int64_t>(bytes)});
    }
  }
  const ReadRecord bare = [&](std::int64_t record, std::span<std::byte> out) {
    const auto [descriptor, offset] = places[static_cast<std::size_t>(record)];
    if (::pread(descriptor, out.data(), out.size(), offset) != std::ssize(out))
      throw tutti::Error("short read");
  };
  rate(order, bytes, 1, bare);  // warms the page cache

  std::printf("%lld records of %zu bytes; GB/s, median of %d rounds (share of bare pread)\n",
              static_cast<long long>(set.size()), bytes, kRounds);
  for (const std::size_t threads : {1, 2}) {
    std::vector<double> bare_rates, first_rates, later_rates, float_rates;
    for (int round = 0; round < kRounds; ++round) {
      const ShardSet fresh = ShardSet::open(folder);
      const ReadRecord read = [&](std::int64_t record, std::span<std::byte> out) {
        fresh.read(record, 0, frames, out);
      };
      const ReadRecord read_as_float = [&](std::int64_t record, std::span<std::byte> out) {
        read(record, out);
        at::from_blob(out.data(), {static_cast<std::int64_t>(bytes / 2)}, at::kHalf).to(at::kFloat);
      };
      bare_rates.push_back(rate(order, bytes, threads, bare));
      first_rates.push_back(rate(order, bytes, threads, read));
      later_rates.push_back(rate(order, bytes, threads, read));
      float_rates.push_back(rate(order, bytes, threads, read_as_float));
    }
    const double reference = median(bare_rates);
    const auto print = [&](const char* what, const std::vector<double>& rates) {
      std::printf("  %-34s %6.2f (%.2f)\n", what, median(rates), median(rates) / reference);
    };
    std::printf("%zu thread%s\n", threads, threads == 1 ? "" : "s");
    print("bare pread", bare_rates);
    print("first reads, verified", first_rates);
    print("later reads", later_rates);
    print("later reads, converted to float32", float_rates);
  }
}

int main(int argc, char** argv) {
  at::set_num_threads(1);
  try {
    if (argc > 1) {
      measure(argv[1]);
      return 0;
    }
    std::string pattern = (fs::temp_directory_path() / "tutti-shards-XXXXXX").string();
    const fs::path folder = mkdtemp(pattern.data());
    const std::shared_ptr<void> clean(nullptr, [&](void*) { fs::remove_all(folder); });
    write_set(folder);
    measure(folder);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "shard_read_benchmark: %s\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace tutti::data

int main(int argc, char** argv) { return tutti::data::main(argc, argv); }
