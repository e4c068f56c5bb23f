#!/usr/bin/env bash
# GPT-2 to gacc and back, by the program examples/gpt2.cpp: gpt2_test.sh GACC_REFERENCE_NETWORKS EXAMPLE_GPT2 FOLDER
# Then the same with models that Python's transformers makes and loads, if python3 (or $GACC_PYTHON) has it.
set -eu
test=$1 gpt2=$2 work=$3
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$work" && mkdir -p "$work" && cd "$work"

"$test" gpt2 "$here/gpt2.json"
mkdir again && cp gpt2_test/config.json again
"$gpt2" import gpt2_test first.safetensors >summary
grep -q 'LayerNorm(12)' summary
"$gpt2" export first.safetensors again
"$gpt2" import again second.safetensors >/dev/null
cmp first.safetensors second.safetensors
echo "written for transformers and read again: the same bytes"
sed 's/"n_head":2/"n_head":5/' gpt2_test/config.json >again/config.json
! "$gpt2" import again third.safetensors 2>error
grep -q 'expected heads that divide the width, got 5 heads for a width of 12' error
sed 's/"n_layer":2/"n_layer":3/' gpt2_test/config.json >again/config.json
! "$gpt2" import again third.safetensors 2>error
grep -q 'h\.2\.' error
! "$gpt2" export first.safetensors again 2>error
grep -q 'expected a parameter of a GPT-2 with 3 layers, got 6.weight' error
sed 's/{/{"activation_function":"relu",/' gpt2_test/config.json >again/config.json
! "$gpt2" import again third.safetensors 2>error
grep -q 'expected activation_function "gelu_new", got "relu"' error

code=0
"${GACC_PYTHON:-python3}" "$here/gpt2.py" make "$work/transformers" || code=$?
if [ $code != 0 ]; then
    echo "left out: models of transformers themselves"
    exit 0
fi
"$test" gpt2 "$here/gpt2.json" "$work/transformers"
"${GACC_PYTHON:-python3}" "$here/gpt2.py" check "$work/transformers"
