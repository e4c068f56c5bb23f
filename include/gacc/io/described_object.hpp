#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/printable.hpp>
#include <gacc/io/model_format.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Reads a JSON object from the metadata.
///
/// Throws     DataError if it is not an object, a name comes twice, or it is nested too deep
inline nlohmann::json parse_description(const std::map<std::string, std::string, std::less<>>& metadata,
                                        const std::string& key, const std::string& where) {
    using Json = nlohmann::json;
    const auto refuse = [&](const std::string& expected, const std::string& got) {
        throw DataError(where, text("expected ", expected, " in the description \"", key, "\", got ", got));
    };
    const auto found = metadata.find(key);
    if (found == metadata.end()) { throw DataError(where, "expected a description \"" + key + "\", got none"); }
    std::vector<std::set<std::string>> names;
    const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
        if (depth > static_cast<int>(2 * ModelFormat::deepest + 4)) {
            refuse(text("at most ", ModelFormat::deepest, " blocks within each other"), "more");
        }
        if (event == Json::parse_event_t::object_start) { names.emplace_back(); }
        if (event == Json::parse_event_t::object_end) { names.pop_back(); }
        if (event == Json::parse_event_t::key && !names.back().insert(parsed.get<std::string>()).second) {
            refuse("every name once", text('"', shown(parsed.get<std::string>()), "\" twice"));
        }
        return true;
    };
    Json json;
    try {
        json = Json::parse(found->second, check);
    } catch (const Json::parse_error& error) {
        refuse("JSON", text("something else at byte ", error.byte));
    } catch (const Json::exception&) { refuse("JSON with numbers that a double can hold", "another"); }
    if (!json.is_object()) { refuse("an object", "something else"); }
    return json;
}

/// Takes an object of a description apart. A name that nobody asks for is refused.
class DescribedObject {
public:
    DescribedObject(const nlohmann::json& json, std::string where, std::string what)
        : json_(json), where_(std::move(where)), what_(std::move(what)) {
        if (!json.is_object()) { refuse("an object as " + what_, json); }
    }

    bool has(const char* name) const { return json_.contains(name); }
    const nlohmann::json& operator[](const std::string& name) {
        const auto found = json_.find(name);
        if (found == json_.end()) {
            throw DataError(where_, text("expected a \"", name, "\" of ", what_, ", got none"));
        }
        taken_.insert(name);
        return *found;
    }
    std::string word(const char* name) {
        const auto& json = (*this)[name];
        if (!json.is_string()) { refuse(text("a word as \"", name, "\" of ", what_), json); }
        return json.get<std::string>();
    }
    std::uint64_t count(const char* name, std::uint64_t most) {
        const auto& json = (*this)[name];
        return count_in(json, text('"', name, "\" of ", what_), 1, most);
    }
    std::uint64_t count_in(const nlohmann::json& json, const std::string& what, std::uint64_t least,
                           std::uint64_t most) const {
        const auto number = json.is_number_unsigned() ? json.get<std::uint64_t>() : most + 1;
        if (number < least || number > most) {
            refuse(text("a whole number from ", least, " to ", most, " as ", what), json);
        }
        return number;
    }
    /// A list with one element or more.
    const nlohmann::json& list(const std::string& name) {
        const auto& json = (*this)[name];
        if (!json.is_array() || json.empty()) {
            refuse(text("a list of one or more as \"", name, "\" of ", what_), json);
        }
        return json;
    }
    /// Calls f(name, value) for all names that nobody has asked for.
    template <class F>
    void for_each_other(const F& f) const {
        for (const auto& [name, value] : json_.items()) {
            if (!taken_.contains(name)) { f(name, value); }
        }
    }
    void finish() const {
        for_each_other([&](const std::string& name, const nlohmann::json&) {
            throw DataError(where_, text("expected no \"", shown(name), "\" of ", what_, ", got one"));
        });
    }
    [[noreturn]] void refuse(const std::string& expected, const nlohmann::json& got) const {
        const bool single = got.is_primitive();
        throw DataError(where_, text("expected ", expected, ", got ",
                                     single            ? shown(got.dump(), 40)
                                     : got.is_object() ? "an object"
                                     : got.empty()     ? "an empty list"
                                                       : "a list"));
    }

private:
    const nlohmann::json& json_;
    std::string where_, what_;
    std::set<std::string, std::less<>> taken_;
};

}  // namespace gacc::detail
