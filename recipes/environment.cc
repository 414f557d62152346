#include "recipes/environment.h"

#include <ATen/Version.h>
#include <sys/utsname.h>
#include <torch/version.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "recipes/session.h"

namespace tutti::recipes {
namespace fs = std::filesystem;
namespace {

constexpr auto kFile = "environment.json";

// What follows "KEY:" in a file of /proc; empty where there is no such line.
std::string proc_value(const fs::path& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const auto begin = line.find_first_not_of(" \t", line.find(':') + 1);
    return begin == line.npos ? "" : line.substr(begin);
  }
  return "";
}

std::string gpu_name() {
  std::error_code none;
  for (const auto& gpu : fs::directory_iterator("/proc/driver/nvidia/gpus", none))
    return proc_value(gpu.path() / "information", "Model");
  return "";
}

}  // namespace

EnvironmentRecord describe_environment(const Session& session) {
  utsname system{};
  ::uname(&system);
  EnvironmentRecord record = {
      {"tutti", TUTTI_VERSION},
      {"LibTorch", TORCH_VERSION},
      {"system", text(system.sysname, ' ', system.release, ' ', system.machine)},
      {"processor", proc_value("/proc/cpuinfo", "model name")},
      {"cores", std::to_string(std::thread::hardware_concurrency())},
      {"capability", at::get_cpu_capability()},
      {"ranks", std::to_string(session.world.size())},
      {"nodes", std::to_string(session.nodes)},
      {"threads of a rank", std::to_string(session.threads)},
      {"device", session.device.str()},
      {"communication", session.peers.backend()},
  };
  if (session.device.is_cuda()) record.emplace_back("GPU", gpu_name());
  return record;
}

void write_environment(const fs::path& run, const EnvironmentRecord& environment) {
  nlohmann::ordered_json json;
  for (const auto& [name, value] : environment) json[name] = value;
  replace_file(run / kFile, json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

EnvironmentRecord read_environment(const fs::path& run) {
  const auto path = run / kFile;
  if (!fs::exists(path)) return {};
  const auto json = nlohmann::ordered_json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw Error(text("'", path.string(), "' is damaged"), "it holds no JSON object");
  EnvironmentRecord record;
  for (const auto& [name, value] : json.items())
    record.emplace_back(name, value.is_string() ? value.get<std::string>() : value.dump());
  return record;
}

}  // namespace tutti::recipes
