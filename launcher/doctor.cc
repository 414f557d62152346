// tutti doctor: prints what is found, a line each, and what to do about it.

#include "recipes/doctor.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <iomanip>
#include <iostream>

#include "launcher/commands.h"

namespace tutti {
namespace {

std::string_view name(recipes::Verdict verdict) {
  switch (verdict) {
    case recipes::Verdict::good:
      return "good";
    case recipes::Verdict::note:
      return "note";
    case recipes::Verdict::warning:
      return "warning";
    case recipes::Verdict::failure:
      return "FAILURE";
  }
  return "";
}

void print(const recipes::Findings& findings) {
  constexpr int kVerdict = 9, kSubject = 13;
  for (const auto& finding : findings) {
    std::cout << std::left << std::setw(kVerdict) << name(finding.verdict) << std::setw(kSubject)
              << finding.subject << finding.what << '\n';
    if (!finding.remedy.empty())
      std::cout << std::string(kVerdict + kSubject, ' ') << "-> " << finding.remedy << '\n';
  }
}

}  // namespace

Command doctor_command(CLI::App& program) {
  auto* app = program.add_subcommand("doctor", "What is wrong with this machine or cluster");
  auto options = std::make_shared<recipes::DoctorOptions>();
  app->add_option("--folder", options->folder, "Where runs shall lie: 64 MB are written there, and removed")
      ->capture_default_str();
  app->add_option("--shards", options->shards, "A folder of shards: how fast it is read");
  app->footer(
      "Looks at MPI, libraries loaded twice, processor, GPUs, cores of the ranks, limits, the file system, "
      "clocks,\n"
      "and how fast ranks sum gradients and read shards. Run it the way a job will run:\n"
      "  tutti launch -n 2 -- doctor --folder runs\n"
      "  srun -N 4 --ntasks-per-node=8 --mpi=pmix tutti doctor --folder /shared/runs --shards "
      "/shared/audioset\n"
      "Exit code 1 when something would break a run; a warning says what would be slow, or unsafe.");
  return {app, [options](const Job& job) {
            const auto findings = recipes::diagnose(*options, job.environment.world());
            if (job.environment.world().rank() == 0) print(findings);
            return std::ranges::count(findings, recipes::Verdict::failure, &recipes::Finding::verdict) > 0
                       ? kFailed
                       : kDone;
          }};
}

}  // namespace tutti
