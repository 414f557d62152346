// MPI, libraries, processor, GPUs, cores and limits.

#include <ATen/Version.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <torch/version.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <memory>
#include <regex>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "dist/versions.h"
#include "recipes/doctor_checks.h"
#include "recipes/precision.h"

namespace tutti::recipes {
namespace fs = std::filesystem;
namespace {

constexpr double kMebibyte = 1 << 20;

bool in_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (fs::exists(fs::path(folder) / program)) return true;
  }
  return false;
}

std::string output_of(const char* command) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command, "r"), ::pclose);
  std::string output;
  std::array<char, 4096> buffer;
  while (pipe) {
    const auto count = std::fread(buffer.data(), 1, buffer.size(), pipe.get());
    if (count == 0) break;
    output.append(buffer.data(), count);
  }
  return output;
}

// "2.11.0" of the LibTorch that is running, which the one compiled against should be.
std::string running_torch() {
  std::smatch match;
  const auto config = at::show_config();
  return std::regex_search(config, match, std::regex(R"(TORCH_VERSION=([0-9.]+))")) ? match[1].str() : "";
}

bool all_same(const std::vector<std::string>& values) {
  return std::ranges::all_of(values, [&](const auto& value) { return value == values.front(); });
}

// CUDA writes 13.0 as 13000.
std::string cuda_version(int code) { return text(code / 1000, '.', code % 1000 / 10); }

// Of this node: the job's part under SLURM, else all.
int cores_of_job() {
  const char* said = std::getenv("SLURM_CPUS_ON_NODE");
  const int count = said ? std::atoi(said) : 0;
  return count > 0 ? count : static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

Findings examine_mpi(const Examination& job) {
  const auto versions = dist::find_versions();
  const auto& topology = job.topology;
  Findings findings;
  findings.push_back(
      {Verdict::good, "MPI",
       versions.started_by.empty()
           ? text(versions.mpi, "; one process, without a launcher")
           : text(versions.mpi, ", thread level ", versions.thread_level, "; ", topology.size,
                  topology.size == 1 ? " rank on " : " ranks on ", topology.hosts.size(),
                  topology.hosts.size() == 1 ? " node" : " nodes", ", started by ", versions.started_by)});
  if (!all_same(dist::all_gather(job.world, versions.mpi)))
    findings.push_back({Verdict::failure, "MPI", "the ranks run on different MPI libraries",
                        "Load the same module on every node."});
  if (topology.rank == 0 && in_path("srun")) {
    const auto listed = output_of("srun --mpi=list 2>&1");  // says nothing of use where there is no cluster
    if (listed.find("plugin types") != listed.npos && listed.find("pmix") == listed.npos)
      findings.push_back({Verdict::warning, "MPI", "srun of this cluster lists no pmix (srun --mpi=list)",
                          "Start ranks with mpirun, or tutti launch, inside the allocation.",
                          /*of_job=*/true});
  }
  return findings;
}

std::map<std::string, std::set<std::string>> doubled_libraries(std::string_view maps) {
  // What has a state of its own, or a version to agree on. libgomp and libiomp5 both are OpenMP runtimes.
  static const std::regex wanted(
      R"((/\S*/(libmpi|libnccl|libcudart|libtorch_cpu|libtorch_cuda|libc10|libhdf5|libhdf5_serial|libgomp|libiomp5|libomp)(?:-[0-9a-f]+)?\.so[.0-9]*)$)");
  std::map<std::string, std::set<std::string>> paths;
  std::istringstream lines{std::string(maps)};
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (!std::regex_search(line, match, wanted)) continue;
    std::string name = match[2];
    if (name == "libgomp" || name == "libiomp5" || name == "libomp") name = "OpenMP runtime";
    if (name == "libhdf5_serial") name = "libhdf5";
    paths[name].insert(match[1]);
  }
  std::erase_if(paths, [](const auto& entry) { return entry.second.size() < 2; });
  return paths;
}

