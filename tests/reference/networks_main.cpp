// gacc_reference_networks cnn|gpt [FOLDER], gacc_reference_networks networks NETWORKS_JSON [FOLDER], or
// gacc_reference_networks gpt2 GPT2_JSON [FOLDER]: compares networks with PyTorch's. Except for gpt2, FOLDER is
// GACC_REFERENCE if it is left out. Exit code 77: there is nothing to compare with.

#include "traces.hpp"

int main(int argc, char** argv) {
    const std::string which = argc > 1 ? argv[1] : "";
    const char* first = argc > 2 ? argv[2] : nullptr;
    const char* second = argc > 3 ? argv[3] : nullptr;
    if (which == "cnn") { return reference::cnn(first); }
    if (which == "gpt") { return reference::gpt(first); }
    if (which == "networks" && first != nullptr) { return reference::networks(first, second); }
    if (which == "gpt2" && first != nullptr) { return reference::gpt2(first, second); }
    std::puts("expected cnn, gpt, or networks or gpt2 and its file");
    return 2;
}
