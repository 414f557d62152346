// tutti features, forward, inspect, report, import, export: on one process.

#include <CLI/CLI.hpp>

#include <iostream>

#include "base/error.h"
#include "base/files.h"
#include "launcher/commands.h"
#include "recipes/inference.h"
#include "recipes/inspect.h"
#include "recipes/interchange.h"
#include "recipes/keys.h"
#include "recipes/report_page.h"
#include "recipes/session.h"

namespace tutti {

Command features_command(CLI::App& program) {
  struct Options {
    Strings audio;
    std::string output, recipe;
    Strings assignments;
  };
  auto* app = program.add_subcommand("features", "What a model would see of sound files");
  auto options = std::make_shared<Options>();
  app->add_option("AUDIO", options->audio, "Sound files")->required();
  app->add_option("-o,--output", options->output,
                  "safetensors file: one tensor a sound file, named by its path")
      ->required();
  app->add_option("--recipe", options->recipe, "Crop, pad and normalise as this recipe's model sees it");
  app->add_option("--set", options->assignments, "Set a key of the recipe, as often as needed")
      ->allow_extra_args(false);
  app->footer(
      "Without --recipe: raw log-mel [frames, mels] float32 with AST's settings. Example:\n"
      "  tutti features a.wav b.ogg -o X.safetensors");
  return {app, [options](const Job& job) {
            std::optional<recipes::Recipe> recipe;
            if (!options->recipe.empty())
              recipe = recipes::read_recipe(options->recipe, options->assignments);
            if (!recipe && !options->assignments.empty())
              throw UsageError("--set is for the keys of --recipe, which is not given");
            const auto unreadable =
                recipes::extract_features(options->audio, recipe, options->output, job.console.log);
            return unreadable == 0 ? kDone : kFailed;
          }};
}

Command forward_command(CLI::App& program) {
  struct Options {
    std::string checkpoint, input, output, recipe, weights;
    Strings assignments;
  };
  auto* app = program.add_subcommand("forward", "Tensors in, logits out");
  auto options = std::make_shared<Options>();
  auto* checkpoint =
      app->add_option("CHECKPOINT", options->checkpoint, "Checkpoint folder, run folder or weight file");
  app->add_option("--input", options->input,
                  "safetensors file with the tensor `input` [batch, frames, mels], normalised")
      ->required();
  app->add_option("--output", options->output, "safetensors file that gets `logits` [batch, classes]")
      ->required();
  auto* recipe = app->add_option("--recipe", options->recipe,
                                 "Instead of CHECKPOINT: the model's recipe, with --weights");
  auto* weights =
      app->add_option("--weights", options->weights, "safetensors file with the authors' parameter names");
  app->add_option("--set", options->assignments, "Set a key of the recipe, as often as needed")
      ->allow_extra_args(false);
  recipe->needs(weights)->excludes(checkpoint);
  weights->needs(recipe);
  app->footer("Example:\n  tutti forward runs/rime --input X.safetensors --output Y.safetensors");
  return {app, [options](const Job& job) {
            if (options->checkpoint.empty() && options->recipe.empty()) {
              throw UsageError("no model is given", "", "Give a CHECKPOINT, or --recipe with --weights.");
            }
            const auto trained =
                options->recipe.empty()
                    ? recipes::load_model(options->checkpoint, job.console.log)
                    : recipes::load_model(recipes::read_recipe(options->recipe, options->assignments),
                                          options->weights, job.console.log);
            recipes::forward(trained, options->input, options->output);
            return kDone;
          }};
}

Command inspect_command(CLI::App& program) {
  struct Options {
    std::string path;
    bool json = false, keys = false;
  };
  auto* app = program.add_subcommand("inspect", "What a shard, checkpoint, recipe or run holds");
  auto options = std::make_shared<Options>();
  auto* path = app->add_option("FILE", options->path,
                               "A recipe, a shard or a folder of them, a checkpoint, a run, a weight file");
  app->add_flag("--json", options->json, "One JSON object, for scripts; its \"kind\" says what FILE is");
  app->add_flag("--keys", options->keys,
                "Instead of FILE: every key of recipes with type, default and meaning, as docs/recipes.md")
      ->excludes(path);
  return {app, [options](const Job&) {
            if (options->path.empty() && !options->keys)
              throw UsageError("nothing to inspect is given", "", "Give a FILE, or --keys.");
            std::cout << (options->keys   ? recipes::describe_keys()
                          : options->json ? recipes::inspect_json(options->path)
                                          : recipes::inspect(options->path))
                      << std::flush;
            return kDone;
          }};
}

Command import_command(CLI::App& program) {
  auto* app = program.add_subcommand("import", "Make a checkpoint of another project's model");
  auto options = std::make_shared<recipes::ImportOptions>();
  app->add_option(
         "FILE", options->source,
         "Weights of torch.save or safetensors (AST, SSAST, DeiT, timm), or a folder of Hugging Face's AST")
      ->required();
  app->add_option("-o,--output", options->output, "The checkpoint's folder, which must not be there")
      ->required();
  app->add_option("--recipe", options->recipe, "The model to make (default: what FILE says of itself)");
  app->add_option("--set", options->assignments, "Set a key of the recipe, as often as needed")
      ->allow_extra_args(false);
  app->add_option("--classes", options->classes,
                  "Class names, a line each; or a CSV file with the column display_name, as AudioSet's");
  app->footer(
      "Nothing that a file holds is run. What has no counterpart in the model is an error; what shall keep "
      "its\n"
      "initial value is named by model.init_skip; an SSAST's head is --set model.head=mean. Examples:\n"
      "  tutti import audioset_10_10_0.4593.pth --classes class_labels_indices.csv --output models/audioset\n"
      "  tutti import MIT/ast-finetuned-audioset-10-10-0.4593 --output models/audioset\n"
      "  tutti import deit_base.pth --output models/deit --set model.classes=35 --set "
      "'model.init_skip=[\"mlp_head.*\"]' \\\n"
      "    --set features.mean=-6.846 --set features.std=5.565");
  return {app, [options](const Job& job) {
            recipes::import_model(*options, job.console.log);
            return kDone;
          }};
}

Command export_command(CLI::App& program) {
  struct Options {
    std::string checkpoint, format, folder;
  };
  auto* app = program.add_subcommand("export", "Make another project's model of a checkpoint");
  auto options = std::make_shared<Options>();
  app->add_option("CHECKPOINT", options->checkpoint, "Checkpoint folder, run folder or weight file")
      ->required();
  app->add_option("--to", options->format, "huggingface, or authors: the names of the AST authors' code")
      ->required()
      ->check(CLI::IsMember({"huggingface", "authors"}));
  app->add_option("FOLDER", options->folder, "Where to write it; it must not be there")->required();
  app->footer("Example:\n  tutti export runs/rime --to huggingface rime-hf");
  return {app, [options](const Job& job) {
            const auto to =
                options->format == "huggingface" ? recipes::export_hugging_face : recipes::export_authors;
            to(recipes::load_model(options->checkpoint, job.console.log), options->folder);
            return kDone;
          }};
}

Command report_command(CLI::App& program) {
  struct Options {
    Strings runs;
    std::string output, device = "auto";
    recipes::ReportOptions report;
  };
  auto* app = program.add_subcommand("report", "One HTML page of a run, or of several compared");
  auto options = std::make_shared<Options>();
  app->add_option("RUN", options->runs, "Run folders")->required();
  app->add_option("-o,--output", options->output,
                  "The page (default: report.html in the run's folder; of several runs: here)");
  app->add_option("--data", options->report.data, "Folder of shards (default: the recipe's)");
  app->add_option("--fold", options->report.folds,
                  "Folds to score (default: the recipe's test folds; where they are empty, validation)")
      ->allow_extra_args(false);
  app->add_option("--clips", options->report.clips, "How many clips to show, the worst mistakes first")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app->add_option("--device", options->device, "auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app->footer(
      "The page is complete in itself: pictures and sounds are inside. Examples:\n"
      "  tutti report runs/rime\n"
      "  tutti report runs/rime runs/rime-2 -o compared.html");
  return {app, [options](const Job& job) {
            const auto world = job.environment.world();
            if (world.size() > 1)
              throw UsageError("tutti report runs on one process", "", "Start it without mpirun.");
            const auto session = recipes::open_session(world, options->device, 0, {});
            std::vector<recipes::RunReport> runs;
            for (const auto& run : options->runs) {
              runs.push_back(recipes::describe_run(run, options->report, session, job.console.log));
            }
            auto output = std::filesystem::path(options->output);
            if (output.empty()) output = runs.size() == 1 ? runs[0].folder / "report.html" : "report.html";
            replace_file(output, recipes::report_page(runs));
            std::cout << output.string() << std::endl;
            return kDone;
          }};
}

}  // namespace tutti
