#include <gacc/train/csv_log.hpp>

#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <limits>
#include <string>

namespace csv_log_test {

TEST_CASE("CsvLog: a table with a head; a resumed run appends rows alone") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "run.csv";
    {
        gacc::CsvLog log(path, {"loss", "accuracy"});
        log.write(gacc::LogLine(1, 2.5).add("loss", 0.1));
    }
    gacc::CsvLog log(path, {"loss", "accuracy"});
    log.write(gacc::LogLine(2, 3).add("accuracy", 1).add("loss", std::numeric_limits<double>::quiet_NaN()));
    std::ifstream file(path, std::ios::binary);
    CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == "step,time,loss,accuracy\n1,2.5,0.1,\n2,3,,1\n");

    CHECK_THROWS_WITH_AS(gacc::CsvLog(path, {"loss"}),
                         "gacc: CsvLog: expected a file with the columns step,time,loss, got others", gacc::OutputError);
    CHECK_THROWS_WITH_AS(log.write(gacc::LogLine(3).add("los", 1)),
                         "gacc: CsvLog::write: expected names of columns, got \"los\"", gacc::UsageError);
}

}  // namespace csv_log_test
