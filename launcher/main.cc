// The program: reads the command line, runs one subcommand, turns errors into messages and exit codes.

#include <unistd.h>

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "launcher/commands.h"

namespace tutti {
namespace {

static_assert(kHungOrVanished == dist::hang_code);

// Ranks under `tutti launch` write to a pipe; it says whether its own end is a terminal.
bool is_terminal() {
  const char* said = std::getenv("TUTTI_TERMINAL");
  return said ? std::string_view(said) == "1" : ::isatty(STDERR_FILENO) == 1;
}

// The first rank speaks for all.
recipes::Console make_console(int rank) {
  if (rank != 0) return {};
  const bool terminal = is_terminal();
  const Log log([](Log::Level level, std::string_view message) {
    constexpr std::string_view names[] = {"", "warning: ", "error: "};
    // One write a line: mpirun tags each write.
    std::cerr << text(names[static_cast<int>(level)], message, '\n') << std::flush;
  });
  return {log, &std::cerr, terminal};
}

// Errors that every rank meets are told once: the first rank's message ends the job before the others speak.
void report(int rank, int ranks, std::string_view message) {
  if (rank > 0) std::this_thread::sleep_for(std::chrono::seconds(1));
  std::cerr << text("tutti: ", ranks > 1 && rank > 0 ? text("rank ", rank, ": ") : "", message, '\n')
            << std::flush;
}

// The first line of what a library says; the rest is a trace of its own code. That memory ran out comes as
// different types from different allocators.
std::string explain(const std::exception& error) {
  const std::string_view what = error.what();
  const auto line = what.substr(0, what.find('\n'));
  for (const std::string_view sign : {"out of memory", "allocate memory", "enough memory", "bad_alloc"}) {
    if (line.find(sign) == std::string_view::npos) continue;
    return Error("there is not enough memory", line,
                 "Lower train.batch, or raise train.accumulate: a rank then takes its share in parts.")
        .what();
  }
  return std::string(line);
}

int run(dist::Environment& environment, const Run& command) {
  const auto world = environment.world();
  const auto console = make_console(world.rank());
  int code = kFailed;
  try {
    return command({environment, console});
  } catch (const UsageError& error) {
    code = kBadUsage;
    report(world.rank(), world.size(), error.what());
  } catch (const Error& error) {
    report(world.rank(), world.size(), error.what());
  } catch (const std::exception& error) {
    report(world.rank(), world.size(), explain(error));
  }
  if (world.size() > 1) {
    // srun drops what it has not yet passed on when a rank aborts.
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    environment.abort(code);
  }
  return code;
}

int main(int argc, char** argv) {
  CLI::App program("tutti trains audio transformers on a cluster.", "tutti");
  program.set_version_flag("--version", "tutti " TUTTI_VERSION);
  program.require_subcommand(1);
  program.footer(
      "`tutti SUBCOMMAND --help` explains each. Exit codes: 0 done; 1 failed; 2 bad usage or configuration;\n"
      "75 stopped by a signal with a complete checkpoint: start again to go on; 76 a rank hung or vanished.");
  const Command commands[] = {shard_command(program),   train_command(program),    evaluate_command(program),
                              predict_command(program), features_command(program), forward_command(program),
                              inspect_command(program), report_command(program),   import_command(program),
                              export_command(program),  doctor_command(program)};
  const LaunchCommand launchers[] = {launch_command(program), submit_command(program)};
  try {
    program.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return program.exit(asked);
  } catch (const CLI::ParseError& error) {
    std::cerr << "tutti: " << error.what() << "\nRun with --help for what there is.\n";
    return kBadUsage;
  }

  for (const auto& launcher : launchers) {
    if (launcher.app->parsed()) return launcher.run();
  }
  dist::Environment environment(argc, argv, [](std::string_view message) {
    std::cerr << text("tutti: ", message, '\n') << std::flush;
  });
  for (const auto& command : commands) {
    if (command.app->parsed()) return run(environment, command.run);
  }
  return kBadUsage;
}

}  // namespace
}  // namespace tutti

int main(int argc, char** argv) {
  try {
    return tutti::main(argc, argv);
  } catch (const tutti::UsageError& error) {
    std::cerr << "tutti: " << error.what() << '\n';
    return tutti::kBadUsage;
  } catch (const std::exception& error) {
    std::cerr << "tutti: " << error.what() << '\n';
    return tutti::kFailed;
  }
}
