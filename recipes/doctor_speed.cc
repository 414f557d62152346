// Clocks, and how fast ranks talk to each other and read shards.

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/counter_rng.h"
#include "base/error.h"
#include "data/shard_set.h"
#include "dist/versions.h"
#include "recipes/doctor_checks.h"

namespace tutti::recipes {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + std::ssize(values) / 2);
  return values[values.size() / 2];
}

double wall_clock() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Of one bucket of gradients, as dist sends them.
constexpr std::int64_t kBucket = 25'000'000;

// Bytes a second that all ranks of the node copy at once, each.
double copy_rate() {
  const auto from = torch::ones({kBucket / 4});
  auto to = torch::empty_like(from);
  to.copy_(from);
  std::vector<double> rates;
  for (int round = 0; round < 5; ++round) {
    const auto start = Clock::now();
    std::memcpy(to.mutable_data_ptr(), from.const_data_ptr(), kBucket);
    rates.push_back(kBucket / seconds_since(start));
  }
  return median(rates);
}

// Bytes a second of the fastest network interface that is up; 0 where none says. What is not a device of its
// own (bridges, the loopback) says nothing of use.
double network_rate() {
  double fastest = 0;
  std::error_code none;
  for (const auto& interface : fs::directory_iterator("/sys/class/net", none)) {
    double megabits = 0;
    std::ifstream(interface.path() / "speed") >> megabits;
    if (fs::exists(interface.path() / "device")) fastest = std::max(fastest, megabits * 1e6 / 8);
  }
  for (const auto& device : fs::directory_iterator("/sys/class/infiniband", none)) {
    for (const auto& port : fs::directory_iterator(device.path() / "ports", none)) {
      double gigabits = 0;
      std::ifstream(port.path() / "rate") >> gigabits;
      fastest = std::max(fastest, gigabits * 1e9 / 8);
    }
  }
  return fastest;
}

std::string gigabytes(double bytes) { return text(std::round(bytes / 1e7) / 100, " GB/s"); }

}  // namespace

Finding judge_clocks(std::span<const double> ahead) {
  const auto [least, most] = std::ranges::minmax_element(ahead);
  const double spread = *most - *least;
  if (spread <= 1) return {Verdict::good, "clocks", text("agree within ", std::ceil(spread * 1000), " ms")};
  const auto worst = std::abs(*least) > std::abs(*most) ? least : most;
  return {Verdict::warning, "clocks",
          text("rank ", worst - ahead.begin(), "'s clock is ", std::round(*worst * 10) / 10,
               " s ahead of rank 0's"),
          "Synchronise the nodes' clocks (chrony, ntpd): logs of the ranks will not fit together."};
}

Findings examine_clocks(const Examination& job) {
  // Ranks leave a barrier within the time of a message; the median of many tries tells less than that apart.
  std::vector<std::vector<double>> ahead(static_cast<std::size_t>(job.world.size()));
  for (int round = 0; round < 11; ++round) {
    job.world.barrier();
    const auto now = job.world.all_gather(torch::full({1}, wall_clock(), torch::kFloat64));
    for (std::size_t rank = 0; rank < ahead.size(); ++rank) {
      ahead[rank].push_back(now[static_cast<std::int64_t>(rank)].item<double>() - now[0].item<double>());
    }
  }
  std::vector<double> medians;
  for (auto& tries : ahead) medians.push_back(median(tries));
  // Each rank would find slightly the same: the first one speaks.
  return job.world.rank() == 0 && job.world.size() > 1 ? of_job({judge_clocks(medians)}) : Findings{};
}

