#!/usr/bin/env bash
# What gacc-mnist promises on its command line: trainer_test.sh GACC_MNIST MAKE_TOY_MNIST FOLDER CRAFT_CHECKPOINT
set -u
mnist=$1 make_toy=$2 work=$3 craft=$4
rm -rf "$work" && mkdir -p "$work/data" "$work/broken" && "$make_toy" "$work/data" || exit 1
unset GACC_DATA
small=(--data "$work/data" --hidden 128 --batch-size 16 --micro-batch 4 --epochs 3)

. "$(dirname "$0")/expectations.sh"

expect "trains" 0 'test accuracy +[4-9][0-9]\.' "$mnist" "${small[@]}"
check "one line an epoch when stderr is no terminal" '[ "$(grep -c "^epoch ./3  loss" "$work/err")" = 3 ]'
check "no escape sequences when stderr is no terminal" '! grep -q "$(printf "\033")" "$work/err"'
check "results alone on stdout" '! grep -q "^epoch" "$work/out"'
expect "quiet" 0 'updates +375' "$mnist" "${small[@]}" --quiet
check "quiet means an empty stderr" '[ ! -s "$work/err" ]'
expect "json" 0 '^\{"name": "4 x 4", .*"updates": 375, .*\}$' "$mnist" "${small[@]}" --json
expect "accumulate derives the micro-batch" 0 'batch of 64 = 5 micro-batches of at most 13' \
    "$mnist" --data "$work/data" --hidden 8 --batch-size 64 --accumulate 5 --epochs 1
expect "dry run" 0 '^in all +[0-9,]+ bytes$' "$mnist" "${small[@]}" --dry-run
check "a dry run trains nothing" '! grep -q "^epoch" "$work/err" && [ "$(head -n 1 "$work/out")" = "batch of 16 = 4 micro-batches of at most 4" ]'
expect "memory chooses the micro-batch" 0 '^of a budget of +2,097,152 bytes$' \
    "$mnist" --data "$work/data" --hidden 128 --batch-size 2000 --memory 2MiB --dry-run
expect "and training keeps to it" 0 '^micro-batch \(samples\) +1?[0-9]?[0-9]$' \
    "$mnist" --data "$work/data" --hidden 128 --batch-size 2000 --memory 2MiB --epochs 1
expect "recomputation" 0 'activations are computed again: [0-9]+ % more work' \
    "$mnist" --data "$work/data" --hidden 64,64,64,64 --recompute --dry-run
expect "recomputation changes no bit" 0 '' "$mnist" "${small[@]}" --hidden 32,32,32 --recompute --export "$work/recomputed"
expect "against without" 0 '' "$mnist" "${small[@]}" --hidden 32,32,32 --export "$work/kept"
check "the same bytes" 'cmp "$work/recomputed" "$work/kept"'
expect "a budget that cannot be met" 6 'gacc: plan: a micro-batch of 1 needs [0-9,]+ bytes, the budget is 1,024; the parameters' \
    "$mnist" "${small[@]:0:6}" --memory 1KiB
expect "memory of 0" 2 "Value 0 not in range" "$mnist" --data "$work/data" --memory 0
expect "memory below 0" 2 "Value -1 not in range" "$mnist" --data "$work/data" --memory -1
expect "a layer too wide to be meant" 2 "Value 9999999999 not in range" "$mnist" --data "$work/data" --hidden 9999999999
expect "a learning rate that is no number" 2 "expected a finite number, got nan" \
    "$mnist" --data "$work/data" --learning-rate nan --dry-run
expect "memory in words" 2 '--memory' "$mnist" --data "$work/data" --memory lots
expect "memory with compare" 2 '--memory' "$mnist" compare --data "$work/data" --memory 10MiB
expect "compare" 0 'Parameters after the second and the third run: ' "$mnist" compare "${small[@]}"
check "compare has three arms" 'grep -qE "^updates +1,500 +375 +375$" "$work/out"'
expect "compare in json" 0 '^\{"arms": \[.*\], "accumulated_equals_uncut": (true|false), ' "$mnist" compare "${small[@]}" --json
expect "audit" 0 '^The cut changes not one bit\.$' "$mnist" audit --data "$work/data" --batch-size 100 --micro-batch 7
check "audit says how it cut, and has a line for each gradient" \
    '[ "$(head -n 1 "$work/out")" = "batch of 100 = 15 micro-batches of at most 7" ] && [ "$(grep -cE "^[0-9]+\.(weight|bias) +yes$" "$work/out")" = 8 ]'
