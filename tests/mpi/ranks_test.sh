#!/usr/bin/env bash
# Several ranks train to the same bytes, exchange once a batch, and end together: ranks_test.sh FOLDER [MPIRUN PROGRAM]...
set -u
folder=$1
shift
if [ $# -eq 0 ]; then
    echo "gacc: neither Open MPI nor MPICH found, so nothing is tested on several ranks"
    exit 77
fi
rm -rf "$folder"
mkdir -p "$folder"
failures=0
fail() {
    echo "FAILED: $1"
    [ -s "$folder/err" ] && head -20 "$folder/err"
    failures=$((failures + 1))
}

# run RANKS ARGUMENT...: within a time, whatever happens; what it prints is in out and err.
run() {
    local ranks=$1
    shift
    timeout 60 "$mpirun" "${options[@]}" -n "$ranks" "$program" "$@" >"$folder/out" 2>"$folder/err" </dev/null
}
# must RANKS ARGUMENT...: and it succeeds.
must() {
    run "$@" || fail "$mpi, ranks and arguments: $*: status $?"
}
# refused WHAT RANKS ARGUMENT...: it ends with a status other than 0, not by the time limit, and WHAT is said. The first
# rank that fails ends the others, and mpirun may lose what they say meanwhile: so it is asked up to three times.
refused() {
    local what=$1 status
    shift
    for _ in 1 2 3; do
        status=0
        run "$@" || status=$?
        [ $status -ne 0 ] && [ $status -ne 124 ] || fail "$mpi, $*: expected an error, got status $status"
        { [ -z "$what" ] || grep -q -- "$what" "$folder/err"; } && return
    done
    fail "$mpi, $*: expected \"$what\" to be said"
}
digest() { sha256sum <"$folder/$1" | cut -c1-64; }

declare -A of  # the digests, which both libraries must agree on
same() {  # NAME FILE
    local got
    got=$(digest "$2")
    [ "${of[$1]:=$got}" = "$got" ] || fail "$mpi, $2: expected the bytes of all others for $1, got others"
    rm -f "$folder/$2"
}

first=yes
while [ $# -gt 1 ]; do
    mpirun=$1 program=$2
    shift 2
    mpi=${mpirun##*.}
    options=()
    [ "$mpi" = openmpi ] && options=(--oversubscribe --allow-run-as-root)

    for ranks in 1 2 3 4 8; do
        must $ranks lanes=8 micro=16 "file=$folder/eight"
        same "8 lanes" eight
    done
    must 3 lanes=8 micro=5 threads=2 "file=$folder/eight"
    same "8 lanes" eight
    for ranks in 1 2 3 4 8; do
        must $ranks lanes=8 clip=yes "file=$folder/clipped"
        same "8 lanes, clipped" clipped
    done
    for ranks in 2 3 4 8; do
        must $ranks lanes=8 overlap=yes micro=$((3 * ranks)) "file=$folder/eight"
        same "8 lanes" eight
    done
    must 3 lanes=8 clip=yes overlap=yes threads=2 "file=$folder/clipped"
    same "8 lanes, clipped" clipped
    for ranks in 1 2 5; do
        must $ranks lanes=5 micro=100 frozen=yes "file=$folder/five"
        same "5 lanes" five
    done
    must 2 lanes=5 frozen=yes overlap=yes "file=$folder/five"
    same "5 lanes" five
    # The noise scale and the norm, also where each rank has all gradients, and where its optimizer measures the norm too.
    for ranks in 1 2 3 8; do
        must $ranks lanes=8 micro=5 "noise=$folder/noise" "file=$folder/eight"
        same "noise" noise
        same "8 lanes" eight
    done
    grep -q "noise scale [0-9.]*[1-9].* after 12 estimates" "$folder/out" || fail "$mpi: expected 12 estimates, since two batches have one sample"
    must 3 lanes=8 micro=5 whole=yes threads=2 "noise=$folder/noise" "file=$folder/eight"
    same "noise" noise
    same "8 lanes" eight
    for ranks in 1 3; do
        must $ranks lanes=8 micro=7 clip=yes "noise=$folder/noise" "file=$folder/clipped"
        same "noise, clipped" noise
        same "8 lanes, clipped" clipped
        must $ranks lanes=5 micro=7 frozen=yes "noise=$folder/noise" "file=$folder/five"
        same "noise, frozen" noise
        same "5 lanes" five
    done
    [ "${of["8 lanes"]}" != "${of["5 lanes"]}" ] || fail "expected the number of lanes to matter"

    # Stopped after some steps, and resumed on another number of ranks.
    for ranks in "1 3" "4 2" "3 8"; do
        rm -f "$folder/run"*
        must ${ranks% *} lanes=8 "save=$folder/run" stop=4
        must ${ranks#* } lanes=8 "save=$folder/run" "file=$folder/eight"
        same "8 lanes" eight
    done

    # How ranks end together depends on the library; what else is refused does not.
    refused "rank 1: thrown in the middle" 3 fault=throw
    refused "caught on rank 2: thrown in the middle" 3 fault=throw caught=yes rank=2
    refused "expected messages from rank 1, got its end" 2 fault=early
    refused "expected messages from rank 0, got its end" 2 fault=early rank=0
    refused "" 3 fault=exit
    if [ $first = yes ]; then
        refused "lanes 8 on rank 0 and lanes 7 on rank 2" 3 fault=lanes rank=2
        refused "learning_rate 0.001 on rank 0 and AdamW's learning_rate 0.002 on rank 1" 2 fault=rate
        refused "the parameter 7.weight of 10 x 33 on rank 0 and the parameter 7.weight of 11 x 33 on rank 2" 3 fault=model rank=2
        refused "checksum [0-9]* on rank 1" 2 fault=seed
        refused "training data [0-9]* on rank 0 and training data [0-9]* on rank 1" 2 fault=fingerprint
        refused "DataParallel::step: expected the same batch on all ranks, got other samples in the batch" 2 fault=batch
        refused "got other samples of the dataset on rank" 3 fault=order
        refused "expected the micro-batches of all lanes, got those of 1 of 4" 2 fault=break
        refused "DataParallel::ready: expected one backward of the group's model" 2 fault=twice overlap=yes
        refused "DataParallel::share: expected step() after the last micro-batch" 2 fault=skip overlap=yes
        refused "DataParallel::norm: expected a call within the function that step() takes" 2 fault=measure
        refused "a one_in of 8 on rank 0 and a noise scale with a one_in of 4 on rank 1" 2 fault=one_in \
            "noise=$folder/noise"
        refused "expected as many lanes as ranks or more, got 2 lanes for 3 ranks" 3 lanes=2
        refused "Checkpoint: expected the moments of all numbers, got those of a rank's slice" 2 fault=save
        refused "expected rank 0 to save, got its error" 2 "save=$folder/none/run"
    fi

    # A killed rank ends all of them.
    for rank in 0 1; do
        rm -f "$folder/err"
        (run 3 fault=wait rank=2 pids=yes; echo $? >"$folder/status") &
        for _ in $(seq 100); do
            pid=$(sed -n "s/rank $rank is //p" "$folder/err" 2>/dev/null)
            [ -n "$pid" ] && break
            sleep 0.1
        done
        sleep 0.3
        start=$SECONDS
        kill -9 "$pid"
        wait
        [ $((SECONDS - start)) -le 20 ] || fail "$mpi: expected a killed rank to end all, got $((SECONDS - start)) s"
        [ "$(cat "$folder/status")" -ne 0 ] || fail "$mpi: expected a status other than 0 for a killed rank"
    done
    first=no
    echo "$mpi: done"
done
echo "$failures failed"
exit $((failures > 0))
