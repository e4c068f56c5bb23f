# Builds and runs the consumer in WORK, which finds gacc by WAY.
function(must)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "failed: ${ARGN}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
if(WAY MATCHES "find_package|pkg-config")
  must(${CMAKE_COMMAND} --install ${GACC_BUILD} --prefix ${WORK}/prefix)
endif()
if(WAY STREQUAL "pkg-config")
  set(ENV{PKG_CONFIG_PATH} ${WORK}/prefix/${DATADIR}/pkgconfig:$ENV{PKG_CONFIG_PATH})
  execute_process(COMMAND ${PKG_CONFIG} --cflags --libs "gacc = ${VERSION}" OUTPUT_VARIABLE flags
                  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  must(${CXX} -std=c++20 ${CMAKE_CURRENT_LIST_DIR}/main.cpp ${flags} -o ${WORK}/consumer)
  must(${WORK}/consumer)
  return()
endif()
must(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK}/build -D WAY=${WAY} -D GACC_SOURCE=${GACC_SOURCE}
     -D CMAKE_PREFIX_PATH=${WORK}/prefix -D CMAKE_CXX_COMPILER=${CXX} -G ${GENERATOR})
must(${CMAKE_COMMAND} --build ${WORK}/build)
must(${WORK}/build/consumer)

# gacc at the top is Release; beside a user's sources it leaves the user's build type alone.
file(STRINGS ${WORK}/build/CMakeCache.txt of_user REGEX "^CMAKE_BUILD_TYPE:")
if(NOT of_user MATCHES "^CMAKE_BUILD_TYPE:STRING=$" AND GENERATOR MATCHES "Ninja$|Makefiles")
  message(FATAL_ERROR "expected the consumer's build type as it was, empty, got ${of_user}")
endif()
