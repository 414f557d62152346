#include "dist/mpi_check.h"

#include <string>

#include "base/error.h"

namespace tutti::dist {

void check(int code, std::string_view call, std::source_location where) {
  if (code == MPI_SUCCESS) return;
  char explanation[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, explanation, &length);
  throw Error(text(call, " failed at ", where.file_name(), ":", where.line()), explanation);
}

}  // namespace tutti::dist
