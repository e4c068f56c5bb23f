#pragma once

#include <gacc/core/checksum.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/optim/optimizer.hpp>
#include <gacc/parameters/parameters.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::mpi::detail {

/// What must be the same on all ranks, as lines of text: "Adam's learning_rate\t0.001\n".
class Facts {
public:
    void add(const std::string& name, const std::string& value) { text_ += name + '\t' + value + '\n'; }
    void add(const std::string& name, std::uint64_t value) { add(name, std::to_string(value)); }
    template <class T>
    void add_bytes(const std::string& name, std::span<const T> numbers) {
        Crc64 sum;
        sum.add({reinterpret_cast<const std::uint8_t*>(numbers.data()), numbers.size_bytes()});
        add(name, "numbers with checksum " + std::to_string(sum.value()));
    }

    const std::string& text() const { return text_; }

    /// The first line in which two texts differ, as "learning_rate 0.001 on rank 0, learning_rate 0.01 on rank 2"; empty
    /// if they are equal.
    static std::string difference(const std::string& first, const std::string& other, Index rank) {
        std::size_t at = 0;
        const auto line = [&at](const std::string& text) {
            std::string words = at < text.size() ? text.substr(at, text.find('\n', at) - at) : std::string("nothing");
            std::ranges::replace(words, '\t', ' ');
            return words;
        };
        while (at < first.size() || at < other.size()) {
            if (line(first) != line(other)) {
                return line(first) + " on rank 0 and " + line(other) + " on rank " + std::to_string(rank);
            }
            at = first.find('\n', at) + 1;
        }
        return "";
    }

private:
    std::string text_;
};

/// The facts about a training.
template <class Scalar>
Facts facts_of(const Parameters<Scalar>& parameters, Optimizer<Scalar>& optimizer, Index lanes) {
    Facts facts;
    facts.add("a processor", gacc::detail::processor);
    facts.add("lanes", static_cast<std::uint64_t>(lanes));
    facts.add("a model of parameters", parameters.size());
    for (const auto& parameter : parameters) {
        facts.add("the parameter", parameter.name() + " of " + to_string(parameter.shape()));
        facts.add(parameter.name(), std::string(parameter.is_frozen() ? "frozen" : "trained"));
        facts.add_bytes(parameter.name() + " of", std::as_const(parameter).stored_values());
    }
    facts.add("a seed of training", parameters.tally().seed());
    facts.add("batches begun", static_cast<std::uint64_t>(parameters.tally().batches()));
    facts.add("the optimizer", optimizer.name());
    for (const auto& option : optimizer.named_options()) {
        facts.add(optimizer.name() + "'s " + option.name, gacc::detail::rounded(option.value, 17));
    }
    facts.add(optimizer.name() + "'s steps", static_cast<std::uint64_t>(optimizer.steps()));
    const State state = optimizer.state();
    facts.add_bytes(optimizer.name() + "'s state of", std::span<const std::uint64_t>(state));
    for (const auto& moments : optimizer.moments()) {
        moments.with_numbers([&]<class Number>(std::span<Number> numbers) {
            facts.add_bytes(optimizer.name() + "'s " + moments.name + " of", std::span<const Number>(numbers));
        });
    }
    return facts;
}

}  // namespace gacc::mpi::detail
