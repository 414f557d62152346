#pragma once
// What is wrong with this machine or cluster, before a run finds out.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "dist/communicator.h"

namespace tutti::recipes {

// failure: a run would break; warning: it would be slow, or lose a safeguard; note: nothing to do.
enum class Verdict { good, note, warning, failure };

struct Finding {
  Verdict verdict = Verdict::good;
  std::string subject;  // "MPI", "file system", ...
  std::string what;
  std::string remedy = {};  // empty where there is nothing to do
  bool of_job = false;      // found by one rank for all, which then is not named
};
using Findings = std::vector<Finding>;

struct DoctorOptions {
  std::filesystem::path folder = ".";  // where runs shall lie
  std::filesystem::path shards;        // empty: reading is not measured
};

// Looks at everything, some seconds long; writes 64 MB into a folder of its own under `folder`, and removes
// both where it made them. Does not throw for what is wrong with the machine: that is a finding. What only
// some ranks find names them. Collective: every rank gets the same findings, in order of subject.
Findings diagnose(const DoctorOptions& options, const dist::Communicator& world);

}  // namespace tutti::recipes
