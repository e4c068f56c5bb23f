#pragma once

/// The version of the library, which CMakeLists.txt reads from here and core/abi.hpp names too. Beside these and
/// GACC_ABI nothing in gacc is a macro.
#define GACC_VERSION_MAJOR 0
#define GACC_VERSION_MINOR 1
#define GACC_VERSION_PATCH 0
