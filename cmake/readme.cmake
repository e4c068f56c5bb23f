# Fails if the README does not show its examples word for word.
file(READ ${ROOT}/README.md readme)
foreach(example IN ITEMS micro_batches accumulator plan own_data resume guard)
  file(READ ${ROOT}/examples/${example}.cpp source)
  string(FIND "${readme}" "```cpp\n${source}```" at)
  if(at EQUAL -1)
    message(SEND_ERROR "README.md does not show examples/${example}.cpp as it is")
  endif()
endforeach()
