#include <gacc/io/safetensors.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/model/sequential.hpp>

#include "support/gradient_check.hpp"
#include "support/saving.hpp"
#include "support/sparse_file.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#ifndef _WIN32
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#endif

namespace safetensors_test {

using gacc::Index;
using gacc::Linear;
using gacc::Matrix;
using gacc::Sequential;

namespace fs = std::filesystem;
using namespace std::string_literals;

namespace {

#ifndef _WIN32
/// While it lives, no file of this process grows beyond `bytes`. It acts like a full disk, also for root.
class FullDisk {
public:
    explicit FullDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;
    ~FullDisk() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }

private:
    rlimit before_{};
    void (*handler_)(int);
};
#endif

/// W 1 x 2, b 1.
template <class Scalar>
Sequential<Scalar> small_model() {
    Sequential<Scalar> model{Linear<Scalar>(2, 1)};
    model.parameters()[0].set_value(Matrix<Scalar>{{1, -2}});
    model.parameters()[1].set_value(Matrix<Scalar>{{Scalar(0.15625)}});
    return model;
}

std::string error_text(const fs::path& path, const std::string& what) {
    return "gacc: save_safetensors \"" + path.string() + "\": expected " + what;
}

}  // namespace

TEST_CASE("save_safetensors: every byte of a small model's file") {
    const TemporaryFolder folder;
    auto model = small_model<float>();
    gacc::save_safetensors(folder.path() / "model.safetensors", model.parameters());
    // 128 bytes of header, 122 of them text.
    const std::string expected =
        "\x80\0\0\0\0\0\0\0"s
        "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
        "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}      "
        "\x00\x00\x80\x3f\x00\x00\x00\xc0\x00\x00\x20\x3e"s;  // 1, -2, 0.15625
    CHECK(content(folder.path() / "model.safetensors") == expected);
}

TEST_CASE("save_safetensors: a model in double is F64") {
    const TemporaryFolder folder;
    auto model = small_model<double>();
    gacc::save_safetensors(folder.path() / "model.safetensors", model.parameters());
    const std::string expected =
        "\x80\0\0\0\0\0\0\0"s
        "{\"0.weight\":{\"dtype\":\"F64\",\"shape\":[1,2],\"data_offsets\":[0,16]},"
        "\"0.bias\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[16,24]}}    "
        "\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\xc4\x3f"s;
    CHECK(content(folder.path() / "model.safetensors") == expected);
}

TEST_CASE("save_safetensors: a weight's numbers are its rows, out_features x in_features") {
    const TemporaryFolder folder;
    Sequential model(Linear(19, 18), gacc::ReLU(), Linear(18, 17));
    gacc::Rng rng(1);
    model.initialize(rng);
    gacc::save_safetensors(folder.path() / "model.safetensors", model.parameters());
    std::string numbers;
    for (const auto& parameter : model.parameters()) {
        const Matrix<float> value = parameter.value();
        for (Index i = 0; i < value.size(); ++i) {
            for (const std::uint8_t byte : gacc::detail::little_endian(value.data()[i])) {
                numbers += static_cast<char>(byte);
            }
        }
    }
    const std::string file = content(folder.path() / "model.safetensors");
    REQUIRE(file.size() > numbers.size());
    CHECK((file.size() - numbers.size()) % 8 == 0);
    CHECK(file.ends_with(numbers));
    CHECK(file.find("\"2.weight\":{\"dtype\":\"F32\",\"shape\":[17,18],\"data_offsets\":[1440,2664]}") !=
          std::string::npos);
}

