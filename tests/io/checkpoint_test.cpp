#include <gacc/io/checkpoint.hpp>

#include <gacc/accumulation/accumulator.hpp>
#include <gacc/accumulation/lanes.hpp>
#include <gacc/data/batches.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adam.hpp>
#include <gacc/train/metrics.hpp>

#include "support/gradient_check.hpp"
#include "support/long_tests.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace checkpoint_test {

using namespace gacc;
namespace fs = std::filesystem;

namespace {

Bytes content(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// A small training with everything that a checkpoint holds.
template <class Scalar = float>
struct Training {
    explicit Training(std::uint64_t seed = 1, Index hidden = 9, AdamOptions options = {.clip_norm = 2}) : rng(seed) {
        model.add(Linear<Scalar>(6, hidden));
        model.add(ReLU<Scalar>());
        model.add(Linear<Scalar>(hidden, 3));
        model.initialize(rng);
        adam = std::make_unique<Adam<Scalar>>(model.parameters(), options);
        checkpoint = std::make_unique<Checkpoint<Scalar>>(*adam, rng, position);
        checkpoint->keep("mean_loss", mean);
    }

    /// Trains with micro-batches of 2 in batches of 5, up to `micro_batches` or the end of the second epoch.
    void run(const TensorDataset<Scalar>& data, int micro_batches = 1000) {
        for (; position.epoch < 2; position.end_epoch()) {
            for (const auto& batch : shuffled_batches(data, {.batch_size = 5}, rng, position)) {
                for (const auto& micro : batch.from(position.sample).micro_batches(2)) {
                    if (micro_batches-- == 0) { return; }
                    const auto value = loss.forward(model.forward(micro.inputs), micro.labels);
                    mean.add(value);
                    model.backward(loss.backward());
                    position.end_micro_batch(micro.size());
                }
                adam->set_learning_rate(0.01 / static_cast<double>(1 + adam->steps()));
                adam->step();
                adam->zero_grad();
                position.end_batch();
            }
        }
    }

    /// All that a checkpoint holds, as bytes.
    std::vector<std::byte> state() {
        auto bytes = test::state_of(model.parameters());
        for (const auto& moments : adam->moments()) {
            test::append_bytes(bytes, moments.stored.data(), static_cast<Index>(moments.stored.size()));
        }
        for (const State& words :
             {adam->state(), rng.state(), position.state(), mean.state(), adam->parameters().tally().state()}) {
            test::append_bytes(bytes, words.data(), static_cast<Index>(words.size()));
        }
        return bytes;
    }

    Rng rng;
    DataPosition position;
    MeanLoss mean;
    Sequential<Scalar> model;
    SoftmaxCrossEntropy<Scalar> loss;
    std::unique_ptr<Adam<Scalar>> adam;
    std::unique_ptr<Checkpoint<Scalar>> checkpoint;
};

template <class Scalar>
TensorDataset<Scalar> random_samples(Index samples = 23) {
    Rng rng(3);
    Tensor<Scalar> inputs({samples, 6});
    inputs.matrix() = test::random_matrix<Scalar>(rng, samples, 6);
    std::vector<Label> labels(static_cast<std::size_t>(samples));
    std::ranges::generate(labels, [&] { return static_cast<Label>(rng.below(3)); });
    return {std::move(inputs), std::move(labels)};
}

std::string refusal(Training<float>& training, const fs::path& path) {
    try {
        training.checkpoint->load(path);
    } catch (const CheckpointError& error) {
        const std::string text = error.what(), start = "gacc: Checkpoint::load \"" + path.string() + "\": ";
        CHECK(text.starts_with(start));
        return text.substr(std::min(start.size(), text.size()));
    }
    return "none";
}

/// The file with other bytes, and a checksum that fits them.
Bytes with_checksum(Bytes bytes) {
    Crc64 sum;
    sum.add(std::span<const std::uint8_t>(bytes).first(bytes.size() - 8));
    std::ranges::copy(detail::little_endian(sum.value()), bytes.end() - 8);
    return bytes;
}

/// The bytes of a tensor in the file.
std::span<std::uint8_t> tensor_in(Bytes& file, const fs::path& path, const std::string& name) {
    const SafetensorsFile parsed(path);
    const TensorInfo* info = parsed.find(name);
    REQUIRE(info != nullptr);
    const auto size = [](std::uint64_t bytes) { return static_cast<std::size_t>(bytes); };
    return std::span(file).last(size(parsed.tensors().back().last)).subspan(size(info->first), size(info->bytes()));
}

}  // namespace

TEST_CASE_TEMPLATE("Checkpoint: a run stopped at any micro-batch and resumed is the run that was never stopped", Scalar,
                   float, double) {
    const TemporaryFolder folder;
    const auto data = random_samples<Scalar>();
    Training<Scalar> whole;
    whole.run(data);
    for (int stop = 0; stop <= 30; ++stop) {
        Training<Scalar> first;
        first.run(data, stop);
        first.checkpoint->save(folder.path() / "run");
        Training<Scalar> second(99);
        second.checkpoint->load(folder.path() / "run");
        CHECK(second.state() == first.state());
        second.run(data);
        CHECK(second.state() == whole.state());
    }
}

TEST_CASE("Checkpoint: loaded in the middle of any other batch it leaves nothing of that") {
    const TemporaryFolder folder;
    const auto data = random_samples<float>();
    Training<float> whole;
    whole.run(data);
    for (int stop = 0; stop <= 3; ++stop) {  // at the end of a batch too, where no gradients are held
        Training<float> first;
        first.run(data, stop);
        first.checkpoint->save(folder.path() / "run");
        for (int other = 0; other <= 4; ++other) {
            Training<float> second(99);
            second.run(data, other);
            second.checkpoint->load(folder.path() / "run");
            CHECK(second.state() == first.state());
            second.run(data);
            CHECK(second.state() == whole.state());
        }
    }
}

TEST_CASE("Checkpoint: weights alone are not enough") {
    const TemporaryFolder folder;
    const auto data = random_samples<float>();
    Training<float> whole, first, second(99);
    whole.run(data);
    first.run(data, 10);
    save_safetensors(folder.path() / "weights", first.model.parameters());
    load_safetensors(folder.path() / "weights", second.model.parameters());
    second.position.set_state(first.position.state());
    second.run(data);
    CHECK(test::values_of(second.model.parameters()) != test::values_of(whole.model.parameters()));
}

TEST_CASE("Checkpoint: saving changes nothing, and what is saved twice is the same bytes") {
    const TemporaryFolder folder;
    Training<float> training;
    training.run(random_samples<float>(), 8);
    const auto before = training.state();
    training.checkpoint->save(folder.path() / "run");
    const Bytes first = content(folder.path() / "run");
    training.checkpoint->save(folder.path() / "run");
    CHECK(training.state() == before);
    CHECK(content(folder.path() / "run") == first);
    CHECK(content(folder.path() / "run.prev") == first);
}

TEST_CASE("Checkpoint: the names in the file") {
    const TemporaryFolder folder;
    const auto names = [&](int micro_batches) {
        Training<float> training;
        training.run(random_samples<float>(), micro_batches);
        training.checkpoint->save(folder.path() / "run");
        std::vector<std::string> all;
        const SafetensorsFile file(folder.path() / "run");
        for (const auto& info : file.tensors()) { all.push_back(info.name); }
        return all;
    };
    const std::vector<std::string> parameters{"0.weight", "0.bias", "2.weight", "2.bias"};
    std::vector<std::string> expected = parameters;
    const auto add = [&](const std::string& prefix) {
        for (const auto& name : parameters) { expected.push_back(prefix + name); }
    };
    add("Adam/first_moments/");
    add("Adam/second_moments/");
    const std::vector<std::string> states{"state/rng",   "state/place",     "state/Adam",
                                          "state/tally", "state/mean_loss", "state/checksum"};
    expected.insert(expected.end(), states.begin(), states.end());
    CHECK(names(0) == expected);
    expected = parameters;
    add("gradients/");
    add("Adam/first_moments/");
    add("Adam/second_moments/");
    expected.insert(expected.end(), states.begin(), states.end());
    CHECK(names(1) == expected);
}

TEST_CASE("Checkpoint: settings come back as they were noted") {
    const TemporaryFolder folder;
    const Settings settings{{"hidden", "512,256"}, {"a \"name\"", "é\n"}, {"", ""}};
    Training<float>().checkpoint->save(folder.path() / "run", settings);
    CHECK(checkpoint_settings(folder.path() / "run") == settings);
    CHECK_THROWS_WITH_AS(checkpoint_settings("nowhere"),
                         "gacc: checkpoint_settings \"nowhere\": expected a readable file, got none", CheckpointError);
}

TEST_CASE("Checkpoint: load tells which options of the program it has replaced") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "run";
    Training saved(1, 9, {.learning_rate = 0.25, .clip_norm = 2});
    saved.checkpoint->save(path);

