#include <gacc/train/json_lines_log.hpp>

#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <limits>
#include <string>

namespace json_lines_log_test {

TEST_CASE("JsonLinesLog: an object on each line; a resumed run appends") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "run.jsonl";
    {
        gacc::JsonLinesLog log(path);
        log.write(gacc::LogLine(1, 2.5).add("loss", 0.1).add("batch", 128));
    }
    gacc::JsonLinesLog log(path);
    log.write(gacc::LogLine(2, 3).add("loss", std::numeric_limits<double>::infinity()));
    std::ifstream file(path, std::ios::binary);
    CHECK(std::string(std::istreambuf_iterator<char>(file), {}) ==
          "{\"step\": 1, \"time\": 2.5, \"loss\": 0.1, \"batch\": 128}\n{\"step\": 2, \"time\": 3, \"loss\": null}\n");
}

}  // namespace json_lines_log_test
