#!/usr/bin/env bash
# processors_test.sh SOURCE WORK EIGEN_INCLUDE: links units that were compiled for different processors. Those that exchange
# gacc's own types do not link; those that exchange matrices and views end at their start, with a message. Units compiled
# for one processor do both.
set -u
source=$1 work=$2 eigen=$3
units=$source/tests/processors
rm -rf "$work" && mkdir -p "$work"
failed=0 passed=0

other=-DEIGEN_DONT_VECTORIZE
[ "$(uname -m)" = x86_64 ] && grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo && other='-mavx2 -mfma'

check() {  # NAME: whether the last command succeeded
    if [ $? -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed with $compiler: $1"
        head -n 20 "$work/says" 2>/dev/null
    fi
}

build() {  # UNIT usual|other: compiles it to WORK/UNIT.usual.o or .other.o
    local flags=
    [ "$2" = other ] && flags=$other
    $compiler -std=c++20 $flags -I"$source/include" -isystem "$eigen" -c "$units/$1.cpp" -o "$work/$1.$2.o" \
        2>"$work/says"
    check "$1 compiles for the $2 processor"
}

name_of() {  # usual|other: what gacc calls the processor
    local flags=
    [ "$1" = other ] && flags=$other
    printf '#include <gacc/core/abi.hpp>\ngacc_abi_is: GACC_ABI\n' |
        $compiler -std=c++20 -E -P $flags -I"$source/include" -x c++ - | sed -n 's/.*gacc_abi_is: v[0-9_]*_\(simd.*\)/\1/p'
}

links() { $compiler "$work/$1_main.$2.o" "$work/$1_other.$3.o" -pthread -o "$work/program" >"$work/says" 2>&1; }

for compiler in g++ clang++; do
    if ! command -v $compiler >/dev/null; then
        echo "$compiler is not installed: left out"
        [ "${CI:-}" = true ] && failed=$((failed + 1))
        continue
    fi
    usual_name=$(name_of usual) other_name=$(name_of other)
    [ -n "$usual_name" ] && [ -n "$other_name" ] && [ "$usual_name" != "$other_name" ]
    check "the processors have two names, got '$usual_name' and '$other_name'"
    for unit in model_main model_other matrix_main matrix_other; do
        build $unit usual
        build $unit other
    done

    for kind in usual other; do
        for exchanged in model matrix; do
            links $exchanged $kind $kind && "$work/program"
            check "units for the $kind processor that exchange a $exchanged link and run"
        done
    done

    for main in usual other; do
        if [ $main = usual ]; then rest=other; else rest=usual; fi
        rest_name=${rest}_name main_name=${main}_name

        ! links model $main $rest && grep -q "undefined reference to.*layers_of.*${!main_name}::Sequential" "$work/says"
        check "main for the $main processor, a model to the $rest: does not link, and says for which"

        links matrix $main $rest
        check "main for the $main processor, a matrix to the $rest: links"
        says=$(ulimit -c 0; { "$work/program"; } 2>&1 >/dev/null)
        [ $? -eq 134 ]  # abort
        check "main for the $main processor, a matrix to the $rest: ends"
        start="gacc: start: expected all units compiled for one kind of processor, got"
        end="; compile all of them with the same -march"
        first="${!main_name} for $units/matrix_main.cpp" second="${!rest_name} for $units/matrix_other.cpp"
        grep -qxF -e "$start $first and $second$end" -e "$start $second and $first$end" <<<"$says"
        check "main for the $main processor, a matrix to the $rest: names both, got '$says'"
    done
done

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