    Training same(1, 9, {.learning_rate = 0.25, .clip_norm = 2});
    CHECK(same.checkpoint->load(path).empty());

    Training other(1, 9, {.learning_rate = 0.5, .beta1 = 0.75, .clip_norm = 4});
    const std::vector<ReplacedOption> replaced = other.checkpoint->load(path);
    REQUIRE(replaced.size() == 3);
    CHECK(replaced[0].name == "learning_rate");
    CHECK(replaced[0].in_program == 0.5);
    CHECK(replaced[0].in_checkpoint == 0.25);
    CHECK(replaced[1].name == "beta1");
    CHECK(replaced[1].in_program == 0.75);
    CHECK(replaced[1].in_checkpoint == 0.9);
    CHECK(replaced[2].name == "clip_norm");
    CHECK(replaced[2].in_program == 4);
    CHECK(replaced[2].in_checkpoint == 2);
    CHECK(other.adam->options().learning_rate == 0.25);  // the value of the checkpoint
}

TEST_CASE("Checkpoint: keeps whatever has a state, as a policy with a memory") {
    struct Growing {  // 2 samples a batch, then 4, then 8, ...
        bool operator()(const Accumulated& held) {
            if (held.samples < size) { return false; }
            size *= 2;
            return true;
        }
        State state() const { return {static_cast<std::uint64_t>(size)}; }
        void set_state(std::span<const std::uint64_t> words) { size = static_cast<Index>(words[0]); }
        Index size = 2;
    };
    const TemporaryFolder folder;
    Training<float> one, other;
    Accumulator first(*one.adam, Growing()), second(*other.adam, Growing());
    one.checkpoint->keep("policy", first.policy());
    other.checkpoint->keep("policy", second.policy());
    first.policy().size = 64;
    one.checkpoint->save(folder.path() / "run");
    other.checkpoint->load(folder.path() / "run");
    CHECK(second.policy().size == 64);
}

