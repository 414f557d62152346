#pragma once
// Errors that a user can act on: what is wrong, why, and what to do.

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace tutti {

// The parts printed one after another, as a stream would.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// Something failed (exit code 1). The message reads "problem (reason). Suggestion."
class Error : public std::runtime_error {
 public:
  explicit Error(std::string_view problem, std::string_view reason = {}, std::string_view suggestion = {});
};

// The user asked for something that cannot be (exit code 2): an unknown key, a value out of range,
// a missing argument.
class UsageError : public Error {
 public:
  using Error::Error;
};

// An operating-system call on `path` failed: adds what errno means.
Error file_error(std::string_view action, std::string_view path, int error_number,
                 std::string_view suggestion = {});

}  // namespace tutti
