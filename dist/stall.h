#pragma once
// Private to dist: when a rank has waited too long in a collective, and whom it waits for. Plain values.

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "dist/activity.h"

namespace tutti::dist {

using Seconds = std::chrono::duration<double>;

// A wait in a collective, seen from the rank that waits.
struct Stall {
  std::shared_ptr<const CollectiveLog> log;
  std::int64_t number = 0;
  const char* collective = "";
  Seconds waited{0};
};

// Measures how long each communicator's rank has been waiting, by looking at it now and then.
class StallClock {
 public:
  // `passed` is the time since the last look. Give a process that was suspended no more than it ran:
  // its own absence is no wait for others.
  void look(Activity& activity, Seconds passed);

  // The longest wait; nothing where this rank is in no collective.
  std::optional<Stall> longest() const;

  // How long ago this rank was last seen to enter or leave a collective.
  Seconds idle() const { return idle_; }

 private:
  struct Seen {
    std::shared_ptr<const CollectiveLog> log;
    Moment moment;
    Seconds unchanged{0};
  };
  std::map<std::uint64_t, Seen> seen_;
  Seconds idle_{0};
};

// What one rank answers when it is asked about a communicator.
struct Answer {
  std::int64_t entered = 0;  // of that communicator's collectives
  std::string doing;         // in all of them: "waits 3 s in broadcast 4 of 'world'"
};
std::string describe(const StallClock& clock);

// One line that names the ranks of the communicator that have not come to the collective: those whose
// number is smaller, and those that did not answer. `answers` holds the other ranks' by their number in
// the job.
std::string explain(const Stall& stall, int rank, const std::map<int, Answer>& answers);

}  // namespace tutti::dist
