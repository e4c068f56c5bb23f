#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/state.hpp>
#include <gacc/optim/clip.hpp>
#include <gacc/optim/groups.hpp>
#include <gacc/optim/option_range.hpp>
#include <gacc/optim/optimizer.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// An optimizer with options and with groups of parameters that have options of their own. Its state keeps the options.
/// It is the base of all of gacc's optimizers.
///
/// Your own   `Options` is a struct with a learning_rate, a clip_norm, perhaps a weight_decay, and visit(), which lists
///            all options with their ranges. update() multiplies by scale(), and calls learning_rate() and
///            weight_decay() for each parameter's group (docs/optimizers.md)
/// Groups     any number, made before a Checkpoint is loaded. All are clipped together, by one norm
/// Throws     UsageError if an option is out of its range or that of the Scalar type. Nothing is changed then
template <class Scalar, class Options>
class GroupedOptimizer : public Optimizer<Scalar> {
public:
    /// Gives options of their own to all parameters for which `which(parameter)` is true.
    ///
    /// Throws     UsageError if there is no such parameter, or one is in a group already; if the optimizer updates some of
    ///            them in another way than the others (Muon); if no option is given, or one that the optimizer does not
    ///            have; if the group has a learning rate and the optimizer's is 0
    /// Example    adamw.group(gacc::vectors, {.weight_decay = 0});
    ///            adamw.group([](const auto& p) { return p.name() == "0.weight"; }, {.learning_rate = 1e-4});
    template <class Which>
        requires std::predicate<Which&, const Parameter<Scalar>&>
    void group(Which which, const GroupOptions& options) {
        const std::string where = this->name() + "::group";
        if (!options.learning_rate && !options.weight_decay) {
            throw UsageError(where, "expected a learning_rate or a weight_decay, got neither");
        }
        if (options.learning_rate) {
            detail::check_option<Scalar>(where, "learning_rate", *options.learning_rate, Range::not_negative);
            if (options_.learning_rate == 0) {
                throw UsageError(where,
                                 "expected a learning rate of the optimizer above 0, with which the group's shall "
                                 "change in proportion, got 0; call set_learning_rate() before");
            }
        }
        if (options.weight_decay) {
            if (!decays) { throw UsageError(where, "expected no weight_decay, which " + this->name() + " has not"); }
            detail::check_option<Scalar>(where, "weight_decay", *options.weight_decay, Range::not_negative);
        }
        const std::vector<std::size_t> chosen = members(which, where);
        detail::Groups::Group group = groups_.group(groups_.of(chosen.front()), weight_decay(0));
        if (options.learning_rate) {
            group.rate = *options.learning_rate;
            group.base = options_.learning_rate;
        }
        if (options.weight_decay) { group.weight_decay = *options.weight_decay; }
        groups_.add(group, chosen);
    }

    const Options& options() const { return options_; }
    /// It holds from the next step on. The learning rates of groups change in proportion.
    void set_learning_rate(double learning_rate) {
        Options options = options_;
        options.learning_rate = learning_rate;
        options_ = checked(options, groups_);
    }

    State state() const override {
        State words = Optimizer<Scalar>::state();
        Options::visit(options_, [&](const char*, double option, Range) { words.push_back(detail::word(option)); });
        groups_.append_state(words);
        return words;
    }
    void set_state(std::span<const std::uint64_t> words) override {
        Options options = options_;
        std::size_t at = 1;  // behind the steps
        const auto set = [&]<class T>(const char* name, T& option, Range range) {
            const double value = detail::real(words[at++]);
            detail::check_option<Scalar>(this->name(), name, value, range);
            option = static_cast<T>(value);
        };
        check_words(words.size() == state().size(), this->name());
        Options::visit(options, set);
        auto groups = groups_.with_state(this->name(), words.subspan(at),
                                         [&](std::size_t i) { return this->parameters()[i].name(); });
        checked(options, groups);
        check_words(std::isfinite(options.clip_norm) == scale_.clips(), this->name() + " that clips as this one does");
        check_fit(options);
        Optimizer<Scalar>::set_state(words);
        options_ = options;
        groups_ = std::move(groups);
    }

    GradientNorm<Scalar>* norm() override { return scale_.norm(); }

