// tutti predict: sound files through a model, whole or along their time.

#include <CLI/CLI.hpp>

#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "launcher/commands.h"
#include "recipes/inference.h"
#include "recipes/timeline.h"

namespace tutti {
namespace {

nlohmann::ordered_json json_of(const std::vector<recipes::ClassScore>& classes) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& c : classes) list.push_back({{"name", c.name}, {"score", c.score}});
  return list;
}

void print(const std::string& path, const std::vector<recipes::ClassScore>& classes, bool json) {
  if (json) {
    std::cout << nlohmann::ordered_json{{"file", path}, {"classes", json_of(classes)}}.dump() << std::endl;
    return;
  }
  std::cout << path << '\n';
  for (const auto& c : classes)
    std::cout << "  " << std::fixed << std::setprecision(3) << c.score << "  " << c.name << '\n';
  std::cout << std::flush;
}

void print(const std::string& path, const recipes::TimelineWindow& window, bool json) {
  if (json) {
    std::cout << nlohmann::ordered_json{{"file", path},
                                        {"start", window.start},
                                        {"end", window.end},
                                        {"classes", json_of(window.classes)}}
                     .dump()
              << std::endl;
    return;
  }
  std::cout << "  " << std::fixed << std::setprecision(2) << std::setw(8) << window.start << " - "
            << std::setw(8) << window.end << " s" << std::setprecision(3);
  for (const auto& c : window.classes) std::cout << "  " << c.score << ' ' << c.name;
  std::cout << std::endl;
}

}  // namespace

Command predict_command(CLI::App& program) {
  struct Options {
    std::string checkpoint;
    Strings audio;
    recipes::TimelineOptions timeline;
    bool slides = false, json = false;
  };
  auto* app = program.add_subcommand("predict", "The top classes of sound files");
  auto options = std::make_shared<Options>();
  app->add_option("CHECKPOINT", options->checkpoint, "Checkpoint folder, run folder or weight file")
      ->required();
  app->add_option("AUDIO", options->audio, "Sound files of any kind that libsndfile reads")->required();
  app->add_option("--top", options->timeline.top, "How many classes")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  auto* timeline = app->add_flag("--timeline", options->slides,
                                 "Slide over the whole recording, of any length: a line for each window "
                                 "with its start and end\nin seconds. Without it, the start of each file "
                                 "is heard, as long as the model's input");
  app->add_option("--hop", options->timeline.hop,
                  "With --timeline: seconds from one window to the next (default: half a window)")
      ->check(CLI::PositiveNumber)
      ->needs(timeline);
  app->add_flag("--json", options->json, "One JSON object a file or window, a line each");
  app->footer(
      "Examples:\n"
      "  tutti predict runs/rime some.wav other.ogg --top 3\n"
      "  tutti predict models/audioset night.flac --timeline --hop 1 --json > night.jsonl");
  return {app, [options](const Job& job) {
            const auto trained = recipes::load_model(options->checkpoint, job.console.log);
            if (options->slides) recipes::timeline_hop(trained, options->timeline);  // or says why not
            int exit_code = kDone;
            for (const auto& path : options->audio) {
              try {
                if (!options->slides) {
                  print(path, recipes::predict(trained, path, options->timeline.top), options->json);
                  continue;
                }
                if (!options->json) std::cout << path << '\n';
                recipes::predict_timeline(
                    trained, path, options->timeline,
                    [&](const recipes::TimelineWindow& window) { print(path, window, options->json); });
              } catch (const Error& error) {
                job.console.log.error(error.what());
                exit_code = kFailed;
              }
            }
            return exit_code;
          }};
}

}  // namespace tutti
