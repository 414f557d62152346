#include "dist/topology.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <sstream>

#include "base/error.h"
#include "dist/cuda_devices.h"

namespace tutti::dist {
namespace {

std::string host_name() {
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) != 0) return "unknown";
  return name;
}

// Words and numbers travel between ranks as lines of text.
template <class T>
std::string to_words(const std::vector<T>& values) {
  std::string result;
  for (const T& value : values) result += text(value, ' ');
  return result;
}

template <class T>
std::vector<T> from_words(const std::string& words) {
  std::istringstream in(words);
  std::vector<T> values;
  for (T value; in >> value;) values.push_back(value);
  return values;
}

std::string device_of(const VisibleGpus& view, int device) {
  return text("rank ", view.rank, " (its device ", device, " of ", view.uuids.size(), ")");
}

}  // namespace

std::vector<int> bound_cores() {
  // The kernel refuses a mask shorter than its own, which is unknown: grow until it fits.
  for (int count = CPU_SETSIZE; count <= (1 << 20); count *= 2) {
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(CPU_ALLOC(count),
                                                               [](cpu_set_t* s) { CPU_FREE(s); });
    const std::size_t bytes = CPU_ALLOC_SIZE(count);
    if (!set || sched_getaffinity(0, bytes, set.get()) != 0) continue;
    std::vector<int> cores;
    for (int core = 0; core < count; ++core) {
      if (CPU_ISSET_S(core, bytes, set.get())) cores.push_back(core);
    }
    return cores;
  }
  throw Error("cannot find out which cores this process may use", "sched_getaffinity fails");
}

Topology find_topology(const Communicator& world) {
  Topology topology;
  topology.rank = world.rank();
  topology.size = world.size();
  Communicator node = world.split_by_node();
  topology.local_rank = node.rank();
  topology.local_size = node.size();

  std::string leader = std::to_string(world.rank());
  broadcast(node, leader, 0);
  std::map<int, std::string> hosts;  // by the lowest rank of the node
  for (const auto& row : all_gather(world, text(leader, ' ', host_name()))) {
    const auto words = from_words<std::string>(row);
    hosts.emplace(std::stoi(words.at(0)), words.at(1));
  }
  topology.node = static_cast<int>(std::distance(hosts.begin(), hosts.find(std::stoi(leader))));
  for (const auto& [rank, host] : hosts) topology.hosts.push_back(host);

  std::vector<std::vector<int>> cores;
  for (const auto& row : all_gather(node, to_words(bound_cores()))) cores.push_back(from_words<int>(row));
  topology.cores = static_cast<int>(cores.at(static_cast<std::size_t>(node.rank())).size());
  topology.threads = share_of_cores(cores, node.rank());
  node.close();
  return topology;
}

bool core_is_free(const Topology& topology, int compute_threads) {
  return topology.threads > compute_threads;
}

int share_of_cores(std::span<const std::vector<int>> cores, int local_rank) {
  std::map<int, int> users;
  for (const auto& bound : cores) {
    for (const int core : bound) ++users[core];
  }
  double share = 0;
  for (const int core : cores[static_cast<std::size_t>(local_rank)]) share += 1.0 / users[core];
  constexpr double rounding = 1e-6;  // three thirds are one core
  return std::max(1, static_cast<int>(share + rounding));
}

std::optional<int> choose_gpu(std::span<const VisibleGpus> node, int local_rank) {
  const auto sees_none = [](const VisibleGpus& view) { return view.uuids.empty(); };
  if (std::ranges::all_of(node, sees_none)) return std::nullopt;
  if (const auto blind = std::ranges::find_if(node, sees_none); blind != node.end()) {
    const auto seeing = std::ranges::find_if_not(node, sees_none);
    throw Error(
        text("rank ", blind->rank, " sees no GPU, but rank ", seeing->rank, " of the same node does"),
        "all ranks must compute on the same kind of device",
        "Give every rank a GPU (srun --gpus-per-node=N --gpu-bind=none), or set train.device = \"cpu\"");
  }
  std::map<std::string, std::size_t> owners;  // local rank by UUID
  std::optional<int> chosen;
  for (std::size_t local = 0; local < node.size(); ++local) {
    const auto& uuids = node[local].uuids;
    const std::size_t device = local % uuids.size();
    const auto [owner, is_new] = owners.emplace(uuids[device], local);
    if (!is_new) {
      const VisibleGpus& first = node[owner->second];
      throw Error(text(device_of(first, static_cast<int>(owner->second % first.uuids.size())), " and ",
                       device_of(node[local], static_cast<int>(device)), " would share GPU ", uuids[device]),
                  "NCCL refuses two ranks on one GPU",
                  "Start no more ranks on a node than it has GPUs, and let each rank see all GPUs of the "
                  "node or one of its own");
    }
    if (static_cast<int>(local) == local_rank) chosen = static_cast<int>(device);
  }
  return chosen;
}

std::optional<int> find_gpu(const Communicator& world, const Topology& topology) {
  const auto rows = all_gather(world, text(topology.node, ' ', to_words(visible_gpus())));
  std::vector<std::vector<VisibleGpus>> nodes(topology.hosts.size());
  for (std::size_t rank = 0; rank < rows.size(); ++rank) {
    auto words = from_words<std::string>(rows[rank]);
    const auto node = static_cast<std::size_t>(std::stoi(words.at(0)));
    words.erase(words.begin());
    nodes.at(node).push_back({static_cast<int>(rank), std::move(words)});
  }
  std::optional<int> mine;
  std::optional<std::size_t> with, without;
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    const bool is_mine = static_cast<int>(node) == topology.node;
    const auto gpu = choose_gpu(nodes[node], is_mine ? topology.local_rank : 0);
    (gpu ? with : without) = node;
    if (is_mine) mine = gpu;
  }
  if (with && without) {
    throw Error(text("node ", topology.hosts[*without], " has no GPU that a rank sees, but node ",
                     topology.hosts[*with], " has"),
                "all ranks must compute on the same kind of device",
                "Ask for GPUs on every node, or set train.device = \"cpu\"");
  }
  return mine;
}

}  // namespace tutti::dist
