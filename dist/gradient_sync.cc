#include "dist/gradient_sync.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <vector>

#include "base/counter_rng.h"
#include "base/error.h"
#include "dist/buckets.h"
#include "dist/reduce_lane.h"
#include "dist/topology.h"

namespace tutti::dist {
namespace {

constexpr std::int64_t alignment = 16;  // elements; 64 bytes, a cache line and the widest vector

std::string name_of(const at::Tensor& parameter, std::size_t index) {
  return text("parameter ", index, " ", parameter.sizes());
}

void check_parameters(std::span<const at::Tensor> parameters) {
  if (parameters.empty()) throw Error("no parameter to train", "every one is frozen");
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor& p = parameters[i];
    if (p.scalar_type() != at::kFloat) {
      throw Error(text(name_of(p, i), " has dtype ", p.scalar_type()), "gradients are summed in float32",
                  "Keep float32 parameters and compute under autocast");
    }
    if (p.device() != parameters[0].device()) {
      throw Error(text(name_of(p, i), " lies on ", p.device(), ", parameter 0 on ", parameters[0].device()));
    }
    if (!p.is_leaf() || !p.requires_grad()) {
      throw Error(text(name_of(p, i), " gets no gradient"), "it is frozen, or no leaf",
                  "Leave frozen parameters out");
    }
  }
}

std::vector<std::int64_t> place(std::span<const at::Tensor> parameters) {
  std::vector<std::int64_t> offsets{0};
  for (const at::Tensor& p : parameters) {
    offsets.push_back(offsets.back() + (p.numel() + alignment - 1) / alignment * alignment);
  }
  return offsets;
}

// Ranks with different models would add up unrelated numbers without a word.
void check_same_everywhere(std::span<const at::Tensor> parameters, const Communicator& communicator) {
  std::uint64_t fingerprint = parameters.size();
  for (const at::Tensor& p : parameters) {
    for (const std::int64_t length : p.sizes()) {
      fingerprint = mix_key(fingerprint, static_cast<std::uint64_t>(length));
    }
    fingerprint = mix_key(fingerprint, static_cast<std::uint64_t>(p.dim()));
  }
  const auto all = all_gather(communicator, std::to_string(fingerprint));
  const auto other = std::ranges::find_if(all, [&](const auto& text) { return text != all.front(); });
  if (other == all.end()) return;
  throw Error(text("rank ", other - all.begin(), " trains other parameters than rank 0"),
              "their shapes differ", "Start all ranks with the same recipe");
}

// The same answer on every rank.
bool decide_overlap(const GradientSyncOptions& options, const Communicator& communicator, at::Device device) {
  bool overlap = options.overlap == "on";
  if (options.overlap == "auto") {
    overlap = device.is_cuda() || core_is_free(find_topology(communicator), at::get_num_threads());
  }
  at::Tensor agreed = at::full({1}, overlap ? 1 : 0, at::kInt);
  communicator.all_reduce(agreed, Reduce::min);
  return *agreed.const_data_ptr<int>() != 0;
}

std::unique_ptr<ReduceLane> make_lane(bool overlap, at::Device device) {
  if (!overlap) return inline_lane();
  return device.is_cuda() ? stream_lane(device) : thread_lane();
}

// Runs when the gradient of a parameter has been accumulated.
class ArrivalHook final : public torch::autograd::PostAccumulateGradHook {
 public:
  explicit ArrivalHook(std::function<void()> arrive) : arrive_(std::move(arrive)) {}
  void operator()(const at::Tensor&) override { arrive_(); }

 private:
  std::function<void()> arrive_;
};

// Sums one piece of the flat buffer over the ranks. `wire` is undefined for float32.
void reduce(const Communicator& communicator, at::Tensor piece, at::Tensor wire) {
  if (!wire.defined()) return communicator.all_reduce(piece, Reduce::sum);
  wire.copy_(piece);
  communicator.all_reduce(wire, Reduce::sum);
  piece.copy_(wire);
}

}  // namespace

Fields fields(GradientSyncOptions& options) {
  return {
      {.name = "bucket_mb",
       .target = &options.bucket_mb,
       .meaning = "gradients are exchanged in pieces of this size (MB)",
       .least = 0.001,
       .most = 100000},
      {.name = "first_bucket_mb",
       .target = &options.first_bucket_mb,
       .meaning = "size of the first piece (MB), small so that the exchange begins early",
       .least = 0.001,
       .most = 100000},
      {.name = "wire",
       .target = &options.wire,
       .meaning = "how gradients travel: fp32, or bf16 for half the bytes",
       .choices = {"fp32", "bf16"}},
      {.name = "overlap",
       .target = &options.overlap,
       .meaning = "exchange gradients during backward: auto (on GPUs, and where a core is free), on, off",
       .choices = {"auto", "on", "off"},
       .identifies_run = false},
  };
}

// What the hooks, the communication and the owner share.
class GradientSync::State : public std::enable_shared_from_this<State> {
 public:
  State(std::span<const at::Tensor> parameters, const Communicator& communicator,
        const GradientSyncOptions& options)
      : parameters_(parameters.begin(), parameters.end()), communicator_(communicator) {
    check_parameters(parameters);
    const at::Device device = parameters_[0].device();
    const auto offsets = place(parameters);
    flat_ = at::zeros({offsets.back()}, parameters_[0].options().requires_grad(false));
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const at::Tensor& p = parameters_[i];
      views_.push_back(flat_.narrow(0, offsets[i], p.numel()).view(p.sizes()));
      p.mutable_grad() = views_[i];
    }
    if (communicator.size() == 1) return;

