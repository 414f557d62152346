#include "dist/environment.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>

#include "base/error.h"

namespace tutti::dist {
namespace {

TEST(Launcher, NoneMeansSerial) {
  EXPECT_EQ(launched_processes([](const char*) -> const char* { return nullptr; }), 0);
}

TEST(Launcher, Mpirun) {
  EXPECT_EQ(launched_processes([](const char* name) -> const char* {
              return std::strcmp(name, "OMPI_COMM_WORLD_SIZE") == 0 ? "4" : nullptr;
            }),
            4);
}

TEST(Launcher, Hydra) {
  EXPECT_EQ(launched_processes([](const char* name) -> const char* {
              if (std::strcmp(name, "PMI_RANK") == 0) return "0";
              return std::strcmp(name, "PMI_SIZE") == 0 ? "3" : nullptr;
            }),
            3);
}

TEST(Launcher, SrunWithPmix) {
  EXPECT_EQ(launched_processes([](const char* name) -> const char* {
              if (std::strcmp(name, "PMIX_RANK") == 0 || std::strcmp(name, "SLURM_PROCID") == 0) return "1";
              return std::strcmp(name, "SLURM_STEP_NUM_TASKS") == 0 ? "8" : nullptr;
            }),
            8);
}

TEST(Launcher, BatchScriptIsSerial) {
  EXPECT_EQ(launched_processes([](const char* name) -> const char* {
              if (std::strcmp(name, "SLURM_NTASKS") == 0) return "8";
              return std::strcmp(name, "SLURM_PROCID") == 0 ? "0" : nullptr;
            }),
            0);
}

TEST(Launcher, SrunWithoutPmiIsAnErrorThatSaysWhatToDo) {
  try {
    launched_processes([](const char* name) -> const char* {
      if (std::strcmp(name, "SLURM_PROCID") == 0) return "1";
      return std::strcmp(name, "SLURM_STEP_NUM_TASKS") == 0 ? "8" : nullptr;
    });
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("--mpi=pmix"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace tutti::dist