Findings judge_cuda(int driver, int runtime) {
  if (driver == 0 || driver >= runtime) return {};
  const auto what = text("the driver supports CUDA ", cuda_version(driver), ", and tutti was built with ",
                         cuda_version(runtime));
  // Minor versions of one major version run on each other's drivers (CUDA Compatibility, chapter 2).
  if (driver / 1000 == runtime / 1000) return {{Verdict::note, "libraries", what}};
  return {{Verdict::failure, "libraries", what,
           "Update the driver, or build tutti with an older CUDA toolkit and its LibTorch."}};
}

Findings examine_libraries(const Examination&) {
  Findings findings;
  const auto torch = running_torch();
  const auto versions = dist::find_versions();
  findings.push_back({Verdict::good, "libraries",
                      text("LibTorch ", torch, versions.nccl_built.empty() ? ", a CPU build" : ", NCCL ",
                           versions.nccl_loaded)});
  if (!torch.empty() && torch != TORCH_VERSION)
    findings.push_back({Verdict::failure, "libraries",
                        text("LibTorch ", torch, " was loaded, but tutti was built with ", TORCH_VERSION),
                        "Take the other LibTorch out of LD_LIBRARY_PATH."});
  if (!versions.nccl_built.empty() && versions.nccl_loaded != versions.nccl_built)
    findings.push_back(
        {Verdict::warning, "libraries",
         text("NCCL ", versions.nccl_loaded, " was loaded, but tutti was built with ", versions.nccl_built),
         "An older one is refused when training starts: take it out of LD_LIBRARY_PATH."});
  const auto of_cuda = judge_cuda(versions.cuda_driver, versions.cuda_runtime);
  findings.insert(findings.end(), of_cuda.begin(), of_cuda.end());
  for (const auto& [name, paths] : doubled_libraries(read_file("/proc/self/maps"))) {
    std::string list;
    for (const auto& path : paths) list += text(list.empty() ? "" : ", ", path);
    findings.push_back(
        {Verdict::warning, "libraries", text(name, " is loaded ", paths.size(), " times: ", list),
         "Load one module, and look at LD_LIBRARY_PATH: two copies do not know each other's state."});
  }
  return findings;
}

Findings examine_processor(const Examination&) {
  const auto capability = at::get_cpu_capability();
  Findings findings = {{Verdict::good, "processor",
                        text(capability, "; precision = \"auto\" is ", resolve_precision("auto", at::kCPU),
                             " on this processor")}};
  if (capability == "DEFAULT")
    findings.push_back(
        {Verdict::warning, "processor", "LibTorch uses no vector instructions here",
         "Unset ATEN_CPU_CAPABILITY; or the processor has no AVX2, and training on it is slow."});
  return findings;
}

Findings examine_gpus(const Examination& job) {
  const bool driver = fs::exists("/proc/driver/nvidia/gpus") && !fs::is_empty("/proc/driver/nvidia/gpus");
  try {
    if (const auto gpu = dist::find_gpu(job.world, job.topology))
      return {{Verdict::good, "GPUs", text("every rank has a GPU of its own")}};
  } catch (const Error& error) {  // two ranks on one GPU; a rank without
    return {{Verdict::failure, "GPUs", error.what()}};
  }
  if (!driver) return {{Verdict::note, "GPUs", "none here: ranks compute on CPUs"}};
  const bool cpu_build = dist::find_versions().nccl_built.empty();
  return {{Verdict::warning, "GPUs", "this node has NVIDIA GPUs, but tutti sees none",
           cpu_build ? "This is a CPU build: build where CUDA and NCCL are installed."
                     : "Ask the scheduler for GPUs (--gpus-per-node), and look at CUDA_VISIBLE_DEVICES."}};
}