TEST_CASE("Checkpoint: numbers that are not finite are not saved, and the file that was there stays") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "run";
    Training<float> training;
    training.run(random_samples<float>(), 4);
    training.checkpoint->save(path);
    const Bytes before = content(path);
    const auto refuses = [&](float& number, const std::string& name) {
        const float good = std::exchange(number, std::numeric_limits<float>::infinity());
        CHECK_THROWS_WITH_AS(
            training.checkpoint->save(path),
            ("gacc: Checkpoint::save \"" + path.string() + "\": expected finite numbers, got inf in " + name).c_str(),
            NonFiniteError);
        number = good;
    };
    refuses(training.model.parameters()[0].stored_values()[3], "0.weight");
    refuses(training.model.parameters()[1].materialize_grads()[0], "gradients/0.bias");
    refuses(training.adam->moments()[0].stored[0], "Adam/first_moments/0.weight");
    refuses(training.adam->moments()[1].stored[5], "Adam/second_moments/0.weight");
    CHECK(content(path) == before);
    CHECK_NOTHROW(training.checkpoint->save(path));
}

TEST_CASE("Checkpoint: of another model it is refused, with the names and shapes that differ") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "run";
    Training<float>(1, 8).checkpoint->save(path);
    Training<float> training;
    const auto before = training.state();
    const std::string text = refusal(training, path);
    CHECK(
        text.starts_with("expected the tensors of this model, got others: 0.weight: expected 9 x 6, got 8 x 6; 0.bias: "
                         "expected 9, got 8; 2.weight: expected 3 x 9, got 3 x 8; Adam/first_moments/0.weight: "));
    CHECK(text.ends_with("; and 1 more"));
    CHECK(training.state() == before);

    Training<double>().checkpoint->save(path);
    CHECK(refusal(training, path)
              .starts_with("expected the tensors of this model, got others: 0.weight: expected F32, got F64; "));

    Training<float> less;
    Checkpoint<float>(*less.adam, less.rng, less.position).save(path);
    CHECK(refusal(training, path) ==
          "expected the tensors of this model, got others: state/mean_loss: expected 2, got none");
    training.checkpoint->save(path);
    Checkpoint<float> without(*less.adam, less.rng, less.position);
    CHECK_THROWS_AS(without.load(path), CheckpointError);
    CHECK(training.state() == before);
}

