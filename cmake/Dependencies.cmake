# The libraries besides LibTorch and MPI, and the choice between GPU and CPU build.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
pkg_check_modules(SNDFILE REQUIRED IMPORTED_TARGET sndfile)
pkg_check_modules(SOXR REQUIRED IMPORTED_TARGET soxr)
pkg_check_modules(PNG REQUIRED IMPORTED_TARGET libpng)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(ZIP REQUIRED IMPORTED_TARGET libzip)

# HDF5's C library, serial and shared: FindHDF5 runs h5cc, which links the static one.
find_path(HDF5_INCLUDE hdf5.h PATH_SUFFIXES hdf5/serial REQUIRED)
find_library(HDF5_LIBRARY hdf5 PATH_SUFFIXES hdf5/serial ${CMAKE_LIBRARY_ARCHITECTURE}/hdf5/serial REQUIRED)
add_library(tutti_hdf5 INTERFACE)
target_include_directories(tutti_hdf5 SYSTEM INTERFACE ${HDF5_INCLUDE})
target_link_libraries(tutti_hdf5 INTERFACE ${HDF5_LIBRARY})

find_path(CSV_INCLUDE csv.h REQUIRED)
find_library(CSV_LIBRARY csv REQUIRED)
add_library(tutti_csv INTERFACE)
target_include_directories(tutti_csv SYSTEM INTERFACE ${CSV_INCLUDE})
target_link_libraries(tutti_csv INTERFACE ${CSV_LIBRARY})

# toml++ is header-only here; one file (recipes/toml.cc) includes it.
find_path(TOMLPLUSPLUS_INCLUDE toml++/toml.h REQUIRED)
add_library(tutti_toml INTERFACE)
target_include_directories(tutti_toml SYSTEM INTERFACE ${TOMLPLUSPLUS_INCLUDE})

# GPU build: the wheel's torch_cuda, a CUDA toolkit's (or the NVIDIA wheels') headers, and NCCL.
set(_cuda_hints ${TUTTI_TORCH_ROOT}/../nvidia/cu13 /usr/local/cuda $ENV{CUDA_HOME} $ENV{CUDA_PATH})
set(_nccl_hints ${TUTTI_TORCH_ROOT}/../nvidia/nccl ${_cuda_hints} $ENV{NCCL_HOME})
if(NOT TUTTI_GPU STREQUAL OFF)
  # cuda_runtime_api.h includes this one, which is a wheel of its own (nvidia-cuda-crt) that torch does not bring.
  find_path(TUTTI_CUDA_INCLUDE crt/host_defines.h HINTS ${_cuda_hints} PATH_SUFFIXES include)
  find_library(TUTTI_CUDART NAMES cudart libcudart.so.13 NAMES_PER_DIR HINTS ${_cuda_hints} PATH_SUFFIXES lib64 lib)
  find_path(TUTTI_NCCL_INCLUDE nccl.h HINTS ${_nccl_hints} PATH_SUFFIXES include)
  find_library(TUTTI_NCCL NAMES nccl libnccl.so.2 NAMES_PER_DIR HINTS ${_nccl_hints} PATH_SUFFIXES lib lib64)
  if(TUTTI_CUDA_INCLUDE AND TUTTI_CUDART AND TUTTI_NCCL_INCLUDE AND TUTTI_NCCL
     AND LibTorch_CUDA_LIBRARY AND LibTorch_C10_CUDA_LIBRARY)
    set(TUTTI_HAVE_GPU ON)
  elseif(TUTTI_GPU STREQUAL ON)
    message(FATAL_ERROR "TUTTI_GPU=ON, but something is missing: CUDA headers '${TUTTI_CUDA_INCLUDE}', "
      "cudart '${TUTTI_CUDART}', nccl.h '${TUTTI_NCCL_INCLUDE}', NCCL '${TUTTI_NCCL}', "
      "torch_cuda '${LibTorch_CUDA_LIBRARY}'. Set CUDA_HOME or NCCL_HOME, or use -DTUTTI_GPU=OFF.")
  endif()
endif()

if(TUTTI_HAVE_GPU)
  get_filename_component(_cuda_lib ${TUTTI_CUDART} DIRECTORY)
  get_filename_component(_nccl_lib ${TUTTI_NCCL} DIRECTORY)
  add_library(LibTorch::cuda INTERFACE IMPORTED)
  target_include_directories(LibTorch::cuda SYSTEM INTERFACE ${TUTTI_CUDA_INCLUDE} ${TUTTI_NCCL_INCLUDE})
  # --no-as-needed: nothing refers to torch_cuda by name; it registers its operators when loaded.
  target_link_libraries(LibTorch::cuda INTERFACE LibTorch::cpu ${LibTorch_C10_CUDA_LIBRARY}
    "-Wl,--no-as-needed,${LibTorch_CUDA_LIBRARY},--as-needed" ${TUTTI_CUDART} ${TUTTI_NCCL})
  target_link_options(LibTorch::cuda INTERFACE -Wl,-rpath,${_cuda_lib} -Wl,-rpath-link,${_cuda_lib}
    -Wl,-rpath,${_nccl_lib} -Wl,-rpath-link,${_nccl_lib})
  message(STATUS "tutti: GPU build (CUDA ${_cuda_lib}, NCCL ${TUTTI_NCCL}), LibTorch ${LibTorch_VERSION}")
else()
  message(STATUS "tutti: CPU build, LibTorch ${LibTorch_VERSION}")
endif()
