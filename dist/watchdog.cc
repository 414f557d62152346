#include "dist/watchdog.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <list>

#include "base/error.h"
#include "dist/environment.h"

namespace tutti::dist {
namespace {

using Clock = std::chrono::steady_clock;
constexpr Seconds tick{0.5};
constexpr int question_tag = 1, answer_tag = 2;

// What travels. Questions have no text.
struct Message {
  std::uint64_t communicator;  // CollectiveLog::id
  std::int64_t asked;          // the number of the collective in question
  std::int64_t entered;        // answered: the last that this rank came to
  char doing[176];
};
static_assert(std::is_trivially_copyable_v<Message>);

// Messages between watchdogs. Errors are left alone: who cannot be reached does not answer.
class Post {
 public:
  explicit Post(MPI_Comm communicator) : communicator_(communicator) { MPI_Comm_rank(communicator_, &rank_); }

  int rank() const { return rank_; }

  void send(int to, int tag, const Message& message) {
    auto& sent = under_way_.emplace_back(message, MPI_REQUEST_NULL);
    MPI_Isend(&sent.first, sizeof sent.first, MPI_BYTE, to, tag, communicator_, &sent.second);
  }

  struct Received {
    int from;
    Message message;
  };
  std::optional<Received> receive(int tag) {
    int there = 0;
    MPI_Status status;
    MPI_Message matched;
    if (MPI_Improbe(MPI_ANY_SOURCE, tag, communicator_, &there, &matched, &status) != MPI_SUCCESS || !there)
      return std::nullopt;
    Received received{};
    MPI_Mrecv(&received.message, sizeof received.message, MPI_BYTE, &matched, &status);
    received.from = status.MPI_SOURCE;
    return received;
  }

  // Forgets what has been sent.
  void tidy() {
    under_way_.remove_if([](auto& sent) {
      int done = 0;
      return MPI_Test(&sent.second, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || done;
    });
  }

 private:
  MPI_Comm communicator_;
  int rank_ = 0;
  std::list<std::pair<Message, MPI_Request>> under_way_;  // a list: MPI holds their addresses
};

// A stall that this rank asks about.
struct Inquiry {
  Stall stall;
  Clock::time_point deadline;
  std::map<int, Answer> answers;
};

// mpirun kills the others when it is told. Where it does not hear or read, at least this process ends.
[[noreturn]] void end_job(const Watchdog::Say& say, std::string_view message) {
  std::thread([] {
    std::this_thread::sleep_for(std::chrono::seconds(10));
    ::_exit(hang_code);
  }).detach();
  say(message);
  MPI_Abort(MPI_COMM_WORLD, hang_code);
  ::_exit(hang_code);
}

}  // namespace

class Watchdog::Thread {
 public:
  Thread(std::shared_ptr<Activity> activity, MPI_Comm own, Say say)
      : activity_(std::move(activity)), post_(own), say_(std::move(say)), last_(Clock::now()) {}

  void step(Seconds limit) {
    if (::getppid() != parent_) {
      say_(text("rank ", post_.rank(), " ends: the process that started it is gone"));
      ::_exit(hang_code);
    }
    const auto now = Clock::now();
    clock_.look(*activity_, std::min(Seconds(now - last_), 2 * tick));
    last_ = now;
    answer_questions();
    if (limit > Seconds(0)) watch(limit, now);
    post_.tidy();
  }

 private:
  // Of those that wait, the lowest rank asks first, and ends the job for all.
  static Seconds patience(const Stall& stall, int rank, Seconds answer_time) {
    const auto& ranks = stall.log->ranks();
    const auto index = std::ranges::find(ranks, rank) - ranks.begin();
    return static_cast<double>(std::min<std::ptrdiff_t>(index, 8)) * (answer_time + 2 * tick);
  }

  void watch(Seconds limit, Clock::time_point now) {
    const Seconds answer_time = std::clamp(limit / 4, Seconds(2), Seconds(10));
    const auto stall = clock_.longest();
    if (inquiry_ &&
        (!stall || stall->log != inquiry_->stall.log || stall->number != inquiry_->stall.number)) {
      inquiry_.reset();  // they came
    }
    if (!inquiry_ && stall && stall->waited > limit + patience(*stall, post_.rank(), answer_time)) {
      inquiry_ = Inquiry{*stall, now + std::chrono::duration_cast<Clock::duration>(answer_time), {}};
      for (const int other : stall->log->ranks()) {
        if (other != post_.rank()) post_.send(other, question_tag, {stall->log->id(), stall->number, 0, {}});
      }
    }
    while (const auto received = post_.receive(answer_tag)) {
      const Message& answer = received->message;
      if (!inquiry_ || answer.communicator != inquiry_->stall.log->id() ||
          answer.asked != inquiry_->stall.number)
        continue;
      const auto& doing = answer.doing;
      inquiry_->answers[received->from] = {answer.entered, {doing, ::strnlen(doing, sizeof doing)}};
    }
    if (!inquiry_) return;
    const bool all_answered = inquiry_->answers.size() + 1 == inquiry_->stall.log->ranks().size();
    if (!all_answered && now < inquiry_->deadline) return;
    inquiry_->stall.waited = stall->waited;
    end_job(say_, explain(inquiry_->stall, post_.rank(), inquiry_->answers));
  }

  void answer_questions() {
    while (const auto received = post_.receive(question_tag)) {
      Message answer = received->message;
      for (const auto& log : activity_->logs()) {
        if (log->id() == answer.communicator) answer.entered = log->moment().entered;
      }
      const std::string doing = describe(clock_);
      doing.copy(answer.doing, sizeof answer.doing);
      post_.send(received->from, answer_tag, answer);
    }
  }

  std::shared_ptr<Activity> activity_;
  Post post_;
  Say say_;
  pid_t parent_ = ::getppid();
  StallClock clock_;
  Clock::time_point last_;
  std::optional<Inquiry> inquiry_;
};

Watchdog::Watchdog(std::shared_ptr<Activity> activity, MPI_Comm own, Say say) {
  auto work = std::make_shared<Thread>(std::move(activity), own, std::move(say));
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the main thread
  thread_ = std::thread([this, work] {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, tick, [this] { return stopping_; })) {
      lock.unlock();
      work->step(Seconds(limit_.load()));
      lock.lock();
    }
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), "tutti-watch");
}

Watchdog::~Watchdog() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

}  // namespace tutti::dist
