#pragma once
// The sbatch command of a training job, as words.

#include <filesystem>
#include <string>

#include "base/fields.h"

namespace tutti {

inline constexpr auto kTrainScript = "train.sbatch";

struct SubmitOptions {
  std::string output;  // the run's folder
  int nodes = 1;
  int gpus = 0;                                      // of a node
  int ranks = 0;                                     // of a node; 0: one for each GPU, or one
  int cpus = 1;                                      // of a rank
  std::string time, partition, account, constraint;  // as sbatch takes them; empty: not asked for
  int signal_before = 300;                           // seconds
  int max_restarts = 20;
  Strings more;  // further options for sbatch
};

int ranks_per_node(const SubmitOptions& options);

// Under the run's folder: a log of the batch script for each job, and one of the ranks for each start of it.
std::filesystem::path log_folder(const SubmitOptions& options);

// sbatch, its options, the script, and what the script is given.
Strings sbatch_command(const SubmitOptions& options, const std::filesystem::path& script,
                       const Strings& arguments);

// What the batch script reads from its environment, as NAME=VALUE.
Strings job_environment(const SubmitOptions& options, const std::filesystem::path& program,
                        const std::filesystem::path& scripts);

// A word as a POSIX shell must be given it.
std::string quoted(const std::string& word);

}  // namespace tutti
