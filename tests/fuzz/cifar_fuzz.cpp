// Any bytes are a file of CIFAR-10 or a DataError.

#include <gacc/data/cifar.hpp>

#include "raw_bytes.hpp"

#include <cstdlib>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using gacc::detail::Cifar10;
    try {
        RawBytes file({data, size});
        const std::size_t records = Cifar10::records(file.size(), "fuzz");
        std::vector<std::uint8_t> labels(records), images(records * (Cifar10::record - 1));
        Cifar10::read(file, records, "fuzz", labels.data(), images.data());
        if (records * Cifar10::record != size) { std::abort(); }
        for (std::size_t i = 0; i < size; ++i) {  // every byte is where it belongs
            const std::size_t record = i / Cifar10::record, place = i % Cifar10::record;
            const std::size_t channel = (place - 1) / Cifar10::pixels, pixel = (place - 1) % Cifar10::pixels;
            const std::uint8_t read =
                place == 0 ? labels[record] : images[(record * Cifar10::pixels + pixel) * Cifar10::channels + channel];
            if (read != data[i]) { std::abort(); }
        }
    } catch (const gacc::DataError&) {}
    return 0;
}
