# The target gacc::mpi. It is part of the build and of the installed package, where find_package(gacc COMPONENTS mpi) asks
# for it.
set(MPI_CXX_SKIP_MPICXX TRUE)  # the C++ functions that MPI no longer has
find_package(MPI QUIET COMPONENTS CXX)
if(MPI_CXX_FOUND)
  add_library(gacc_mpi INTERFACE)
  add_library(gacc::mpi ALIAS gacc_mpi)
  target_link_libraries(gacc_mpi INTERFACE gacc::gacc MPI::MPI_CXX)
else()
  message(STATUS "gacc: MPI not found, gacc::mpi and what needs it are left out")
endif()
