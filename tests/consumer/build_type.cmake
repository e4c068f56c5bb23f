# Configures gacc in WORK without a build type, and with one, and reads what it takes.
foreach(given IN ITEMS "" -DCMAKE_BUILD_TYPE=Debug)
  file(REMOVE_RECURSE ${WORK})
  execute_process(COMMAND ${CMAKE_COMMAND} -S ${GACC_SOURCE} -B ${WORK} -G Ninja -D CMAKE_CXX_COMPILER=${CXX} ${given}
                          -D GACC_BUILD_TESTS=OFF -D GACC_BUILD_EXAMPLES=OFF
                  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  file(STRINGS ${WORK}/CMakeCache.txt taken REGEX "^CMAKE_BUILD_TYPE:")
  set(expected Release)
  if(given)
    set(expected Debug)
  endif()
  if(NOT taken MATCHES "^CMAKE_BUILD_TYPE:[A-Z]+=${expected}$")
    message(FATAL_ERROR "expected the build type ${expected}, got ${taken}")
  endif()
endforeach()
