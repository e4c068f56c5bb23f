#include <gacc/fwd.hpp>
#include <gacc/model/sequential.hpp>

std::size_t layers_of(const gacc::Sequential<float>& model) { return model.size(); }
