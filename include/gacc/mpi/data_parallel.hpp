#pragma once

#include <gacc/accumulation/lane_batch.hpp>
#include <gacc/accumulation/lanes.hpp>
#include <gacc/accumulation/noise_scale.hpp>
#include <gacc/core/checksum.hpp>
#include <gacc/core/error.hpp>
#include <gacc/data/batch.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/mpi/agreement.hpp>
#include <gacc/mpi/batch_measures.hpp>
#include <gacc/mpi/exchange.hpp>
#include <gacc/mpi/session.hpp>
#include <gacc/mpi/talk.hpp>
#include <gacc/optim/clip.hpp>
#include <gacc/optim/optimizer.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <span>
#include <string>

namespace gacc::inline GACC_ABI::mpi {

struct DataParallelOptions {
    /// Parts of a batch that are added up apart from each other. The result depends on their number, but not on that of
    /// the ranks.
    Index lanes = 8;
};

/// Trains one model on several machines: each rank computes some lanes of every batch, and the gradients are exchanged
/// once a batch. For one number of lanes, any number of ranks, micro-batches and threads gives the same bits.
///
/// Use        all ranks make the same model, optimizer and data, draw the same batches, and make as many steps
/// Memory     the sums of lanes that wait (Lanes), and a slice of the gradients for each sum of other ranks. plan() counts
///            both if it is given this object. SGD, Adam, AdamW, Lion, RMSprop and NAdam keep a slice of their
///            moments, other optimizers keep all
/// Throws     UsageError on all ranks if there are fewer lanes than ranks, or if models, options or data differ between
///            ranks; MessageError if a rank ends before the others
/// Example    gacc::mpi::Session session(argc, argv);
///            gacc::mpi::DataParallel group(session, model, adam, {.lanes = 8});
///            for (const auto& batch : gacc::shuffled_batches(train, {.batch_size = 1024}, rng)) {
///                for (const auto& micro : group.share(batch).micro_batches(32)) { ... }
///                group.step();
///            }
template <class Scalar>
class DataParallel {
public:
    DataParallel(Session& session, Sequential<Scalar>& model, Optimizer<Scalar>& optimizer,
                 const DataParallelOptions& options = {})
        : session_(session), parameters_(model.parameters()), optimizer_(optimizer), talk_(session),
          lanes_((check(session, options, model.parameters(), optimizer), lanes_of(session, options))),
          exchange_(session, parameters_, options.lanes),
          sliced_(session.ranks() > 1 &&
                  optimizer.keep_slice(exchange_.first(session.rank()), exchange_.count(session.rank()))),
          measures_(session, talk_, exchange_.messages(), parameters_, options.lanes, exchange_.slices(), sliced_) {
        if (sliced_ && optimizer.norm() != nullptr) { measures_.prepare_norm(); }
        if (session.ranks() == 1) { return; }
        ready_ = [this](Parameter<Scalar>& parameter) {
            if (lanes_.in_last_micro_batch()) { exchange_.send(lanes_, parameter); }
        };
    }

    DataParallel(const DataParallel&) = delete;
    DataParallel& operator=(const DataParallel&) = delete;

    /// This rank's lanes of a batch, the same on all ranks.
    ///
    /// Throws     UsageError if the exchange of the batch before has begun (ready()) and step() did not end it
    template <Dataset Data>
    LaneBatch<Scalar, Data> share(const Batch<Data>& batch) {
        if (exchange_.begun()) {
            throw UsageError("DataParallel::share", "expected step() after the last micro-batch, whose gradients are "
                                                    "under way, got another batch");
        }
        Crc64 sum;
        const auto samples = std::as_bytes(batch.samples);
        sum.add({reinterpret_cast<const std::uint8_t*>(samples.data()), samples.size()});
        samples_ = sum.value();
        return lanes_.of(batch);
    }

    /// Give it to the model's backward, and the exchange of one parameter begins while the gradients of those before it are
    /// computed, in the last micro-batch of a batch: model.backward(loss.backward(), group.ready()). The bits are the same.
    /// That micro-batch has one backward then, and step() must follow. The threads of a rank share each layer in such a
    /// backward, also in deep models, where they otherwise take a block of samples each. So on a fast network it may cost
    /// more time than it hides.
    ///
    /// Throws     UsageError if that micro-batch has another backward
    const GradientReady<Scalar>& ready() const { return ready_; }

