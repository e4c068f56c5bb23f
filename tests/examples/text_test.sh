#!/usr/bin/env bash
# What gacc-text promises on its command line, beyond what trainer_test.sh asks of gacc-mnist: text_test.sh GACC_TEXT FOLDER
set -u
text=$1 work=$2
rm -rf "$work" && mkdir -p "$work" || exit 1
for ((i = 0; i < 200; ++i)); do printf '%d é ' $((i * i % 7)) && echo "and so on"; done >"$work/text"  # of 2,800 characters
small=(--data "$work/text" --layers 2 --heads 2 --width 8 --tokens 8 --batch-size 6 --warm-up 3 --validate-every 4 --sample 40)
nine=("${small[@]}" --steps 9 --dropout 0.1)

. "$(dirname "$0")/expectations.sh"

expect "trains" 0 '^2,520 characters for training, 280 for validation, 12 different ones$' \
    "$text" "${nine[@]}" --micro-batch 6 --save "$work/whole" --export "$work/weights"
check "a line for each validation" \
    '[ "$(grep -cE "^step [489]/9  loss [0-9.]+  validation loss [0-9.]+  [0-9,]+ tokens/s  [0-9]+ s left$" "$work/err")" = 3 ]'
check "the last of them is the result" \
    'grep -qE "^validation loss +$(grep -oE "validation loss [0-9.]+" "$work/err" | tail -n 1 | cut -d " " -f 3)$" "$work/out"'
check "results alone on stdout" '! grep -q "^step" "$work/out"'
check "and text of the characters of the text" '[ "$(tail -n +10 "$work/out" | wc -m)" = 41 ]'
expect "json, another cut and other threads" 0 \
    '"updates": 9, .*"validation_loss": \[\[4, [0-9.]+\], \[8, [0-9.]+\], \[9, [0-9.]+\]\], .*, "sample": ".*"\}$' \
    "$text" "${nine[@]}" --micro-batch 1 --threads 2 --json --quiet --save "$work/cut" --export "$work/cut.weights"
check "quiet means an empty stderr" '[ ! -s "$work/err" ]'
check "the same bytes" 'cmp "$work/whole" "$work/cut" && cmp "$work/weights" "$work/cut.weights"'
expect "a budget, and recomputation" 0 '' "$text" "${nine[@]}" --memory 1MiB --recompute --save "$work/budget"
check "the same bytes too" 'cmp "$work/whole" "$work/budget"'
expect "learns" 0 '"validation_loss": \[\[100, 0\.[0-9]+\]\]' \
    "$text" "${small[@]:0:10}" --steps 100 --validate-every 100 --learning-rate 0.02 --json

# Interrupted when it has saved once, and resumed.
env --default-signal=INT "$text" "${nine[@]}" --micro-batch 1 --save "$work/run" --save-every 1 >"$work/out" 2>"$work/err" </dev/null &
training=$! tries=0
while [ ! -s "$work/run" ] && [ $((tries += 1)) -lt 3000 ]; do sleep 0.01; done
kill -INT $training
wait $training
code=$?
check "stopped by a signal, or done before it came" \
    "[ $code = 0 ] || { [ $code = 130 ] && grep -qE '^gacc: stopped in step [0-9], after [1-6] of 6 sequences, and saved. To go on:\$' '$work/err'; }"
expect "resumed with what it has noted, and another cut" 0 'updates +9' "$text" --data "$work/text" --micro-batch 4 --resume "$work/run"
check "it ends with the same bytes" 'cmp "$work/run" "$work/whole"'
check "and nothing is noted" '! grep -q gacc: "$work/err"'
expect "fewer steps" 0 '' "$text" "${small[@]}" --dropout 0.1 --schedule constant --steps 3 --save "$work/three"
expect "and more from there" 0 'from here on with --steps 9, not the checkpoint.s 3$' \
    "$text" --data "$work/text" --resume "$work/three" --steps 9
expect "as all at once" 0 '' "$text" "${nine[@]}" --schedule constant --save "$work/at_once"
check "with a constant rate they end with the same bytes" 'cmp "$work/three" "$work/at_once"'
expect "fewer steps than are done" 4 'expected a checkpoint within 5 steps, got one after 9; give more --steps' \
    "$text" --data "$work/text" --resume "$work/whole" --steps 5
expect "other heads, though no shape tells" 4 'expected --heads 2 as in the checkpoint, got 4' \
    "$text" --data "$work/text" --resume "$work/whole" --heads 4
tr 12 21 <"$work/text" >"$work/other" && tr a x <"$work/text" >"$work/unknown"
expect "another text" 4 'expected the training data of the checkpoint' \
    "$text" --data "$work/other" --resume "$work/whole"
