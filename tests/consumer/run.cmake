# Builds and runs the consumer in WORK, which finds gacc by WAY.
function(must)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "failed: ${ARGN}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
if(WAY STREQUAL "find_package")
  must(${CMAKE_COMMAND} --install ${GACC_BUILD} --prefix ${WORK}/prefix)
endif()
must(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK}/build -D WAY=${WAY} -D GACC_SOURCE=${GACC_SOURCE}
     -D CMAKE_PREFIX_PATH=${WORK}/prefix -D CMAKE_CXX_COMPILER=${CXX} -G ${GENERATOR})
must(${CMAKE_COMMAND} --build ${WORK}/build)
must(${WORK}/build/consumer)
