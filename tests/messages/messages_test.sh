#!/usr/bin/env bash
# messages_test.sh SOURCE WORK EIGEN_INCLUDE: compiles programs that a newcomer writes. Those that must not compile give one
# error, which says what to do; each has a twin that compiles.
set -u
source=$1 work=$2 eigen=$3
mkdir -p "$work"
failed=0 passed=0
headers="accumulation/gradient_check layers/linear losses/softmax_cross_entropy model/sequential"

# program LINE...: writes main() with a model, its loss and two samples, as WORK/program.cpp.
program() {
    {
        printf '#include <gacc/%s.hpp>\n' $headers
        echo 'int main() {'
        echo '    gacc::Sequential model(gacc::Linear(2, 3));'
        echo '    gacc::SoftmaxCrossEntropy loss;'
        echo '    const std::vector<gacc::Label> labels{0, 1};'
        echo '    gacc::Matrix<float> rows(2, 2);'
        echo '    Eigen::MatrixXf columns(2, 2);'
        printf '    %s\n' "$@"
        echo '}'
    } >"$work/program.cpp"
}

says() { LC_ALL=C $compiler -std=c++20 "$@" -I"$source/include" -isystem "$eigen" -fsyntax-only "$work/program.cpp" 2>&1; }

# read_headers: once for all programs that are refused with the usual flags; of warnings they know nothing
read_headers() {
    local ending=gch
    [[ $compiler != clang* ]] || ending=pch
    rm -f "$work"/headers.hpp.*
    printf '#include <gacc/%s.hpp>\n' $headers data/augmentation data/batches layers/batch_norm >"$work/headers.hpp"
    $compiler -std=c++20 -x c++-header -I"$source/include" -isystem "$eigen" "$work/headers.hpp" -o "$work/headers.hpp.$ending"
}

report() {  # NAME SAID: whether the last command succeeded
    if [ $? -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf '%s, %s: got\n%s\n' "$compiler" "$1" "$(head -n 10 <<<"$2")"
    fi
}

compiles() {  # NAME FLAG...
    local name=$1 said
    said=$(says -Wall -Wextra -Werror "${@:2}")
    report "$name compiles" "$said"
}

# refuses NAME TEXT FLAG...: the first error has the text; it is the only one.
refuses() {
    local name=$1 text=$2 said
    if [ $# -eq 2 ]; then set -- "$@" -include "$work/headers.hpp"; fi
    said=$(says "${@:3}")
    grep -m1 'error: ' <<<"$said" | grep -qF -- "$text" && [ "$(grep -c 'error: ' <<<"$said")" -eq 1 ]
    report "$name is one error that says: $text" "$said"
}

row_major='gacc: ConstMatrixView: expected a row-major matrix, got a column-major one; use gacc::Matrix, or copy it into one'
for compiler in g++ clang++; do
    if ! command -v $compiler >/dev/null; then
        echo "$compiler is not installed: left out"
        [ "${CI:-}" = true ] && failed=$((failed + 1))
        continue
    fi
    read_headers
    program 'model.forward(rows);' 'model.predict(rows);' 'loss.forward(rows, labels);'
    compiles "a row-major matrix"
    refuses "C++17" 'gacc: expected C++20, got an older standard; compile with -std=c++20' -std=c++17
    refuses "-ffast-math" 'gacc: built with -ffast-math or -fassociative-math, which reorders sums' -ffast-math
    refuses "-ffinite-math-only" 'gacc: built with -ffinite-math-only, which hides NaN and infinity' -ffinite-math-only

    program 'gacc::BatchNorm norm(64);'
    sed -i '1i #include <gacc/layers/batch_norm.hpp>' "$work/program.cpp"
    refuses "batch normalisation" 'gacc: BatchNorm: expected layers whose samples do not depend on each other, got batch'
    program 'gacc::FrozenBatchNorm<float> norm({1, 1}, {0, 0}, {0, 0}, {1, 1});' 'model.add(gacc::Linear(3, 2));' 'model.add(norm);'
    sed -i '1i #include <gacc/layers/batch_norm.hpp>' "$work/program.cpp"
    compiles "batch normalisation with given statistics"
    program 'const gacc::TensorDataset<float> images(gacc::Tensor<float>({2, 4}), labels);' 'gacc::Rng rng;' \
        'gacc::DataPosition position;' 'const gacc::AugmentedImages data(images, {2, 2, 1}, {.crop_padding = 1});' \
        'gacc::shuffled_batches(data, {.batch_size = 2}, rng, position);' 'gacc::ordered_batches(data, {.batch_size = 2});'
    sed -i '1i #include <gacc/data/augmentation.hpp>\n#include <gacc/data/batches.hpp>' "$work/program.cpp"
    compiles "augmented images with a position"
    sed -i 's/, rng, position)/, rng)/' "$work/program.cpp"
    refuses "augmented images without a position" 'gacc: shuffled_batches: expected a DataPosition, since these samples differ'
    program 'model.forward(columns);'
    refuses "forward of a column-major matrix" "$row_major"
    program 'model.predict(columns);'
    refuses "predict of a column-major matrix" "$row_major"
    program 'model.predict(columns.leftCols(2));'
    refuses "predict of a block of a column-major matrix" "$row_major"
    program 'loss.forward(columns, labels);'
    refuses "a loss of a column-major matrix" "$row_major"

    program 'loss.forward(model.predict(rows), labels);' 'const gacc::Matrix<float> mine = columns;' 'model.forward(mine);'
    compiles "a loss of what predict returns"
    program 'model.forward(gacc::Matrix<float>(2, 2));'
    refuses "forward of a temporary matrix" deleted

    program 'gacc::Sequential exact(gacc::Linear<double>(2, 3));' 'gacc::SoftmaxCrossEntropy<double> exact_loss;' \
        'const gacc::Matrix<double> exact_rows(2, 2);' 'gacc::check_gradients(exact, exact_loss, exact_rows, labels);'
    compiles "a gradient check in double"
    program 'gacc::check_gradients(model, loss, rows, labels);'
    refuses "a gradient check in float" 'gacc: check_gradients: expected a model of double, got one of float'
done

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