TEST_CASE("Checkpoint: files that are none are refused") {
    const TemporaryFolder folder;
    Training<float> training;
    const fs::path path = folder.path() / "run";
    CHECK(refusal(training, path) == "expected a readable file, got none");
    save_safetensors(path, training.model.parameters());
    CHECK(refusal(training, path) == "expected a checkpoint, got a safetensors file of another kind");
    training.checkpoint->save(path);
    Bytes file = content(path);
    const std::string key = "\"gacc.checkpoint\":\"";
    const auto at =
        std::search(file.begin(), file.end(), key.begin(), key.end()) + static_cast<std::ptrdiff_t>(key.size());
    *at = '1';
    folder.write("run", with_checksum(file));
    CHECK(refusal(training, path) ==
          "expected a checkpoint of version 2, got version \"1\"; use the gacc that wrote it");
    *at = '2';
    file[file.size() - 1] ^= 1;
    folder.write("run", file);
    CHECK(refusal(training, path) ==
          "expected the bytes that were saved, got others: the file is damaged; is there one "
          "before it, with .prev at its end?");
}

TEST_CASE("Checkpoint: every truncation and every other byte is refused, and nothing is changed by it") {
    const TemporaryFolder folder;
    const auto data = random_samples<float>();
    Training<float> saved(1, 1), training(2, 1);
    saved.run(data, 2);
    training.run(data, 5);
    saved.checkpoint->save(folder.path() / "golden");
    const Bytes golden = content(folder.path() / "golden");
    const auto before = training.state();
    int refused = 0;
    const auto try_bytes = [&](const Bytes& bytes) {
        const auto path = folder.write("run", bytes);
        try {
            training.checkpoint->load(path);
        } catch (const CheckpointError&) { ++refused; }
    };
    for (std::size_t length = 0; length < golden.size(); ++length) {
        try_bytes({golden.begin(), golden.begin() + static_cast<std::ptrdiff_t>(length)});
    }
    CHECK(refused == static_cast<int>(golden.size()));
    CHECK(training.state() == before);

    refused = 0;
    Bytes bytes = golden;
    std::vector<int> changes{4};  // at every position; long: every bit alone, and every 45th of the 255 other values
    if (gacc::test::long_tests()) {
        changes = {1, 2, 4, 8, 16, 32, 64, 128};
        for (int value = 15; value <= 255; value += 45) { changes.push_back(value); }
    }
    for (std::size_t i = 0; i < golden.size(); ++i) {
        for (const int change : changes) {
            bytes[i] = static_cast<std::uint8_t>(golden[i] ^ change);
            try_bytes(bytes);
        }
        bytes[i] = golden[i];
    }
    CHECK(refused == static_cast<int>(golden.size() * changes.size()));
    CHECK(training.state() == before);

    bytes.push_back(0);
    try_bytes(bytes);
    CHECK(training.state() == before);
    training.checkpoint->load(folder.path() / "golden");
    CHECK(training.state() == saved.state());
}

TEST_CASE("Checkpoint: states that are none are refused all together") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "golden";
    const auto data = random_samples<float>();
    Training<float> saved, training(2);
    saved.run(data, 7);
    training.run(data, 4);
    saved.checkpoint->save(path);
    const Bytes golden = content(path);
    const auto before = training.state();
    const auto refuses = [&](const std::string& name, std::size_t word, std::uint64_t value,
                             const std::string& reason) {
        Bytes file = golden;
        std::ranges::copy(detail::little_endian(value), tensor_in(file, path, name).subspan(8 * word).begin());
        CHECK(refusal(training, folder.write("run", with_checksum(file))) ==
              "expected states that fit, got \"gacc: " + reason + '"');
        CHECK(training.state() == before);
    };
    const std::uint64_t minus_one = ~std::uint64_t{0};
    refuses("state/place", 0, minus_one, "DataPosition: expected the state of a position in the data, got other words");
    refuses("state/place", 0, std::uint64_t{1} << 55,
            "DataPosition: expected the state of a position in the data, got other words");
    refuses("state/place", 2, 6, "DataPosition: expected the state of a position in the data, got other words");
    refuses("state/Adam", 0, minus_one, "Adam: expected the state of an optimizer, got other words");
    refuses("state/Adam", 1, detail::word(-1.0), "Adam: expected learning_rate of 0 or more, got -1");
    refuses("state/Adam", 5, detail::word(std::numeric_limits<double>::infinity()),
            "Adam: expected the state of Adam that clips as this one does, got other words");
    refuses("state/tally", 3, 3, "GradientTally: expected the state of a tally of gradients, got other words");
}

