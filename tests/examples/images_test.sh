#!/usr/bin/env bash
# What gacc-images promises on its command line, beyond what trainer_test.sh asks of both: images_test.sh GACC_IMAGES FOLDER
set -u
images=$1 work=$2
rm -rf "$work" && mkdir -p "$work/data" || exit 1
unset GACC_CIFAR10

# records FILE COUNT: images in the format of CIFAR-10, each of one grey that goes with its label
records() {
    local i
    for ((i = 0; i < $2; ++i)); do
        printf "\\x0$((i % 10))"
        head -c 3072 /dev/zero | tr '\0' "\\$(printf %o $((25 * (i % 10))))"
    done >"$1"
}
records "$work/data/data_batch_1.bin" 16 && records "$work/data/data_batch_2.bin" 8 && records "$work/data/test_batch.bin" 10
small=(--data "$work/data" --batch-size 8)  # and an option that cuts it
two=("${small[@]}" --epochs 2)

. "$(dirname "$0")/expectations.sh"

expect "trains on the files that are there" 0 '^24 images for training, 10 for validation$' "$images" "${two[@]}" --micro-batch 4 --save "$work/whole"
check "each epoch is validated" '[ "$(grep -cE "^epoch ./2  loss .*  validation accuracy [0-9.]+ %$" "$work/err")" = 2 ]'
check "the last of them is the result" \
    'grep -qE "^test accuracy +$(grep -oE "[0-9.]+ %$" "$work/err" | tail -n 1)$" "$work/out"'
check "results alone on stdout" '! grep -q "^epoch" "$work/out"'
expect "json, another cut and other threads" 0 '"updates": 6, .*"validation_accuracy": \[[01]\.[0-9]{4}, [01]\.[0-9]{4}\]\}$' \
    "$images" "${two[@]}" --micro-batch 3 --threads 2 --json --quiet --save "$work/cut" --log "$work/run.jsonl"
check "quiet means an empty stderr" '[ ! -s "$work/err" ]'
check "the same bytes" 'cmp "$work/whole" "$work/cut"'
check "the log has the loss and the accuracy of each validation" \
    '[ "$(grep -cE "\"validation/loss\": [0-9.e-]+, \"validation/accuracy\": [0-9.e-]+\}" "$work/run.jsonl")" = 2 ]'

# Interrupted when it has saved once, and resumed.
env --default-signal=INT "$images" "${two[@]}" --save "$work/run" --save-every 1 >"$work/out" 2>"$work/err" </dev/null &
training=$! tries=0
while [ ! -s "$work/run" ] && [ $((tries += 1)) -lt 3000 ]; do sleep 0.01; done
kill -INT $training
wait $training
code=$?
check "stopped by a signal" "[ $code = 130 ]"
check "and is not at its end" '! cmp -s "$work/run" "$work/whole"'
expect "resumed with what it has noted, and another cut" 0 'updates +6' "$images" --data "$work/data" --micro-batch 5 --resume "$work/run"
check "it ends with the same bytes" 'cmp "$work/run" "$work/whole"'

expect "compare" 0 '^Parameters after the second and the third run: the same bytes\.$' "$images" compare "${small[@]}" --micro-batch 4 --epochs 1
check "accumulation takes less memory" \
    'grep "^planned memory" "$work/out" | { read -r _ _ _ _ four eight; [ "${four%.*}" -lt "${eight%.*}" ]; }'
expect "audit" 0 '^The cut changes not one bit\.$' "$images" audit --data "$work/data" --batch-size 5 --micro-batch 2
expect "dry run" 0 '^in all +[0-9,]+ bytes$' "$images" "${small[@]}" --dry-run
check "trains nothing" '! grep -q "^epoch" "$work/err"'
expect "memory chooses the micro-batch" 0 '^of a budget of +25,165,824 bytes$' \
    "$images" --data "$work/data" --batch-size 24 --memory 24MiB --dry-run
expect "a number of micro-batches" 0 '^batch of 24 = 6 micro-batches of at most 4$' \
    "$images" --data "$work/data" --batch-size 24 --accumulate 6 --dry-run
expect "a budget that cannot be met" 6 'gacc: plan: a micro-batch of 1 needs [0-9,]+ bytes' "$images" --data "$work/data" --memory 1MiB
expect "resume another seed" 4 'expected --seed 1 as in the checkpoint, got 2' \
    "$images" --data "$work/data" --resume "$work/whole" --seed 2
expect "save over the data" 2 '^--save: expected another file than the data, got test_batch.bin$' \
    "$images" "${small[@]}" --save "$work/data/test_batch.bin"
expect "no data" 3 'gacc: load_cifar10 "data_batch_1.bin": expected' "$images" --data "$work/nowhere"
expect "data from the environment" 0 'in all' env GACC_CIFAR10="$work/data" "$images" --dry-run
printf x >>"$work/data/data_batch_2.bin"
expect "a file that is cut" 3 'load_cifar10 "data_batch_2.bin": expected one or more records of 3,073 bytes' "$images" --data "$work/data"
expect "an option of the other program" 2 'not expected' "$images" --hidden 64

finish
