#include "recipes/run_log.h"

#include <cerrno>
#include <chrono>
#include <ctime>
#include <iomanip>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"

namespace tutti::recipes {
namespace {

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::ofstream open_to_append(const std::filesystem::path& path) {
  std::ofstream file(path, std::ios::app);
  if (!file) throw file_error("write", path.string(), errno);
  return file;
}

// Keeps whole lines of steps up to `last_step`.
void drop_lines_beyond(const std::filesystem::path& path, std::int64_t last_step) {
  if (!std::filesystem::exists(path)) return;
  const std::string content = read_file(path);
  std::string kept;
  std::istringstream lines(content);
  for (std::string line; std::getline(lines, line);) {
    const auto record = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (record.is_object() && record.value("step", last_step + 1) <= last_step) kept += line + '\n';
  }
  if (kept != content) replace_file(path, kept);
}

}  // namespace

struct RunLog::Files {
  Files(const std::filesystem::path& folder)
      : metrics(open_to_append(folder / "metrics.jsonl")),
        text(open_to_append(folder / "log.txt")),
        events(folder, unix_time()) {}

  std::ofstream metrics, text;
  TensorboardWriter events;
};

RunLog::RunLog(const std::filesystem::path& folder, std::int64_t last_step) {
  drop_lines_beyond(folder / "metrics.jsonl", last_step);
  files_ = std::make_shared<Files>(folder);
}

void RunLog::step(const StepRecord& record) {
  if (!files_) return;
  const nlohmann::ordered_json line = {{"step", record.step},
                                       {"epoch", record.epoch},
                                       {"loss", record.loss},
                                       {"lr", record.lr},
                                       {"gradient_norm", record.gradient_norm},
                                       {"clips_per_second", record.clips_per_second}};
  files_->metrics << line.dump() + "\n" << std::flush;  // somebody may be watching
  const double now = unix_time();
  files_->events.scalar("train/loss", record.loss, record.step, now);
  files_->events.scalar("train/lr", record.lr, record.step, now);
  files_->events.scalar("train/gradient_norm", record.gradient_norm, record.step, now);
  files_->events.scalar("train/clips_per_second", record.clips_per_second, record.step, now);
}

void RunLog::validation(std::int64_t step, std::int64_t epoch, const std::string& split,
                        const Metrics& metrics) {
  if (!files_) return;
  nlohmann::ordered_json line = {{"step", step}, {"epoch", epoch}, {"split", split}};
  for (const auto& [name, value] : metrics) {
    line[name] = value;
    files_->events.scalar(split + "/" + name, value, step, unix_time());
  }
  files_->metrics << line.dump() << '\n';
  flush();
}

Log RunLog::with_file(const Log& console) const {
  if (!files_) return console;
  return Log([console, files = files_](Log::Level level, std::string_view message) {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    localtime_r(&now, &local);
    constexpr std::string_view names[] = {"", "warning: ", "error: "};
    files->text << std::put_time(&local, "%F %T ") << names[static_cast<int>(level)] << message << std::endl;
    switch (level) {
      case Log::Level::info:
        return console.info(message);
      case Log::Level::warning:
        return console.warning(message);
      case Log::Level::error:
        return console.error(message);
    }
  });
}

void RunLog::flush() {
  if (!files_) return;
  files_->metrics.flush();
  files_->events.flush();
}

}  // namespace tutti::recipes
