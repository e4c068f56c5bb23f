#pragma once

#include <gacc/core/error.hpp>
#include <gacc/io/same_file.hpp>
#include <gacc/io/system_file.hpp>
#include <gacc/io/unfinished_names.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// A file that is there whole or not at all, whatever happens while it is written. It is written under a name of its
/// own, PATH.<number>.unfinished, synced to the disk, and renamed. Until then the old file stays. If several programs
/// write to one PATH at once, the last one to commit leaves its file, whole.
///
/// The new file has the permissions of the one that it replaces. A symbolic link stays; its target is written. Files
/// with such names that killed programs have left behind are removed.
///
/// Throws     OutputError if the system refuses a part of it; the old file is then unchanged. (If only the last part
///            fails, to sync the folder, the new file is there, but may be gone after a power failure.)
/// Example    gacc::AtomicFile file(path, "save \"run\"");  file.write(bytes);  file.commit();
class AtomicFile {
public:
    enum class Previous {
        replace,
        keep,  ///< under the name previous_file(path)
    };

    AtomicFile(const std::filesystem::path& path, std::string where, Previous previous = Previous::replace)
        : where_(std::move(where)), previous_(previous), path_(target(path)), names_(path_) {
        waiting_.reserve(chunk);
        check_replaceable(path_, "");
        if (previous_ == Previous::keep) {
            check_replaceable(kept(), " as .prev");
            const std::size_t most = detail::SystemFile::longest_name(names_.folder());
            if (const std::size_t size = kept().filename().native().size(); size > most) {
                throw OutputError(
                    where_, detail::text("expected a name of at most ", most, " bytes with .prev, got one of ", size,
                                         "; choose a shorter one"));
            }
        }
        auto error = std::make_error_code(std::errc::file_exists);
        for (int tries = 0; error == std::errc::file_exists && tries < 100; ++tries) {
            names_.draw_number();
            error = file_.create(names_.file(), path_);
        }
        require(error, "create it", folder_advice);
        names_.remove_left_behind(file_);
    }
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;
    ~AtomicFile() {
        if (done_) { return; }
        file_.release();  // Windows does not remove an open file
        remove(names_.file());
    }

    void write(std::span<const std::uint8_t> bytes) {
        while (!bytes.empty()) {
            const auto part = bytes.first(std::min(bytes.size(), chunk - waiting_.size()));
            waiting_.insert(waiting_.end(), part.begin(), part.end());
            bytes = bytes.subspan(part.size());
            if (waiting_.size() == chunk) { flush(); }
        }
    }

    /// Gives the file its name. Call it once, after the last byte.
    void commit() {
        flush();
        require(file_.take_permissions(), "give it the permissions of the file before it", "may they be set?");
        require(file_.sync(), "sync it", "is the disk in order?");
        require(file_.close(), "close it", "is the disk in order?");
        if (previous_ == Previous::keep) { keep_previous(); }
        require(detail::SystemFile::rename(names_.file(), path_), "rename it", "may the folder be written?");
        done_ = true;
        file_.release();
        require(detail::SystemFile::sync_folder(names_.folder()), "sync the folder",
                "the new file is there, but may be gone after a power failure");
    }

    /// Instead of commit: does with an empty file what commit would do to the folder, and removes that file. The old
    /// file is not touched.
    void rehearse() {
        const char* advice = "may the folder be written and read?";
        if (previous_ == Previous::keep) {
            const auto error = detail::SystemFile::link(path_, names_.previous());
            remove(names_.previous());
            if (error && error != std::errc::no_such_file_or_directory && !std::ifstream(path_)) {  // nor copied
                require(error, "keep the file that was there as .prev", "may it be read?");
            }
        }
        require(file_.take_permissions(), "give it the permissions of the file before it", "may they be set?");
        require(file_.close(), "close it", "is the disk in order?");
        require(detail::SystemFile::rename(names_.file(), names_.previous()), "rename it", advice);
        const auto error = detail::SystemFile::sync_folder(names_.folder());
        remove(names_.previous());
        require(error, "sync the folder", advice);
    }

private:
    static constexpr std::size_t chunk = std::size_t{1} << 16;
    static constexpr const char* folder_advice = "is the folder there, and may it be written?";

    std::filesystem::path target(const std::filesystem::path& path) const {
        std::error_code error;
        auto target = detail::followed(path, error);
        if (error == std::errc::too_many_symbolic_link_levels) {
            require(error, "follow its symbolic link", "do links lead to each other?");
        }
        require(error, "create it", folder_advice);
        if (!target.has_filename()) {
            throw OutputError(where_, "expected a path that ends in a name, got one that does not");
        }
        return target;
    }
    std::filesystem::path kept() const { return detail::with_ending(path_, ".prev"); }

    void check_replaceable(const std::filesystem::path& path, const char* name) const {
        std::error_code none;
        const auto status = std::filesystem::status(path, none);
        if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
            throw OutputError(where_,
                              detail::text("expected a file or none", name, ", got something else of that name"));
        }
        require(detail::SystemFile::replaceable(path, names_.folder()), detail::text("replace the file", name),
                "is it yours to replace?");
    }

    void require(std::error_code error, const std::string& what, const char* advice) const {
        if (error) {
            throw OutputError(where_, detail::text("expected to ", what, ", got \"", error.message(), "\"; ", advice));
        }
    }

    static void remove(const std::filesystem::path& path) {
        std::error_code none;
        std::filesystem::remove(path, none);
    }

    void flush() {
        require(file_.write(waiting_), "write it", "is there room?");
        waiting_.clear();
    }

    /// Gives the old file a second name. If the file system has no hard links, makes a copy. The first name always
    /// stays.
    void keep_previous() const {
        auto error = detail::SystemFile::link(path_, names_.previous());
        if (error == std::errc::no_such_file_or_directory) { return; }
        if (error) {
            error.clear();
            std::filesystem::copy_file(path_, names_.previous(), error);
            if (!error) { error = detail::SystemFile::sync_data(names_.previous()); }
        }
        const bool made = !error;
        if (made) { error = detail::SystemFile::rename(names_.previous(), kept()); }
        remove(names_.previous());  // which rename leaves if both are names of one file
        require(error, "keep the file that was there as .prev", made ? "may the folder be written?" : "is there room?");
    }

    std::string where_;
    Previous previous_;
    std::filesystem::path path_;
    detail::UnfinishedNames names_;
    detail::SystemFile file_;
    bool done_ = false;
    std::vector<std::uint8_t> waiting_;  // bytes to be written; at most a chunk
};

/// Tests whether a file can be saved as `path`, before hours of work are lost. It creates a file beside it, renames it
/// and removes it. It cannot test whether there will be room.
///
/// Throws     OutputError, the one that saving would throw
/// Example    gacc::check_writable("run.safetensors", "--save", gacc::AtomicFile::Previous::keep);
inline void check_writable(const std::filesystem::path& path, const std::string& where,
                           AtomicFile::Previous previous = AtomicFile::Previous::replace) {
    AtomicFile(path, where, previous).rehearse();
}

}  // namespace gacc
