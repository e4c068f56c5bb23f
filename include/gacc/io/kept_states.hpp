#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/state.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The states that a checkpoint keeps, by their names in the file. It refers to the objects, which must outlive it.
class KeptStates {
public:
    struct Kept {
        std::string name;
        std::function<State()> state;
        std::function<void(std::span<const std::uint64_t>)> set_state;  // as of a Stateful object
    };

    void add(Kept kept) { kept_.push_back(std::move(kept)); }
    template <Stateful T>
    void add(const std::string& name, T& object) {
        add({name, [&object] { return State(object.state()); },
             [&object](std::span<const std::uint64_t> words) { object.set_state(words); }});
    }

    bool has(const std::string& name) const { return std::ranges::find(kept_, name, &Kept::name) != kept_.end(); }
    auto begin() const { return kept_.begin(); }  // in the order in which they were added
    auto end() const { return kept_.end(); }

    /// The present states.
    std::vector<State> states() const {
        std::vector<State> all;
        for (const Kept& kept : kept_) { all.push_back(kept.state()); }
        return all;
    }

    /// Sets all states, one for each object that was added, or none of them.
    ///
    /// Throws     CheckpointError if an object refuses its words, or has other words afterwards
    void set_states(const std::vector<State>& states, const std::string& where) const {
        const std::vector<State> before = this->states();
        std::size_t set = 0;
        const auto set_back = [&] {
            while (set-- > 0) { kept_[set].set_state(before[set]); }
        };
        try {
            while (set < kept_.size()) {
                const Kept& kept = kept_[set];
                kept.set_state(states[set]);
                ++set;
                if (kept.state() != states[set - 1]) {
                    throw DataError(kept.name, "expected set_state() to set all that state() gives, got other words");
                }
            }
        } catch (const Error& error) {
            set_back();
            throw CheckpointError(where, text("expected states that fit, got \"", error.what(), '"'));
        } catch (...) {
            set_back();
            throw;
        }
    }

private:
    std::vector<Kept> kept_;
};

}  // namespace gacc::detail