TEST_CASE("Checkpoint: loading takes the memory of the file, and gives it back") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "run";
    Training<float> training(1, 4000);
    training.checkpoint->save(path);
    const std::size_t before = memory::live()[memory::Kind::staging];
    memory::forget_peak();
    training.checkpoint->load(path);
    CHECK(memory::peak()[memory::Kind::staging] - before == fs::file_size(path));
    CHECK(memory::live()[memory::Kind::staging] == before);
}

TEST_CASE("Checkpoint: what could not be read again is not saved") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "run";
    Training<float> training;
    training.checkpoint->save(path);
    const Bytes before = content(path);
    CHECK_THROWS_AS(training.checkpoint->save(path, {{"config", std::string(20'000, 'x')}}), UsageError);
    gacc::detail::ModelParameter<float>::rename(training.model.parameters()[0], "__metadata__");
    CHECK_THROWS_AS(training.checkpoint->save(path), UsageError);
    CHECK(content(path) == before);
    for (const char* name : {"rng", "place", "Adam", "tally", "checksum", "mean_loss"}) {
        CHECK_THROWS_AS(training.checkpoint->keep(name, training.mean), UsageError);
    }
}

TEST_CASE("Checkpoint: neither a refused file nor saving makes gradients of none") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "run";
    Training<float> larger(1, 12), training;
    larger.run(random_samples<float>(), 1);
    larger.checkpoint->save(path);
    CHECK_THROWS_AS(training.checkpoint->load(path), CheckpointError);
    for (const auto& parameter : training.model.parameters()) { CHECK(parameter.grad_is_zero()); }
    training.model.parameters()[0].materialize_grads();
    training.checkpoint->save(path);
    CHECK(training.model.parameters()[1].grad_is_zero());
}

TEST_CASE("Checkpoint: numbers that are not finite are not loaded, and nothing is changed") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "golden";
    Training<float> saved, training(2);
    saved.run(random_samples<float>(), 7);
    saved.checkpoint->save(path);
    const Bytes golden = content(path);
    const auto before = training.state();
    const auto refuses = [&](const std::string& name, float number, const std::string& text) {
        Bytes file = golden;
        const auto bytes = tensor_in(file, path, name);
        std::ranges::copy(detail::little_endian(number), bytes.end() - 4);
        CHECK(refusal(training, folder.write("run", with_checksum(file))) ==
              "expected finite numbers" + std::string(name.starts_with("Adam/second") ? " of 0 or more" : "") + ", got " + text +
                  " in " + name);
        CHECK(training.state() == before);
    };
    refuses("0.weight", std::numeric_limits<float>::quiet_NaN(), "nan");
    refuses("2.bias", std::numeric_limits<float>::infinity(), "inf");
    refuses("gradients/2.weight", -std::numeric_limits<float>::infinity(), "-inf");
    const auto second = "Adam/second_moments/2.bias";
    Bytes negative = golden;
    std::ranges::copy(detail::little_endian(-1.0F), tensor_in(negative, path, second).end() - 4);
    CHECK(refusal(training, folder.write("run", with_checksum(negative))) ==
          "expected finite numbers of 0 or more, got -1 in " + std::string(second));
    CHECK(training.state() == before);
    refuses(second, std::numeric_limits<float>::quiet_NaN(), "nan");
}

TEST_CASE("Checkpoint: another kind of file is refused for its first bytes, however long it is") {
    const TemporaryFolder folder;
    Training<float> training;
    const auto refuses = [&](const Bytes& bytes, const std::string& text) {
        const auto path = folder.write("run", bytes);
        fs::resize_file(path, bytes.size() + (std::uintmax_t{1} << 32));
        memory::forget_peak();
        const auto before = memory::live().total();
        CHECK(refusal(training, path) == text);
        CHECK_THROWS_AS(checkpoint_info(path), CheckpointError);
        CHECK(memory::peak_total() - before < 2000);
    };
    refuses({}, "expected a header that is a JSON object, got something else");
    refuses({1, 2, 3, 4, 5, 6, 7, 8, 9},
            "expected a header of at most 100,000,000 bytes, got 578,437,695,752,307,201"
            "; this is no safetensors file, or it was cut short");
    const auto with_4_gib = [](SafetensorsHeader header) {
        detail::append_tensor(header, "large", DType::u8, {1 << 16, 1 << 16});
        return detail::safetensors_start(header);
    };
    if (sizeof(Index) == 8) {  // on other machines no tensor can have 4 GiB
        refuses(with_4_gib({}), "expected a checkpoint, got a safetensors file of another kind");
        SafetensorsHeader header;
        header.metadata["gacc.checkpoint"] = "\x1b[2J2";
        refuses(with_4_gib(header),
                "expected a checkpoint of version 2, got version \"\\x1b[2J2\"; use the gacc that wrote it");
        header.metadata["gacc.checkpoint"] = "2";
        refuses(with_4_gib(header), "expected a checksum at the end of the file, got none");
    }
}

TEST_CASE("Checkpoint: a larger model's is refused before its numbers are read") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "run";
    Training<float>(1, 4000).checkpoint->save(path);
    Training<float> training;
    memory::forget_peak();
    const auto before = memory::live().total();
    CHECK(refusal(training, path)
              .starts_with("expected the tensors of this model, got others: 0.weight: expected 9 x 6"));
    CHECK(memory::peak_total() - before < 4000);
}

TEST_CASE("checkpoint_info: settings, names and shapes of a file, in little memory") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "run";
    Training<float>(1, 4000).checkpoint->save(path, {{"hidden", "4000"}});
    memory::forget_peak();
    const auto before = memory::live().total();
    const CheckpointInfo info = checkpoint_info(path);
    CHECK(memory::peak_total() - before < (1 << 16) + 4000);
    CHECK(info.settings == Settings{{"hidden", "4000"}});
    REQUIRE(info.tensors.size() == 18);
    CHECK(info.tensors[2].name == "2.weight");
    CHECK(info.tensors[2].shape == Shape{3, 4000});
    CHECK_NOTHROW(info.expect({{"0.weight", {4000, 6}}, {"2.bias", {3}}}));
    const std::string text = "gacc: checkpoint_info \"" + path.string() +
                             "\": expected the tensors of this model, got others: 0.weight: expected 5000 x 6, got "
                             "4000 x 6; 4.bias: expected 1, got none";
    CHECK_THROWS_WITH_AS(info.expect({{"0.weight", {5000, 6}}, {"4.bias", {1}}}), text.c_str(), CheckpointError);
}

