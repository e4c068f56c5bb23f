#!/usr/bin/env bash
# What gacc-mnist promises of its logs, seeds and advice: logs_test.sh GACC_MNIST MAKE_TOY_MNIST FOLDER [PYTHON]
set -u
mnist=$1 make_toy=$2 work=$3 python=${4:-python3}
rm -rf "$work" && mkdir -p "$work/data" && "$make_toy" "$work/data" || exit 1
unset GACC_DATA
small=(--data "$work/data" --hidden 64 --batch-size 100 --micro-batch 25 --quiet)

. "$(dirname "$0")/expectations.sh"

expect "logs" 0 '' "$mnist" "${small[@]}" --epochs 1 --log "$work/run.jsonl" --tensorboard "$work/board" --export "$work/logged"
accuracy=$(sed -n 's/^test accuracy *\([0-9.]*\) %$/\1/p' "$work/out")
lines='^\{"step": [0-9]+, "time": [0-9.]+, "loss": [0-9.e-]+, "learning_rate": [0-9.e-]+, "batch": 100, "gradient_norm": [0-9.e-]+, "samples_per_second": [0-9.e+]+, "live_bytes": [0-9]+, "peak_bytes": [0-9]+(, "noise_scale": [0-9.e-]+)?\}$'
check "a line for each step" '[ "$(head -n 20 "$work/run.jsonl" | grep -cE "$lines")" = 20 ] && [ "$(wc -l < "$work/run.jsonl")" = 21 ]'
validated='^\{"step": 20, "time": [0-9.]+, "validation/loss": [0-9.e-]+, "validation/accuracy": [0-9.e-]+\}$'
check "and one for the test images after each epoch" 'tail -n 1 "$work/run.jsonl" | grep -qE "$validated"'
logged=$(sed -n 's/.*"validation\/accuracy": \([0-9.e-]*\)}$/\1/p' "$work/run.jsonl")
check "with the accuracy of the result" '[ "$(printf %.2f "${logged}e2")" = "$accuracy" ]'
check "with the noise scale" 'grep -q noise_scale "$work/run.jsonl"'
expect "the same without a log" 0 '' "$mnist" "${small[@]}" --epochs 1 --export "$work/plain"
check "a log changes no bit" 'cmp "$work/logged" "$work/plain"'
expect "a table" 0 '' "$mnist" "${small[@]}" --epochs 1 --log "$work/run.csv"
check "has a head and a row for each step" \
    '[ "$(head -c 15 "$work/run.csv")" = "step,time,loss," ] && [ "$(wc -l < "$work/run.csv")" = 22 ]'
expect "where no file can be" 7 'gacc: JsonLinesLog: expected to open ' "$mnist" "${small[@]}" --log "$work/none/run.jsonl"

"$python" "$(dirname "$0")/read_tensorboard.py" "$work/board" >"$work/read" 2>"$work/read_errors"
if [ $? = 77 ]; then
    echo "skipped: tensorboard does not read its files back, since $python has no package tensorboard"
else
    check "tensorboard reads a line for each step" \
        '[ "$(head -n 1 "$work/read")" = brain.Event:2 ] && [ "$(grep -c "^[0-9]* loss=[0-9.e-]* learning_rate=" "$work/read")" = 20 ]'
    check "with the numbers of the other log" '[ "$(sed -n "s/^20 loss=\([0-9.]\{5\}\).*/\1/p" "$work/read")" = \
        "$(sed -n "s/^{\"step\": 20, .*\"loss\": \([0-9.]\{5\}\).*/\1/p" "$work/run.jsonl")" ]'
fi

expect "seeds" 0 '^3 seeds: test accuracy [0-9.]+ %, standard deviation [0-9.]+ %$' "$mnist" "${small[@]}" --epochs 1 --seeds 3
check "a line for each" '[ "$(grep -cE "^seed [123]: test accuracy [0-9.]+ %$" "$work/out")" = 3 ]'
last=$(sed -n 's/^seed 3: //p' "$work/out")
expect "the last is the run with this seed" 0 "$(sed 's/test accuracy //; s/ %//' <<<"$last")" "$mnist" "${small[@]}" --epochs 1 --seed 3
expect "seeds in json" 0 '^\{"runs": \[\{.*\}, \{.*\}\], "mean": [0-9.]+, "deviation": [0-9.]+\}$' \
    "$mnist" "${small[@]}" --epochs 1 --seeds 2 --json
expect "seeds with a checkpoint" 2 '^--seeds: expected no --save' "$mnist" "${small[@]}" --seeds 2 --save "$work/x"

expect "advice" 0 '^Accumulation is not needed: ' "$mnist" advise --data "$work/data" --hidden 64 --batch-size 100 \
    --threads 1
check "it measures the noise" 'grep -qE "^(Noise scale: |The noise hides)" "$work/out"'
expect "advice where memory is short" 0 '^Accumulate: .* MiB allowed\.$' \
    "$mnist" advise --data "$work/data" --hidden 64 --batch-size 2000 --memory 1MiB --threads 1
expect "advice takes no micro-batch" 2 '--micro-batch: expected a training, got a request for advice' \
    "$mnist" advise --data "$work/data" --micro-batch 8
finish
