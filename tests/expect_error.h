#pragma once
// Errors are part of the interface: tests look at what they say.

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "base/error.h"

namespace tutti {

// `action` throws Exception, and its message holds each of `parts`.
template <class Exception = Error, class Action>
void expect_error(Action action, std::initializer_list<std::string> parts) {
  try {
    action();
    ADD_FAILURE() << "no error was thrown";
  } catch (const Exception& error) {
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << "'" << part << "' is not in: " << error.what();
    }
  }
}

}  // namespace tutti