check "and trains nothing" '! grep -q "^epoch" "$work/err"'
expect "audit of a number of micro-batches" 0 '^batch of 64 = 5 micro-batches of at most 13$' \
    "$mnist" audit --data "$work/data" --hidden 8 --batch-size 64 --accumulate 5
expect "audit with save" 2 '--save: expected a training, got an audit' "$mnist" audit "${small[@]}" --save "$work/x"
expect "audit in json" 2 '--json: expected a training, got an audit' "$mnist" audit "${small[@]}" --json
expect "audit and compare" 2 'audit' "$mnist" compare audit "${small[@]}"
expect "export" 0 '' "$mnist" "${small[@]}" --export "$work/model.safetensors"
check "the exported file holds 784 x 128, 128, 128 x 10 and 10 floats" \
    '[ "$(($(stat -c %s "$work/model.safetensors") - 8 - $(od -An -t u8 -N 8 "$work/model.safetensors")))" = $((4 * (784 * 128 + 128 + 1280 + 10))) ]'

# The convolutional network, on a few images.
mkdir "$work/few" && "$make_toy" "$work/few" 7 60
cnn=(--model cnn --data "$work/few")
step=("${cnn[@]}" --batch-size 20 --epochs 1)
expect "cnn" 0 '^updates +3$' "$mnist" "${step[@]}" --micro-batch 5 --save "$work/cnn" --export "$work/uncut"
expect "cnn, resumed without naming it" 0 '^updates +6$' \
    "$mnist" --data "$work/few" --resume "$work/cnn" --epochs 2 --micro-batch 7
expect "cnn, resumed as a perceptron" 4 'expected --model cnn as in the checkpoint, got perceptron' \
    "$mnist" --data "$work/few" --resume "$work/cnn" --model perceptron
expect "cnn, another cut" 0 '' "$mnist" "${step[@]}" --micro-batch 20 --threads 3 --export "$work/cut"
check "the same bytes" 'cmp "$work/uncut" "$work/cut"'
check "its file holds 1,199,882 floats" \
    '[ "$(($(stat -c %s "$work/cut") - 8 - $(od -An -t u8 -N 8 "$work/cut")))" = $((4 * 1199882)) ]'
expect "cnn, compare" 0 'the same bytes' "$mnist" compare "${step[@]}" --micro-batch 5
expect "cnn, audit" 0 '^The cut changes not one bit\.$' "$mnist" audit "${cnn[@]}" --batch-size 9 --micro-batch 4
expect "cnn, dry run" 0 '^batch of 60 = 3 micro-batches of at most 20$' "$mnist" "${cnn[@]}" --dry-run --micro-batch 20
expect "cnn, recomputation" 0 "activations are computed again" "$mnist" "${cnn[@]}" --recompute --dry-run
expect "cnn with hidden layers" 2 'expected a perceptron, got --model cnn' "$mnist" "${cnn[@]}" --hidden 64
expect "another model" 2 '--model' "$mnist" --model transformer

# A run that is interrupted, and goes on.
expect "save" 0 '' "$mnist" "${small[@]}" --save "$work/whole"
cp "$work/whole" "$work/saved"
expect "a finished run resumed is finished" 0 'updates +375' "$mnist" --data "$work/data" --resume "$work/whole"
check "and saves the same bytes again" 'cmp "$work/whole" "$work/saved"'
expect "save every so many steps" 0 '' "$mnist" "${small[@]}" --save "$work/often" --save-every 50
check "changes nothing" 'cmp "$work/whole" "$work/often"'
check "and keeps the one before" '[ -s "$work/often.prev" ]'

# signalled SIGNAL COMMAND...: a run that gets the signal when it has saved once; its exit code is in $code
signalled() {
    local signal=$1 tries=0
    shift
    rm -f "$work/run"
    # bash starts it with INT ignored, and who started bash may have ignored others.
    env --default-signal=INT,HUP,TERM,XCPU "$@" --save "$work/run" --save-every 1 >"$work/out" 2>"$work/err" </dev/null &
    local training=$!
    while [ ! -s "$work/run" ] && [ $((tries += 1)) -lt 3000 ]; do sleep 0.01; done
    kill "-$signal" "$training"
    wait "$training"
    code=$?
}
interrupt() {  # interrupt SIGNAL CODE
    signalled "$1" "$mnist" "${small[@]}"
    check "stopped by $1 with exit code $2" "[ $code = $2 ]"
    check "says how to go on" 'grep -q "^$mnist .*--save $work/run --save-every 1 --resume $work/run$" "$work/err"'
    check "and is not at its end" '! cmp -s "$work/run" "$work/whole"'
}
interrupt INT 130
expect "resumed with what it has noted, and another cut" 0 'updates +375' \
    "$mnist" --data "$work/data" --micro-batch 7 --resume "$work/run"
