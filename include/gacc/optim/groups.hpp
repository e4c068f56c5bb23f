#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/state.hpp>
#include <gacc/parameters/parameter.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gacc::inline GACC_ABI {

/// The options of a group of parameters. An option that is not set is the optimizer's.
struct GroupOptions {
    /// If the optimizer's learning rate changes, this one changes in proportion.
    std::optional<double> learning_rate = std::nullopt;
    std::optional<double> weight_decay = std::nullopt;
};

/// Selects the parameters with one dimension: biases, and the factors of norms.
///
/// Example    adamw.group(gacc::vectors, {.weight_decay = 0});
inline constexpr auto vectors = [](const auto& parameter) { return parameter.shape().size() == 1; };

namespace detail {

/// The group of each parameter, and the options of the groups. Group 0 is the optimizer's own: the parameters that are
/// in no other group.
class Groups {
public:
    /// The learning rate is rate * (the optimizer's / base). If the optimizer's is unchanged, that is `rate`, to the
    /// bit.
    struct Group {
        double rate = 1, base = 1;
        double weight_decay = 0;
    };

    explicit Groups(std::size_t parameters) : group_of_(parameters, 0), groups_(1) {}

    /// The number of groups, with group 0.
    std::size_t size() const { return groups_.size(); }
    std::size_t of(std::size_t parameter) const { return group_of_[parameter]; }
    double learning_rate(std::size_t group, double optimizers) const {
        return groups_[group].rate * (optimizers / groups_[group].base);
    }
    double weight_decay(std::size_t group, double optimizers) const {
        return group == 0 ? optimizers : groups_[group].weight_decay;
    }

    /// Its options; of group 0 those that change nothing, and the optimizer's weight decay.
    Group group(std::size_t group, double optimizers) const {
        return group == 0 ? Group{.weight_decay = optimizers} : groups_[group];
    }

    /// Moves the parameters with these indices to a new group.
    void add(const Group& group, std::span<const std::size_t> members) {
        groups_.push_back(group);
        for (const std::size_t parameter : members) { group_of_[parameter] = groups_.size() - 1; }
    }

    /// Appends nothing if there are no groups, so old states without groups still fit.
    void append_state(State& words) const {
        if (size() == 1) { return; }
        for (const std::size_t group : group_of_) { words.push_back(group); }
        for (std::size_t i = 1; i < size(); ++i) {
            const Group& group = groups_[i];
            words.insert(words.end(), {word(group.rate), word(group.base), word(group.weight_decay)});
        }
    }

    /// These groups with the options of a state.
    ///
    /// Throws     DataError if the words put a parameter into another group than here; `name_of` gives its name
    template <class NameOf>
    Groups with_state(const std::string& where, std::span<const std::uint64_t> words, const NameOf& name_of) const {
        Groups groups = *this;
        if (size() == 1) { return groups; }
        for (std::size_t i = 0; i < group_of_.size(); ++i) {
            if (words[i] != group_of_[i]) {
                throw DataError(where, text("expected ", name_of(i), " in group ", group_of_[i], ", got it in group ",
                                            words[i], "; make the groups as they were when the state was saved"));
            }
        }
        words = words.subspan(group_of_.size());
        for (std::size_t i = 1; i < size(); ++i) {
            const Group group{.rate = real(words[0]), .base = real(words[1]), .weight_decay = real(words[2])};
            check_state(where.c_str(), group.rate >= 0 && group.base > 0, "a group's learning rate");
            groups.groups_[i] = group;
            words = words.subspan(3);
        }
        return groups;
    }

private:
    std::vector<std::size_t> group_of_;  // each parameter, in model order
    std::vector<Group> groups_;
};

}  // namespace detail
}  // namespace gacc
