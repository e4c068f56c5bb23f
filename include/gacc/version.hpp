#pragma once

/// The version of the library. CMakeLists.txt reads it from here; nothing else in gacc is a macro.
#define GACC_VERSION_MAJOR 0
#define GACC_VERSION_MINOR 1
#define GACC_VERSION_PATCH 0
