# Flags, ccache and install paths for all of our own code.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug or Sanitize" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")

add_compile_options(-Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
# MPI's C++ bindings are deprecated, and cost 0.7 s a file to parse.
add_compile_definitions(OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)

set(TUTTI_SANITIZE "" CACHE STRING "Sanitizers, as in -fsanitize=")
if(TUTTI_SANITIZE)
  # GCC's flow analysis takes what the sanitizers insert for uses of uninitialised values.
  add_compile_options(-fsanitize=${TUTTI_SANITIZE} -fno-sanitize=vptr
                      $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  add_link_options(-fsanitize=${TUTTI_SANITIZE})
endif()

# Debian's ccache serves precompiled headers only with these settings; the base directory lets
# build/release and build/cpu share objects.
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
  add_compile_options(-fpch-preprocess)
endif()

# A file with torch in it takes 1.2 GB to compile: no more at once than memory holds.
cmake_host_system_information(RESULT _cores QUERY NUMBER_OF_LOGICAL_CORES)
cmake_host_system_information(RESULT _megabytes QUERY TOTAL_PHYSICAL_MEMORY)
math(EXPR _jobs "${_megabytes} / 1500")
if(_jobs GREATER _cores)
  set(_jobs ${_cores})
elseif(_jobs LESS 1)
  set(_jobs 1)
endif()
set_property(GLOBAL PROPERTY JOB_POOLS compile=${_jobs})
set(CMAKE_JOB_POOL_COMPILE compile)

include(GNUInstallDirs)
# DT_RPATH (not RUNPATH), because it also serves the libraries that LibTorch itself needs.
add_link_options(-Wl,--disable-new-dtags)
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)

# share_precompiled_torch(TARGET): an executable that uses the <torch/torch.h> which tutti_models precompiles.
# That was compiled with -fPIC; an executable would otherwise ask for -fPIE, and GCC refuses the mixture.
function(share_precompiled_torch target)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${target} PRIVATE -fPIC)
  target_precompile_headers(${target} REUSE_FROM tutti_models)
endfunction()
