# LibTorch as imported targets of our own.
#
# TorchConfig.cmake refuses to configure a CUDA wheel where there is no CUDA toolkit; these targets
# take the same files and ask only for what tutti links.
#
#   TUTTI_TORCH_ROOT   the folder that holds include/ and lib/ (default: the environment variable of that
#                      name, or what tools/setup.sh unpacked)
#   LibTorch::cpu      torch_cpu and c10: all of data, models and recipes on processors
#   LibTorch::cuda     the GPU libraries besides; defined only where they and their needs are found
#   LibTorch_VERSION   as in torch/version.h

set(_torch_root "${CMAKE_SOURCE_DIR}/.deps/site/torch")
if(DEFINED ENV{TUTTI_TORCH_ROOT})
  set(_torch_root "$ENV{TUTTI_TORCH_ROOT}")
endif()
set(TUTTI_TORCH_ROOT "${_torch_root}" CACHE PATH
    "LibTorch: the folder with include/ and lib/ (a wheel's torch/ folder, or an unpacked libtorch)")

find_path(LibTorch_INCLUDE_DIR ATen/core/Tensor.h
          PATHS ${TUTTI_TORCH_ROOT}/include NO_DEFAULT_PATH)
find_library(LibTorch_CPU_LIBRARY torch_cpu PATHS ${TUTTI_TORCH_ROOT}/lib NO_DEFAULT_PATH)
find_library(LibTorch_C10_LIBRARY c10 PATHS ${TUTTI_TORCH_ROOT}/lib NO_DEFAULT_PATH)
find_library(LibTorch_CUDA_LIBRARY torch_cuda PATHS ${TUTTI_TORCH_ROOT}/lib NO_DEFAULT_PATH)
find_library(LibTorch_C10_CUDA_LIBRARY c10_cuda PATHS ${TUTTI_TORCH_ROOT}/lib NO_DEFAULT_PATH)
mark_as_advanced(LibTorch_INCLUDE_DIR LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY
                 LibTorch_CUDA_LIBRARY LibTorch_C10_CUDA_LIBRARY)

if(LibTorch_INCLUDE_DIR)
  file(STRINGS ${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h _version
       REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCH ([0-9]+).*" "\\1.\\2.\\3"
         LibTorch_VERSION "${_version}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "run tools/setup.sh, or give -DTUTTI_TORCH_ROOT=.../torch")

# libtorch_cpu of a CUDA wheel needs libcudart and libcupti; both lie beside it or in the toolkit.
set(_torch_link_dirs ${TUTTI_TORCH_ROOT}/lib)
cmake_path(ABSOLUTE_PATH TUTTI_TORCH_ROOT NORMALIZE OUTPUT_VARIABLE _root)
cmake_path(GET _root PARENT_PATH _site)
foreach(_dir ${_site}/nvidia/cu13/lib ${_site}/nvidia/cudnn/lib ${_site}/nvidia/nccl/lib
        ${_site}/nvidia/cusparselt/lib ${_site}/nvidia/nvshmem/lib
        $ENV{CUDA_HOME}/lib64 $ENV{CUDA_HOME}/extras/CUPTI/lib64)
  if(IS_DIRECTORY ${_dir})
    list(APPEND _torch_link_dirs ${_dir})
  endif()
endforeach()

if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  add_library(LibTorch::cpu SHARED IMPORTED)
  set_target_properties(LibTorch::cpu PROPERTIES
    IMPORTED_LOCATION ${LibTorch_CPU_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES
      "${LibTorch_INCLUDE_DIR};${LibTorch_INCLUDE_DIR}/torch/csrc/api/include"
    INTERFACE_LINK_LIBRARIES ${LibTorch_C10_LIBRARY})
  foreach(_dir IN LISTS _torch_link_dirs)
    target_link_options(LibTorch::cpu INTERFACE -Wl,-rpath,${_dir} -Wl,-rpath-link,${_dir})
  endforeach()
endif()
