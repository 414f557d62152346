#include "recipes/train.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <iomanip>

#include "base/error.h"
#include "data/front_end.h"
#include "data/loader.h"
#include "data/sampler.h"
#include "data/shard_set.h"
#include "dist/gradient_sync.h"
#include "models/weights.h"
#include "recipes/checkpoint.h"
#include "recipes/environment.h"
#include "recipes/evaluate.h"
#include "recipes/model_file.h"
#include "recipes/part_timer.h"
#include "recipes/precision.h"
#include "recipes/progress.h"
#include "recipes/resolve.h"
#include "recipes/run_log.h"
#include "recipes/session.h"
#include "recipes/stop_signal.h"

namespace tutti::recipes {
namespace {

void check_sizes(const Recipe& recipe, std::int64_t examples, int ranks) {
  if (examples < ranks) {
    throw UsageError(text("there are more ranks (", ranks, ") than training clips (", examples, ")"), "",
                     "Start fewer.");
  }
  check_ranks(recipe, ranks);
}

// Puts the weights that model.init names into the model.
void start_from(const models::ModelOptions& options, models::Model& model, const Log& log) {
  auto weights = models::load_tensors(find_weights(options.init));
  for (const auto& line : models::load_parameters(model, std::move(weights), options.init_skip))
    log.info(line);
}

// The generator keys of the rows, for drop path and dropout.
at::Tensor keys_of(const data::Batch& batch, const at::Device& device) {
  auto keys = torch::empty({batch.size()}, torch::kInt64);
  for (std::size_t row = 0; row < batch.draws.size(); ++row) {
    keys.mutable_data_ptr<std::int64_t>()[row] = static_cast<std::int64_t>(batch.draws[row].key);
  }
  return keys.to(device);
}

// What the ranks tell each other at every step, besides gradients.
struct StepTotals {
  double loss = 0;    // sum over the global batch
  double weight = 0;  // likewise
  bool stop = false;  // whether any rank was asked to stop
};

StepTotals reduce_totals(const dist::Communicator& peers, at::Tensor totals) {
  peers.all_reduce(totals, dist::Reduce::sum);
  const auto host = totals.to(torch::kCPU);
  const auto* values = host.const_data_ptr<double>();
  return {values[0], values[1], values[2] > 0};
}

[[noreturn]] void throw_not_finite(std::int64_t step, double loss, const models::Model& model) {
  for (const auto& item : model.named_parameters()) {
    const auto& gradient = item.value().grad();
    if (gradient.defined() && !torch::isfinite(gradient).all().item<bool>()) {
      throw Error(
          text("step ", step, ": the gradient of ", item.key(), " is not finite"), text("the loss is ", loss),
          "The last checkpoint is kept. Lower optimizer.lr, set optimizer.clip_norm, or look at the data.");
    }
  }
  throw Error(text("step ", step, ": the loss is ", loss));
}

std::string describe(const Metrics& metrics) {
  std::ostringstream line;
  line << std::fixed << std::setprecision(4);
  for (const auto& [name, value] : metrics) line << "  " << name << ' ' << value;
  return line.str();
}

bool improves(const Recipe& recipe, double value, const std::optional<double>& best) {
  return !best || (recipe.checkpoint.best == "loss" ? value < *best : value > *best);
}

}  // namespace

TrainOutcome train(const Recipe& asked, const std::filesystem::path& folder,
                   std::optional<std::int64_t> max_steps, const dist::Communicator& world,
                   const Console& console, const std::function<void()>& first_step_done) {
  agree(world, asked);
  const StopSignal stop_signal;
  const Session session = open_session(world, asked.train.device, asked.train.threads, console.log);
  const bool first_rank = world.rank() == 0;

  // Data.
  const auto shards = data::ShardSet::open(asked.data.shards);
  const Recipe recipe = resolve_run(folder, asked, shards, session.device, world);
  const data::Sampler sampler(data::whole_clips(shards, shards.records(recipe.data.train)),
                              data::Order::shuffled, static_cast<std::uint64_t>(recipe.train.seed));
  const auto validation_records = shards.records(recipe.data.validation);
  check_sizes(recipe, sampler.size(), world.size());
  const TrainingLength length{data::steps(sampler.size(), recipe.train.batch), recipe.train.epochs};
  const std::int64_t last_step = std::min(length.steps(), max_steps.value_or(length.steps()));

  // Model, gradients, optimizer.
  const auto spec = models::find(recipe.model.name);
  const auto model = spec.build(recipe.model, static_cast<std::uint64_t>(recipe.train.seed));
  model->to(session.device);
  Optimizer optimizer(*model, recipe.optimizer, recipe.groups);
  dist::GradientSync gradients(optimizer.parameters(), session.peers, recipe.communication);
  const data::FrontEnd front_end(recipe.features, recipe.normalisation.mean, recipe.normalisation.std);

  // The run's folder, and where an earlier call stopped.
  std::optional<FileLock> lock;
  if (first_rank) {
    lock = claim_run(folder, recipe);
    write_environment(folder, describe_environment(session));
  }
  Checkpoints checkpoints(folder / "checkpoints", first_rank);
  std::string from = first_rank ? checkpoints.newest(console.log).value_or("").string() : "";
  dist::broadcast(world, from, 0);
  RunState state;
  if (!from.empty()) {
    state = restore(from, *model, optimizer);
  } else if (!recipe.model.init.empty()) {
    start_from(recipe.model, *model, console.log);
  }
  state.steps_per_epoch = length.steps_per_epoch;

  RunLog run_log = first_rank ? RunLog(folder, state.step) : RunLog();
  const Log log = run_log.with_file(console.log);
  if (from.empty()) {
    log.info(recipe.model.name, " with ", models::parameter_count(*model), " parameters, ",
             spec.flops(recipe.model).whole / 1e9, " GFLOP a clip; ", sampler.size(), " training clips, ",
             validation_records.size(), " validation clips, ", shards.classes().size(), " classes; ",
             length.epochs, " epochs of ", length.steps_per_epoch, " steps of ", recipe.train.batch,
             " clips on ", world.size(), " ranks, ", recipe.train.precision);
  } else {
    log.info(state.step >= last_step ? "already at step " : "going on from step ", state.step, " of ",
             length.steps());
  }

  PartTimer timer;
  const auto save = [&](bool best) {
    if (!first_rank) return;
    checkpoints.save(*model, optimizer, recipe, shards.classes(), state, best);
    checkpoints.prune(recipe.checkpoint.keep_last,
                      recipe.checkpoint.keep_every_epochs * length.steps_per_epoch);
    run_log.flush();
    timer.lap(Part::checkpoint);
  };

  Progress progress(console, "steps", last_step, state.step);
  std::int64_t clips = 0;
  double clips_per_second = 0;
  bool warm = false;

  for (std::int64_t epoch = state.finished_epochs; epoch < length.epochs; ++epoch) {
    // Not only while steps are left: a run may have been stopped between its last step and the validation.
    if (state.step >= last_step && state.step != (epoch + 1) * length.steps_per_epoch) break;

    const data::EpochPlan plan{.epoch = epoch,
                               .batch = recipe.train.batch,
                               .first_step = state.step - epoch * length.steps_per_epoch,
                               .rank = world.rank(),
                               .ranks = world.size(),
                               .frames = recipe.features.frames,
                               .pin_memory = session.device.is_cuda(),
                               .augment = recipe.augment,
                               .seed = static_cast<std::uint64_t>(recipe.train.seed)};
    data::Loader loader(shards, sampler, plan, recipe.loader);
    model->train();

    while (const auto batch = loader.next()) {
      timer.lap(Part::data);
      const double lr = recipe.optimizer.lr * schedule_factor(recipe.schedule, state.step, length);

      // Forward and backward, in parts; the ranks' gradients are summed while the last part goes backward.
      gradients.zero();
      auto totals = torch::zeros({3}, torch::dtype(torch::kFloat64).device(session.device));
      const std::int64_t parts = recipe.train.accumulate;
      for (std::int64_t part = 0; part < parts; ++part) {
        const auto rows =
            data::slice(*batch, batch->size() * part / parts, batch->size() * (part + 1) / parts);
        gradients.begin(/*synchronise=*/part == parts - 1);
        Loss loss;
        {
          const Autocast autocast(recipe.train.precision, session.device);
          const auto logits = model->forward(front_end(rows, session.device), keys_of(rows, session.device));
          loss = evaluate_loss(recipe.loss, logits, rows.target.to(session.device),
                               rows.weight.to(session.device));
        }
        timer.lap(Part::forward);
        loss.sum.backward();
        totals[0] += loss.sum.detach();
        totals[1] += loss.weight.detach();
        timer.lap(Part::backward);
      }
      gradients.finish();

      // One step for all ranks.
      totals[2] = stop_signal.raised() ? 1.0 : 0.0;
      const auto step = reduce_totals(session.peers, totals);
      timer.lap(Part::communication);
      const double loss = step.loss / step.weight;
      const double norm = average_and_clip(gradients.flat(), step.weight, recipe.optimizer.clip_norm);
      if (!std::isfinite(loss) || !std::isfinite(norm)) throw_not_finite(state.step + 1, loss, *model);
      optimizer.step(lr);
      ++state.step;
      timer.lap(Part::optimizer);
      if (!std::exchange(warm, true) && first_step_done) first_step_done();

      const auto step_in_epoch = state.step - epoch * length.steps_per_epoch;
      clips += std::min(recipe.train.batch, sampler.size() - (step_in_epoch - 1) * recipe.train.batch);
      if (state.step % recipe.log.every_steps == 0 || state.step == last_step) {
        const auto seconds = timer.take();
        clips_per_second = static_cast<double>(std::exchange(clips, 0)) / sum(seconds);
        run_log.step({state.step, epoch + 1, loss, lr, norm, clips_per_second, seconds});
      }
      std::ostringstream status;
      status << "epoch " << epoch + 1 << '/' << length.epochs << "  loss " << std::setprecision(4) << loss
             << "  " << std::llround(clips_per_second) << " clips/s";
      progress.update(state.step, status.str());
      timer.lap(Part::log);

      const bool epoch_ends = step_in_epoch == length.steps_per_epoch;
      const bool due = recipe.checkpoint.every_steps > 0 && state.step % recipe.checkpoint.every_steps == 0;
      if (step.stop || (state.step == last_step && !epoch_ends) || (due && !epoch_ends)) save(/*best=*/false);
      if (step.stop) {
        progress.clear();
        log.info("stopped by a signal at step ", state.step, " with a checkpoint: start again to go on");
        return TrainOutcome::stopped_by_signal;
      }
      if (state.step == last_step) break;
    }
    if (state.step < (epoch + 1) * length.steps_per_epoch) break;

    // The epoch is over: validate, and keep what is worth keeping.
    state.finished_epochs = epoch + 1;
    const bool last_epoch = state.finished_epochs == length.epochs;
    const auto every = recipe.train.validate_every;
    bool best = false;
    if (!validation_records.empty() && (last_epoch || (every > 0 && state.finished_epochs % every == 0))) {
      const auto evaluation = evaluate(*model, recipe, shards, validation_records, session);
      const auto value = find_metric(evaluation.metrics, recipe.checkpoint.best);
      if (!value)
        throw UsageError(
            text("checkpoint.best = \"", recipe.checkpoint.best, "\" does not apply to these labels"));
      best = improves(recipe, *value, state.best);
      if (best) state.best = value;
      timer.lap(Part::validation);
      run_log.validation({state.step, state.finished_epochs, "validation", evaluation.metrics, timer.take()});
      progress.clear();
      log.info("epoch ", state.finished_epochs, "/", length.epochs, describe(evaluation.metrics),
               best ? "  (best)" : "");
      clips = 0;  // validation is not training time
      timer.lap(Part::log);
    }
    if (best || last_epoch || state.step == last_step ||
        state.finished_epochs % recipe.checkpoint.every_epochs == 0)
      save(best);
  }
  progress.clear();
  run_log.flush();
  return TrainOutcome::finished;
}

}  // namespace tutti::recipes