Findings judge_binding(std::span<const std::vector<int>> cores, int node_cores) {
  std::map<int, int> users;
  std::size_t least = cores.front().size();
  for (const auto& bound : cores) {
    least = std::min(least, bound.size());
    for (const int core : bound) ++users[core];
  }
  const auto ranks = std::ssize(cores);
  const auto used = std::ssize(users);
  Findings findings = {
      {Verdict::good, "cores",
       text(ranks, ranks == 1 ? " rank" : " ranks", " of a node, on ", used, " cores of ", node_cores)}};
  if (ranks > node_cores)
    findings.push_back({Verdict::warning, "cores",
                        text("a node has ", ranks, " ranks and ", node_cores, " cores"),
                        "Start no more ranks on a node than it has cores, or GPUs."});
  const bool idle = used < node_cores && static_cast<std::int64_t>(least) < node_cores / ranks;
  if (idle)
    findings.push_back({Verdict::warning, "cores",
                        text("a rank is bound to ", least, " of ", node_cores,
                             " cores of its node; its share is ", node_cores / ranks),
                        "Give each rank its share: srun -c N, mpirun --map-by slot:PE=N, or tutti launch."});
  // Ranks that may all run everywhere share fairly; ranks that are bound, and bound to the same cores, do
  // not.
  const bool bound = static_cast<std::int64_t>(least) < node_cores;
  const bool shared = std::ranges::any_of(users, [](const auto& entry) { return entry.second > 1; });
  if (bound && shared && ranks <= used)
    findings.push_back(
        {Verdict::warning, "cores", "ranks are bound to the same cores",
         "Two launchers bind, or none counts: use srun --cpu-bind=cores, or mpirun --bind-to none."});
  return findings;
}

Findings examine_binding(const Examination& job) {
  std::vector<std::vector<int>> cores;
  std::string own;
  for (const int core : dist::bound_cores()) own += text(core, ' ');
  for (const auto& row : dist::all_gather(job.node, own)) {
    std::istringstream words(row);
    cores.emplace_back(std::istream_iterator<int>(words), std::istream_iterator<int>());
  }
  auto findings = judge_binding(cores, cores_of_job());
  const char* threads = std::getenv("OMP_NUM_THREADS");
  if (threads && std::atoi(threads) > job.topology.cores)
    findings.push_back(
        {Verdict::warning, "cores",
         text("OMP_NUM_THREADS = ", threads, ", but a rank may run on ", job.topology.cores, " cores"),
         "Unset it: tutti takes its share of the cores."});
  return findings;
}

Findings examine_limits(const Examination& job) {
  Findings findings;
  struct statvfs shared {};
  if (::statvfs("/dev/shm", &shared) == 0) {
    const double free = static_cast<double>(shared.f_bavail) * static_cast<double>(shared.f_frsize);
    const double wanted = 32 * kMebibyte * job.topology.local_size;  // Open MPI's segments, with room
    if (free < wanted)
      findings.push_back({Verdict::failure, "limits",
                          text("/dev/shm has ", static_cast<int>(free / kMebibyte), " MiB free; ",
                               job.topology.local_size, " ranks need ", static_cast<int>(wanted / kMebibyte)),
                          "Containers get 64 MiB unless they are started with --shm-size or --ipc=host."});
  }
  rlimit files{}, locked{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  ::getrlimit(RLIMIT_MEMLOCK, &locked);
  if (files.rlim_cur < 1024)
    findings.push_back({Verdict::warning, "limits",
                        text("a process may open ", files.rlim_cur, " files only"),
                        "ulimit -n 4096: every shard is kept open."});
  if (fs::exists("/sys/class/infiniband") && locked.rlim_cur != RLIM_INFINITY)
    findings.push_back(
        {Verdict::warning, "limits", "there is InfiniBand here, and locked memory is limited",
         "ulimit -l unlimited, also in slurmd's unit (LimitMEMLOCK): MPI falls back to TCP, or fails."});
  if (findings.empty())
    findings.push_back({Verdict::good, "limits", "shared memory, open files, locked memory"});
  return findings;
}

}  // namespace tutti::recipes