check "it ends with the same bytes" 'cmp "$work/run" "$work/whole"'
for signal in "TERM 143" "HUP 129" "XCPU $((128 + $(kill -l XCPU)))"; do
    interrupt $signal
    cp "$work/run" "$work/half"
    expect "the command that it says" 0 'updates +375' bash -c "$(tail -n 1 "$work/err")"
    check "does that too" 'cmp "$work/run" "$work/whole"'
done
expect "stopped by a limit of CPU time" $((128 + $(kill -l XCPU))) '^gacc: stopped in epoch [0-9]+, .* and saved. To go on:$' \
    bash -c 'ulimit -S -t 1; exec "$@"' - "$mnist" "${small[@]:0:8}" --epochs 100000 --save "$work/x"
interrupt INT 130
check "it says where it was stopped" \
    'tail -n 2 "$work/err" | grep -qE "^gacc: stopped in epoch [123], batch [0-9]+, after [0-9]+ of 16 samples, and saved. To go on:$"'
GACC_DATA=$work/data signalled INT "$mnist" "${small[@]:2}"
check "with data from GACC_DATA the command names them" \
    'grep -q "^$mnist --hidden .* --save-every 1 --data $work/data --resume $work/run$" "$work/err"'
for signal in INT HUP; do  # as nohup and shells do it
    signalled $signal bash -c 'trap "" '$signal'; exec "$@"' - "$mnist" "${small[@]}"
    check "an ignored $signal stays ignored" '[ $code = 0 ] && cmp "$work/run" "$work/whole"'
done
# Twenty epochs, and a reader that goes after the second line.
rm -f "$work/run"
env --default-signal=PIPE "$mnist" "${small[@]:0:8}" --epochs 20 --save "$work/run" 2>&1 >"$work/out" | head -n 2 >"$work/err"
code=${PIPESTATUS[0]}
check "stopped by a reader that goes, quietly" '[ $code = 141 ] && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" = 2 ]'
expect "and saved" 0 'updates +2,500' "$mnist" --data "$work/data" --resume "$work/run"
rm -f "$work/run"
{ env --default-signal=PIPE "$mnist" "${small[@]}" --save "$work/run" 2>"$work/err"; echo $? >"$work/code"; } | true
check "a reader of the results that goes costs the results alone" \
    '[ "$(cat "$work/code")" = 141 ] && cmp "$work/run" "$work/whole" && ! grep -q gacc: "$work/err"'

"$mnist" --data "$work/data" --hidden 128 --epochs 100000 >"$work/out" 2>"$work/err" </dev/null & training=$!
sleep 0.3; kill -TERM $training; wait $training
check "without --save a signal ends it at once" "[ $? = 143 ]"

expect "resume another seed" 4 'expected --seed 1 as in the checkpoint, got 2' "$mnist" --data "$work/data" --resume "$work/whole" --seed 2
expect "export over the checkpoint" 2 'expected another file than the checkpoint' "$mnist" "${small[@]}" --save "$work/x" --export "$work/./x"
expect "resume from nothing" 4 'checkpoint_settings ".*nowhere": expected a readable file, got none' \
    "$mnist" --data "$work/data" --resume "$work/nowhere"
expect "resume from weights alone" 4 'expected a checkpoint, got a safetensors file of another kind' \
    "$mnist" --data "$work/data" --resume "$work/model.safetensors"
expect "resume another network" 4 '0.weight: expected 64 x 784, got 128 x 784; 0.bias: expected 64, got 128; 2.weight: expected 10 x 64, got 10 x 128' \
    "$mnist" --data "$work/data" --resume "$work/whole" --hidden 64
expect "resume another batch size" 4 'expected --batch-size 16 as in the checkpoint, got 8' \
    "$mnist" --data "$work/data" --resume "$work/whole" --batch-size 8
