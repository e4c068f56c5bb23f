#pragma once

#include <gacc/core/background_thread.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/view.hpp>
#include <gacc/data/dataset.hpp>
#include <gacc/data/lazy_inputs.hpp>
#include <gacc/data/same_targets.hpp>

#include <algorithm>
#include <exception>
#include <optional>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

/// A dataset whose batches prepare the next micro-batch on another thread while the present one is trained. Use it if
/// it takes long to make the samples: to read, decode or move images. It changes no bit, since the samples are the same.
///
/// It copies no sample: it refers to the dataset, which must outlive it. The dataset is asked for samples by that
/// thread, and at the same time for labels by yours, so its calls must not change it. If it throws, the exception comes
/// where the micro-batch is used. A micro-batch that is never used is no error.
///
/// The end of the batches, also by an exception, waits until the samples of one micro-batch at most are made.
///
/// Memory     the inputs and targets of two micro-batches, as plan() counts them
/// Example    const gacc::Prefetched train(images);
///            for (const auto& batch : gacc::shuffled_batches(train, {.batch_size = 128}, rng, position)) { ... }
template <Dataset Data>
class Prefetched : public detail::SameTargets<Data> {
    using Base = detail::SameTargets<Data>;
    using Base::data_;

public:
    using scalar_type = typename Data::scalar_type;

    explicit Prefetched(const Data& data) : Base(data) {}
    explicit Prefetched(const Data&& data) = delete;  // it would outlive the data

    /// The dataset that prepares nothing ahead.
    const Data& data() const { return *data_; }

    void copy_inputs(Index sample, std::span<scalar_type> row) const { data_->copy_inputs(sample, row); }
    void copy_inputs(Index sample, std::span<scalar_type> row, Index epoch) const requires EpochDataset<Data> {
        data_->copy_inputs(sample, row, epoch);
    }
};

namespace detail {

/// A micro-batch with its inputs, and its targets or the labels of its rows.
template <class Data>
struct PreparedMicroBatch {
    PreparedMicroBatch(const Data& data, std::optional<Index> epoch) : staging(data, epoch) {}

    bool holds(std::span<const Index> others) const {
        return !samples.empty() && samples.data() == others.data() && samples.size() == others.size();
    }

    /// Makes the samples. An exception is kept until they are used.
    void prepare() {
        error = nullptr;
        try {
            inputs = staging.gather_inputs(samples).data();
            if constexpr (TargetDataset<Data>) { targets = staging.gather_targets(samples).data(); }
            if constexpr (RowLabelledDataset<Data>) { labels = staging.gather_labels(samples); }
        } catch (...) { error = std::current_exception(); }
    }

    Staging<Data> staging;
    std::span<const Index> samples;
    const typename Data::scalar_type* inputs = nullptr;   // samples x features
    const typename Data::scalar_type* targets = nullptr;  // samples x target_features
    std::span<const Label> labels;                        // of all rows, if rows have labels
    std::exception_ptr error;
};

/// The buffers of Prefetched data: one for the micro-batch in use and one for the next.
template <class Data>
class Staging<Prefetched<Data>> {
public:
    using Scalar = typename Data::scalar_type;
    static constexpr Index buffers = 2;

    explicit Staging(const Prefetched<Data>& data, std::optional<Index> epoch = {})
        : data_(data.data()), first_(data_, epoch), second_(data_, epoch), thread_([this] { next_->prepare(); }) {}
    Staging(const Staging&) = delete;
    Staging& operator=(const Staging&) = delete;

    /// These labels are made here. The thread uses other buffers of first_.
    std::span<const Label> gather_labels(std::span<const Index> samples) requires LabelledDataset<Data> {
        return first_.staging.gather_labels(samples);
    }
    std::span<const Label> gather_labels(std::span<const Index> samples) requires RowLabelledDataset<Data> {
        return use(samples).labels;
    }
    ConstMatrixView<Scalar> gather_targets(std::span<const Index> samples) requires TargetDataset<Data> {
        return {use(samples).targets, static_cast<Index>(samples.size()), data_.target_features()};
    }
    ConstMatrixView<Scalar> gather_inputs(std::span<const Index> samples, std::span<const Index> next) {
        const Scalar* inputs = use(samples).inputs;
        prepare(next);
        return {inputs, static_cast<Index>(samples.size()), data_.features()};
    }

private:
    using MicroBatch = PreparedMicroBatch<Data>;

    const MicroBatch& use(std::span<const Index> samples) {
        if (next_->holds(samples)) {
            thread_.wait();
            std::swap(now_, next_);
        } else if (!now_->holds(samples)) {
            now_->samples = samples;
            now_->prepare();
        }
        if (now_->error) {
            now_->samples = {};  // if it is used once more, it is made once more
            std::rethrow_exception(std::exchange(now_->error, nullptr));
        }
        return *now_;
    }

    void prepare(std::span<const Index> samples) {
        if (next_->holds(samples)) { return; }
        thread_.wait();
        next_->samples = {};  // it holds nothing if there is no memory
        // Both grow at the first micro-batch, which is the largest, so that later ones need no memory.
        next_->staging.reserve(static_cast<Index>(std::max(now_->samples.size(), samples.size())));
        next_->samples = samples;
        if (!samples.empty()) { thread_.start(); }
    }

    const Data& data_;
    MicroBatch first_, second_;
    MicroBatch* now_ = &first_;    // the thread does not touch it
    MicroBatch* next_ = &second_;  // changed only while the thread does nothing
    BackgroundThread thread_;      // ends before the buffers do
};

}  // namespace detail
}  // namespace gacc
