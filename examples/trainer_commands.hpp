#pragma once

// What gacc-mnist and gacc-images do: run, compare or audit (as gacc-text can). Each returns the exit code.

#include <gacc/gacc.hpp>

#include <iostream>
#include <string>
#include <vector>

#include "trainer_run.hpp"
#include "trainer_seeds.hpp"

/// A command beside the training itself.
template <class Program>
struct Subcommand {
    const char* name;
    const char* description;
    int (*command)(const typename Program::Settings&, const typename Program::Data&, Ranks&);
    const char* instead;  ///< said of refused options: "expected one run, got three"
    std::vector<const char*> refused;
};

/// Prints the plan of a training, without training.
template <class Program>
int dry_run(const Arm& arm, const typename Program::Settings& settings, const typename Program::Data& data,
            Ranks& ranks) {
    auto model = Program::network(settings, data);
    auto optimizer = Program::optimizer(model.parameters(), settings);
    const Group group(ranks, model, optimizer, settings.lanes);
    const typename Program::Loss loss;
    std::cout << plan(arm, settings, data.training(), model, loss, optimizer, group).description();
    return done;
}

template <class Program>
int run(const typename Program::Settings& settings, const typename Program::Data& data, Ranks& ranks) {
    const Arm arm{"", settings.batch_size, settings.micro_batch};
    if (settings.dry_run) { return dry_run<Program>(arm, settings, data, ranks); }
    if (settings.seeds > 1) {
        return run_seeds(
            settings, "test accuracy", 100, " %",
            [&](const auto& each) { return train<Program>(arm, each, data, ranks); },
            [](const Result& result) { return result.test_accuracy; }, [](const Result& result) { return json(result); });
    }
    const Result result = train<Program>(arm, settings, data, ranks);
    if (settings.json) {
        std::cout << json(result) << '\n';
    } else {
        print_table({result});
    }
    return result.not_written;
}

/// Three runs on the same data and seed. The first two differ in two ways, in the number of updates and in
/// accumulation; the last two in accumulation alone.
template <class Program>
int compare(const typename Program::Settings& settings, const typename Program::Data& data, Ranks& ranks) {
    const Index batch = settings.batch_size, micro = settings.micro_batch;
    const std::string small = std::to_string(micro), whole = std::to_string(batch);
    // Room for all three from the start, so that none counts in the memory of the runs after it.
    auto model = Program::network(settings, data);
    std::vector<Result> results(3);
    for (Result& result : results) { result.parameters = values(model); }

    std::size_t i = 0;
    for (const Arm& arm : {Arm{"step every " + small, micro, micro},
                           Arm{small + " accumulated " + std::to_string(settings.accumulate) + "x", batch, micro},
                           Arm{whole + " uncut", batch, batch}}) {
        if (!settings.quiet) { std::clog << arm.name << '\n'; }
        results[i++] = train<Program>(arm, settings, data, ranks);
    }

    const auto largest = difference(results[1], results[2]);
    if (settings.json) {
        std::cout << "{\"arms\": [" << json(results[0]) << ", " << json(results[1]) << ", " << json(results[2])
                  << "], \"accumulated_equals_uncut\": " << (largest ? "false" : "true")
                  << ", \"largest_difference\": " << largest.value_or(0) << "}\n";
        return done;
    }
    print_table(results);
    std::cout << "\nParameters after the second and the third run: ";
    if (largest) {
        std::cout << "they differ by " << *largest << " at most.\n";
    } else {
        std::cout << "the same bytes.\n";
    }
    return done;
}

/// One batch uncut and cut, with the first weights of a training.
template <class Program>
int audit(const typename Program::Settings& settings, const typename Program::Data& data, Ranks&) {
    gacc::Rng rng(settings.seed);
    auto model = Program::network(settings, data);
    model.initialize(rng);
    typename Program::Loss loss;
    gacc::DataPosition first_epoch;
    const auto batches =
        gacc::shuffled_batches(data.training(), {.batch_size = settings.batch_size}, rng, first_epoch);
    const auto audit = gacc::audit(model, loss, batches[0], settings.micro_batch);
    std::cout << audit.description();
    return audit.same() ? done : cut_changes_bits;
}

template <class Program>
Subcommand<Program> comparison() {
    return {"compare", "Three runs side by side: a step every micro-batch, accumulated, and the batch uncut",
            compare<Program>, "expected one run, got the three of compare",
            {"--save", "--resume", "--export", "--lanes", "--memory", "--dry-run", "--log", "--tensorboard", "--seeds"}};
}
template <class Program>
Subcommand<Program> auditing() {
    return {"audit", "One batch uncut and cut: whether each gradient has the same bits, and else the likely cause",
            audit<Program>, "expected a training, got an audit",
            {"--save", "--resume", "--export", "--lanes", "--memory", "--dry-run", "--json", "--log", "--tensorboard", "--seeds"}};
}
