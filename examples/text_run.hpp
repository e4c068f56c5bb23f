#pragma once

// One training of gacc-text, which can be interrupted and resumed, and its results.

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iomanip>
#include <iostream>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "group.hpp"
#include "interruption.hpp"
#include "peak_memory.hpp"
#include "terminal.hpp"
#include "text_data.hpp"
#include "text_progress.hpp"
#include "text_sample.hpp"
#include "text_settings.hpp"
#include "trainer_commands.hpp"
#include "trainer_log.hpp"
#include "trainer_run.hpp"
#include "trainer_saving.hpp"
#include "trainer_seeds.hpp"

struct TextResult {
    gacc::Plan plan;
    Index updates = 0;
    double final_loss = 0;                                  // mean since the last validation but one
    std::vector<std::pair<Index, double>> validation_loss;  // after how many steps, and the mean of a token
    double tokens_per_second = 0;
    std::size_t peak_memory = 0;  // of the process, bytes
    std::string sample;
    int not_written = 0;  // the exit code, if the checkpoint or the export could not be written
};

/// Batches done. With --non-finite skip some of them may have made no step.
struct BatchesDone {
    Index count = 0;

    gacc::State state() const { return {static_cast<std::uint64_t>(count)}; }
    void set_state(std::span<const std::uint64_t> words) {
        if (words.size() != 1 || words[0] > std::uint64_t{1} << 40) {
            throw gacc::DataError("gacc-text", "expected a number of batches done, got another state");
        }
        count = static_cast<Index>(words[0]);
    }
};

/// Of the learning rate, as a function of the steps made.
inline std::function<double(Index)> schedule(const TextSettings& settings) {
    const double rate = settings.learning_rate;
    const Index left = std::max<Index>(settings.steps - settings.warm_up, 1);
    const auto warmed_up = [&](const auto& next) -> std::function<double(Index)> {
        if (settings.warm_up == 0) { return next; }
        return gacc::WarmUp(settings.warm_up, next);
    };
    if (settings.schedule == "cosine") { return warmed_up(gacc::CosineDecay(rate, left, rate / 10)); }
    if (settings.schedule == "linear") { return warmed_up(gacc::LinearDecay(rate, left)); }
    return warmed_up(gacc::Constant(rate));
}

/// The mean loss of a token over all windows of a text. How many sequences go at once changes not one bit.
inline double mean_loss(const gacc::Sequential<float>& model, const gacc::LinearCrossEntropy<float>& loss,
                        const gacc::TextDataset<float>& text, Index sequences) {
    gacc::MeanLoss mean;
    for (const auto& batch : gacc::ordered_batches(text, {.batch_size = sequences})) {
        mean.add(loss.value(model.predict_features(batch.inputs), batch.labels));
    }
    return mean.mean();
}

template <class Program>
TextResult train_text(const TextSettings& settings, const TextData& all, Ranks& ranks) {
    const auto& data = all.training();
    const Arm arm{"", settings.batch_size, settings.micro_batch};
    forget_peak_memory();
    gacc::Rng rng(settings.seed);
    auto model = Program::network(settings, all);
    model.initialize(rng);
    typename Program::Loss loss;
    auto optimizer = Program::optimizer(model.parameters(), settings);
    gacc::NonFiniteGuard guard(optimizer, settings.non_finite);
    gacc::MeanLoss mean;  // since the last validation
    BatchesDone batches;
    gacc::DataPosition position;
    gacc::Checkpoint checkpoint(optimizer, rng, position);
    checkpoint.keep("mean_loss", mean);
    checkpoint.keep("batches", batches);
    if (!settings.resume.empty()) {
        load(checkpoint, settings, optimizer.name());
        check_done(settings, batches.count, settings.steps, "steps");
        check_position(settings, position, data.size(), arm.batch_size, Program::samples);
    }
    Group group(ranks, model, optimizer, settings.lanes);
    expect_same<Program>(group, settings);
    const bool live = stderr_is_terminal() && !settings.quiet;
    gacc::Settings notes = noted<Program>(settings);
    notes.emplace(vocabulary_key, written(all.vocabulary()));
    Saving saving(group, checkpoint, settings.save, std::move(notes), live);

    TextResult result;
    result.plan = plan(arm, settings, data, model, loss, optimizer, group);
    if (!settings.quiet) {
        const std::string text = result.plan.description();
        std::clog << text.substr(0, text.find('\n')) << ", " << grouped(result.plan.bytes.total()) << " bytes\n";
    }
    const auto rate = schedule(settings);
    std::ostream silent(nullptr);
    StepProgress progress(settings.quiet ? silent : std::clog,
                          {.steps = settings.steps, .steps_done = batches.count, .live = live});
    TrainerLog log(settings, optimizer, ranks.first(), "tokens", data.features());
    const auto add_loss = [&](const gacc::LossValue<float>& value) {
        mean.add(value);
        log.add(value);
    };
    const auto validate = [&] {
        progress.validation(mean.mean(), [&] {
            const double value = mean_loss(model, loss, all.held_out(), result.plan.micro_batch);
            result.validation_loss.push_back({batches.count, value});
            log.validation({{"validation/loss", value}});
            return value;
        });
    };
    std::optional<Interruption> interruption;
    if (!settings.save.empty()) { interruption.emplace(); }
    const auto signal = [&] { return interruption ? interruption->signal() : 0; };
    const auto stop = [&](int by, const auto&... where) {
        saving.save();
        std::ostringstream at;
        (at << ... << where);
        throw Interrupted{by, at.str()};
    };
    const auto train = [&](const auto& batch) {
        if (position.sample == 0 && batches.count % settings.validate_every == 0) { mean = gacc::MeanLoss(); }
        const auto rest = batch.from(position.sample);
        Index own = 0;  // sequences of this rank
        for (const auto& micro : group.share(rest).micro_batches(result.plan)) {
            const auto value = loss.forward(model.forward_features(micro.inputs), micro.labels);
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
            progress.add(micro.size() * data.features(), mean.mean());
            if (group.saves_in_batch() && signal() != 0) {
                stop(signal(), "step ", batches.count + 1, ", after ", position.sample, " of ", batch.size(),
                     " sequences");
            }
        }
        group.step(
            [&] {
                if (settings.non_finite == gacc::NonFinite::stop) { guard.accepts_gradients(); }
                optimizer.set_learning_rate(rate(optimizer.steps()));
            },
            [&](auto& joined) { log.before_step(joined); });
        const int stopped_by = group.end_batch(signal(), add_loss);
        log.after_step();
        if (own < rest.size()) { progress.add((rest.size() - own) * data.features(), mean.mean()); }
        position.end_batch();
        ++batches.count;
        progress.end_step();
        return group.saves_in_batch() ? 0 : stopped_by;
    };
    while (batches.count < settings.steps) {
        for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = arm.batch_size}, rng, position)) {
            const int stopped_by = train(batch);
            if (settings.save_every > 0 && batches.count % settings.save_every == 0) { saving.save_on_the_way(); }
            if (stopped_by != 0) { stop(stopped_by, "the run, after step ", batches.count); }
            if (batches.count == settings.steps) { break; }
            if (batches.count % settings.validate_every == 0) { validate(); }
        }
        if (batches.count < settings.steps) { position.end_epoch(); }
    }
    result.tokens_per_second = progress.tokens_per_second();
    result.final_loss = mean.mean();
    validate();
    result.updates = optimizer.steps();
    result.peak_memory = peak_memory();
    if (const Index skipped = ranks.sum(guard.skipped()); skipped > 0) {
        std::clog << "gacc: skipped " << skipped << " micro-batch(es) that were not finite\n";
    }
    check_finite(model, Program::name);
    result.not_written = write_files(saving, settings, model);
    SampleOptions sample = settings.sample;
    sample.seed = settings.seed;
    if (ranks.first()) { result.sample = sample_text(model, all.vocabulary(), sample); }
    return result;
}

