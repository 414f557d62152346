#include "recipes/run_log.h"

#include <cerrno>
#include <chrono>
#include <cmath>
#include <ctime>
#include <iomanip>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"

namespace tutti::recipes {
namespace {

using Json = nlohmann::ordered_json;

constexpr auto kSeconds = "seconds";

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

void add_seconds(Json& line, const PartSeconds& seconds) {
  for (const auto& [part, value] : seconds) line[kSeconds][part] = std::round(value * 1e6) / 1e6;
}

PartSeconds seconds_of(const Json& line) {
  PartSeconds seconds;
  if (!line.contains(kSeconds)) return seconds;
  for (const auto& [part, value] : line[kSeconds].items()) seconds.emplace_back(part, value.get<double>());
  return seconds;
}

// A number that was not finite is null in JSON.
double number(const Json& line, const char* key) {
  const auto& value = line.at(key);
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

void add_line(RunHistory& history, const Json& line) {
  const auto step = line.at("step").get<std::int64_t>(), epoch = line.at("epoch").get<std::int64_t>();
  if (line.contains("split")) {
    ValidationRecord record{step, epoch, line["split"].get<std::string>(), {}, seconds_of(line)};
    for (const auto& [name, value] : line.items()) {
      if (name != "step" && name != "epoch" && !value.is_structured() && !value.is_string())
        record.metrics.emplace_back(name, number(line, name.c_str()));
    }
    history.validations.push_back(std::move(record));
  } else {
    history.steps.push_back({step, epoch, number(line, "loss"), number(line, "lr"),
                             number(line, "gradient_norm"), number(line, "clips_per_second"),
                             seconds_of(line)});
  }
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
  Json line = {{"step", record.step},
               {"epoch", record.epoch},
               {"loss", record.loss},
               {"lr", record.lr},
               {"gradient_norm", record.gradient_norm},
               {"clips_per_second", record.clips_per_second}};
  add_seconds(line, record.seconds);
  files_->metrics << line.dump() + "\n" << std::flush;  // somebody may be watching
  const double now = unix_time();
  files_->events.scalar("train/loss", record.loss, record.step, now);
  files_->events.scalar("train/lr", record.lr, record.step, now);
  files_->events.scalar("train/gradient_norm", record.gradient_norm, record.step, now);
  files_->events.scalar("train/clips_per_second", record.clips_per_second, record.step, now);
}

void RunLog::validation(const ValidationRecord& record) {
  if (!files_) return;
  Json line = {{"step", record.step}, {"epoch", record.epoch}, {"split", record.split}};
  for (const auto& [name, value] : record.metrics) {
    line[name] = value;
    files_->events.scalar(record.split + "/" + name, value, record.step, unix_time());
  }
  add_seconds(line, record.seconds);
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

RunHistory read_history(const std::filesystem::path& path) {
  const std::string content = read_file(path);
  RunHistory history;
  std::size_t number = 0, begin = 0;
  for (auto end = content.find('\n'); end != content.npos; end = content.find('\n', begin)) {
    ++number;
    try {
      add_line(history, Json::parse(content.substr(begin, end - begin)));
    } catch (const nlohmann::json::exception& error) {
      throw Error(text("'", path.string(), "', line ", number, " is damaged"), error.what());
    }
    begin = end + 1;
  }
  return history;
}

}  // namespace tutti::recipes
