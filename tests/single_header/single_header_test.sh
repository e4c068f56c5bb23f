#!/usr/bin/env bash
# single_header_test.sh SOURCE WORK EIGEN_INCLUDE COMPILER: makes the single header and builds with it, in a folder that has
# no other header of gacc, the first program of the README, of two units. Compiles the one that resumes.
set -euo pipefail
source=$1 work=$2 eigen=$3 compiler=$4
rm -rf "$work" && mkdir -p "$work" && cd "$work"

"$source/scripts/single-header" --output "$work/gacc.hpp"
if grep -n '#include *<gacc/' gacc.hpp; then echo "expected no header of gacc to be included" >&2; exit 1; fi
for file in micro_batches.cpp toy_digits.hpp resume.cpp; do
    sed 's|#include <gacc/gacc.hpp>|#include "gacc.hpp"|; /#include <gacc\//d' "$source/examples/$file" >$file
done
flags=(-std=c++20 -O2 -Wall -Wextra -Werror -isystem "$eigen" -pthread)

# The other unit includes the header too, and so does the first one twice.
printf '#include "gacc.hpp"\ngacc::Index parameters_of(gacc::Sequential<float>& model) {\n    return model.parameters().count();\n}\n' >other.cpp
"$compiler" "${flags[@]}" -Wno-uninitialized -Wno-maybe-uninitialized micro_batches.cpp other.cpp -o program
./program | tee says
grep -q '9[0-9][0-9] of 1000 right after 188 steps' says

# A unit for another processor is still named by its source file.
printf '#include "gacc.hpp"\nint main() {}\n' >main.cpp
"$compiler" "${flags[@]}" -O0 -DEIGEN_DONT_VECTORIZE -c other.cpp
"$compiler" "${flags[@]}" -O0 main.cpp other.o -o mixed
says=$(ulimit -c 0; { ./mixed; } 2>&1) && { echo "expected units for two processors to end at their start" >&2; exit 1; }
grep -q 'for main.cpp' <<<"$says" && grep -q 'for other.cpp' <<<"$says" || { echo "got: $says" >&2; exit 1; }

"$source/scripts/single-header" gacc/io/checkpoint.hpp --output "$work/gacc.hpp"
"$compiler" "${flags[@]}" -fsyntax-only resume.cpp
echo "the single header compiles and learns"
