#pragma once

#include <gacc/core/abi.hpp>
#include <gacc/io/system_file.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace gacc::inline GACC_ABI::detail {

/// The names of a file while it is saved: FILE.0123456789ab.unfinished, and FILE.0123456789ab.prev.unfinished for a
/// second name of the file that it replaces. The number is different each time, so that nobody else writes there. If
/// FILE is too long for that, its end is left out.
class UnfinishedNames {
public:
    explicit UnfinishedNames(const std::filesystem::path& target)
        : folder_(target.parent_path()), start_(target.filename().native()) {
        const std::size_t room = std::max(SystemFile::longest_name(folder()), longest_ending + 1) - longest_ending;
        if (start_.size() > room) {
            std::size_t size = room;
            while (size > 1 && continues(start_[size])) { --size; }  // do not cut a character in two
            start_.resize(size);
        }
        start_ += '.';
    }

    std::filesystem::path folder() const { return folder_.empty() ? std::filesystem::path(".") : folder_; }
    std::filesystem::path file() const { return named(number_, ending); }
    std::filesystem::path previous() const { return named(number_, previous_ending); }

    void draw_number() {
        static std::atomic<std::uint64_t> count{0};
        const auto time = std::chrono::system_clock::now().time_since_epoch().count();
        std::uint64_t bits = static_cast<std::uint64_t>(time) + (SystemFile::process() << 40) + (++count << 20);
        for (const std::uint64_t factor : {0xBF58476D1CE4E5B9U, 0x94D049BB133111EBU}) {  // splitmix64
            bits = (bits ^ bits >> 29) * factor;
        }
        number_.clear();
        for (std::size_t i = 0; i < digits; ++i) {
            number_ += static_cast<Char>("0123456789abcdef"[bits >> (4 * i + 16) & 15]);
        }
    }

    /// Removes the files that killed processes left behind when they saved this file, but no file of a running process.
    /// `mine` is the file of file(). A file that cannot be removed stays.
    void remove_left_behind(const SystemFile& mine) const {
        std::error_code error;
        std::filesystem::directory_iterator entry(folder(), error);
        for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
            const auto name = entry->path().filename().native();
            if (!name.starts_with(start_) || name.size() < start_.size() + digits) { continue; }
            const auto number = name.substr(start_.size(), digits);
            const auto rest = name.substr(start_.size() + digits);
            const bool drawn = number.find_first_not_of(text("0123456789abcdef")) == number.npos;
            if (drawn && number != number_ && (rest == text(ending) || rest == text(previous_ending))) {
                mine.remove_left_behind(folder_ / name, named(number, ending));
            }
        }
    }

private:
    using String = std::filesystem::path::string_type;
    using Char = String::value_type;

    static constexpr std::string_view ending = ".unfinished", previous_ending = ".prev.unfinished";
    static constexpr std::size_t digits = 12, longest_ending = 1 + digits + previous_ending.size();

    static String text(std::string_view ascii) { return {ascii.begin(), ascii.end()}; }
    /// Whether it continues a character, in UTF-8 or UTF-16.
    static bool continues(Char c) { return sizeof(Char) == 1 ? (c & 0xC0) == 0x80 : (c & 0xFC00) == 0xDC00; }
    std::filesystem::path named(const String& number, std::string_view what) const {
        return folder_ / (start_ + number + text(what));
    }

    std::filesystem::path folder_;
    String start_;  // FILE.
    String number_;
};

}  // namespace gacc::detail
