#pragma once

#include <gacc/core/printable.hpp>
#include <gacc/core/state.hpp>
#include <gacc/data/position.hpp>
#include <gacc/io/byte_order.hpp>
#include <gacc/io/checkpoint_arrays.hpp>
#include <gacc/io/checkpoint_file.hpp>
#include <gacc/io/checkpoint_info.hpp>
#include <gacc/io/differences.hpp>
#include <gacc/io/kept_states.hpp>
#include <gacc/io/moments_check.hpp>
#include <gacc/io/safetensors.hpp>
#include <gacc/optim/optimizer.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// An option of the optimizer whose value in the program differed from that in the loaded checkpoint.
struct ReplacedOption {
    std::string name;
    double in_program = 0;
    double in_checkpoint = 0;  ///< the value from now on
};

/// Everything that training needs to continue, to the bit, in one file: parameters, gradients and the weight that they
/// hold, the optimizer's moments, options and steps, the generator, the position in the data, and all else that it is
/// told to keep. It refers to these objects, so they must outlive it.
///
/// File       safetensors, which Python reads: "0.weight" as in a state_dict; all other names have a /. The last tensor
///            is a checksum of all bytes before it. The file is there whole or not at all. The file before it stays as
///            PATH.prev
/// Example    gacc::Checkpoint checkpoint(adam, rng, position);
///            if (resume) { checkpoint.load("run.safetensors"); }
///            ...
///            checkpoint.save("run.safetensors");
template <class Scalar>
class Checkpoint {
public:
    /// Throws     UsageError if the optimizer does not override moments(), or has a state_bytes() but no moments(), or
    ///            if the moments have no names of their own or another size than the numbers that the parameters store
    Checkpoint(Optimizer<Scalar>& optimizer, Rng& rng, DataPosition& position) : optimizer_(optimizer) {
        detail::check_moments(optimizer);
        keep("rng", rng);
        keep("place", position);
        keep(optimizer.name(), optimizer);
        kept_.add({"state/tally", [this] { return parameters().tally().state(); },
                   [this](std::span<const std::uint64_t> words) {
                       GradientTally tally;
                       tally.set_state(words);
                       parameters().set_tally(tally);
                   }});
    }
    Checkpoint(const Checkpoint&) = delete;
    Checkpoint& operator=(const Checkpoint&) = delete;

    /// Keeps another object that has a state: a mean loss, or the policy of an Accumulator.
    ///
    /// Throws     UsageError if an object of that name is kept already
    template <Stateful T>
    void keep(const std::string& name, T& object) {
        if (name == "checksum" || name == "tally" || kept_.has("state/" + name)) {
            throw UsageError("Checkpoint::keep", "expected a name that is not kept yet, got \"" + name + '"');
        }
        kept_.add("state/" + name, object);
    }

    /// Writes everything as it is now, also in the middle of a batch. checkpoint_settings() reads the settings.
    ///
    /// Throws     OutputError if it could not be written; NonFiniteError if a number is infinite or NaN; UsageError if
    ///            the file could not be read again (see SafetensorsFile), or a backward threw and left parts of a
    ///            micro-batch. The old file is then unchanged
    void save(const std::filesystem::path& path, const Settings& settings = {}) const {
        using Format = detail::CheckpointFormat;
        const std::string where = "Checkpoint::save \"" + detail::shown_path(path) + '"';
        const GradientTally& tally = parameters().tally();
        if (tally.partial()) { throw UsageError(where, tally.obstacle()); }
        if (tally.lane()) {
            throw UsageError(where, "expected the gradients of all lanes or none, got those of some; save after the step");
        }
        const auto own = own_gradients();
        const bool with_gradients = std::ranges::any_of(own, [](const auto* each) { return !each->grad_is_zero(); });
        const std::vector<Array> arrays = this->arrays(with_gradients);
        for (auto* parameter : own) {
            if (parameter->grad_is_zero()) { std::ranges::fill(parameter->grad_storage(), Scalar(0)); }
        }
        SafetensorsHeader header{.tensors = {}, .metadata = settings};
        header.metadata.insert_or_assign(Format::version_key, Format::version);
        for (const Array& array : arrays) {
            detail::check_finite(array, where);
            detail::append_tensor(header, array.name, array.dtype(), array.shape());
        }
        const std::vector<State> states = kept_.states();
        auto words = states.begin();
        for (const auto& kept : kept_) {
            detail::append_tensor(header, kept.name, DType::i64, {static_cast<Index>((words++)->size())});
        }
        detail::append_tensor(header, Format::checksum_name, DType::i64, {1});

        AtomicFile file(path, where, AtomicFile::Previous::keep);
        Crc64 checksum;
        const auto write = [&](std::span<const std::uint8_t> bytes) {
            checksum.add(bytes);
            file.write(bytes);
        };
        write(detail::safetensors_start(header));
        for (const Array& array : arrays) {
            array.for_each([&](const auto& number) { write(detail::little_endian(number)); });
        }
        for (const State& state : states) {
            for (const std::uint64_t word : state) { write(detail::little_endian(word)); }
        }
        file.write(detail::little_endian(checksum.value()));
        file.commit();
    }

