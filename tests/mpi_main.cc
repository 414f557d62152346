// main() of tests that run under mpirun. Rank 0 prints the progress, the others only their failures; a
// failure on any rank fails all; a barrier ends each test, so that ranks cannot drift into different
// ones; a rank that hangs in a test ends the job and says so. Fails when no test was selected. Ends with
// 77 ("skipped", to CTest) when every selected test skipped itself, and prints the reasons; where
// TUTTI_REQUIRED has the word "gpu" (tools/accept_gpus.sh) any skipped test is a failure.

#include "tests/mpi_main.h"

#include <ATen/ops/full.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "dist/environment.h"

namespace tutti::tests {
namespace {

constexpr unsigned seconds_per_test = 90;  // below CTest's own limit, which names no test
constexpr int skip_code = 77;

// googletest owns its listeners and tests are free functions, so these two need a place of their own.
std::optional<dist::Communicator> test_world;
char hang_message[512];

void report_hang(int) {
  [[maybe_unused]] const auto written = write(STDERR_FILENO, hang_message, std::strlen(hang_message));
  _exit(dist::hang_code);
}

std::string name_of(const testing::TestInfo& test) { return text(test.test_suite_name(), ".", test.name()); }

class Ranks : public testing::EmptyTestEventListener {
 public:
  explicit Ranks(dist::Communicator communicator) : communicator_(std::move(communicator)) {}

  void OnTestStart(const testing::TestInfo& test) override {
    const std::string message =
        text("rank ", communicator_.rank(), " hangs in ", name_of(test), " for ", seconds_per_test, " s\n");
    hang_message[message.copy(hang_message, sizeof hang_message - 1)] = '\0';
    alarm(seconds_per_test);
  }

  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (communicator_.rank() == 0 || !result.failed()) return;
    std::cerr << text("[rank ", communicator_.rank(), "] ", result.file_name() ? result.file_name() : "?",
                      ":", result.line_number(), ": ", result.message(), "\n");
  }

  void OnTestEnd(const testing::TestInfo& test) override {
    if (test.result()->Failed() && communicator_.rank() != 0) {
      std::cerr << text("[rank ", communicator_.rank(), "] FAILED: ", name_of(test), "\n");
    }
    communicator_.barrier();
    alarm(0);
  }

 private:
  dist::Communicator communicator_;
};

bool on_any_rank(const dist::Communicator& communicator, bool value) {
  at::Tensor flag = at::full({1}, value ? 1 : 0, at::kInt);
  communicator.all_reduce(flag, dist::Reduce::max);
  return *flag.const_data_ptr<int>() != 0;
}

bool gpu_is_required() {
  const char* required = std::getenv("TUTTI_REQUIRED");
  return required && text(' ', required, ' ').find(" gpu ") != std::string::npos;
}

int run_tests() {
  const auto communicator = world();
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (communicator.rank() != 0) delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new Ranks(communicator));
  signal(SIGALRM, report_hang);

  const bool failed = RUN_ALL_TESTS() != 0;
  const auto& unit = *testing::UnitTest::GetInstance();
  const bool skipped = unit.skipped_test_count() > 0;
  const bool ran = unit.test_to_run_count() > unit.skipped_test_count();
  const bool failed_anywhere = on_any_rank(communicator, failed);
  const bool skipped_anywhere = on_any_rank(communicator, skipped);
  const bool ran_anywhere = on_any_rank(communicator, ran);
  const auto conclude = [&](const char* conclusion, int code) {
    if (communicator.rank() == 0) std::cout << conclusion << std::endl;
    return code;
  };
  if (failed_anywhere) return conclude("FAILED on at least one rank", 1);
  if (unit.test_to_run_count() == 0) return conclude("FAILED: the filter selects no test", 1);
  if (skipped_anywhere && gpu_is_required()) {
    return conclude("FAILED: tests were skipped, and TUTTI_REQUIRED has 'gpu'", 1);
  }
  if (!ran_anywhere) return conclude("SKIPPED: every test, for the reasons above", skip_code);
  return conclude(text("PASSED on ", communicator.size(), " ranks (", communicator.backend(), ")").c_str(),
                  0);
}

}  // namespace

dist::Communicator world() { return test_world.value(); }

}  // namespace tutti::tests

int main(int argc, char** argv) {
  try {
    testing::InitGoogleTest(&argc, argv);
    const tutti::dist::Environment environment(argc, argv);
    tutti::tests::test_world = environment.world();
    return tutti::tests::run_tests();
  } catch (const std::exception& error) {
    std::cerr << "tests cannot run: " << error.what() << std::endl;
    return 1;
  }
}
