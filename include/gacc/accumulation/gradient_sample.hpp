#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/parallel.hpp>
#include <gacc/core/types.hpp>
#include <gacc/parameters/parameters.hpp>

#include <Eigen/Core>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Squares of gradients, estimated by a part of their numbers: of large parameters one stripe in n, from the phase on;
/// small ones whole. The mean of the n phases is exact. It only reads the gradients. Its sums have a fixed order, so
/// they do not depend on the number of threads.
///
/// Memory     a copy of the numbers that a phase looks at
template <class Scalar>
class GradientSample {
public:
    GradientSample(const Parameters<Scalar>& parameters, Index one_in) : parameters_(parameters.trained()) {
        std::size_t most = 0;
        Index numbers = 0;
        for (Index phase = 0; phase < one_in; ++phase) {
            const Index copied = add_stripes(phase, one_in);
            numbers = std::max(numbers, copied);
            most = std::max(most, phases_.back().size());
        }
        copy_ = Buffer<Scalar>(numbers, memory::Kind::gradients);
        sums_.resize(most);
    }

    /// Looks at another part of the numbers from now on. The copy is then of no use.
    void set_phase(Index phase) { phase_ = static_cast<std::size_t>(phase) % phases_.size(); }
    Index phases() const { return static_cast<Index>(phases_.size()); }

    /// Copies the gradients.
    void remember() {
        for_each([](const ConstNumbers& grads, Numbers copy) {
            copy = grads;
            return Scalar(0);
        });
    }
    /// |gradients - copy|^2, and then remember().
    double change() {
        return for_each([](const ConstNumbers& grads, Numbers copy) {
            const Scalar sum = (grads - copy).square().sum();
            copy = grads;
            return sum;
        });
    }
    /// |gradients|^2, and then remember(): as change() with zeros in the copy.
    double first_change() {
        return for_each([](const ConstNumbers& grads, Numbers copy) {
            copy = grads;
            return grads.square().sum();
        });
    }
    /// |gradients|^2
    double square() {
        return for_each([](const ConstNumbers& grads, const Numbers&) { return grads.square().sum(); });
    }

    // What several machines need of which each has some of the gradients (gacc/mpi/).

    /// The copy of those numbers of the phase that are first to end - 1 among all that the parameters store.
    std::span<Scalar> copy(Index first, Index end) {
        const Index begin = copied_before(first);
        return copy_.span().subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(copied_before(end) - begin));
    }
    /// |copy|^2: the bits of square() where the gradients are those of the copy.
    double square_of_copy() {
        return for_each([](const ConstNumbers&, const Numbers& copy) { return copy.square().sum(); });
    }

    std::size_t bytes() const { return copy_.bytes(); }
    const Parameters<Scalar>& parameters() const { return parameters_; }

private:
    using Numbers = Eigen::Map<Eigen::Array<Scalar, Eigen::Dynamic, 1>>;
    using ConstNumbers = Eigen::Map<const Eigen::Array<Scalar, Eigen::Dynamic, 1>>;
    static constexpr Index stripe = 256;  // numbers
    static constexpr Index small = 4096;  // numbers of a parameter that is looked at whole

    struct Stripe {
        const Parameter<Scalar>* of;
        Index first, size;  // of the numbers of the parameter
        Index number;       // the first, among those of all parameters
        Index at;           // of the copy
        double stands_for;  // so many stripes
    };

    /// Returns the numbers of their copy.
    Index add_stripes(Index phase, Index one_in) {
        std::vector<Stripe>& stripes = phases_.emplace_back();
        Index at = 0, before = 0;
        for (auto& parameter : parameters_) {
            const auto numbers = static_cast<Index>(std::as_const(parameter).stored_values().size());
            const Index step = numbers <= small ? 1 : one_in;
            for (Index i = step == 1 ? 0 : phase; i * stripe < numbers; i += step) {
                const Index size = std::min(stripe, numbers - i * stripe);
                stripes.push_back({&parameter, i * stripe, size, before + i * stripe, at, static_cast<double>(step)});
                at += size;
            }
            before += numbers;
        }
        return at;
    }

    /// So many numbers of the copy come before this one of all that the parameters store.
    Index copied_before(Index number) const {
        const std::vector<Stripe>& stripes = phases_[phase_];
        const auto next = std::ranges::lower_bound(stripes, number, {}, &Stripe::number);
        if (next == stripes.begin()) { return 0; }
        const Stripe& last = *(next - 1);
        return last.at + std::min(last.size, number - last.number);
    }

    template <class F>
    double for_each(const F& f) {
        const std::vector<Stripe>& stripes = phases_[phase_];
        const auto count = static_cast<Index>(stripes.size());
        parallel_for(count, count * (stripe / 2), [&](Index begin, Index end) {
            std::array<Scalar, stripe> space;
            for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
                const Stripe& at = stripes[i];
                const std::span<Scalar> part(space.data(), static_cast<std::size_t>(at.size));
                const ConstNumbers grads(at.of->stored_grads(at.first, part), at.size);
                sums_[i] = at.stands_for * static_cast<double>(f(grads, Numbers(copy_.data() + at.at, at.size)));
            }
        });
        double sum = 0;
        for (std::size_t i = 0; i < stripes.size(); ++i) { sum += sums_[i]; }
        return sum;
    }

    Parameters<Scalar> parameters_;
    std::vector<std::vector<Stripe>> phases_;
    std::size_t phase_ = 0;
    Buffer<Scalar> copy_;
    std::vector<double> sums_;  // of the stripes of a phase
};

}  // namespace gacc::detail
