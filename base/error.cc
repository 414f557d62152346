#include "base/error.h"

namespace tutti {
namespace {

std::string message(std::string_view problem, std::string_view reason, std::string_view suggestion) {
  std::string result(problem);
  if (!reason.empty()) result += text(" (", reason, ")");
  if (!suggestion.empty()) result += text(". ", suggestion);
  return result;
}

}  // namespace

Error::Error(std::string_view problem, std::string_view reason, std::string_view suggestion)
    : std::runtime_error(message(problem, reason, suggestion)) {}

Error file_error(std::string_view action, std::string_view path, int error_number,
                 std::string_view suggestion) {
  return Error(text("cannot ", action, " '", path, "'"), std::generic_category().message(error_number),
               suggestion);
}

}  // namespace tutti
