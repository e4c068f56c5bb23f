# Fails if a file that names gacc's version names another than VERSION, that of include/gacc/version.hpp.
string(REPLACE "." "_" underscored ${VERSION})
string(REPLACE "." "[.]" pattern ${VERSION})
foreach(place IN ITEMS "CITATION.cff|version: ${pattern}" "packaging/vcpkg/gacc/vcpkg.json|\"version\": \"${pattern}\""
                       "include/gacc/core/abi.hpp|define GACC_ABI v${underscored}_simd0")
  string(REGEX REPLACE "[|].*" "" file "${place}")
  string(REGEX REPLACE "^[^|]*[|]" "" text "${place}")
  file(STRINGS ${ROOT}/${file} found REGEX "${text}")
  if(NOT found)
    message(SEND_ERROR "${file}: expected the version ${VERSION}, got another or none")
  endif()
endforeach()
# Every name of the inline namespace, not only the first.
file(STRINGS ${ROOT}/include/gacc/core/abi.hpp others REGEX "define GACC_ABI ")
list(FILTER others EXCLUDE REGEX "v${underscored}_simd")
if(others)
  message(SEND_ERROR "include/gacc/core/abi.hpp: expected v${underscored}, got ${others}")
endif()