TEST_CASE("checkpoint_info: refuses every damaged file") {
    const TemporaryFolder folder;
    Training<float>(1, 1).checkpoint->save(folder.path() / "golden", {{"a", "b"}});
    const Bytes golden = content(folder.path() / "golden");
    for (std::size_t i = 0; i < golden.size(); i += gacc::test::long_tests() ? 1 : 5) {
        Bytes bytes = golden;
        bytes[i] ^= 4;
        CHECK_THROWS_AS(checkpoint_info(folder.write("run", bytes)), CheckpointError);
        bytes.resize(i);
        CHECK_THROWS_AS(checkpoint_info(folder.write("run", bytes)), CheckpointError);
    }
    CHECK_THROWS_WITH_AS(
        checkpoint_info(folder.path()),
        ("gacc: checkpoint_info \"" + folder.path().string() + "\": expected a readable file, got a folder").c_str(),
        CheckpointError);
}

TEST_CASE("Checkpoint: saved between step and zero_grad, it resumes there") {
    const TemporaryFolder folder;
    Training<float> first, second(99);
    first.run(random_samples<float>(), 2);  // 4 of the 5 samples of a batch
    first.adam->step();
    first.checkpoint->save(folder.path() / "run");
    second.checkpoint->load(folder.path() / "run");
    CHECK(second.state() == first.state());
    for (auto* training : {&first, &second}) {
        CHECK_THROWS_AS(training->adam->step(), UsageError);
        const Matrix<float> x = Matrix<float>::Ones(1, 6);
        training->loss.forward(training->model.forward(x), std::vector<Label>{1});
        const auto gradient = training->loss.backward();
        CHECK_THROWS_AS(training->model.backward(gradient), UsageError);
        training->adam->zero_grad();
        training->model.backward(gradient);
        training->adam->step();
    }
    CHECK(second.state() == first.state());
}

