#pragma once
// Private to dist: what a library of collectives must do to stand behind a Communicator. The Communicator
// has checked dtype and contiguity, and that there is at least one element.

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "dist/activity.h"
#include "dist/communicator.h"

namespace tutti::dist {

class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  virtual std::string name() const = 0;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual void all_reduce(at::Tensor& tensor, Reduce reduce) = 0;
  virtual void broadcast(at::Tensor& tensor, int root) = 0;
  virtual void all_gather(const at::Tensor& tensor, at::Tensor& all) = 0;  // all: [size, ...]
  virtual void barrier() = 0;
  virtual std::shared_ptr<Backend> split(int color, int key) = 0;
  virtual std::shared_ptr<Backend> split_by_node() = 0;
  virtual std::shared_ptr<Backend> duplicate(const std::string& label) = 0;
  virtual void close() = 0;
  virtual std::shared_ptr<Activity> activity() const = 0;
  virtual std::uint64_t id() const = 0;               // CollectiveLog::id
  virtual const std::vector<int>& ranks() const = 0;  // CollectiveLog::ranks
};

}  // namespace tutti::dist
