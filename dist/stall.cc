#include "dist/stall.h"

#include <cmath>
#include <vector>

#include "base/error.h"

namespace tutti::dist {
namespace {

constexpr std::size_t ranks_in_full = 8;  // of thousands; the rest is counted

std::string seconds(Seconds time) { return text(std::lround(time.count()), " s"); }

std::string place(const CollectiveLog& log, const char* collective, std::int64_t number) {
  return text(collective, ' ', number, " of communicator '", log.name(), "'");
}

}  // namespace

void StallClock::look(Activity& activity, Seconds passed) {
  std::map<std::uint64_t, Seen> now;
  idle_ += passed;
  for (const auto& log : activity.logs()) {
    Seen seen{.log = log, .moment = log->moment()};
    const auto before = seen_.find(log->id());
    if (before != seen_.end() && before->second.moment.entered == seen.moment.entered &&
        before->second.moment.waiting == seen.moment.waiting) {
      seen.unchanged = before->second.unchanged + passed;
    } else {
      idle_ = Seconds(0);
    }
    now.emplace(log->id(), std::move(seen));
  }
  seen_ = std::move(now);
}

std::optional<Stall> StallClock::longest() const {
  std::optional<Stall> result;
  for (const auto& [id, seen] : seen_) {
    if (seen.moment.waiting == 0 || (result && result->waited >= seen.unchanged)) continue;
    result = Stall{seen.log, seen.moment.waiting, seen.moment.collective, seen.unchanged};
  }
  return result;
}

std::string describe(const StallClock& clock) {
  if (const auto stall = clock.longest()) {
    return text("waits ", seconds(stall->waited), " in ",
                place(*stall->log, stall->collective, stall->number));
  }
  return text("in no collective for ", seconds(clock.idle()));
}

std::string explain(const Stall& stall, int rank, const std::map<int, Answer>& answers) {
  std::vector<std::string> missing;
  for (const int other : stall.log->ranks()) {
    if (other == rank) continue;
    const auto answer = answers.find(other);
    if (answer == answers.end()) {
      missing.push_back(text("rank ", other, " (does not answer: it is stopped, or cannot be reached)"));
    } else if (answer->second.entered < stall.number) {
      missing.push_back(
          text("rank ", other, " (", answer->second.doing, "; came to number ", answer->second.entered, ')'));
    }
  }
  std::string who;
  for (std::size_t i = 0; i < missing.size() && i < ranks_in_full; ++i) who += (i ? ", " : "") + missing[i];
  if (missing.size() > ranks_in_full) who += text(", and ", missing.size() - ranks_in_full, " more");
  return Error(text("rank ", rank, " has waited ", seconds(stall.waited), " in ",
                    place(*stall.log, stall.collective, stall.number)),
               missing.empty() ? "all ranks came to it: look at the network between them"
                               : "did not arrive: " + who,
               "The job ends with code 76")
      .what();
}

}  // namespace tutti::dist
