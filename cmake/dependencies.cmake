# Where the libraries come from: the system if it has them, else their own repository at a fixed tag.

include(FetchContent)

# The only one that the library itself needs.
macro(gacc_need_eigen)
  find_package(Eigen3 3.4 QUIET NO_MODULE)
  if(NOT TARGET Eigen3::Eigen)
    message(STATUS "gacc: Eigen 3.4 not found, fetching it")
    # Only its headers are wanted: SOURCE_SUBDIR names a folder without a CMakeLists.txt.
    FetchContent_Declare(gacc_eigen GIT_REPOSITORY https://gitlab.com/libeigen/eigen.git GIT_TAG 3.4.0 GIT_SHALLOW TRUE
                         SOURCE_SUBDIR Eigen)
    FetchContent_MakeAvailable(gacc_eigen)
    add_library(gacc_eigen INTERFACE)
    target_include_directories(gacc_eigen SYSTEM INTERFACE "$<BUILD_INTERFACE:${gacc_eigen_SOURCE_DIR}>")
    add_library(Eigen3::Eigen ALIAS gacc_eigen)
    message(STATUS "gacc: no install rules: a fetched Eigen cannot be exported")
    set(GACC_INSTALL OFF)
  endif()
endmacro()

# One for tests, examples or bench: gacc_need(<target> <package> <repository> <tag>).
macro(gacc_need target package repository tag)
  find_package(${package} QUIET)
  if(NOT TARGET ${target})
    message(STATUS "gacc: ${package} not found, fetching it")
    FetchContent_Declare(${package} GIT_REPOSITORY ${repository} GIT_TAG ${tag} GIT_SHALLOW TRUE)
    FetchContent_MakeAvailable(${package})
  endif()
endmacro()
