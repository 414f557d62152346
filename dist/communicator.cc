#include "dist/communicator.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "base/error.h"
#include "dist/backend.h"

namespace tutti::dist {
namespace {

void check_tensor(const at::Tensor& tensor, const char* collective) {
  if (!tensor.defined()) throw Error(text(collective, " got an undefined tensor"));
  switch (tensor.scalar_type()) {
    case at::kFloat:
    case at::kDouble:
    case at::kBFloat16:
    case at::kInt:
    case at::kLong:
    case at::kByte:
      break;
    default:
      throw Error(text(collective, " got a tensor of dtype ", tensor.scalar_type()),
                  "ranks exchange Float, Double, BFloat16, Int, Long and Byte", "Convert it first");
  }
  if (!tensor.is_contiguous()) {
    throw Error(text(collective, " got a tensor of shape ", tensor.sizes(), " and strides ", tensor.strides(),
                     " that is not contiguous"),
                "the ranks exchange its memory as one piece", "Call contiguous() first");
  }
}

void check_root(int root, int size) {
  if (root < 0 || root >= size) throw Error(text("broadcast from rank ", root, " of ", size, " ranks"));
}

at::Tensor bytes_of(const std::string& string, std::size_t length) {
  at::Tensor bytes = at::empty({static_cast<std::int64_t>(length)}, at::kByte);
  if (length > 0) std::memset(bytes.mutable_data_ptr<std::uint8_t>(), 0, length);
  if (!string.empty()) std::memcpy(bytes.mutable_data_ptr<std::uint8_t>(), string.data(), string.size());
  return bytes;
}

at::Tensor number(std::size_t value) {
  at::Tensor result = at::empty({}, at::kLong);
  *result.mutable_data_ptr<std::int64_t>() = static_cast<std::int64_t>(value);
  return result;
}

}  // namespace

int Communicator::rank() const { return backend_ ? backend_->rank() : 0; }

int Communicator::size() const { return backend_ ? backend_->size() : 1; }

std::string Communicator::backend() const { return backend_ ? backend_->name() : "serial"; }

void Communicator::all_reduce(at::Tensor& tensor, Reduce reduce) const {
  check_tensor(tensor, "all_reduce");
  if (backend_ && tensor.numel() > 0) backend_->all_reduce(tensor, reduce);
}

void Communicator::broadcast(at::Tensor& tensor, int root) const {
  check_tensor(tensor, "broadcast");
  check_root(root, size());
  if (backend_ && tensor.numel() > 0) backend_->broadcast(tensor, root);
}

at::Tensor Communicator::all_gather(const at::Tensor& tensor) const {
  check_tensor(tensor, "all_gather");
  std::vector<std::int64_t> shape = tensor.sizes().vec();
  shape.insert(shape.begin(), size());
  at::Tensor all = at::empty(shape, tensor.options().requires_grad(false));
  if (tensor.numel() == 0) return all;
  if (backend_) {
    backend_->all_gather(tensor, all);
  } else {
    all[0].copy_(tensor.detach());
  }
  return all;
}

void Communicator::barrier() const {
  if (backend_) backend_->barrier();
}

Communicator Communicator::split(int color, int key) const {
  if (color < 0) throw Error(text("split by color ", color), "colors start at 0");
  return backend_ ? Communicator(backend_->split(color, key)) : Communicator();
}

Communicator Communicator::split_by_node() const {
  return backend_ ? Communicator(backend_->split_by_node()) : Communicator();
}

Communicator Communicator::duplicate(const std::string& label) const {
  return backend_ ? Communicator(backend_->duplicate(label)) : Communicator();
}

void Communicator::await_at_end(std::shared_future<void> done) const {
  if (backend_) backend_->activity()->await_at_end(std::move(done));
}

void Communicator::close() {
  if (backend_) backend_->close();
  backend_.reset();
}

void broadcast(const Communicator& communicator, std::string& text, int root) {
  at::Tensor length = number(text.size());
  communicator.broadcast(length, root);
  const auto count = static_cast<std::size_t>(*length.const_data_ptr<std::int64_t>());
  at::Tensor bytes = communicator.rank() == root ? bytes_of(text, count) : bytes_of({}, count);
  communicator.broadcast(bytes, root);
  if (count == 0) {
    text.clear();
  } else {
    text.assign(reinterpret_cast<const char*>(bytes.const_data_ptr<std::uint8_t>()), count);
  }
}

std::vector<std::string> all_gather(const Communicator& communicator, const std::string& text) {
  const at::Tensor lengths = communicator.all_gather(number(text.size()));
  const std::span length(lengths.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(lengths.numel()));
  const auto longest = static_cast<std::size_t>(*std::ranges::max_element(length));
  std::vector<std::string> texts(length.size());
  if (longest == 0) return texts;
  // The rows are padded to the longest: these are messages and settings, not data.
  const at::Tensor all = communicator.all_gather(bytes_of(text, longest));
  const auto* row = reinterpret_cast<const char*>(all.const_data_ptr<std::uint8_t>());
  for (std::size_t rank = 0; rank < texts.size(); ++rank, row += longest) {
    texts[rank].assign(row, static_cast<std::size_t>(length[rank]));
  }
  return texts;
}

}  // namespace tutti::dist
