// The file system that runs shall lie on: room, whole renames, locks that other nodes see, and its clock.

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <optional>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "base/file_lock.h"
#include "base/files.h"
#include "recipes/doctor_checks.h"

namespace tutti::recipes {
namespace fs = std::filesystem;
namespace {

constexpr auto kSubject = "file system";
constexpr auto kVisibleWithin = std::chrono::seconds(5);  // attribute caches of NFS last 3 s
constexpr double kGigabyte = 1e9;

// A folder for the doctor's own files, removed with it.
class Trial {
 public:
  explicit Trial(const fs::path& folder) {
    if (fs::create_directories(folder)) made_ = folder;
    auto pattern = (folder / ".tutti-doctor-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw file_error("make a folder in", folder.string(), errno);
    path_ = pattern;
  }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
  ~Trial() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    if (!made_.empty()) fs::remove(made_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  fs::path made_;  // the folder around it, where there was none
};

bool lock_is_refused(const fs::path& path) {
  try {
    return !FileLock(path, "the doctor's file").held();
  } catch (const LockHeld&) {
    return true;
  }
}

bool appears(const fs::path& path) {
  const auto deadline = std::chrono::steady_clock::now() + kVisibleWithin;
  std::error_code not_seen;  // whatever keeps this node from seeing it
  while (!fs::exists(path, not_seen)) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return true;
}

// Checkpoints and shards appear by renaming folders and files.
Findings try_renames(const fs::path& trial) {
  write_file(trial / "old", "old");
  write_file(trial / "new", "new");
  rename_durably(trial / "new", trial / "old");
  fs::create_directory(trial / "folder.partial");
  write_file(trial / "folder.partial" / "file", "whole");
  rename_durably(trial / "folder.partial", trial / "folder");
  if (read_file(trial / "old") == "new" && read_file(trial / "folder" / "file") == "whole") return {};
  return {{Verdict::failure, kSubject, "a renamed file does not hold what was written",
           "Put runs on another file system: checkpoints could not be trusted on this one."}};
}

Findings try_writing(const fs::path& trial) {
  constexpr std::size_t kBytes = 64 << 20;
  const std::string bytes(kBytes, 'x');
  const auto start = std::chrono::steady_clock::now();
  write_file(trial / "bytes", bytes);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const double rate = kBytes / seconds.count();
  // AST-base with the state of Adam: three floats a parameter, 86 million.
  return {
      {rate < 20e6 ? Verdict::warning : Verdict::good, kSubject,
       text("writes ", std::llround(rate / 1e6),
            " MB/s, synced: a checkpoint of AST-base (1 GB) takes about ", std::ceil(1.03 * kGigabyte / rate),
            " s"),
       rate < 20e6 ? "Save less often (checkpoint.every_epochs), or put runs on a faster file system." : ""}};
}

Findings try_clock(const fs::path& trial) {
  write_file(trial / "now", "");
  struct stat status {};
  if (::stat((trial / "now").c_str(), &status) != 0) return {};
  const double ahead = std::difftime(status.st_mtime, std::time(nullptr));
  if (std::abs(ahead) <= 5) return {};
  return {{Verdict::warning, kSubject, text("its clock is ", ahead, " s ahead of this node's"),
           "Synchronise the clocks (chrony): times of files and logs will not agree."}};
}

Findings look_at_space(const fs::path& folder) {
  struct statvfs space {};
  if (::statvfs(folder.c_str(), &space) != 0) throw file_error("look at", folder.string(), errno);
  const bool counts_inodes = space.f_files > 0;  // some do not: btrfs, most parallel ones
  return judge_space(static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize),
                     counts_inodes ? static_cast<double>(space.f_favail) : HUGE_VAL,
                     file_system_type(read_file("/proc/self/mountinfo"), fs::canonical(folder)));
}

}  // namespace

std::string file_system_type(std::string_view mountinfo, const fs::path& path) {
  std::string type;
  std::size_t longest = 0;
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    // ID PARENT MAJOR:MINOR ROOT MOUNT_POINT OPTIONS... - TYPE SOURCE OPTIONS
    std::istringstream words(line);
    std::string word, mount;
    for (int field = 0; field < 5; ++field) words >> mount;
    while (words >> word && word != "-") {
    }
    const auto above = fs::path(mount == "/" ? "" : mount).native();
    const auto& below = path.native();
    if (!(words >> word) || !below.starts_with(above)) continue;
    if (below.size() > above.size() && below[above.size()] != '/') continue;
    if (mount.size() >= longest) {  // a later mount covers an earlier one
      longest = mount.size();
      type = word;
    }
  }
  return type;
}

Findings judge_space(double free_bytes, double free_inodes, std::string_view type) {
  Findings findings = {{Verdict::good, kSubject,
                        text(type.empty() ? "unknown type" : type, ", ",
                             std::floor(free_bytes / kGigabyte * 10) / 10, " GB free")}};
  const auto& said = findings.front().what;
  if (free_bytes < 0.1 * kGigabyte || free_inodes < 100) {
    findings = {{Verdict::failure, kSubject, text(said, ", ", free_inodes, " files"),
                 "Make room, or give another --folder."}};
  } else if (free_bytes < 10 * kGigabyte) {
    findings = {{Verdict::warning, kSubject, said, "A run of AST-base keeps 2 to 4 checkpoints of 1 GB."}};
  } else if (type == "tmpfs" || type == "ramfs") {
    findings = {{Verdict::warning, kSubject, said + ": it is memory, and lost when the node restarts",
                 "Put runs on a disk."}};
  }
  return findings;
}

Findings examine_file_system(const Examination& job) {
  const bool first = job.world.rank() == 0;
  Findings findings;
  std::optional<Trial> trial;
  std::optional<FileLock> lock;
  std::string path;  // empty: the first rank has failed
  const auto add = [&](Findings more) { findings.insert(findings.end(), more.begin(), more.end()); };
  const auto attempt = [&](auto&& work) {
    try {
      work();
    } catch (const std::exception& error) {
      add({{Verdict::failure, kSubject, error.what(),
            "Give another --folder, or ask who runs the file system.", /*of_job=*/first}});
    }
  };

  if (first) {
    attempt([&] {
      trial.emplace(job.options.folder);
      for (const auto check : {look_at_space, try_renames, try_writing, try_clock})
        add(of_job(check(trial->path())));
      lock.emplace(trial->path() / "lock", "the doctor's file");
      path = fs::canonical(trial->path()).string();
    });
  }
  dist::broadcast(job.world, path, 0);
  if (path.empty()) return findings;

  // What the first rank wrote and holds, seen from the other nodes; on one node, from another descriptor.
  const auto lock_path = fs::path(path) / "lock";
  const bool elsewhere = job.topology.local_rank == 0 && job.topology.node > 0;
  if (elsewhere && !appears(lock_path)) {
    add({{Verdict::failure, kSubject,
          text("node ", job.topology.node, " does not see what the first rank writes to '",
               job.options.folder.string(), "'"),
          "Runs and shards must lie on a file system that all nodes share."}});
  } else if (elsewhere || (first && job.topology.hosts.size() == 1)) {
    attempt([&] {
      if (!lock_is_refused(lock_path) || (first && !lock->held()))
        add({{Verdict::warning, kSubject, "it has no locks that hold between nodes and processes",
              "Two jobs could write one run. Lustre: mount with -o flock, not localflock.",
              /*of_job=*/true}});
    });
  }
  job.world.barrier();  // the first rank keeps its lock until here
  return findings;
}

}  // namespace tutti::recipes
