#include "recipes/precision.h"

#include <ATen/autocast_mode.h>

#include <fstream>
#include <sstream>

namespace tutti::recipes {
namespace {

bool processor_has_fast_bf16() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (!line.starts_with("flags")) continue;
    std::istringstream flags(line);
    for (std::string flag; flags >> flag;) {
      if (flag == "amx_bf16" || flag == "avx512_bf16") return true;
    }
    return false;
  }
  return false;
}

}  // namespace

std::string resolve_precision(const std::string& precision, const at::Device& device) {
  if (precision != "auto") return precision;
  return device.is_cuda() || processor_has_fast_bf16() ? "bf16" : "fp32";
}

Autocast::Autocast(const std::string& precision, const at::Device& device)
    : type_(device.type()), on_(precision == "bf16") {
  if (!on_) return;
  at::autocast::set_autocast_enabled(type_, true);
  at::autocast::set_autocast_dtype(type_, at::kBFloat16);
  at::autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (!on_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(type_, false);
}

}  // namespace tutti::recipes
