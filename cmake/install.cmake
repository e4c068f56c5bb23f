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