    /// Exchanges the gradients of the batch, makes a step of the optimizer and zeroes the gradients. True if there was a
    /// step: not if all samples count for nothing.
    ///
    /// Throws     UsageError if this rank's micro-batches have not all been gone through, or the ranks had different
    ///            batches; what the optimizer's step() throws, on all ranks
    bool step() {
        return step([] {});
    }
    /// The same, with measure() called before the update, when the gradients of all ranks are joined, on all ranks. The
    /// weight and the counts of the batch are then in the model's tally; end_batch() and norm() read the gradients, of which
    /// this rank may have only a slice. The weight is 0 if all samples count for nothing.
    ///
    /// Example    group.step([&] {
    ///                group.end_batch(noise);
    ///                length = group.norm(norm) / adam.parameters().tally().weight();
    ///            });
    template <class Measure>
    bool step(const Measure& measure) {
        lanes_.check_complete("DataParallel::step");
        if (session_.ranks() == 1) {
            lanes_.join();
        } else {
            const GradientTally own = parameters_.tally();
            const State words{gacc::detail::word(lanes_.samples()), samples_, gacc::detail::word(own.batches()),
                              gacc::detail::word(optimizer_.steps())};
            const GradientTally sum = exchange_.sum_up(lanes_, words, [&](Index rank, std::span<const std::uint64_t> got) {
                check_batch(rank, words, got);
            });
            if (!sliced_) { exchange_.share_gradients(); }
            lanes_.end_batch(sum.with_seen(own));
            if (optimizer_.norm() != nullptr && sum.weight() > 0) { measures_.join(*optimizer_.norm()); }
        }
        measures_.allow(measure);
        const Index before = optimizer_.steps();
        if (!parameters_.tally().empty()) { optimizer_.step(); }
        optimizer_.zero_grad();
        const bool stepped = optimizer_.steps() > before;
        if (sliced_ && stepped) { exchange_.share_values(); }
        return stepped;
    }

    /// noise.end_batch() with the micro-batches of all ranks: the same result on all. For the same lanes and
    /// micro-batches, any number of ranks gives the same bits. Call it on all ranks within what step() calls. The
    /// micro-batches must not begin the exchange (ready()): it joins gradients before they are measured.
    ///
    /// Throws     UsageError if it is called elsewhere, if the noise scale is that of another model, or its one_in or the
    ///            number of its estimates differs between ranks, or as noise.end_batch()
    bool end_batch(NoiseScale<Scalar>& noise) { return measures_.end_batch(noise); }
    /// The norm of the gradients of all ranks, with the bits that it has on one. Call it as end_batch().
    double norm(GradientNorm<Scalar>& meter) { return measures_.norm(meter); }

    /// Saves a gacc::Checkpoint of this training: rank 0 writes the file. Call it on all ranks, after a step. To resume,
    /// load the file on all ranks before you make this object; their number may be another.
    ///
    /// Throws     what save() throws, on rank 0; OutputError on the others then
    template <class Checkpoint, class... Settings>
    void save(const Checkpoint& checkpoint, const std::filesystem::path& path, const Settings&... settings) {
        std::exception_ptr failed;
        std::string error;
        if (sliced_) { gather_moments(); }
        if (session_.rank() == 0) {
            try {
                checkpoint.save(path, settings...);
            } catch (const std::exception& exception) {
                failed = std::current_exception();
                error = exception.what();
            }
        }
        if (sliced_ && session_.rank() == 0) { optimizer_.keep_slice(exchange_.first(0), exchange_.count(0)); }
        for (Index rank = 1; rank < session_.ranks(); ++rank) { talk_.send_text(0, rank, error); }
        if (failed) { std::rethrow_exception(failed); }
        if (!error.empty()) {
            throw OutputError("DataParallel::save", "expected rank 0 to save, got its error \"" + error + '"');
        }
    }

