#include "recipes/doctor.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/error.h"
#include "dist/topology.h"
#include "recipes/doctor_checks.h"

namespace tutti::recipes {
namespace {

using Check = Findings (*)(const Examination&);

// In the order of the report: what the next ones rest on comes first.
constexpr Check checks[] = {examine_mpi,        examine_libraries, examine_processor,   examine_gpus,
                            examine_binding,    examine_limits,    examine_file_system, examine_clocks,
                            examine_all_reduce, examine_shards};

std::string list_ranks(const std::vector<int>& ranks) {
  std::string list = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    std::size_t end = i;
    while (end + 1 < ranks.size() && ranks[end + 1] == ranks[end] + 1) ++end;
    list += text(i > 0 ? ", " : "", ranks[i]);
    if (end > i) list += text(end > i + 1 ? "-" : ", ", ranks[end]);
    i = end;
  }
  return list;
}

// What all ranks found, each once, and where not all did, by whom.
Findings gather(const Findings& own, const dist::Communicator& world) {
  auto rows = nlohmann::json::array();
  for (const auto& f : own)
    rows.push_back({static_cast<int>(f.verdict), f.subject, f.what, f.remedy, f.of_job});
  std::vector<std::pair<nlohmann::json, std::vector<int>>> all;
  const auto texts =
      dist::all_gather(world, rows.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  for (int rank = 0; rank < world.size(); ++rank) {
    for (auto& row : nlohmann::json::parse(texts[static_cast<std::size_t>(rank)])) {
      auto found = std::ranges::find(all, row, &decltype(all)::value_type::first);
      if (found == all.end()) found = all.emplace(all.end(), row, std::vector<int>{});
      found->second.push_back(rank);
    }
  }
  Findings findings;
  for (const auto& [row, ranks] : all) {
    const bool of_job = row[4];
    const auto who = of_job || std::ssize(ranks) == world.size() ? "" : list_ranks(ranks) + ": ";
    findings.push_back(
        {static_cast<Verdict>(row[0].get<int>()), row[1], who + row[2].get<std::string>(), row[3], of_job});
  }
  return findings;
}

}  // namespace

Findings diagnose(const DoctorOptions& options, const dist::Communicator& world) {
  Examination job{world, dist::find_topology(world), world.split_by_node(), options};
  Findings all;
  for (const Check check : checks) {
    const auto found = gather(check(job), world);
    all.insert(all.end(), found.begin(), found.end());
  }
  job.node.close();
  return all;
}

}  // namespace tutti::recipes