    /// The options of groups follow those of the optimizer, as "group 1 learning_rate".
    std::vector<OptimizerOption> named_options() const override {
        std::vector<OptimizerOption> all;
        Options::visit(options_, [&](const char* name, double value, Range) { all.push_back({name, value}); });
        for (std::size_t group = 1; group < groups_.size(); ++group) {
            const std::string start = detail::text("group ", group, " ");
            all.push_back({start + "learning_rate", learning_rate(group)});
            if (decays) { all.push_back({start + "weight_decay", weight_decay(group)}); }
        }
        return all;
    }

protected:
    using Range = OptionRange;

    GroupedOptimizer(std::string name, Parameters<Scalar> parameters, const Options& options)
        : Optimizer<Scalar>(std::move(name), std::move(parameters)), groups_(this->parameters().size()),
          options_(checked(options, groups_)), scale_(this->parameters(), options.clip_norm) {}

    /// Makes a group 1 of parameters that are updated in another way: group() may take some of them into groups that
    /// follow. To be called in a constructor, for an optimizer whose learning rate is above 0.
    void set_apart(std::span<const std::size_t> members, double learning_rate, double weight_decay) {
        groups_.add({learning_rate, options_.learning_rate, weight_decay}, members);
        ways_ = 2;
    }

    /// The number of groups, with group 0: the parameters that are in no other group.
    std::size_t groups() const { return groups_.size(); }
    std::size_t group_of(std::size_t parameter) const { return groups_.of(parameter); }
    double learning_rate(std::size_t group) const { return groups_.learning_rate(group, options_.learning_rate); }
    double weight_decay(std::size_t group) const { return groups_.weight_decay(group, weight_decay_of(options_)); }

    /// The factor of this step for the sums of gradients: 1 / weight, or less to keep their mean within clip_norm.
    double scale() const { return step_scale_; }
    /// Computes scale(). An override calls it first.
    void prepare(double weight) override { step_scale_ = scale_(this->name(), weight, options_.clip_norm); }
    std::size_t clipping_bytes() const { return scale_.bytes(); }

    void check_words(bool valid, const std::string& what) const {
        detail::check_state(this->name().c_str(), valid, what.c_str());
    }

private:
    static constexpr bool decays = requires(const Options& options) { options.weight_decay; };

    static double weight_decay_of(const Options& options) {
        if constexpr (decays) { return options.weight_decay; }
        return 0;
    }

    /// Throws     DataError if the optimizer's buffers do not fit these options of a state
    virtual void check_fit(const Options&) const {}

    const Options& checked(const Options& options, const detail::Groups& groups) const {
        Options::visit(options, [&](const char* name, double value, Range range) {
            detail::check_option<Scalar>(this->name(), name, value, range);
        });
        for (std::size_t group = 1; group < groups.size(); ++group) {
            const auto check = [&](const char* name, double value) {
                detail::check_option<Scalar>(this->name(), name, value, Range::not_negative, group);
            };
            check("learning_rate", groups.learning_rate(group, options.learning_rate));
            check("weight_decay", groups.weight_decay(group, 0));
        }
        return options;
    }

    template <class Which>
    std::vector<std::size_t> members(Which& which, const std::string& where) const {
        std::vector<std::size_t> members;
        for (std::size_t i = 0; i < this->parameters().size(); ++i) {
            const Parameter<Scalar>& parameter = this->parameters()[i];
            if (!which(parameter)) { continue; }
            if (groups_.of(i) >= ways_) {
                throw UsageError(where, detail::text("expected parameters that are in no group yet, got ",
                                                     parameter.name(), ", which is in group ", groups_.of(i)));
            }
            if (!members.empty() && groups_.of(i) != groups_.of(members.front())) {
                throw UsageError(where, "expected parameters that are all updated in one way, got " + parameter.name() +
                                            " and " + this->parameters()[members.front()].name());
            }
            members.push_back(i);
        }
        if (members.empty()) { throw UsageError(where, "expected one parameter or more, got none"); }
        return members;
    }

    detail::Groups groups_;
    std::size_t ways_ = 1;  // the first groups, of which each is updated in its own way
    Options options_;
    detail::GradientScale<Scalar> scale_;
    double step_scale_ = 0;
};

}  // namespace gacc
