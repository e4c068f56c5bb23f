# cmake --install, and the packages that find_package(gacc) and pkg-config find.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/gacc)

install(TARGETS gacc EXPORT gacc-targets FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT gacc-targets NAMESPACE gacc:: DESTINATION ${package_dir})

file(WRITE ${PROJECT_BINARY_DIR}/gacc-config.cmake [[
include(CMakeFindDependencyMacro)
find_dependency(Eigen3 3.4)
find_dependency(Threads)
include(${CMAKE_CURRENT_LIST_DIR}/gacc-targets.cmake)
if("mpi" IN_LIST gacc_FIND_COMPONENTS)
  set(MPI_CXX_SKIP_MPICXX TRUE)
  find_package(MPI QUIET COMPONENTS CXX)
  set(gacc_mpi_FOUND ${MPI_CXX_FOUND})
  if(gacc_mpi_FOUND AND NOT TARGET gacc::mpi)
    add_library(gacc::mpi INTERFACE IMPORTED)
    target_link_libraries(gacc::mpi INTERFACE gacc::gacc MPI::MPI_CXX)
  endif()
  if(NOT gacc_mpi_FOUND AND gacc_FIND_REQUIRED_mpi)
    set(gacc_FOUND FALSE)
    set(gacc_NOT_FOUND_MESSAGE "gacc::mpi needs MPI for C++, which was not found")
  endif()
endif()
]])
write_basic_package_version_file(${PROJECT_BINARY_DIR}/gacc-config-version.cmake
                                 COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/gacc-config.cmake ${PROJECT_BINARY_DIR}/gacc-config-version.cmake
        DESTINATION ${package_dir})

# For pkg-config. Paths are relative to the file, so that an installed folder can be moved.
file(RELATIVE_PATH includes_from_here ${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig ${CMAKE_INSTALL_FULL_INCLUDEDIR})
file(CONFIGURE OUTPUT gacc.pc @ONLY CONTENT [[
includedir=${pcfiledir}/@includes_from_here@

Name: gacc
Description: @PROJECT_DESCRIPTION@
Version: @PROJECT_VERSION@
Requires: eigen3 >= 3.4
Cflags: -I${includedir} -pthread
Libs: -pthread
]])
install(FILES ${PROJECT_BINARY_DIR}/gacc.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)