    /// Sets everything as it was when the file was saved. That includes the optimizer's options: change them
    /// afterwards.
    ///
    /// Returns    the options that had another value in the program, so that you can tell your user. A learning rate
    ///            that follows a schedule is nearly always among them
    /// Throws     CheckpointError if the file is missing or damaged, of another model or optimizer (it says which names
    ///            and shapes differ), or holds NaN or infinity. Nothing is changed then
    std::vector<ReplacedOption> load(const std::filesystem::path& path) {
        const std::vector<OptimizerOption> before = optimizer_.named_options();
        detail::as_checkpoint(
            [&] { load(detail::SafetensorsStart(path, "Checkpoint::load \"" + detail::shown_path(path) + '"')); });
        std::vector<ReplacedOption> replaced;
        const std::vector<OptimizerOption> now = optimizer_.named_options();
        for (std::size_t i = 0; i < std::min(before.size(), now.size()); ++i) {
            if (before[i].value != now[i].value) {
                replaced.push_back({before[i].name, before[i].value, now[i].value});
            }
        }
        return replaced;
    }

private:
    using Array = detail::CheckpointArray<Scalar>;

    const Parameters<Scalar>& parameters() const { return optimizer_.parameters(); }

    std::vector<Parameter<Scalar>*> own_gradients() const { return detail::own_gradients(parameters()); }
    std::vector<Array> arrays(bool with_gradients) const { return detail::checkpoint_arrays(optimizer_, with_gradients); }

    void load(detail::SafetensorsStart start) {
        detail::CheckpointFormat::check(start);
        const auto& tensors = start.header().tensors;
        const bool with_gradients =
            std::ranges::any_of(tensors, [](const auto& info) { return info.name.starts_with("gradients/"); });
        const std::vector<Array> arrays = this->arrays(with_gradients);
        check_tensors(start, arrays);
        const SafetensorsFile file(std::move(start));
        detail::CheckpointFormat::check(file);
        for (const Array& array : arrays) { detail::check_numbers<Scalar>(file, array.name, array.non_negative); }
        kept_.set_states(states_in(file), file.where());
        // Nothing can fail from here on.
        for (auto& parameter : optimizer_.all_parameters()) { parameter.mark_set(); }
        for (auto& parameter : parameters().with_gradients()) { parameter.zero_grad(); }
        if (with_gradients) {  // all of them will be written
            for (auto* parameter : own_gradients()) { parameter->start_grads(); }
        }
        for (const Array& array : arrays) {
            file.visit<Scalar>(*file.find(array.name), [&](auto next) {
                array.for_each([&]<class Number>(Number& number) { number = Number(next()); });
            });
        }
    }

    /// The file has exactly the tensors that this checkpoint would save.
    void check_tensors(const detail::SafetensorsStart& start, const std::vector<Array>& arrays) const {
        detail::Differences differences(start.header(), start.where());
        for (const Array& array : arrays) {
            const bool fits = differences.find(array.name, array.shape(), array.dtype());
            const TensorInfo* found = start.header().find(array.name);
            if (!fits && found != nullptr && (found->dtype == DType::bf16) != (array.dtype() == DType::bf16)) {
                differences.advise("make the optimizer with moments in the format in which they were saved");
            }
        }
        for (const auto& kept : kept_) {
            const bool fits = differences.find(kept.name, {static_cast<Index>(kept.state().size())}, DType::i64);
            if (!fits && kept.name == "state/" + optimizer_.name() && start.header().find(kept.name) != nullptr) {
                differences.advise("make the optimizer's groups as they were when it was saved");
            }
        }
        differences.find(detail::CheckpointFormat::checksum_name, {1}, DType::i64);
        differences.find_no_others();
        differences.throw_if_any();
    }

    std::vector<State> states_in(const SafetensorsFile& file) const {
        std::vector<State> states;
        for (const auto& kept : kept_) { states.push_back(detail::words_in(file, kept.name)); }
        return states;
    }

    Optimizer<Scalar>& optimizer_;
    detail::KeptStates kept_;
};

}  // namespace gacc
