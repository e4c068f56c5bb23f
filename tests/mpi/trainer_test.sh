#!/usr/bin/env bash
# gacc-mnist on several ranks: the bytes of one rank, one progress, and one end for all.
#   trainer_test.sh FOLDER MAKE_TOY_MNIST [MPIRUN GACC_MNIST]...
# KILLS=100 kills ranks at more moments.
set -u
work=$1 make_toy=$2
shift 2
if [ $# -eq 0 ]; then
    echo "gacc: neither Open MPI nor MPICH found, so no trainer is tested on several ranks"
    exit 77
fi
rm -rf "$work" && mkdir -p "$work/data" "$work/few" && "$make_toy" "$work/data" 7 600 && "$make_toy" "$work/few" 7 60 || exit 1
unset GACC_DATA
# Open MPI: more ranks than cores are meant, and so is root in a container.
export OMPI_MCA_rmaps_base_oversubscribe=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

. "$(dirname "$0")/../examples/expectations.sh"

# on RANKS ARGUMENT...: the trainer on so many ranks
on() {
    local ranks=$1
    shift
    timeout -k 5 60 "$mpirun" -n "$ranks" "$mnist" "$@"
}
# The lines of a log without what depends on the machine.
logged() { sed -E 's/"(time|samples_per_second|live_bytes|peak_bytes)": [0-9.e+]+,? ?//g; s/, \}/}/' "$1"; }
# The processes of the ranks. The program's name is of this test alone.
ranks_of_run() { pgrep -f "^$mnist .*--save $work/run"; }
# Until a checkpoint has been saved.
saved() {
    local tries=0
    while [ ! -s "$work/run" ] && [ $((tries += 1)) -lt 3000 ]; do sleep 0.01; done
}

small=(--data "$work/data" --hidden 32 --batch-size 100 --lanes 8)
cnn=(--data "$work/few" --model cnn --batch-size 30 --epochs 1 --lanes 8)
first=yes
while [ $# -gt 1 ]; do
    mpirun=$1 mpi=${1##*.} mnist=$work/gacc-mnist-${1##*.} other=${3:-}
    cp "$2" "$mnist"
    shift 2

    if [ $first = yes ]; then  # one rank, without mpirun
        expect "one rank" 0 '^updates +18$' "$mnist" "${small[@]}" --epochs 3 --micro-batch 16 --save "$work/whole" --log "$work/whole.jsonl"
        expect "one rank, without lanes" 0 '' "$mnist" "${small[@]:0:6}" --epochs 3 --save "$work/x"
        check "the number of lanes matters" '! cmp -s "$work/x" "$work/whole"'
        expect "one rank, cnn" 0 '' "$mnist" "${cnn[@]}" --micro-batch 16 --save "$work/cnn"
        expect "lanes with audit" 2 '--lanes: expected a training, got an audit' "$mnist" audit "${small[@]}"
        expect "resume with other lanes" 4 'expected --lanes 8 as in the checkpoint, got 4' \
            "$mnist" --data "$work/data" --resume "$work/whole" --lanes 4
    fi
    expect "$mpi: two ranks" 0 '^2 ranks, 8 lanes, each with [0-9]+ thread' on 2 "${small[@]:0:6}" --epochs 3 --micro-batch 128 --save "$work/run" --log "$work/two.jsonl"
    check "$mpi: have one progress and one result" '[ "$(grep -c "^epoch" "$work/err")" = 3 ] && [ "$(grep -c "^updates" "$work/out")" = 1 ]'
    check "$mpi: and save the bytes of one rank" 'cmp "$work/run" "$work/whole"'
    expect "$mpi: three ranks" 0 '' on 3 "${small[@]}" --epochs 3 --micro-batch 16 --save "$work/run" --quiet --export "$work/exported" \
        --log "$work/three.csv" --tensorboard "$work/board"
    check "$mpi: likewise" 'cmp "$work/run" "$work/whole" && [ -s "$work/exported" ]'
    check "$mpi: their logs say what that of one rank says" \
        '[ "$(wc -l < "$work/two.jsonl")" = 21 ] && [ "$(logged "$work/two.jsonl")" = "$(logged "$work/whole.jsonl")" ]'
    check "$mpi: with the noise scale and the test images" \
        '[ "$(grep -c noise_scale "$work/two.jsonl")" -gt 9 ] && [ "$(grep -c validation/loss "$work/two.jsonl")" = 3 ]'
    check "$mpi: one rank writes" '[ "$(wc -l < "$work/three.csv")" = 22 ] && [ "$(ls "$work/board" | wc -l)" = 1 ]'
    rm -rf "$work/two.jsonl" "$work/three.csv" "$work/board"
    expect "$mpi: cnn on two ranks" 0 '' on 2 "${cnn[@]}" --micro-batch 16 --save "$work/run"
    check "$mpi: the bytes of one rank" 'cmp "$work/run" "$work/cnn"'
    expect "$mpi: cnn on three ranks" 0 '' on 3 "${cnn[@]}" --micro-batch 128 --save "$work/run"
    check "$mpi: likewise" 'cmp "$work/run" "$work/cnn"'

    # A rank gets a signal.
    rm -f "$work/run"*
    on 3 "${small[@]}" --epochs 3 --save "$work/run" --save-every 1 >"$work/out" 2>"$work/err" </dev/null &
    saved
    kill -TERM "$(ranks_of_run | shuf -n 1)"
    wait $!
    code=$?
    check "$mpi: a signal for one rank ends all, not with status $code" '[ $code != 0 ] && [ $code != 124 ]'
    check "$mpi: and they say once how to go on" '[ "$(grep -c "^mpirun -n 3 .* --resume $work/run" "$work/err")" = 1 ]'
    check "$mpi: they are not at their end" '! cmp -s "$work/run" "$work/whole"'
    expect "$mpi: resumed on two ranks" 0 '^updates +18$' on 2 --data "$work/data" --resume "$work/run" --micro-batch 7
    check "$mpi: the bytes of one rank" 'cmp "$work/run" "$work/whole"'

    # Two ranks with arguments of their own: what an error of one ends.
    pair() {  # pair ARGUMENTS_OF_RANK_0 ARGUMENTS_OF_RANK_1
        timeout 60 "$mpirun" -n 1 "$mnist" "${small[@]:2}" $1 : -n 1 "$mnist" "${small[@]:2}" $2
    }
    error() {  # error NAME CODE PATTERN COMMAND...
        expect "$mpi: $1" "$2" "$3" "${@:4}"
        check "$mpi: $1, one message" '[ "$(grep -c "^rank [0-9]*: " "$work/err")" = 1 ]'
    }
    data="--data $work/data"
    error "data that one rank does not have" 3 '^rank 1: gacc: load_mnist: expected train-images' pair "$data" "--data $work/nowhere"
    if [ $first = yes ]; then
        error "an option that one rank does not have" 2 \
            'expected the same on all ranks, got --epochs 2 on rank 0 and --epochs 1 on rank 1' pair "$data" "$data --epochs 1"
        error "other data" 2 'expected the same on all ranks, got training data [0-9]+ on rank 0' pair "$data" "--data $work/few"
        error "one rank that saves" 2 'got --save 1 on rank 0 and --save 0 on rank 1' pair "$data --save $work/x" "$data"
        error "one rank that logs" 2 'got --log 1 on rank 0 and --log 0 on rank 1' pair "$data --log $work/x.jsonl" "$data"
        error "an option that nobody has" 2 '^rank 0: .*not expected' on 2 --nonsense
        error "compare" 2 '^rank 0: compare: expected one rank, got 2' on 2 compare "${small[@]}"
        error "fewer lanes than ranks" 2 '^rank 0: gacc: DataParallel: expected as many lanes as ranks or more, got 2 lanes for 3' \
            on 3 "${small[@]:0:6}" --lanes 2
        error "a checkpoint without lanes" 2 'got 1 lanes for 2 ranks' on 2 --data "$work/data" --resume "$work/x"
        error "save where no folder is" 7 '^rank 0: gacc: --save: expected the folder' on 2 "${small[@]}" --save "$work/none/run"
        expect "help" 0 '--lanes' on 2 --help
        check "is printed once" '[ "$(grep -c -e --lanes "$work/out")" = 1 ]'
        if [ -n "$other" ]; then
            expect "the mpirun of another MPI" 1 'expected a program for the 2 ranks that it has started, got one for a single rank' \
                "$other" -n 2 "$mnist" "${small[@]}"
        fi
    fi

    # Ranks killed at random moments of their training. Each run goes on from what the one before it left, on another
    # number of ranks. (Open MPI's mpirun 4.1 can wait forever if a rank is killed while MPI starts.)
    rm -f "$work/run"*
    killed=0 ended=0 slowest=0
    while [ $killed -lt "${KILLS:-4}" ]; do
        from=("${small[@]}" --epochs 3)
        [ -s "$work/run" ] && from=(--data "$work/data" --resume "$work/run")
        ranks=$((RANDOM % 4 + 1))
        rm -f "$work/err"
        on $ranks "${from[@]}" --save "$work/run" --save-every 1 >"$work/out" 2>"$work/err" </dev/null &
        until grep -qs " thread(s)$" "$work/err" || ! kill -0 $! 2>/dev/null; do sleep 0.02; done
        sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
        start=$(date +%s%N)
        rank=$(ranks_of_run | shuf -n 1)
        [ -n "$rank" ] && kill -9 "$rank" 2>/dev/null
        wait $!
        code=$?
        if [ $code = 0 ]; then
            ended=$((ended + 1))
            check "$mpi: the end of a run that was killed" 'cmp "$work/run" "$work/whole"'
            rm -f "$work/run"*
            continue
        fi
        check "$mpi: a run that nobody kills ends well, not with status $code" '[ -n "$rank" ]'
        killed=$((killed + 1))
        took=$((($(date +%s%N) - start) / 1000000))
        [ $took -le $slowest ] || slowest=$took
        check "$mpi: a killed rank ends all, not with status $code after $took ms" '[ $code != 124 ] && [ $took -lt 20000 ]'
        check "$mpi: none says that the checkpoint is damaged" '! grep -qE "^(rank [0-9]+: )?gacc: .*$work/run" "$work/err"'
    done
    if [ -s "$work/run" ]; then
        expect "$mpi: resumed after the last one" 0 '' on 2 --data "$work/data" --resume "$work/run"
        check "$mpi: the bytes of one rank" 'cmp "$work/run" "$work/whole"'
    fi
    echo "$mpi: killed $killed times, all ended within $slowest ms; $ended runs came to their end"
    first=no
done

finish
