#pragma once
// The subcommands: their options, their help, and what each does.

#include <CLI/App.hpp>

#include <functional>
#include <memory>

#include "dist/environment.h"
#include "launcher/exit_codes.h"
#include "recipes/console.h"

namespace tutti {

// What a subcommand is given to work with.
struct Job {
  dist::Environment& environment;
  const recipes::Console& console;
};

// Returns the exit code.
using Run = std::function<int(const Job&)>;

// Each adds its subcommand to the program and returns what to run when it was chosen.
struct Command {
  CLI::App* app;
  Run run;
};
Command shard_command(CLI::App& program);
Command train_command(CLI::App& program);
Command evaluate_command(CLI::App& program);
Command predict_command(CLI::App& program);
Command features_command(CLI::App& program);
Command forward_command(CLI::App& program);
Command inspect_command(CLI::App& program);
Command report_command(CLI::App& program);
Command import_command(CLI::App& program);
Command export_command(CLI::App& program);
Command doctor_command(CLI::App& program);

// Subcommands that start ranks instead of being one: they run before MPI is touched.
struct LaunchCommand {
  CLI::App* app;
  std::function<int()> run;
};
LaunchCommand launch_command(CLI::App& program);
LaunchCommand submit_command(CLI::App& program);

}  // namespace tutti
