#include "launcher/rank_lines.h"

#include <algorithm>
#include <optional>

namespace tutti {
namespace {

constexpr std::size_t kLongestTag = 40;

// The rank in "[1,3]<stdout>:", or nothing.
std::optional<std::string> rank_of(std::string_view tag) {
  const auto comma = tag.find(','), bracket = tag.find(']');
  if (!tag.starts_with('[') || comma == tag.npos || bracket == tag.npos || comma > bracket)
    return std::nullopt;
  const auto stream = tag.substr(bracket + 1);
  if (stream != "<stdout>:" && stream != "<stderr>:") return std::nullopt;
  const auto rank = tag.substr(comma + 1, bracket - comma - 1);
  const bool digits = std::ranges::all_of(rank, [](char c) { return c >= '0' && c <= '9'; });
  return digits ? std::optional(std::string(rank)) : std::nullopt;
}

}  // namespace

std::string RankLines::convert(std::string_view piece) {
  std::string out;
  for (const char c : piece) {
    if (at_start_) {
      if (pending_.empty() && c != '[') {  // a line of mpirun itself, or one that goes on after '\r'
        out += prefix_;
        at_start_ = false;
      } else {
        pending_ += c;
        if (c == ':') {
          if (const auto rank = rank_of(pending_)) {
            prefix_ = "[" + *rank + "] ";
            out += prefix_;
            pending_.clear();
            at_start_ = false;
            continue;
          }
        }
        if (c != '\n' && pending_.size() < kLongestTag) continue;
        out += pending_;
        at_start_ = c == '\n';
        pending_.clear();
        continue;
      }
    }
    out += c;
    if (c == '\r' || c == '\n') {
      at_start_ = true;
      if (c == '\n') prefix_.clear();
    }
  }
  return out;
}

}  // namespace tutti