expect "a text with another character" 3 'expected characters of the vocabulary, got "x" at byte ' \
    "$text" --data "$work/unknown" --resume "$work/whole" --other-data
expect "skip what is not finite" 0 'updates +9' "$text" "${nine[@]}" --non-finite skip

# Samples.
"$text" sample "$work/whole" --sample 40 >"$work/again"
expect "what the end of the training wrote" 0 '' "$text" --data "$work/text" --resume "$work/whole" --sample 40
check "a checkpoint writes again" 'tail -n +10 "$work/out" | cmp - "$work/again"'
expect "another seed" 0 '' "$text" sample "$work/whole" --sample 40 --seed 2
check "writes another text" '! cmp -s "$work/out" "$work/again"'
expect "with a prompt" 0 '^é and' "$text" sample "$work/whole" --sample 3 --prompt "é and so" --temperature 2 --top-k 3
"$text" sample "$work/whole" --sample 40 --temperature 0 >"$work/likeliest"
expect "the likeliest" 0 '' "$text" sample "$work/whole" --sample 40 --top-k 1 --seed 5
check "is that without temperature" 'cmp "$work/out" "$work/likeliest"'
expect "a prompt of other characters" 3 'expected characters of the vocabulary, got "X" at byte 0' "$text" sample "$work/whole" --prompt X
expect "a prompt that is not UTF-8" 3 'gacc: Vocabulary::encode: expected UTF-8, got \\xff at byte 1, where no character begins' \
    "$text" sample "$work/whole" --prompt $'a\xff'
expect "before training" 3 'expected characters of the vocabulary, got "X" at byte 0' "$text" "${small[@]}" --prompt X
expect "a temperature that is no number" 2 '--temperature' "$text" sample "$work/whole" --temperature nan
expect "from weights alone" 4 'expected a checkpoint, got a safetensors file of another kind' "$text" sample "$work/weights"
expect "from nothing" 4 'expected a readable file, got none' "$text" sample "$work/nowhere"
expect "help of it" 0 '--top-k' "$text" sample --help

# Bytes of any file.
printf '\xff\xfe\x00' >"$work/bytes" && cat "$work/text" >>"$work/bytes"
expect "text that is not UTF-8" 3 'gacc: load_text "bytes": expected UTF-8, got \\xff at byte 0' "$text" "${small[@]:2}" --data "$work/bytes"
expect "as bytes" 0 ', 16 different ones$' "$text" "${small[@]:2}" --data "$work/bytes" --bytes --steps 2 --save "$work/of_bytes" --json
expect "sampled" 0 '' "$text" sample "$work/of_bytes" --sample 200 --temperature 100
check "and shown escaped" 'grep -q "\\\\x" "$work/out" && ! grep -qP "\x00" "$work/out"'
expect "resumed" 0 'updates +3' "$text" --data "$work/bytes" --resume "$work/of_bytes" --steps 3

expect "audit" 0 '^The cut changes not one bit\.$' "$text" audit "${small[@]}" --micro-batch 4
expect "dry run" 0 '^in all +[0-9,]+ bytes$' "$text" "${small[@]}" --dry-run
check "trains nothing" '! grep -q "^step" "$work/err"'
expect "a number of micro-batches" 0 '^batch of 6 = 3 micro-batches of at most 2$' "$text" "${small[@]}" --accumulate 3 --dry-run
expect "a budget that cannot be met" 6 'gacc: plan: a micro-batch of 1 needs [0-9,]+ bytes' "$text" "${small[@]}" --memory 1KiB
: >"$work/empty"
expect "an empty text" 3 'gacc: load_text "empty": expected a text of 1 character or more, got an empty one' "$text" --data "$work/empty"
expect "of bytes too" 3 'gacc: load_text "empty": expected a text of 1 character or more, got an empty one' \
    "$text" --data "$work/empty" --bytes
expect "no text" 3 'gacc: load_text "nowhere": expected' "$text" --data "$work/nowhere"
expect "too short a text" 3 \
    'gacc: gacc-text: expected 3001 characters or more, so that the last tenth holds a sequence of 300 tokens, got 2800; try fewer --tokens' \
    "$text" --data "$work/text" --tokens 300
expect "heads that do not divide" 2 'expected heads that divide the width, got 3 heads for a width of 8' "$text" --data "$work/text" --tokens 8 --width 8 --heads 3
expect "save over the text" 2 '^--save: expected another file than the data, got text$' "$text" "${small[@]}" --save "$work/text"
expect "an option of the other programs" 2 'not expected' "$text" --epochs 2
expect "a learning rate that is too large" 5 'gacc: ' "$text" "${small[@]}" --steps 100 --learning-rate 1e6 --clip-norm 0

finish
