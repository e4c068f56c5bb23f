#pragma once

#include <gacc/core/error.hpp>
#include <gacc/model/block.hpp>
#include <gacc/model/model_body.hpp>
#include <gacc/parameters/parameters.hpp>

#include <memory>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// The body of a model, which handles to its parameters keep alive too. A copy has a body of its own.
///
/// Throws     UsageError if the model was moved from
template <class Scalar>
class OwnedBody {
public:
    OwnedBody() : body_(std::make_shared<ModelBody<Scalar>>()) {}
    OwnedBody(const OwnedBody& other) : body_(std::make_shared<ModelBody<Scalar>>(*other)) {}
    OwnedBody(OwnedBody&&) noexcept = default;
    OwnedBody& operator=(const OwnedBody&) = delete;
    OwnedBody& operator=(OwnedBody&&) noexcept = default;
    ~OwnedBody() = default;

    ModelBody<Scalar>& operator*() { return check_here(), *body_; }
    const ModelBody<Scalar>& operator*() const { return check_here(), *body_; }

    /// Whether a handle or an optimizer refers to the parameters.
    bool is_referred_to() const { return body_ != nullptr && body_.use_count() > 1; }

    Parameters<Scalar> parameters() {
        check_here();
        return {body_->parameters(), body_->tally, body_};
    }

    /// Freezes the parameters that `which` selects, or trains them again.
    ///
    /// Throws     UsageError if a handle or an optimizer refers to the parameters
    template <class Which>
    void set_frozen(const Which& which, bool frozen) {
        check_here();
        if (is_referred_to()) {
            throw UsageError(frozen ? "Sequential::freeze" : "Sequential::unfreeze",
                             "expected a model whose parameters no handle and no optimizer refers to, got one with; "
                             "freeze before the optimizer is made");
        }
        body_->set_frozen(which, frozen);
    }

private:
    void check_here() const {
        if (body_ == nullptr) {
            throw UsageError("Sequential", "expected a model, got one that was moved from; use the one it moved to");
        }
    }

    std::shared_ptr<ModelBody<Scalar>> body_;
};

}  // namespace gacc::detail