head -c 100000 "$work/whole" >"$work/cut"
expect "resume from a cut file" 4 'tensor "0.weight" at byte 0 of' "$mnist" --data "$work/data" --resume "$work/cut"
{ head -c 200000 "$work/whole"; printf x; tail -c +200002 "$work/whole"; } >"$work/flipped"
expect "resume from a damaged file" 4 'expected the bytes that were saved, got others' "$mnist" --data "$work/data" --resume "$work/flipped"
check "all of which leaves the file alone" 'cmp "$work/whole" "$work/saved"'
expect "save every so many steps to nowhere" 2 'expected --save too' "$mnist" "${small[@]}" --save-every 10
expect "resume with compare" 2 '--resume' "$mnist" compare "${small[@]}" --resume "$work/whole"

expect "resume a perceptron as a cnn" 4 'expected --model perceptron as in the checkpoint, got cnn' \
    "$mnist" --data "$work/data" --resume "$work/whole" --model cnn

# Other data of the same size, or not.
mkdir "$work/other" "$work/fewer" && cp -r "$work/data" "$work/again" && "$make_toy" "$work/other" 8 && "$make_toy" "$work/fewer" 7 1000
expect "resume with other data of the same size" 4 \
    '^gacc: --resume ".*/whole": expected the training data of the checkpoint \(fingerprint [0-9a-f]{16}\), got others \(fingerprint [0-9a-f]{16}\); give --data the same folder, or --other-data to go on with these$' \
    "$mnist" --data "$work/other" --resume "$work/whole"
expect "in another folder they are the same" 0 'updates +375' "$mnist" --data "$work/again" --resume "$work/whole" --save "$work/x"
check "which is not worth a word" '! grep -q gacc: "$work/err"'
expect "resume with other data on purpose" 0 '^gacc: --resume ".*/whole": from here on with other training data$' \
    "$mnist" --data "$work/other" --resume "$work/whole" --other-data --epochs 4 --save "$work/moved"
expect "then those are the data" 0 'updates +500' "$mnist" --data "$work/other" --resume "$work/moved"
check "without a word" '! grep -q gacc: "$work/err"'
expect "and not the old ones" 4 'expected the training data of the checkpoint' "$mnist" --data "$work/data" --resume "$work/moved"
expect "between epochs also with other numbers of samples" 0 'updates +438' \
    "$mnist" --data "$work/fewer" --resume "$work/whole" --other-data --epochs 4 --save "$work/x"
expect "but not within one" 4 '^gacc: --resume ".*/half": expected the 2000 training samples of the checkpoint, got 1000$' \
    "$mnist" --data "$work/fewer" --resume "$work/half" --other-data
"$craft" "$work/whole" "$work/old" data-fingerprint
expect "a checkpoint from before there were fingerprints" 0 \
    '^gacc: --resume ".*/old": it has no fingerprint of its training data, so these may be others$' \
    "$mnist" --data "$work/data" --resume "$work/old"
check "has one from then on" 'cmp "$work/old" "$work/whole"'
expect "other data of nothing" 2 '--other-data requires --resume' "$mnist" "${small[@]}" --other-data

# What holds, where the command line or the program and the checkpoint differ.
expect "another learning rate" 0 '^gacc: --resume ".*/whole": from here on with --learning-rate 0.5, not the checkpoint.s 0.001$' \
    "$mnist" --data "$work/data" --resume "$work/whole" --save "$work/x" --learning-rate 0.5 --schedule linear
check "is all that is said" '[ "$(grep -c gacc: "$work/err")" = 1 ]'
"$craft" "$work/whole" "$work/crafted" state/Adam:2=4604930618986332160
expect "another beta" 0 '^gacc: --resume ".*/crafted": Adam.s beta1 is the checkpoint.s 0.75, not the program.s 0.9$' \
    "$mnist" --data "$work/data" --resume "$work/crafted"
check "is all that is said too" '[ "$(grep -c gacc: "$work/err")" = 1 ]'

# Checkpoints that nobody saved, with a checksum that fits.
"$craft" none "$work/crafted" hidden=1000000,1000000
expect "a network that the file does not have takes no memory" 4 \
    '^gacc: checkpoint_info ".*/crafted": expected the tensors of this model, got others: 0.weight: expected 1000000 x 784, got none; 0.bias: expected 1000000, got none; 2.weight: expected 1000000 x 1000000, got none; ' \
    "$mnist" --data "$work/data" --resume "$work/crafted"
expect "nor does it dry" 4 'expected the tensors of this model, got others: 0.weight: expected 1000000 x 784' \
    "$mnist" --data "$work/data" --resume "$work/crafted" --dry-run
