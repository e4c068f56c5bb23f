#pragma once

#include <gacc/accumulation/lane_tree.hpp>
#include <gacc/data/batch.hpp>

#include <cstddef>
#include <iterator>

namespace gacc::inline GACC_ABI {

template <class Scalar>
class Lanes;

/// The micro-batches of a batch that is cut into lanes, lane by lane. Going to the next one tells the Lanes where a lane
/// ends, so they can be gone through once, in order.
template <class Scalar, Dataset Data>
class LaneMicroBatches {
public:
    using value_type = Batch<Data>;

    LaneMicroBatches(Lanes<Scalar>& lanes, Batch<Data> batch, Index at_most)
        : lanes_(lanes), batch_(batch), at_most_(at_most) {
        batch.micro_batches(at_most);  // refuses what cannot be
    }

    class Iterator {
    public:
        using difference_type = std::ptrdiff_t;
        using value_type = Batch<Data>;

        explicit Iterator(const LaneMicroBatches& of) : of_(&of), lane_(of.lanes_.first()) { enter(); }
        value_type operator*() const { return of_->lane(lane_).micro_batches(of_->at_most_)[micro_batch_]; }
        Iterator& operator++() {
            if (++micro_batch_ == of_->count(lane_)) {
                leave();
                enter();
            } else {
                look();
            }
            return *this;
        }
        void operator++(int) { ++*this; }
        bool operator==(std::default_sentinel_t) const { return lane_ == of_->lanes_.last(); }

    private:
        /// Goes on to a lane that has samples.
        void enter() {
            for (; lane_ < of_->lanes_.last(); leave()) {
                of_->lanes_.begin_lane();
                if (of_->count(lane_) > 0) { return look(); }
            }
        }
        void look() const {
            const bool last = lane_ + 1 == of_->lanes_.last() && micro_batch_ + 1 == of_->count(lane_);
            if (last) { of_->lanes_.begin_last_micro_batch(); }
        }
        void leave() {
            of_->lanes_.end_lane();
            micro_batch_ = 0;
            ++lane_;
        }

        const LaneMicroBatches* of_;
        Index lane_, micro_batch_ = 0;
    };

    Iterator begin() const& {
        lanes_.begin_batch(batch_.size());
        return Iterator(*this);
    }
    std::default_sentinel_t end() const& { return {}; }
    void begin() const&& = delete;  // an iterator refers to this object
    void end() const&& = delete;

    /// The number of micro-batches.
    Index size() const {
        Index sum = 0;
        for (Index lane = lanes_.first(); lane < lanes_.last(); ++lane) { sum += count(lane); }
        return sum;
    }

private:
    Batch<Data> lane(Index i) const {
        const Index first = first_sample(i);
        return batch_.part(first, first_sample(i + 1) - first);
    }
    Index first_sample(Index lane) const { return detail::first_of_lane(batch_.size(), lane, lanes_.lanes()); }
    Index count(Index lane) const {
        return detail::EqualParts{first_sample(lane + 1) - first_sample(lane), at_most_}.count();
    }

    Lanes<Scalar>& lanes_;
    Batch<Data> batch_;
    Index at_most_;
};

/// A batch that will be cut into the micro-batches of lanes: see Lanes.
template <class Scalar, Dataset Data>
class LaneBatch {
public:
    LaneBatch(Lanes<Scalar>& lanes, Batch<Data> batch) : lanes_(lanes), batch_(batch) {}

    /// Cuts each lane as Batch::micro_batches cuts a batch.
    ///
    /// Throws     UsageError if at_most < 1
    LaneMicroBatches<Scalar, Data> micro_batches(Index at_most) const { return {lanes_, batch_, at_most}; }

    /// Throws     UsageError if the batch is larger than the plan's
    template <class P>
    requires requires(const P& plan) { plan.micro_batch; }
    LaneMicroBatches<Scalar, Data> micro_batches(const P& plan) const {
        batch_.micro_batches(plan);  // refuses what cannot be
        return micro_batches(plan.micro_batch);
    }

private:
    Lanes<Scalar>& lanes_;
    Batch<Data> batch_;
};

}  // namespace gacc
