#!/usr/bin/env bash
# flags_test.sh SOURCE WORK EIGEN_INCLUDE MACHINE: builds digest.cpp with many flags for a kind of machine, and runs each
# build. In every build all cuts and numbers of threads must give one digest. With contraction off, both compilers and both
# levels must agree. The networks are a perceptron and a convolutional one in float, with optimisation also in double; and
# at -O2, or without SIMD, one of the other layers too.
set -u
source=$1 work=$2 eigen=$3
case $4 in
baseline) machine= builds=("-O2 -ffp-contract=off" "-O3 -ffp-contract=fast" "-O0 -ffp-contract=off") ;;
native) machine=-march=native builds=("-O2 -ffp-contract=off" "-O3 -ffp-contract=fast" "-O0 -ffp-contract=off") ;;
baseline-scalar) machine=-DEIGEN_DONT_VECTORIZE builds=("-O2 -ffp-contract=off") ;;
native-scalar) machine="-march=native -DEIGEN_DONT_VECTORIZE" builds=("-O3 -ffp-contract=fast") ;;  # contracts most
esac
mkdir -p "$work"
failed=0 passed=0
declare -A agreed  # what each network must give with contraction off

for compiler in g++ clang++; do
    if ! command -v $compiler >/dev/null; then
        echo "$compiler is not installed: left out"
        [ "${CI:-}" = true ] && failed=$((failed + 1))
        continue
    fi
    for build in "${builds[@]}"; do
        flags="$build $machine"
        [[ $build = -O0* ]] || flags+=" -DGACC_DIGEST_DOUBLE"
        [[ $4 != *-scalar && $build != -O2* ]] || flags+=" -DGACC_DIGEST_ALL"
        [[ $build$4 != -O2*native ]] || flags+=" -DGACC_DIGEST_ALL_DOUBLE"
        got=
        if ! $compiler -std=c++20 $flags -pthread -I"$source/include" -isystem "$eigen" \
                "$source/tests/bits/digest.cpp" -o "$work/digest" || ! got=$("$work/digest"); then
            echo "FAILED: $compiler $flags: ${got:-does not compile}"
            failed=$((failed + 1))
            continue
        fi
        echo "$compiler $flags:" $got
        passed=$((passed + 1))
        [[ $build = *=off ]] || continue
        while read -r network digest; do
            expected=${agreed[$network]:=$digest}
            if [ "$digest" != "$expected" ]; then
                echo "FAILED: $compiler $flags: expected $network to be $expected, as in the builds before"
                failed=$((failed + 1))
            fi
        done <<<"$got"
    done
done
echo "$passed passed, $failed failed"
exit $((failed > 0 || passed == 0))
