#include <gacc/gacc.hpp>
#include <gacc/io/model_file.hpp>

#include <iostream>
#include <vector>

/// y = factor weight x: a layer of your own. config() returns the options from which it can be made again.
class Scale : public gacc::Layer<float> {
public:
    Scale(gacc::Index features, double factor) : factor_(factor), weight_("weight", {features}, "Scale") {}

    std::string description() const override { return "Scale(" + std::to_string(weight_.cols()) + ")"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x, .reads_y = false}; }

    void forward(gacc::Forward<float> call) const override {
        for (gacc::Index i = 0; i < call.x.rows(); ++i) {
            for (gacc::Index j = 0; j < call.x.cols(); ++j) { call.y(i, j) = slope(j) * call.x(i, j); }
        }
    }
    void backward(gacc::Backward<float> call) override {
        const auto grad_weight = weight_.materialize_grads();
        for (gacc::Index i = 0; i < call.x.rows(); ++i) {
            for (gacc::Index j = 0; j < call.x.cols(); ++j) {
                grad_weight[static_cast<std::size_t>(j)] += static_cast<float>(factor_) * call.x(i, j) * call.grad_y(i, j);
                if (call.wants_grad_x()) { call.grad_x(i, j) = slope(j) * call.grad_y(i, j); }
            }
        }
    }

    std::vector<gacc::Parameter<float>*> parameters() override { return {&weight_}; }
    void initialize(gacc::Rng&) override { weight_.generate([] { return 1.0F; }); }

    gacc::LayerConfig config() const override {
        return {"Scale", {{"features", weight_.cols()}, {"factor", factor_}}};
    }

private:
    float slope(gacc::Index j) const {
        return static_cast<float>(factor_) * weight_.stored_values()[static_cast<std::size_t>(j)];
    }

    double factor_;
    gacc::Parameter<float> weight_;  // features
};

int main() {
    gacc::Rng rng(42);
    gacc::Sequential model(gacc::Linear(64, 32), gacc::ReLU(),
                           gacc::Residual(gacc::LayerNorm(32), gacc::Linear(32, 32), gacc::GELU()), Scale(32, 0.5),
                           gacc::Linear(32, 10));
    model.initialize(rng);
    gacc::save_model("model.safetensors", model);

    gacc::LayerRegistry<float> layers;  // knows gacc's own layers
    layers.add("Scale", [](gacc::ConfigReader& options) -> gacc::LayerRecipe<float> {
        const gacc::Index features = options.size("features");
        const double factor = options.number("factor");
        return {.parameters = {{"weight", {features}}}, .make = [=] { return Scale(features, factor); }};
    });
    const auto same = gacc::load_model("model.safetensors", layers);
    std::cout << same.summary();

    const gacc::Matrix<float> x = gacc::Matrix<float>::Ones(3, 64);
    const bool equal = same.predict(x) == model.predict(x);
    std::cout << (equal ? "the same predictions\n" : "other predictions\n");
    return equal ? 0 : 1;
}
