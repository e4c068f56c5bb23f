#pragma once

// gacc-mnist advise, gacc-images advise and gacc-text advise.

#include <gacc/gacc.hpp>

#include <iostream>

#include "trainer_commands.hpp"

/// Whether accumulation helps on this machine, with the first weights of a training. Other arguments, such as ranks, do
/// not matter to it.
template <class Program, class... Others>
int advise(const typename Program::Settings& settings, const typename Program::Data& data, Others&...) {
    gacc::Rng rng(settings.seed);
    auto model = Program::network(settings, data);
    model.initialize(rng);
    const typename Program::Loss loss;
    const auto advice = gacc::advise(
        {.batch_size = settings.batch_size, .memory = settings.memory, .unit = Program::samples}, model, loss,
        [&](const gacc::Parameters<float>& parameters) { return Program::optimizer(parameters, settings); },
        data.training());
    std::cout << advice.description();
    return done;
}

template <class Program>
Subcommand<Program> advising() {
    return {"advise", "Measures, and says whether accumulation helps here, with which batch and micro-batch",
            advise<Program>, "expected a training, got a request for advice",
            {"--save", "--resume", "--export", "--dry-run", "--json", "--log", "--tensorboard", "--seeds",
             "--micro-batch", "--accumulate", "--recompute"}};
}
