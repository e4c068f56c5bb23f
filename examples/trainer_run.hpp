#pragma once

// One training of gacc-mnist or gacc-images, which can be interrupted and resumed.

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "group.hpp"
#include "interruption.hpp"
#include "peak_memory.hpp"
#include "terminal.hpp"
#include "trainer_evaluation.hpp"
#include "trainer_log.hpp"
#include "trainer_results.hpp"
#include "trainer_resume.hpp"
#include "trainer_saving.hpp"
#include "trainer_settings.hpp"

struct Arm {
    std::string name;  // empty: as planned, "4 x 32"
    Index batch_size;
    Index micro_batch;  // 0: the plan chooses
};

/// Where a run was when a signal ended it.
struct Interrupted {
    int signal;
    std::string position;
};

inline std::vector<gacc::Matrix<float>> values(gacc::Sequential<float>& model) {
    std::vector<gacc::Matrix<float>> all;
    for (const auto& parameter : model.parameters()) { all.push_back(parameter.value()); }
    return all;
}

template <class Data, class Loss, class Optimizer>
gacc::Plan plan(const Arm& arm, const TrainerSettings& settings, const Data& data, gacc::Sequential<float>& model,
                const Loss& loss, const Optimizer& optimizer, const Group& group) {
    return gacc::plan({.batch_size = arm.batch_size,
                       .micro_batch = arm.micro_batch,
                       .memory = settings.memory,
                       .recomputation = settings.recompute ? gacc::Recomputation::always
                                                           : gacc::Recomputation::if_needed},
                      model, loss, optimizer, data, group);
}

/// Throws     UsageError if an option on which the ranks' messages depend, or the data, are not the same on all ranks
template <class Program>
void expect_same(Group& group, const typename Program::Settings& settings) {
    gacc::Settings all = Program::recorded(settings);
    all.emplace("log", settings.log.empty() && settings.tensorboard.empty() ? "0" : "1");
    all.emplace("save", settings.save.empty() ? "0" : "1");
    all.emplace("save-every", std::to_string(settings.save_every));
    gacc::Settings options{{"training data", settings.fingerprint}};
    for (const auto& [name, value] : all) { options.emplace("--" + name, value); }
    group.expect_same(options);
}