TEST_CASE("save_safetensors: names are quoted as JSON wants it") {
    const TemporaryFolder folder;
    auto model = small_model<float>();
    gacc::detail::ModelParameter<float>::rename(model.parameters()[0], "a \"b\" \\ \n é");
    gacc::save_safetensors(folder.path() / "model.safetensors", model.parameters());
    CHECK(content(folder.path() / "model.safetensors").find(R"({"a \"b\" \\ \n é":{"dtype")") == 8);
}

TEST_CASE("save_safetensors: takes the place of the file that was there, and leaves nothing beside it") {
    const TemporaryFolder folder;
    auto model = small_model<float>();
    const fs::path path = folder.path() / "model.safetensors";
    std::ofstream(path) << std::string(100000, 'x');
    gacc::save_safetensors(path, model.parameters());
    CHECK(fs::file_size(path) == 8 + 128 + 12);
    CHECK(names(folder.path()).size() == 1);
}

TEST_CASE("save_safetensors: saving changes nothing in the model") {
    const TemporaryFolder folder;
    auto model = small_model<float>();
    const auto before = gacc::test::state_of(model.parameters());
    gacc::save_safetensors(folder.path() / "model.safetensors", model.parameters());
    CHECK(gacc::test::state_of(model.parameters()) == before);
}

TEST_CASE("save_safetensors: a folder that is not there is an error") {
    const TemporaryFolder folder;
    auto model = small_model<float>();
    const fs::path path = folder.path() / "none" / "model.safetensors";
#ifdef _WIN32
    const std::string missing = std::system_category().message(3);  // in the words of this Windows
#else
    const std::string missing = "No such file or directory";
#endif
    CHECK_THROWS_WITH_AS(
        gacc::save_safetensors(path, model.parameters()),
        error_text(path, "to create it, got \"" + missing + "\"; is the folder there, and may it be written?").c_str(),
        gacc::OutputError);
    CHECK(names(folder.path()).empty());
}

TEST_CASE("save_safetensors: a folder in the place of the file is an error, and stays") {
    const TemporaryFolder folder;
    auto model = small_model<float>();
    const fs::path path = folder.path() / "model.safetensors";
    fs::create_directory(path);
    std::ofstream(path / "inside") << "old";
    CHECK_THROWS_WITH_AS(gacc::save_safetensors(path, model.parameters()),
                         error_text(path, "a file or none, got something else of that name").c_str(),
                         gacc::OutputError);
    CHECK(content(path / "inside") == "old");
    CHECK(names(folder.path()).size() == 1);
}

#ifndef _WIN32  // Windows cannot mark folders read-only, and has no limit for the size of files
TEST_CASE("save_safetensors: a folder that cannot be written is an error, and the old file stays as it was") {
    const TemporaryFolder folder;
    auto model = small_model<float>();
    const fs::path path = folder.path() / "model.safetensors";
    std::ofstream(path) << "old";
    fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
    if (::access(folder.path().c_str(), W_OK) == 0) {
        MESSAGE("not tested: root may write everywhere");
    } else {
        CHECK_THROWS_WITH_AS(gacc::save_safetensors(path, model.parameters()),
                             error_text(path,
                                        "to create it, got \"Permission denied\"; is the folder there, and may it "
                                        "be written?")
                                 .c_str(),
                             gacc::OutputError);
    }
    fs::permissions(folder.path(), fs::perms::owner_all);
    CHECK(content(path) == "old");
    CHECK(names(folder.path()).size() == 1);
}

TEST_CASE("save_safetensors: a full disk is an error, and the old file stays as it was, with nothing beside it") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "model.safetensors";
    std::ofstream(path) << "old";
    Sequential large(Linear(100, 100));
    auto small = small_model<float>();
    const auto text = error_text(path, "to write it, got \"File too large\"; is there room?");
    {
        const FullDisk full(100);  // for the buffered bytes of a small file, which are written when it closes
        CHECK_THROWS_WITH_AS(gacc::save_safetensors(path, small.parameters()), text.c_str(), gacc::OutputError);
    }
    {
        const FullDisk full(20000);
        CHECK_THROWS_WITH_AS(gacc::save_safetensors(path, large.parameters()), text.c_str(), gacc::OutputError);
    }
    CHECK(content(path) == "old");
    CHECK(names(folder.path()).size() == 1);
}
#endif

TEST_CASE("save_safetensors: no parameters are an empty object, padded to eight bytes") {
    const TemporaryFolder folder;
    gacc::GradientTally tally;
    gacc::save_safetensors(folder.path() / "none", gacc::Parameters<float>({}, tally));
    CHECK(content(folder.path() / "none") == std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
}

TEST_CASE("save_safetensors: a name that is not UTF-8 is an error") {
    const TemporaryFolder folder;
    auto model = small_model<float>();
    gacc::detail::ModelParameter<float>::rename(model.parameters()[0], "\xff");
    CHECK_THROWS_WITH_AS(gacc::save_safetensors(folder.path() / "model", model.parameters()),
                         "gacc: safetensors: expected names and metadata in UTF-8, got other bytes", gacc::UsageError);
    CHECK(names(folder.path()).empty());
}

TEST_CASE_TEMPLATE("load_safetensors: gives back the very values that were saved", Scalar, float, double) {
    const TemporaryFolder folder;
    Sequential<Scalar> model(Linear<Scalar>(19, 18), gacc::ReLU<Scalar>(), Linear<Scalar>(18, 17)),
        other(Linear<Scalar>(19, 18), gacc::ReLU<Scalar>(), Linear<Scalar>(18, 17));
    gacc::Rng rng(1);
    model.initialize(rng);
    other.initialize(rng);
    gacc::save_safetensors(folder.path() / "model", model.parameters());
    CHECK(gacc::test::values_of(other.parameters()) != gacc::test::values_of(model.parameters()));
    gacc::load_safetensors(folder.path() / "model", other.parameters());
    CHECK(gacc::test::values_of(other.parameters()) == gacc::test::values_of(model.parameters()));
}

TEST_CASE("load_safetensors: a model trains on with the values that were loaded") {
    const TemporaryFolder folder;
    Sequential model(Linear(3, 4), gacc::ReLU(), Linear(4, 2)), fresh(Linear(3, 4), gacc::ReLU(), Linear(4, 2));
    gacc::Rng rng(1);
    const auto x = gacc::test::random_matrix<float>(rng, 5, 3), grad = gacc::test::random_matrix<float>(rng, 5, 2);
    const std::vector<float> weights(5, 1.0F);
    const auto gradients = [&](Sequential<float>& of) {
        of.parameters().zero_grad();
        of.forward(x);
        of.backward({grad, weights});
        return gacc::test::state_of(of.parameters());
    };
    model.initialize(rng);
    gacc::save_safetensors(folder.path() / "model", model.parameters());
    fresh.initialize(rng);
    gradients(fresh);
    gacc::load_safetensors(folder.path() / "model", fresh.parameters());
    CHECK(gradients(fresh) == gradients(model));
}

TEST_CASE("load_safetensors: names and shapes that differ are all named, and nothing is changed") {
    const TemporaryFolder folder;
    Sequential saved(Linear(3, 4), Linear(4, 2), Linear(2, 2)), model(Linear(3, 5), Linear(5, 2));
    gacc::save_safetensors(folder.path() / "model", saved.parameters());
    const auto before = gacc::test::state_of(model.parameters());
    const std::string path = (folder.path() / "model").string();
    CHECK_THROWS_WITH_AS(
        gacc::load_safetensors(path, model.parameters()),
        ("gacc: load_safetensors \"" + path +
         "\": expected the tensors of this model, got others: 0.weight: expected 5 x 3, got 4 x 3; "
         "0.bias: expected 5, got 4; 1.weight: expected 2 x 5, got 2 x 4; 2.weight: expected none, got "
         "2 x 2; 2.bias: expected none, got 2")
            .c_str(),
        gacc::DataError);
    CHECK(gacc::test::state_of(model.parameters()) == before);

    Sequential longer(Linear(3, 4), Linear(4, 2), Linear(2, 2), Linear(2, 1));
    CHECK_THROWS_WITH_AS(gacc::load_safetensors(path, longer.parameters()),
                         ("gacc: load_safetensors \"" + path +
                          "\": expected the tensors of this model, got others: 3.weight: expected 1 x 2, got none; "
                          "3.bias: expected 1, got none")
                             .c_str(),
                         gacc::DataError);
    Sequential shorter(Linear(3, 4), Linear(4, 2));
    CHECK_THROWS_AS(gacc::load_safetensors(path, shorter.parameters()), gacc::DataError);
    CHECK_NOTHROW(gacc::load_safetensors(path, shorter.parameters(), gacc::OtherTensors::ignore));
}

TEST_CASE("load_safetensors: a shape of as many numbers is another shape") {
    const TemporaryFolder folder;
    const std::string path = (folder.path() / "model").string();
    Sequential saved(Linear(3, 2)), model(Linear(2, 3));
    gacc::save_safetensors(path, saved.parameters());
    CHECK_THROWS_WITH_AS(gacc::load_safetensors(path, model.parameters()),
                         ("gacc: load_safetensors \"" + path +
                          "\": expected the tensors of this model, got others: 0.weight: expected 3 x 2, got 2 x 3; "
                          "0.bias: expected 3, got 2")
                             .c_str(),
                         gacc::DataError);
}

TEST_CASE("load_safetensors: integers are no weights, and nothing is changed") {
    const TemporaryFolder folder;
    const std::string path = (folder.path() / "model").string();
    gacc::SafetensorsHeader header;
    gacc::detail::append_tensor(header, "0.weight", gacc::DType::i64, {1, 2});
    gacc::detail::append_tensor(header, "0.bias", gacc::DType::u8, {1});
    {
        gacc::AtomicFile file(path, "test");
        file.write(gacc::detail::safetensors_start(header));
        file.write(std::vector<std::uint8_t>(17, 1));
        file.commit();
    }
    auto model = small_model<float>();
    const auto before = gacc::test::state_of(model.parameters());
    CHECK_THROWS_WITH_AS(gacc::load_safetensors(path, model.parameters()),
                         ("gacc: load_safetensors \"" + path +
                          "\": expected the tensors of this model, got others: 0.weight: expected floating point of "
                          "16, 32 or 64 bits, got I64; 0.bias: expected floating point of 16, 32 or 64 bits, got U8")
                             .c_str(),
                         gacc::DataError);
    CHECK(gacc::test::state_of(model.parameters()) == before);
}

TEST_CASE("load_safetensors: names eight differences, and then how many more there are") {
    const TemporaryFolder folder;
    const std::string path = (folder.path() / "model").string();
    Sequential<float> none(Linear(9, 9)), four, five;
    gacc::detail::ModelParameter<float>::rename(none.parameters()[0], "x");
    gacc::detail::ModelParameter<float>::rename(none.parameters()[1], "y");
    gacc::save_safetensors(path, none.parameters());
    const auto refusal = [&](const gacc::Parameters<float>& parameters) {
        try {
            gacc::load_safetensors(path, parameters, gacc::OtherTensors::ignore);
        } catch (const gacc::DataError& error) { return std::string(error.what()); }
        return "nothing"s;
    };
    for (int i = 0; i < 4; ++i) { four.add(Linear(1, 1)); }
    for (int i = 0; i < 5; ++i) { five.add(Linear(1, 1)); }
    CHECK(refusal(four.parameters()).ends_with("3.weight: expected 1 x 1, got none; 3.bias: expected 1, got none"));
    CHECK(refusal(five.parameters()).ends_with("3.bias: expected 1, got none; and 2 more"));
}

TEST_CASE("load_safetensors: beside the model's tensors there may be some of any type") {
    const TemporaryFolder folder;
    const std::string path = (folder.path() / "model").string();
    gacc::SafetensorsHeader header;
    gacc::detail::append_tensor(header, "0.weight", gacc::DType::f32, {1, 2});
    gacc::detail::append_tensor(header, "0.bias", gacc::DType::f32, {1});
    std::uint64_t bytes = 12;
    for (std::size_t i = 0; i < gacc::detail::dtype_names.size(); ++i) {
        gacc::detail::append_tensor(header, "more" + std::to_string(i), gacc::DType(i), {0, 3});
        gacc::detail::append_tensor(header, "most" + std::to_string(i), gacc::DType(i), {2, 2});
        bytes += 4 * gacc::detail::dtype_names[i].bits / 8;
    }
    const auto write = [&] {
        gacc::AtomicFile file(path, "test");
        file.write(gacc::detail::safetensors_start(header));
        std::vector<std::uint8_t> numbers(static_cast<std::size_t>(bytes));
        numbers[3] = 0x3f;  // 0.5
        file.write(numbers);
        file.commit();
    };
    write();
    auto model = small_model<float>();
    gacc::load_safetensors(path, model.parameters(), gacc::OtherTensors::ignore);
    CHECK(model.parameters()[0].value() == Matrix<float>{{0.5F, 0}});
    CHECK_THROWS_AS(gacc::load_safetensors(path, model.parameters()), gacc::DataError);
}

TEST_CASE("load_safetensors: weights of a type that cannot be converted are an error that names it") {
    const TemporaryFolder folder;
    const std::string path = (folder.path() / "model").string();
    auto model = small_model<float>();
    const auto before = gacc::test::state_of(model.parameters());
    for (const auto type : {gacc::DType::f8_e4m3, gacc::DType::c64, gacc::DType::f4, gacc::DType::boolean}) {
        gacc::SafetensorsHeader header;
        gacc::detail::append_tensor(header, "0.weight", type, {1, 2});
        gacc::detail::append_tensor(header, "0.bias", gacc::DType::f64, {1});
        {
            gacc::AtomicFile file(path, "test");
            file.write(gacc::detail::safetensors_start(header));
            file.write(std::vector<std::uint8_t>(static_cast<std::size_t>(header.tensors.back().last)));
            file.commit();
        }
        const std::string text =
            "gacc: load_safetensors \"" + path +
            "\": expected the tensors of this model, got others: 0.weight: expected floating point "
            "of 16, 32 or 64 bits, got " +
            std::string(gacc::detail::named(type).name);
        CHECK_THROWS_WITH_AS(gacc::load_safetensors(path, model.parameters()), text.c_str(), gacc::DataError);
        CHECK(gacc::test::state_of(model.parameters()) == before);
    }
}

TEST_CASE("load_safetensors: another model is refused before its numbers are read") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "model";
    gacc::SafetensorsHeader header;
    gacc::detail::append_tensor(header, "0.weight", gacc::DType::f32, {1 << 14, 1 << 14});
    {
        gacc::AtomicFile file(path, "test");
        file.write(gacc::detail::safetensors_start(header));
        file.commit();
    }
    lengthen(path, fs::file_size(path) + (std::uintmax_t{1} << 30));
    auto model = small_model<float>();
    gacc::memory::forget_peak();
    const auto before = gacc::memory::live().total();
    CHECK_THROWS_AS(gacc::load_safetensors(path, model.parameters()), gacc::DataError);
    CHECK(gacc::memory::peak_total() - before < 1000);
}

}  // namespace safetensors_test