Finding judge_all_reduce(double rate, double memory_rate, double network_rate, int ranks,
                         bool several_nodes) {
  // AST-base: 86 million parameters in float32.
  constexpr double kAstBase = 344e6;
  Finding finding{Verdict::good, "all-reduce",
                  text("25 MB over ", ranks, " ranks by MPI: ", gigabytes(rate),
                       "; the gradients of AST-base take ", std::ceil(kAstBase / rate * 1000), " ms")};
  // A ring moves each byte twice; a message through memory is copied two or three times besides.
  const double expected = several_nodes ? 0.15 * network_rate : 0.1 * memory_rate;
  if (expected > 0 && rate < expected) {
    finding.verdict = Verdict::warning;
    finding.what +=
        text("; ", several_nodes ? "the network" : "memory", " would allow ", gigabytes(expected));
    finding.remedy =
        several_nodes
            ? "MPI may use another interface: mpirun --mca btl_tcp_if_include NAME, or build Open MPI "
              "with UCX."
            : "Ranks may be bound to the same cores, or shared memory be forbidden: see 'cores' and "
              "'limits'.";
  }
  return finding;
}

Findings examine_all_reduce(const Examination& job) {
  if (job.world.size() == 1) return {};
  job.world.barrier();
  const double memory = copy_rate();
  auto bucket = torch::ones({kBucket / 4});
  job.world.all_reduce(bucket, dist::Reduce::max);  // connects
  std::vector<double> rates;
  for (int round = 0; round < 7; ++round) {
    job.world.barrier();
    const auto start = Clock::now();
    job.world.all_reduce(bucket, dist::Reduce::max);
    rates.push_back(kBucket / seconds_since(start));
  }
  if (job.world.rank() != 0) return {};
  const bool crowded = job.topology.local_size > job.topology.cores;  // then nothing is to be expected
  auto findings = of_job({judge_all_reduce(median(rates), crowded ? 0 : memory, crowded ? 0 : network_rate(),
                                           job.world.size(), job.topology.hosts.size() > 1)});
  if (dist::find_versions().cuda_driver > 0)
    findings.push_back({Verdict::note, "all-reduce",
                        "between GPUs NCCL sends the gradients: not measured here",
                        "tools/accept_gpus.sh tries them.", /*of_job=*/true});
  return findings;
}

Finding judge_shard_reading(double least, double most, std::int64_t record_bytes) {
  // A clip of AST-base takes 0.65 TFLOP, forward and backward: a GPU of 300 TFLOP/s wants 500 a second.
  constexpr double kWanted = 500;
  Finding finding{Verdict::good, "shards",
                  text("ranks read ", std::llround(least), " to ", std::llround(most),
                       " clips a second at random, with one thread; the slowest ",
                       gigabytes(least * static_cast<double>(record_bytes)))};
  if (least < kWanted) {
    finding.verdict = Verdict::warning;
    finding.remedy =
        "Raise loader.threads, or copy the shards to the nodes' own disks; on Lustre, stripe them.";
  }
  return finding;
}

Findings examine_shards(const Examination& job) {
  if (job.options.shards.empty()) return {};
  Findings findings;
  double a_second = -1;
  std::int64_t record_bytes = 0;  // on average
  try {
    const auto set = data::ShardSet::open(job.options.shards);
    const auto& layout = set.layout();
    std::vector<std::byte> record(static_cast<std::size_t>(layout.most_steps) * layout.step_bytes());
    std::int64_t bytes = 0;
    CounterRng random(static_cast<std::uint64_t>(job.world.rank()));
    constexpr double kSeconds = 2;
    std::int64_t count = 0;
    const auto start = Clock::now();
    for (; count < set.size() && seconds_since(start) < kSeconds; ++count) {
      const auto drawn = static_cast<std::int64_t>(random.integer(static_cast<std::uint64_t>(set.size())));
      const auto steps = layout.ragged ? set.length(drawn) : layout.most_steps;
      const auto part = std::span(record).first(static_cast<std::size_t>(steps) * layout.step_bytes());
      set.read(drawn, 0, steps, part);
      bytes += std::ssize(part);
    }
    record_bytes = bytes / std::max<std::int64_t>(1, count);
    a_second = static_cast<double>(count) / seconds_since(start);
  } catch (const std::exception& error) {
    findings.push_back({Verdict::failure, "shards", error.what()});
  }
  const auto all = job.world.all_gather(torch::full({1}, a_second, torch::kFloat64));
  const double least = all.min().item<double>();
  if (least > 0 && job.world.rank() == 0)
    findings = of_job({judge_shard_reading(least, all.max().item<double>(), record_bytes)});
  return findings;
}

}  // namespace tutti::recipes
