#pragma once

/// The version of the library. CMakeLists.txt reads it from here; core/abi.hpp names it too. These and GACC_ABI are the
/// only macros of gacc.
#define GACC_VERSION_MAJOR 0
#define GACC_VERSION_MINOR 1
#define GACC_VERSION_PATCH 0
