#pragma once

// --seeds: the same training with several seeds. Bits make one run reproducible; seeds say what a result is worth.

#include <gacc/gacc.hpp>

#include <cmath>
#include <cstddef>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "trainer_results.hpp"

/// The mean of numbers, and their standard deviation (divided by one less than their count).
struct Spread {
    double mean = 0, deviation = 0;

    explicit Spread(const std::vector<double>& numbers) {
        const auto count = static_cast<double>(numbers.size());
        for (const double number : numbers) { mean += number / count; }
        for (const double number : numbers) { deviation += (number - mean) * (number - mean); }
        deviation = numbers.size() > 1 ? std::sqrt(deviation / (count - 1)) : 0;
    }
};

/// Trains with the seeds from settings.seed on. `train(settings)` is a Result with a value that `figure(result)` returns;
/// `json(result)` is one run as JSON. Returns the exit code.
template <class Settings, class Train, class Figure, class Json>
int run_seeds(Settings settings, const std::string& name, double scale, const char* unit, const Train& train,
              const Figure& figure, const Json& json) {
    const auto first = settings.seed;
    std::vector<double> figures;
    std::string all;
    for (Index i = 0; i < settings.seeds; ++i) {
        settings.seed = first + static_cast<decltype(first)>(i);
        const auto result = train(std::as_const(settings));
        figures.push_back(figure(result));
        all += (all.empty() ? "" : ", ") + json(result);
        if (!settings.json) {
            std::cout << "seed " << settings.seed << ": " << name << ' ' << fixed(scale * figures.back(), scale > 1 ? 2 : 4)
                      << unit << std::endl;
        }
    }
    const Spread spread(figures);
    if (settings.json) {
        std::cout << "{\"runs\": [" << all << "], \"mean\": " << fixed(spread.mean, 6)
                  << ", \"deviation\": " << fixed(spread.deviation, 6) << "}\n";
    } else {
        std::cout << settings.seeds << " seeds: " << name << ' ' << fixed(scale * spread.mean, scale > 1 ? 2 : 4) << unit
                  << ", standard deviation " << fixed(scale * spread.deviation, scale > 1 ? 2 : 4) << unit << '\n';
    }
    return 0;
}