template <class Program>
Result train(const Arm& arm, const typename Program::Settings& settings, const typename Program::Data& all,
             Ranks& ranks) {
    const auto& data = all.training();
    forget_peak_memory();
    gacc::Rng rng(settings.seed);
    auto model = Program::network(settings, all);
    model.initialize(rng);
    typename Program::Loss loss;
    auto optimizer = Program::optimizer(model.parameters(), settings);
    gacc::NonFiniteGuard guard(optimizer, settings.non_finite);
    gacc::MeanLoss mean;  // of this epoch
    gacc::DataPosition position;
    gacc::Checkpoint checkpoint(optimizer, rng, position);
    checkpoint.keep("mean_loss", mean);
    if (!settings.resume.empty()) {
        load(checkpoint, settings, optimizer.name());
        check_done(settings, position.epoch, settings.epochs, "epochs");
        check_position(settings, position, data.size(), arm.batch_size, Program::samples);
        if (settings.schedule == "constant") { optimizer.set_learning_rate(settings.learning_rate); }
    }
    Group group(ranks, model, optimizer, settings.lanes);
    expect_same<Program>(group, settings);
    const bool live = stderr_is_terminal() && !settings.quiet;
    Saving saving(group, checkpoint, settings.save, noted<Program>(settings), live);
    const auto planned = plan(arm, settings, data, model, loss, optimizer, group);
    if (!settings.quiet) {
        const std::string text = planned.description();
        std::clog << text.substr(0, text.find('\n')) << ", " << grouped(planned.bytes.total()) << " bytes\n";
    }
    if (data.size() > 0 && settings.epochs > std::numeric_limits<Index>::max() / data.size()) {
        throw gacc::UsageError(Program::name, "expected fewer epochs of " + std::to_string(data.size()) +
                                                 " samples, got " + std::to_string(settings.epochs));
    }
    const Index batches = data.size() / arm.batch_size + (data.size() % arm.batch_size != 0 ? 1 : 0);
    const gacc::LinearDecay decay(settings.learning_rate, settings.epochs * batches);

    std::ostream silent(nullptr);
    gacc::Progress progress(settings.quiet ? silent : std::clog,
                            {.epochs = settings.epochs,
                             .samples_per_epoch = data.size(),
                             .samples_done = position.epoch * data.size() + position.batch * arm.batch_size + position.sample,
                             .live = live,
                             .color = std::getenv("NO_COLOR") == nullptr});
    TrainerLog log(settings, optimizer, ranks.first(), "samples");
    const auto add_loss = [&](const gacc::LossValue<float>& value) {
        mean.add(value);
        log.add(value);
    };
    Result result;
    result.plan = planned;
    result.name = arm.name;
    if (arm.name.empty()) {
        result.name = std::to_string(planned.micro_batches) + " x " + std::to_string(planned.micro_batch);
    }
    double seconds = 0;
    Index trained = 0;  // samples
    std::optional<Interruption> interruption;
    if (!settings.save.empty()) { interruption.emplace(); }
    const auto signal = [&] { return interruption ? interruption->signal() : 0; };
    const auto stop = [&](int by, const auto&... where) {
        saving.save();
        std::ostringstream at;
        at << "epoch " << position.epoch + 1;
        (at << ... << where);
        throw Interrupted{by, at.str()};
    };
    for (; position.epoch < settings.epochs; position.end_epoch()) {
        const auto start = std::chrono::steady_clock::now();
        if (!position.drawn) { mean = gacc::MeanLoss(); }
        for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = arm.batch_size}, rng, position)) {
            const auto rest = batch.from(position.sample);
            Index own = 0;  // samples of this rank
            for (const auto& micro : group.share(rest).micro_batches(planned)) {
                const auto value = loss.forward(model.forward(micro.inputs), micro.labels);
                if (guard.accepts(value)) {
                    log.backward(model, loss.backward());
                    if (settings.non_finite == gacc::NonFinite::stop || guard.accepts_gradients()) {
                        group.add(micro, value, add_loss);
                    } else {
                        log.leave_out();
                    }
                }
                position.end_micro_batch(micro.size());
                own += micro.size();
                progress.add(micro.size(), mean.mean());
                if (group.saves_in_batch() && signal() != 0) {
                    stop(signal(), ", batch ", position.batch + 1, ", after ", position.sample, " of ", batch.size(),
                         " samples");
                }
            }
            group.step(
                [&] {
                    if (settings.non_finite == gacc::NonFinite::stop) { guard.accepts_gradients(); }
                    if (settings.schedule == "linear") { optimizer.set_learning_rate(decay(optimizer.steps())); }
                },
                [&](auto& joined) { log.before_step(joined); });
            const int stopped_by = group.end_batch(signal(), add_loss);
            log.after_step();
            if (own < rest.size()) { progress.add(rest.size() - own, mean.mean()); }
            trained += rest.size();
            position.end_batch();
            if (settings.save_every > 0 && optimizer.steps() % settings.save_every == 0) { saving.save_on_the_way(); }
            if (!group.saves_in_batch() && stopped_by != 0) { stop(stopped_by, ", after batch ", position.batch); }
        }
        seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        progress.end_epoch(mean.mean(), [&] {
            if (!Program::validates_each_epoch && !log.is_on()) { return std::string(); }
            const Evaluation found = evaluate(model, loss, all.test(), ranks);
            result.validation_accuracy.push_back(found.accuracy);
            log.validation({{"validation/loss", found.loss}, {"validation/accuracy", found.accuracy}});
            return "  validation accuracy " + fixed(100 * result.validation_accuracy.back(), 2) + " %";
        });
    }
    if (const Index skipped = ranks.sum(guard.skipped()); skipped > 0) {
        std::clog << "gacc: skipped " << skipped << " micro-batch(es) that were not finite\n";
    }

    result.updates = optimizer.steps();
    result.final_loss = mean.mean();
    result.samples_per_second = static_cast<double>(trained) / std::max(seconds, 1e-9);
    result.seconds_per_epoch = trained == 0 ? 0 : static_cast<double>(data.size()) / result.samples_per_second;
    result.peak_memory = peak_memory();
    result.test_accuracy = result.validation_accuracy.empty() ? evaluate(model, loss, all.test(), ranks).accuracy
                                                              : result.validation_accuracy.back();
    result.parameters = values(model);
    check_finite(model, Program::name);
    result.not_written = write_files(saving, settings, model);
    return result;
}