"$craft" none "$work/crafted" "hidden=$(printf '9,%.0s' {1..30})9"
expect "of many differences the first are named" 4 '2.weight: expected 9 x 9, got none; .*; 6.bias: expected 9, got none; and 56 more$' \
    "$mnist" --data "$work/data" --resume "$work/crafted"
refused() {  # refused OPTION VALUE SHOWN
    "$craft" "$work/whole" "$work/crafted" "$1=$2"
    expect "a setting $1 of $3" 4 '^gacc: --resume ".*/crafted": expected a --'"$1"' that gacc-mnist takes, got "'"$3"'" in the checkpoint$' \
        "$mnist" --data "$work/data" --resume "$work/crafted"
}
refused hidden "" ""
refused hidden abc abc
refused hidden -5 -5
refused hidden 128, 128,
refused hidden "{}" "\{\}"
refused hidden "[128]" "\[128\]"
refused hidden 1000001 1000001
refused epochs 9223372036854775808 9223372036854775808
refused epochs 0 0
refused batch-size 16.5 16.5
refused seed -1 -1
refused learning-rate nan nan
refused learning-rate " 0.001" " 0.001"
refused schedule cubic cubic
refused non-finite 1 1
refused schedule $'\e[2Jlinear\n' '\\x1b\[2Jlinear\\x0a'
place() {  # place NAME TEXT CHANGE...
    "$craft" "$work/half" "$work/crafted" "${@:3}"
    expect "a place $1" 4 "^gacc: --resume \".*/crafted\": $2\$" "$mnist" --data "$work/data" --resume "$work/crafted"
}
place "after the last epoch" "expected a checkpoint within 3 epochs, got one after 1000000000000; give more --epochs" \
    state/place:0=1000000000000
for words in state/place:0=36028797018963968 'state/place:1=1999 state/place:2=1'; do
    "$craft" "$work/half" "$work/crafted" $words
    expect "a place that no training reaches: $words" 4 \
        '^gacc: Checkpoint::load ".*/crafted": expected states that fit, got "gacc: DataPosition: expected the state of a position' \
        "$mnist" --data "$work/data" --resume "$work/crafted"
done
cp -r "$work/data" "$work/precious"
for option in --save --export; do
    expect "$option over the data" 2 "^$option: expected another file than the data, got train-images" \
        "$mnist" --data "$work/precious" $option "$work/precious/$(cd "$work/precious" && ls | grep train-images | head -n 1)"
done
place "behind the last sample of a batch" "expected batches of 500 as in the checkpoint, got 16" state/place:2=400 state/place:5=500
expect "fewer epochs than are done" 4 'expected a checkpoint within 1 epochs, got one after 3; give more --epochs' \
    "$mnist" --data "$work/data" --resume "$work/whole" --epochs 1

# Text of others does not command the terminal.
expect "a folder" 3 'in "/\\x1b\[31mno\\x9b\\x0awhereé\\xc2\\x85"' "$mnist" --data $'/\e[31mno\x9b\nwhereé\xc2\x85'
expect "a checkpoint" 4 'checkpoint_settings "\\x1b\[31m\\x07"' "$mnist" --data "$work/data" --resume $'\e[31m\a'
expect "a value" 2 '^--schedule: .*\\x1b\[31m' "$mnist" --schedule $'\e[31m'
expect "a default" 0 '\\x1b\[31m' env GACC_DATA=$'\e[31m' "$mnist" --help
signalled INT "$mnist" "${small[@]:2}" --data "$(ln -s data "$work/"$'\e da\'ta' && echo "$work/"$'\e da\'ta')"
check "a command" "grep -qF -- \"--data \\\$'$work/\\\\033 da\\\\047ta' \" \"\$work/err\""
expect "does what it says" 0 'updates +375' bash -c "$(tail -n 1 "$work/err")"

expect "help" 0 '--micro-batch' "$mnist" --help
expect "unknown option" 2 'not expected' "$mnist" --nonsense
expect "both of micro-batch and accumulate" 2 'excludes' "$mnist" "${small[@]}" --accumulate 2
expect "micro-batch of 0" 2 '--micro-batch' "$mnist" --data "$work/data" --micro-batch 0
expect "more micro-batches than samples" 2 'at most the 8 samples' "$mnist" --data "$work/data" --batch-size 8 --accumulate 9
expect "a number of micro-batches that cannot be" 2 "try 64" "$mnist" --data "$work/data" --batch-size 128 --accumulate 100
expect "save with compare" 2 '--save' "$mnist" compare "${small[@]}" --save "$work/x"
expect "no data" 3 'gacc: load_mnist: expected train-images' "$mnist" --data "$work/nowhere"
cp "$work/data/"* "$work/broken" && truncate -s 1000 "$work/broken/train-images-idx3-ubyte"
expect "a cut file" 3 'read_idx "train-images-idx3-ubyte": expected 1,568,016 bytes for 2000 x 28 x 28, got 1,000' \
    "$mnist" --data "$work/broken"