TEST_CASE("Checkpoint: loading initializes a model, a refused file does not") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "run";
    Sequential<float> model(Linear(6, 3)), saved(Linear(6, 3));
    Rng rng(1), other(2);
    DataPosition position;
    saved.initialize(other);
    Adam<float> adam(model.parameters()), of_saved(saved.parameters());
    Checkpoint<float> checkpoint(adam, rng, position);
    const Matrix<float> x = Matrix<float>::Ones(1, 6);
    CHECK_THROWS_AS(checkpoint.load(folder.write("none", {1, 2, 3})), CheckpointError);
    checkpoint.save(path);
    CHECK_THROWS_AS(model.forward(x), UsageError);
    Checkpoint<float>(of_saved, other, position).save(path);
    checkpoint.load(path);
    CHECK(model.forward(x) == saved.forward(x));
}

TEST_CASE("Checkpoint: parts of a micro-batch whose backward threw are not saved, and loading ends them") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "run";
    const auto data = random_samples<float>();
    Training<float> training, whole;
    training.run(data, 4);
    training.checkpoint->save(path);
    const Bytes before = content(path);
    GradientTally tally = training.adam->parameters().tally();
    tally.mark_partial();
    training.adam->parameters().set_tally(tally);
    CHECK_THROWS_WITH_AS(training.checkpoint->save(path),
                         ("gacc: Checkpoint::save \"" + path.string() +
                          "\": expected the gradients of whole micro-batches, got parts of one whose backward threw; "
                          "call zero_grad() and begin the batch again, or load a checkpoint")
                             .c_str(),
                         UsageError);
    CHECK(content(path) == before);
    CHECK(refusal(training, folder.write("damaged", {1, 2, 3})) != "none");
    CHECK(training.adam->parameters().tally().partial());
    training.checkpoint->load(path);
    CHECK_FALSE(training.adam->parameters().tally().partial());
    training.run(data);
    whole.run(data);
    CHECK(training.state() == whole.state());
}

namespace {

/// Gradient descent with momentum, as a user writes it first: it does not tell Checkpoint about its velocities.
class Momentum : public Optimizer<float> {
public:
    explicit Momentum(Parameters<float> parameters)
        : Optimizer("Momentum", std::move(parameters)), velocity(this->parameters().stored_count()) {}

    Buffer<float> velocity;

private:
    void update(double weight) override {
        float* v = velocity.data();
        for (auto& parameter : parameters()) {
            const auto grads = parameter.materialize_grads();
            for (std::size_t i = 0; i < grads.size(); ++i) {
                *v = 0.9F * *v + grads[i] / static_cast<float>(weight);
                parameter.stored_values()[i] -= 0.1F * *v++;
            }
        }
    }
};
/// The same, with moments().
struct SavedMomentum : Momentum {
    using Momentum::Momentum;
    std::vector<Moments> moments() override { return {{"velocity", velocity.span()}}; }
};
/// A test sets its moments.
struct OddMomentum : Momentum {
    using Momentum::Momentum;
    std::vector<Moments> moments() override { return odd; }
    std::vector<Moments> odd;
};

}  // namespace

TEST_CASE("Checkpoint: is refused between the lanes of a batch, and saved after they are joined") {
    const TemporaryFolder folder;
    Training<float> training;
    const auto data = random_samples<float>();
    Lanes<float> lanes(training.model.parameters(), 2);
    for (const auto& batch : ordered_batches(data, {.batch_size = 23})) {
        for (const auto& micro : lanes.of(batch).micro_batches(20)) {
            training.loss.forward(training.model.forward(micro.inputs), micro.labels);
            training.model.backward(training.loss.backward());
            const std::string path = (folder.path() / "run").string();
            CHECK_THROWS_WITH_AS(training.checkpoint->save(path),
                                 ("gacc: Checkpoint::save \"" + path +
                                  "\": expected the gradients of all lanes or none, got those of some; save after the step")
                                     .c_str(),
                                 UsageError);
        }
        lanes.join();
        CHECK_NOTHROW(training.checkpoint->save(folder.path() / "run"));
    }
    CHECK(training.adam->parameters().tally().samples() == 23);
}

