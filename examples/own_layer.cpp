#include <gacc/gacc.hpp>

#include <cstdio>
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
        const gacc::Matrix<float> slope = slope_.value();  // 1 x features
        for (gacc::Index row = 0; row < call.x.rows(); ++row) {
            const auto x = call.x.row(row).array();
            call.y.row(row) = (x > 0).select(x, slope.row(0).array() * x);
        }
    }

    void backward(gacc::Backward<float> call) override {
        const gacc::Matrix<float> slope = slope_.value();
        gacc::Matrix<float> grad = slope_.grad();
        for (gacc::Index row = 0; row < call.x.rows(); ++row) {  // row by row, added to the buffer: += and never =
            const auto x = call.x.row(row).array(), grad_y = call.grad_y.row(row).array();
            grad.row(0).array() += (x > 0).select(0, grad_y * x);
            if (call.wants_grad_x()) { call.grad_x.row(row) = (x > 0).select(grad_y, slope.row(0).array() * grad_y); }
        }
        slope_.set_grad(grad);
    }

    std::vector<gacc::Parameter<float>*> parameters() override { return {&slope_}; }
    void initialize(gacc::Rng&) override { slope_.generate([] { return 0.25F; }); }

private:
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
