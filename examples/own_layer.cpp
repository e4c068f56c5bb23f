#include <gacc/gacc.hpp>

#include <cstdio>
#include <span>
#include <string>
#include <vector>

/// y = x where x > 0, else slope x, with a trained slope for every feature (PReLU, He et al. 2015, arXiv:1502.01852).
class PReLU : public gacc::Layer<float> {
public:
    explicit PReLU(gacc::Index features) : slope_("weight", {features}) {}

    std::string description() const override { return "PReLU(" + std::to_string(slope_.size()) + ")"; }

    /// y has the shape of x; backward reads x, not y.
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x, .reads_y = false}; }

    void forward(gacc::Forward<float> call) const override {
        for (gacc::Index i = 0; i < call.x.rows(); ++i) {
            for (gacc::Index j = 0; j < call.x.cols(); ++j) {
                const float x = call.x(i, j);
                call.y(i, j) = x > 0 ? x : slope(j) * x;
            }
        }
    }

    void backward(gacc::Backward<float> call) override {
        std::span<float> grad_slope;  // empty if the slope is frozen
        if (!slope_.is_frozen()) { grad_slope = slope_.materialize_grads(); }
        for (gacc::Index i = 0; i < call.x.rows(); ++i) {
            for (gacc::Index j = 0; j < call.x.cols(); ++j) {
                const float x = call.x(i, j), grad_y = call.grad_y(i, j);
                if (call.wants_grad_x()) { call.grad_x(i, j) = x > 0 ? grad_y : slope(j) * grad_y; }  // written
                if (!(x > 0) && !grad_slope.empty()) {
                    grad_slope[static_cast<std::size_t>(j)] += grad_y * x;  // added, row by row: += and never =
                }
            }
        }
    }

    std::vector<gacc::Parameter<float>*> parameters() override { return {&slope_}; }
    void initialize(gacc::Rng&) override { slope_.generate([] { return 0.25F; }); }

private:
    float slope(gacc::Index j) const { return slope_.stored_values()[static_cast<std::size_t>(j)]; }

    gacc::Parameter<float> slope_;  // features
};

/// Two classes of points in the plane, trained with batches of 50 cut into micro-batches of this size.
float trained_slope(gacc::Index micro_batch) {
    gacc::Rng rng(1);
    gacc::Tensor<float> points({500, 2});
    std::vector<gacc::Label> labels(500);
    for (gacc::Index i = 0; i < 500; ++i) {
        const double x = rng.normal(), y = rng.normal();
        points.matrix().row(i) << static_cast<float>(x), static_cast<float>(y);
        labels[static_cast<std::size_t>(i)] = x * y > 0 ? 1 : 0;
    }
    const gacc::TensorDataset<float> data(points, labels);

    gacc::Sequential model(gacc::Linear(2, 16), PReLU(16), gacc::Linear(16, 2));
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters(), {.learning_rate = 1e-2});
    for (int epoch = 0; epoch < 20; ++epoch) {
        for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = 50}, rng)) {
            for (const auto& micro : batch.micro_batches(micro_batch)) {
                loss.forward(model.forward(micro.inputs), micro.labels);
                model.backward(loss.backward());
            }
            adam.step();
            adam.zero_grad();
        }
    }
    std::printf("%td of 500 right\n", gacc::count_correct(model.predict(std::as_const(points).matrix()), labels));
    return model.parameters()[2].value()(0, 0);
}

int main() {
    const float uncut = trained_slope(50), cut = trained_slope(7);
    std::printf("first slope %.9g, with micro-batches of 7 %.9g: %s\n", uncut, cut, uncut == cut ? "the same" : "different");
    return uncut == cut ? 0 : 1;
}