TEST_CASE("Checkpoint: an optimizer that does not hand over what it keeps is refused") {
    Training<float> training;
    const auto refusal_of = [&](Optimizer<float>& optimizer) {
        std::string text;
        try {
            Checkpoint<float> checkpoint(optimizer, training.rng, training.position);
        } catch (const UsageError& error) { text = error.what(); }
        return text;
    };
    const std::string expected = "gacc: Checkpoint: expected the moments() of Momentum, got ";
    Momentum silent(training.model.parameters());
    CHECK(refusal_of(silent) == expected +
                                    "no word of what it keeps; override moments(), to return {} if it keeps none, and "
                                    "state() if it keeps anything else");
    OddMomentum odd(training.model.parameters());
    CHECK(refusal_of(odd).empty());  // {}: it keeps no moments
    odd.odd = {{"velocity", odd.velocity.span()}, {"velocity", odd.velocity.span()}};
    CHECK(refusal_of(odd) == expected + "two named velocity");
    odd.odd = {{"velocity", odd.velocity.first(7)}};
    CHECK(refusal_of(odd) ==
          expected + "7 velocity; give the " + std::to_string(odd.velocity.size()) + " that the parameters store");
    const auto count = [&](std::size_t parameter) {
        return std::as_const(training.model.parameters()[parameter]).stored_values().size();
    };
    const auto first = [&](std::size_t numbers) { return odd.velocity.first(static_cast<Index>(numbers)); };
    odd.odd = {{"rows", first(count(0)), false, 0}, {"rows", first(4), false, 1, {2, 2}}};
    CHECK(refusal_of(odd).empty());
    odd.odd = {{"rows", first(4), false, 1, {2, 2}}, {"rows", first(4), false, 1, {4}}};
    CHECK(refusal_of(odd) == expected + "two named rows");
    odd.odd = {{"velocity", odd.velocity.span()}, {"velocity", first(count(0)), false, 0}};
    CHECK(refusal_of(odd) == expected + "two named velocity");
    odd.odd = {{"rows", first(3), false, 1, {2, 2}}};
    CHECK(refusal_of(odd) == expected + "3 rows of 0.bias; give 4");
    odd.odd = {{"rows", first(4), false, 0}};
    CHECK(refusal_of(odd) == expected + "4 rows of 0.weight; give " + std::to_string(count(0)));
    odd.odd = {{"rows", first(4), false, 99}};
    CHECK(refusal_of(odd) == expected + "rows of parameter 99 of " + std::to_string(training.model.parameters().size()));
    struct Silent : OddMomentum {
        using OddMomentum::OddMomentum;
        std::size_t state_bytes() const override { return velocity.bytes(); }
    } bytes(training.model.parameters());
    CHECK(refusal_of(bytes) == expected + "none");
}

TEST_CASE("Checkpoint: a user's optimizer that hands over its moments resumes with them") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "run";
    const Matrix<float> x = Matrix<float>::Ones(2, 6), grad_y{{1, 2, 3}, {-1, 0, 5}};
    struct Run : Training<float> {
        explicit Run(std::uint64_t seed) : Training<float>(seed) {}
        SavedMomentum momentum{model.parameters()};
        Checkpoint<float> saved{momentum, rng, position};
    } first(1), second(2);
    const auto step = [&](Run& run) {
        run.model.forward(x);
        run.model.backward({grad_y, std::vector<float>{1, 1}});
        run.momentum.step();
        run.momentum.zero_grad();
    };
    step(first);
    first.saved.save(path);
    second.saved.load(path);
    for (auto* run : {&first, &second}) { step(*run); }
    CHECK(test::values_of(first.model.parameters()) == test::values_of(second.model.parameters()));
    CHECK(second.momentum.steps() == 2);
}

TEST_CASE("Checkpoint: an optimizer that gives a state and does not take it back is refused when it is loaded") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "run";
    struct Forgetful : SavedMomentum {
        using SavedMomentum::SavedMomentum;
        State state() const override { return {detail::word(steps()), rate}; }  // and no set_state()
        std::uint64_t rate = 1;
    };
    Training<float> training;
    Forgetful optimizer(training.model.parameters());
    Checkpoint<float> checkpoint(optimizer, training.rng, training.position);
    checkpoint.save(path);
    CHECK_NOTHROW(checkpoint.load(path));
    optimizer.rate = 2;
    training.rng.normal();
    const auto before = training.state();
    CHECK_THROWS_WITH_AS(checkpoint.load(path),
                         ("gacc: Checkpoint::load \"" + path.string() +
                          "\": expected states that fit, got \"gacc: state/Momentum: expected set_state() to set all "
                          "that state() gives, got other words\"")
                             .c_str(),
                         CheckpointError);
    CHECK(training.state() == before);
}

}  // namespace checkpoint_test