steep=(--data "$work/data" --learning-rate 1e6 --hidden 64,64,64,64,64,64 --epochs 3)
expect "diverged" 5 'NonFiniteGuard: expected a finite (loss|gradient of [0-9]+.(weight|bias)) before step [0-9]+, got (-?inf|-?nan)' \
    "$mnist" "${steep[@]}" --save "$work/diverged" --save-every 1
expect "the checkpoint from before is good" 5 'NonFiniteGuard' "$mnist" --data "$work/data" --resume "$work/diverged"
expect "or what is not finite is skipped" 0 'gacc: skipped [0-9]+ micro-batch' "$mnist" "${steep[@]}" --non-finite skip
expect "non-finite in words" 2 '--non-finite' "$mnist" "${small[@]}" --non-finite often
expect "full disk" 7 'expected to write the results' bash -c '"$@" >/dev/full' - "$mnist" "${small[@]}"
expect "export where no folder is" 7 '--export: expected the folder' "$mnist" "${small[@]}" --export "$work/none/model"
expect "save where no folder is" 7 '--save: expected the folder' "$mnist" "${small[@]}" --save "$work/none/model.safetensors"

# No training for files that cannot be written, and none lost for those that could not be.
for option in --save --export; do
    expect "$option where a folder is" 7 "^gacc: $option \".*/data\": expected " "$mnist" "${small[@]}" $option "$work/data"
    check "is no training" '! grep -q "^epoch" "$work/err"'
done
limited=(bash -c 'ulimit -f 8; exec "$@"' - "$mnist" "${small[@]}" --quiet)
expect "a disk that is full at the end" 7 '^gacc: Checkpoint::save ".*/big": expected to write it, got "File too large"; is there room\?$' \
    "${limited[@]}" --save "$work/big" --export "$work/large"
check "takes neither the results" 'grep -qE "^updates +375$" "$work/out"'
check "nor the word for the other file" 'grep -q "^gacc: save_safetensors \".*/large\": expected to write it, got \"File too large\"" "$work/err"'
expect "nor those in json" 7 '"updates": 375' "${limited[@]}" --json --export "$work/large"
expect "a disk that is full on the way" 7 '^gacc: goes on training, and tries again to save$' "${limited[@]}" --save "$work/big" --save-every 50
check "is told once, and at the end" '[ "$(grep -c "expected to write it" "$work/err")" = 2 ] && grep -qE "^updates +375$" "$work/out"'

same() { expect "$1" 2 "^--export: expected another file than the checkpoint's, got the same$" "$mnist" "${small[@]}" "${@:2}"; }
ln -s "$work" "$work/loop" && ln -s none.yet "$work/link" && ln -s whole "$work/link_to_whole"
same "export over the checkpoint in other words" --save "$work/x" --export "$work/data/../x"
same "through a link to the folder" --save "$work/x" --export "$work/loop/x"
same "through a link to a file" --save "$work/whole" --export "$work/link_to_whole"
same "through a link to no file yet" --save "$work/link" --export "$work/none.yet"
same "over the checkpoint that is resumed" --resume "$work/whole" --save "$work/x" --export "$work/whole"
previous="^--export: expected another file than .prev of the checkpoint, which holds the one before it, got the same$"
expect "export over the checkpoint before" 2 "$previous" "$mnist" "${small[@]}" --save "$work/x" --export "$work/x.prev"
expect "likewise in other words" 2 "$previous" "$mnist" "${small[@]}" --save "$work/x" --export "$work/loop/./x.prev"
expect "likewise through a link" 2 "$previous" "$mnist" "${small[@]}" --save "$work/link_to_whole" --export "$work/whole.prev"
expect "no hidden layer" 2 '^--hidden: ' "$mnist" "${small[@]}" --hidden ""
check "all of which leaves the checkpoint alone" 'cmp "$work/whole" "$work/saved"'

finish