    /// Checks that all ranks have the same number, as the fingerprint of their data.
    ///
    /// Throws     UsageError on all ranks, naming `what`, if they have not
    /// Example    group.expect_same("training data", gacc::fingerprint(train));
    void expect_same(const std::string& what, std::uint64_t number) {
        detail::Facts facts;
        facts.add(what, number);
        talk_.agree("DataParallel::expect_same", facts);
    }

    /// The sum of all ranks' numbers, in the order of ranks: of losses, for the mean loss of an epoch.
    double sum(double number) { return talk_.sum(number); }

    /// What this rank has exchanged so far.
    const Traffic& traffic() const { return exchange_.traffic(); }

    Index lanes() const { return lanes_.lanes(); }
    /// Bytes of the sums that wait, and of those that arrive; with clipping or norm() also of two blocks of the norm.
    std::size_t bytes() const { return lanes_.bytes() + exchange_.bytes() + measures_.bytes(); }

private:
    /// All ranks throw, or none.
    void check(Session& session, const DataParallelOptions& options, const Parameters<Scalar>& parameters,
               Optimizer<Scalar>& optimizer) {
        talk_.agree("DataParallel", detail::facts_of(parameters, optimizer, options.lanes));
        if (options.lanes < session.ranks()) {
            throw UsageError("DataParallel", gacc::detail::text("expected as many lanes as ranks or more, got ",
                                                                options.lanes, " lanes for ", session.ranks(),
                                                                " ranks; start fewer, or use more lanes"));
        }
        if (&parameters.tally() != &optimizer.parameters().tally()) {
            throw UsageError("DataParallel", "expected the optimizer of this model, got that of another");
        }
        for (const auto& parameter : parameters.with_gradients()) {
            if (parameter.grad_is_folded()) {
                throw UsageError("DataParallel", "expected parameters that keep their gradients, got " + parameter.name() +
                                                     ", whose gradients go into an optimizer's moments");
            }
        }
    }
    Lanes<Scalar> lanes_of(Session& session, const DataParallelOptions& options) {
        const detail::LaneJoins joins(options.lanes, session.ranks());
        return {parameters_, options.lanes, joins.first_lane(session.rank()), joins.first_lane(session.rank() + 1)};
    }

    /// Rank 0 gets the moments of all slices.
    void gather_moments() {
        if (session_.rank() == 0) { optimizer_.keep_slice(0, exchange_.first(session_.ranks())); }
        for (const auto& moments : optimizer_.moments()) {
            moments.with_numbers([&]<class Number>(std::span<Number> numbers) {
                if (session_.rank() > 0) { talk_.messages().send(0, detail::control, std::span<const Number>(numbers)); }
                for (Index rank = 1; session_.rank() == 0 && rank < session_.ranks(); ++rank) {
                    talk_.messages().receive(rank, detail::control,
                                             numbers.subspan(static_cast<std::size_t>(exchange_.first(rank)),
                                                             static_cast<std::size_t>(exchange_.count(rank))));
                }
            });
        }
        talk_.messages().wait();
    }

    void check_batch(Index rank, std::span<const std::uint64_t> own, std::span<const std::uint64_t> got) const {
        const char* names[] = {"samples in the batch", "samples of the dataset", "batches begun", "steps"};
        for (std::size_t i = 0; i < own.size(); ++i) {
            if (own[i] == got[i]) { continue; }
            throw UsageError("DataParallel::step",
                             gacc::detail::text("expected the same batch on all ranks, got other ", names[i], " on rank ",
                                                rank, " than on rank ", session_.rank(),
                                                "; draw all batches from generators of one seed"));
        }
    }

    Session& session_;
    Parameters<Scalar> parameters_;
    Optimizer<Scalar>& optimizer_;
    detail::Talk talk_;  // beside the exchange
    Lanes<Scalar> lanes_;
    detail::Exchange<Scalar> exchange_;
    GradientReady<Scalar> ready_;  // empty on one rank
    bool sliced_;                  // this rank updates its slice of the values alone
    detail::BatchMeasures<Scalar> measures_;
    std::uint64_t samples_ = 0;  // a checksum of the batch's samples
};

}  // namespace gacc::mpi
