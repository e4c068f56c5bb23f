#include <gacc/train/progress.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <sstream>
#include <string>
#include <thread>

namespace progress_test {

using gacc::Progress;

namespace {

/// The text with N in place of every time and speed, since a test cannot know them.
std::string without_times(const std::string& text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find_first_not_of("0123456789,.", at);
        const std::string rest = end == std::string::npos ? "" : text.substr(end);
        const bool is_number =
            end != at && text[at] != '.' &&
            (rest.starts_with(" samples/s") || rest.starts_with(" s\n") || rest.starts_with(" s left"));
        const std::size_t count = end == at ? 1 : std::min(end, text.size()) - at;
        out += is_number ? "N" : text.substr(at, count);
        at += count;
    }
    return out;
}

/// Waits longer than the time between two live lines.
void wait() { std::this_thread::sleep_for(std::chrono::milliseconds(110)); }

/// The live line after half of the first of two epochs.
std::string live_line(bool color) {
    std::ostringstream out;
    Progress progress(out, {.epochs = 2, .samples_per_epoch = 100, .live = true, .color = color});
    wait();
    progress.add(50, 0.25);
    return without_times(out.str());
}

}  // namespace

TEST_CASE("Progress: writes one line an epoch, with its loss, speed, and time") {
    std::ostringstream out;
    Progress progress(out, {.epochs = 12, .samples_per_epoch = 100});
    progress.add(50, 2.5);
    wait();
    progress.add(50, 2);
    CHECK(out.str().empty());
    progress.end_epoch(1.23456);
    progress.add(100, 1);
    progress.end_epoch(0.5);
    CHECK(without_times(out.str()) ==
          "epoch 1/12  loss 1.2346  N samples/s  N s\n"
          "epoch 2/12  loss 0.5000  N samples/s  N s\n");
}

TEST_CASE("Progress: ends a line with what the caller adds, whose time does not count") {
    std::ostringstream out;
    Progress progress(out, {.epochs = 2, .samples_per_epoch = 100});
    progress.add(100, 1);
    progress.end_epoch(0.5, [] {
        wait();
        return "  90 % right";
    });
    CHECK(out.str().ends_with("  0.0 s  90 % right\n"));
    progress.end_epoch(0.25);
    CHECK(out.str().ends_with("  0.0 s\n"));
}

TEST_CASE("Progress: the time of an epoch is its own, and its speed is samples over time") {
    std::ostringstream out;
    Progress progress(out, {.epochs = 2, .samples_per_epoch = 1000000});
    for (int i = 0; i < 4; ++i) { wait(); }
    progress.add(1000000, 1);
    progress.end_epoch(1);
    const std::string line = out.str();
    const double seconds = std::stod(line.substr(line.rfind("  ") + 2));
    CHECK(seconds >= 0.1);
    CHECK(seconds < 60);
    CHECK(line.find(",") != std::string::npos);  // thousands are grouped

    out.str("");
    progress.add(1000000, 1);
    progress.end_epoch(1);
    const std::string next = out.str();
    CHECK(std::stod(next.substr(next.rfind("  ") + 2)) < seconds);
}

TEST_CASE("Progress: the speed of an epoch is that of its own samples") {
    std::ostringstream out;
    Progress progress(out, {.epochs = 2, .samples_per_epoch = 1'000'000});
    progress.add(1'000'000, 1);
    progress.end_epoch(1);
    out.str("");
    wait();
    progress.add(100, 1);
    progress.end_epoch(1);
    const std::string line = out.str();
    CHECK(line.find(',') == std::string::npos);  // 100 samples in 0.1 s or more are at most 1000 a second
}

TEST_CASE("Progress: a run that was resumed shows all that is done, and the speed and time of its own samples") {
    std::ostringstream out;
    Progress progress(out, {.epochs = 4, .samples_per_epoch = 100, .samples_done = 250, .live = true});
    wait();
    progress.add(50, 0.25);
    const std::string line = out.str();
    CHECK(without_times(line) ==
          "\r\x1b[Kepoch 3/4  ##################......  loss 0.2500  N samples/s  N s left");
    out.str("");
    progress.end_epoch(0.25);
    CHECK(out.str().find("epoch 3/4  loss") != std::string::npos);
}

TEST_CASE("Progress: the time left is by the samples that were seen, not by those done before") {
    std::ostringstream out;
    Progress progress(out, {.epochs = 1, .samples_per_epoch = 1000, .samples_done = 900, .live = true});
    wait();
    wait();
    wait();
    progress.add(10, 1);  // in 0.3 s or more; the other 90 take nine times as long
    const std::string line = out.str();
    const std::size_t end = line.rfind(" s left");
    CHECK(std::stod(line.substr(line.rfind(' ', end - 1) + 1)) >= 2);
}

TEST_CASE("Progress: not live, it writes no control codes, whatever the color") {
    std::ostringstream out;
    Progress progress(out, {.samples_per_epoch = 10, .live = false, .color = true});
    wait();
    progress.add(10, 1);
    progress.end_epoch(1);
    CHECK(out.str().find('\x1b') == std::string::npos);
    CHECK(out.str().find('\r') == std::string::npos);
}

TEST_CASE("Progress: live, it draws a bar, the mean loss so far, the speed, and the time left") {
    CHECK(live_line(false) == "\r\x1b[Kepoch 1/2  ######..................  loss 0.2500  N samples/s  N s left");
}

TEST_CASE("Progress: with color the bar is dim, and only the bar") {
    CHECK(live_line(true) ==
          "\r\x1b[Kepoch 1/2  \x1b[2m######..................\x1b[0m  loss 0.2500  N samples/s  N s left");
}

TEST_CASE("Progress: live, it draws at most ten times a second") {
    std::ostringstream out;
    Progress progress(out, {.samples_per_epoch = 1000, .live = true});
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 1000; ++i) { progress.add(1, 1); }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::size_t draws = 0;
    for (const char c : out.str()) { draws += c == '\r' ? 1 : 0; }
    CHECK(static_cast<double>(draws) <= 10 * seconds);
}

TEST_CASE("Progress: live, the line of an epoch takes the place of the bar") {
    std::ostringstream out;
    Progress progress(out, {.epochs = 1, .samples_per_epoch = 100, .live = true});
    wait();
    progress.add(100, 0.75);
    progress.end_epoch(0.5);
    CHECK(without_times(out.str()) ==
          "\r\x1b[Kepoch 1/1  ########################  loss 0.7500  N samples/s  N s left"
          "\r\x1b[Kepoch 1/1  loss 0.5000  N samples/s  N s\n");
}

TEST_CASE("Progress: the bar goes on over the epochs, and never beyond its end") {
    std::ostringstream out;
    Progress progress(out, {.epochs = 2, .samples_per_epoch = 100, .live = true});
    progress.add(100, 1);
    progress.end_epoch(1);
    out.str("");
    wait();
    progress.add(500, 1);  // more samples than there are
    CHECK(out.str().find("epoch 2/2  ########################  ") != std::string::npos);
}

TEST_CASE("Progress: leaves the format of the stream as it was") {
    std::ostringstream out;
    Progress progress(out, {.samples_per_epoch = 10});
    progress.add(10, 1);
    progress.end_epoch(0.123456789);
    out.str("");
    out << 0.123456789;
    CHECK(out.str() == "0.123457");
}

}  // namespace progress_test