    if (device.is_cuda() && communicator.backend() != "nccl") {
      throw Error(text("gradients on ", device, " with a communicator over ", communicator.backend()),
                  "only NCCL exchanges GPU memory", "Use the communicator that nccl() makes");
    }
    check_same_everywhere(parameters, communicator);
    constexpr double elements_per_mb = 1e6 / sizeof(float);
    buckets_ = plan_buckets(offsets, static_cast<std::int64_t>(options.first_bucket_mb * elements_per_mb),
                            static_cast<std::int64_t>(options.bucket_mb * elements_per_mb));
    if (options.wire == "bf16") {
      std::int64_t longest = 0;
      for (const Bucket& bucket : buckets_) longest = std::max(longest, bucket.end - bucket.begin);
      wire_ = at::empty({longest}, flat_.options().dtype(at::kBFloat16));
    }
    overlaps_ = decide_overlap(options, communicator, device);
    // Two threads must not share an MPI communicator. On a GPU there is no thread, and a second NCCL
    // communicator would cost memory and could deadlock against the first.
    if (overlaps_ && device.is_cpu()) communicator_ = communicator.duplicate("gradients");
    lane_ = make_lane(overlaps_, device);
    if (lane_->end().valid()) communicator_.await_at_end(lane_->end());
  }

  // Hooks own the state, not the other way round; so remove_hooks ends the cycle.
  void add_hooks() {
    if (!overlaps_) return;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      if (torch::autograd::impl::post_acc_grad_hooks(parameters_[i])) {
        remove_hooks(i);
        throw Error(text(name_of(parameters_[i], i), " has a gradient hook already"),
                    "another GradientSync holds it");
      }
      torch::autograd::impl::set_post_acc_grad_hooks(
          parameters_[i],
          std::make_unique<ArrivalHook>([state = shared_from_this(), i] { state->arrive(i); }));
    }
  }

  void remove_hooks(std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
      torch::autograd::impl::set_post_acc_grad_hooks(parameters_[i], nullptr);
    }
  }

  void begin(bool synchronise) {
    const std::scoped_lock lock(mutex_);
    if (active_) throw Error("a backward pass begins before finish() of the last one");
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const at::Tensor& gradient = parameters_[i].grad();
      if (gradient.defined() && gradient.const_data_ptr() == views_[i].const_data_ptr()) continue;
      throw Error(text("the gradient of ", name_of(parameters_[i], i), " was replaced"),
                  "it must stay a view of the flat buffer", "Zero gradients by GradientSync::zero() alone");
    }
    active_ = synchronise;
    if (!active_) return;
    started_ = 0;
    arrived_.assign(parameters_.size(), false);
    missing_.clear();
    for (const Bucket& bucket : buckets_) missing_.push_back(bucket.last - bucket.first);
  }

  void arrive(std::size_t parameter) {
    const std::scoped_lock lock(mutex_);
    if (!active_) return;
    if (arrived_[parameter]) {
      throw Error(text(name_of(parameters_[parameter], parameter), " got a second gradient in one pass"),
                  "its sum over the ranks may be under way", "Call begin() before every backward");
    }
    arrived_[parameter] = true;
    // Buckets go from the last parameter to the first: find the one whose first is at most this one.
    const auto bucket = std::ranges::find_if(buckets_, [&](const Bucket& b) { return b.first <= parameter; });
    --missing_[static_cast<std::size_t>(bucket - buckets_.begin())];
    while (started_ < buckets_.size() && missing_[started_] == 0) start_next();
  }

  void finish() {
    const std::scoped_lock lock(mutex_);
    if (!active_) throw Error("finish() without begin(true)", "the gradients were not summed over the ranks");
    active_ = false;
    while (started_ < buckets_.size()) start_next();
    if (lane_) lane_->drain();
  }

  const at::Tensor& flat() const { return flat_; }
  std::size_t parameters() const { return parameters_.size(); }
  bool overlaps() const { return overlaps_; }
  int buckets() const { return static_cast<int>(buckets_.size()); }
  void drop_lane() { lane_.reset(); }

 private:
  void start_next() {
    const Bucket& bucket = buckets_[started_++];
    const std::int64_t length = bucket.end - bucket.begin;
    lane_->submit([communicator = communicator_, piece = flat_.narrow(0, bucket.begin, length),
                   wire = wire_.defined() ? wire_.narrow(0, 0, length) : at::Tensor()] {
      reduce(communicator, piece, wire);
    });
  }

  std::vector<at::Tensor> parameters_;
  Communicator communicator_;
  at::Tensor flat_;
  std::vector<at::Tensor> views_;
  at::Tensor wire_;  // bfloat16 copy of the piece under way; undefined for float32
  std::vector<Bucket> buckets_;
  bool overlaps_ = false;
  std::unique_ptr<ReduceLane> lane_;

  std::mutex mutex_;  // backward of GPU parameters runs on a thread of autograd's
  bool active_ = false;
  std::size_t started_ = 0;  // buckets
  std::vector<bool> arrived_;
  std::vector<std::size_t> missing_;  // gradients, by bucket
};

GradientSync::GradientSync(std::span<const at::Tensor> parameters, const Communicator& communicator,
                           const GradientSyncOptions& options)
    : state_(std::make_shared<State>(parameters, communicator, options)) {
  state_->add_hooks();
}

GradientSync::~GradientSync() {
  if (state_->overlaps()) state_->remove_hooks(state_->parameters());
  state_->drop_lane();
}

void GradientSync::zero() { state_->flat().zero_(); }
at::Tensor GradientSync::flat() const { return state_->flat(); }
void GradientSync::begin(bool synchronise) { state_->begin(synchronise); }
void GradientSync::finish() { state_->finish(); }
bool GradientSync::overlaps() const { return state_->overlaps(); }
int GradientSync::buckets() const { return state_->buckets(); }

}  // namespace tutti::dist
