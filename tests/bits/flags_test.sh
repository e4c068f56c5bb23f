#!/usr/bin/env bash
# flags_test.sh SOURCE WORK EIGEN_INCLUDE: builds digest.cpp with many flags and runs each build. In every build all cuts
# and threads must give one digest; with contraction off, compilers and levels must agree. At -O2 without contraction that is the perceptron
# and a network of the other layers, else the perceptron alone.
set -u
source=$1 work=$2 eigen=$3
mkdir -p "$work"
failed=0 passed=0
declare -A agreed

for compiler in g++ clang++; do
    if ! command -v $compiler >/dev/null; then
        echo "$compiler is not installed: left out"
        [ "${CI:-}" = true ] && failed=$((failed + 1))
        continue
    fi
    for machine in "" -march=native -DEIGEN_DONT_VECTORIZE "-march=native -DEIGEN_DONT_VECTORIZE"; do
        for contract in off fast; do
            for level in -O0 -O2 -O3; do
                # without SIMD one level will do
                [[ "$machine" = *-DEIGEN_DONT_VECTORIZE ]] && [ $level != -O2 ] && continue
                got=
                flags="$level $machine -ffp-contract=$contract"
                [ $level$contract = -O2off ] && flags+=" -DGACC_DIGEST_ALL"
                if ! $compiler -std=c++20 $flags -pthread -I"$source/include" -isystem "$eigen" \
                        "$source/tests/bits/digest.cpp" -o "$work/digest" || ! got=$("$work/digest"); then
                    echo "FAILED: $compiler $flags: ${got:-does not compile}"
                    failed=$((failed + 1))
                    continue
                fi
                echo "$compiler $flags: $got"
                passed=$((passed + 1))
                if [ $contract = off ]; then
                    perceptron=${got%%mixed*} mixed=${got#"${got%%mixed*}"}
                    expected=${agreed[${machine:-none}]:=$perceptron}
                    if [ $level = -O2 ]; then expected+=${agreed[mixed ${machine:-none}]:=$mixed}; fi
                    if [ "$got" != "$expected" ]; then
                        echo "FAILED: $compiler $flags: expected $expected, as the build before"
                        failed=$((failed + 1))
                    fi
                fi
            done
        done
    done
done
echo "$passed passed, $failed failed"
exit $((failed > 0 || passed == 0))
