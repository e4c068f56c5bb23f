#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/scalar_range.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/optim/adam_pass.hpp>
#include <gacc/optim/grouped_optimizer.hpp>
#include <gacc/optim/kept_slice.hpp>

#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The common part of Adam and AdamW: two moments, and a step in one pass. With `decays` the values decay first.
template <class Scalar, class Options, bool decays>
class AdamFamily : public GroupedOptimizer<Scalar, Options> {
public:
    std::size_t state_bytes() const override { return m_.bytes() + v_.bytes() + this->clipping_bytes(); }

    std::vector<typename Optimizer<Scalar>::Moments> moments() override {
        return {{"first_moments", m_.span()}, {"second_moments", v_.span(), true}};
    }

    bool keep_slice(Index first, Index count) override {
        const KeptSlice next{first, count};
        Buffer<Scalar> m = kept_.moved(m_, next), v = kept_.moved(v_, next);
        m_ = std::move(m);
        v_ = std::move(v);
        kept_ = next;
        return true;
    }

protected:
    AdamFamily(std::string name, Parameters<Scalar> parameters, const Options& options)
        : GroupedOptimizer<Scalar, Options>(std::move(name), std::move(parameters), options), m_(moment()),
          v_(moment()), kept_{0, m_.size()} {
        arrays_.reserve(this->parameters().size());
    }

private:
    /// A buffer with one number for each number that the parameters store.
    Buffer<Scalar> moment() const {
        const Index numbers = this->parameters().stored_count();
        return with_memory(this->name(), numbers, sizeof(Scalar), "moments", "use a smaller model",
                           [&] { return Buffer<Scalar>(numbers, memory::Kind::moments); });
    }

    void prepare(double weight) override {
        GroupedOptimizer<Scalar, Options>::prepare(weight);
        const Options& options = this->options();
        const auto t = static_cast<double>(this->steps());
        steps_.clear();
        for (std::size_t group = 0; group < this->groups(); ++group) {
            steps_.push_back({.scale = static_cast<Scalar>(this->scale()),
                              .beta1 = static_cast<Scalar>(options.beta1),
                              .beta2 = static_cast<Scalar>(options.beta2),
                              .rest1 = static_cast<Scalar>(1 - options.beta1),
                              .rest2 = static_cast<Scalar>(1 - options.beta2),
                              .step_size = static_cast<Scalar>(step_size(group, t)),
                              .root_scale = static_cast<Scalar>(1 / std::sqrt(1 - std::pow(options.beta2, t))),
                              .epsilon = static_cast<Scalar>(options.epsilon),
                              .decay = static_cast<Scalar>(decay(group))});
        }
        arrays_.reserve(this->parameters().size());
    }
    void update(double) override {
        arrays_.clear();
        Index offset = 0;
        for (std::size_t i = 0; i < this->parameters().size(); ++i) {
            auto& parameter = this->parameters()[i];
            const auto values = parameter.stored_values();
            const auto size = static_cast<Index>(values.size());
            const KeptSlice::Part part = kept_.part(offset, size);
            arrays_.push_back({values.data() + part.in_parameter, parameter.materialize_grads().data() + part.in_parameter,
                               m_.data() + part.in_moments, v_.data() + part.in_moments,
                               part.count / Simd<Scalar>::lanes, this->group_of(i)});
            offset += size;
        }
        adam_update<Scalar, decays>(steps_, arrays_);
    }

    /// learning_rate / (1 - beta1^t). It is larger than the learning rate in the first steps.
    double step_size(std::size_t group, double t) const {
        const double size = this->learning_rate(group) / (1 - std::pow(this->options().beta1, t));
        if (!in_range<Scalar>(size)) { refuse(text("learning_rate / (1 - beta1^", t, ")"), size); }
        return size;
    }
    double decay(std::size_t group) const {
        const double decay = this->learning_rate(group) * this->weight_decay(group);
        if (!in_range<Scalar>(decay)) { refuse("learning_rate * weight_decay", decay); }
        return decay;
    }
    [[noreturn]] void refuse(const std::string& what, double got) const {
        throw UsageError(this->name() + "::step", text("expected ", what, " ", range_name<Scalar>, ", got ", got,
                                                       "; nothing has changed; set a smaller learning rate"));
    }

    Buffer<Scalar> m_;                        // first moments of all parameters, one after the other
    Buffer<Scalar> v_;                        // second moments, in the same way
    KeptSlice kept_;                          // if not of all: of these numbers
    std::vector<AdamStep<Scalar>> steps_;     // a step's constants, one for each group
    std::vector<AdamArrays<Scalar>> arrays_;  // of a step, one for each parameter
};

}  // namespace gacc::detail