inline std::string json(const TextResult& result, const SampleOptions& sample) {
    std::ostringstream out;
    out << R"({"name": ")" << result.plan.micro_batches << " x " << result.plan.micro_batch
        << "\", \"batch_size\": " << result.plan.batch_size << ", \"micro_batch\": " << result.plan.micro_batch
        << ", \"updates\": " << result.updates << ", \"final_loss\": " << fixed(result.final_loss, 6)
        << ", \"validation_loss\": [";
    const char* separator = "";
    for (const auto& [steps, loss] : result.validation_loss) {
        out << std::exchange(separator, ", ") << '[' << steps << ", " << fixed(loss, 6) << ']';
    }
    out << "], \"tokens_per_second\": " << fixed(result.tokens_per_second, 0)
        << ", \"planned_bytes\": " << result.plan.bytes.total() << ", \"peak_memory_bytes\": " << result.peak_memory;
    if (sample.characters > 0) {
        using Json = nlohmann::json;
        out << ", \"sample\": " << Json(result.sample).dump(-1, ' ', false, Json::error_handler_t::replace);
    }
    out << '}';
    return out.str();
}

inline void print(const TextResult& result, const SampleOptions& sample) {
    const auto row = [](const char* title, const std::string& cell) {
        std::cout << std::left << std::setw(24) << title << std::right << std::setw(18) << cell << '\n';
    };
    const auto mebibytes = [](std::size_t bytes) { return fixed(static_cast<double>(bytes) / 1048576, 1); };
    row("batch (sequences)", std::to_string(result.plan.batch_size));
    row("micro-batch (sequences)", std::to_string(result.plan.micro_batch));
    row("updates", grouped(static_cast<std::uint64_t>(result.updates)));
    row("final training loss", fixed(result.final_loss, 4));
    row("validation loss", fixed(result.validation_loss.back().second, 4));
    row("tokens/s", grouped(static_cast<std::uint64_t>(result.tokens_per_second)));
    row("planned memory (MiB)", mebibytes(result.plan.bytes.total()));
    row("process peak (MiB)", mebibytes(result.peak_memory));
    if (sample.characters > 0) { std::cout << '\n' << shown(result.sample) << '\n'; }
}

template <class Program>
int run_text(const TextSettings& settings, const TextData& data, Ranks& ranks) {
    if (settings.dry_run) {
        return dry_run<Program>({"", settings.batch_size, settings.micro_batch}, settings, data, ranks);
    }
    if (settings.seeds > 1) {
        return run_seeds(
            settings, "validation loss", 1, "",
            [&](const TextSettings& each) { return train_text<Program>(each, data, ranks); },
            [](const TextResult& result) { return result.validation_loss.back().second; },
            [&](const TextResult& result) { return json(result, settings.sample); });
    }
    const TextResult result = train_text<Program>(settings, data, ranks);
    if (settings.json) {
        std::cout << json(result, settings.sample) << '\n';
    } else {
        print(result, settings.sample);
    }
    return result.not_written;
}
