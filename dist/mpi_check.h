#pragma once
// MPI's return codes as exceptions. Environment sets MPI_ERRORS_RETURN, without which MPI would end the
// program before a code is returned.

#include <mpi.h>

#include <source_location>
#include <string_view>

namespace tutti::dist {

// Throws Error that names the call, MPI's explanation and the place, unless `code` is MPI_SUCCESS.
void check(int code, std::string_view call, std::source_location where = std::source_location::current());

}  // namespace tutti::dist
