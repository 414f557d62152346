#pragma once
// Rewrites what `mpirun --tag-output` prints: "[1,3]<stderr>:text" becomes "[3] text".

#include <string>
#include <string_view>

namespace tutti {

class RankLines {
 public:
  // The next piece of the stream; a tag that is cut at its end waits for the next call. A carriage
  // return begins a line anew, as progress lines do on a terminal, under the same rank's name.
  std::string convert(std::string_view piece);

 private:
  std::string pending_;  // what may become a tag
  std::string prefix_;   // "[3] "
  bool at_start_ = true;
};

}  // namespace tutti
