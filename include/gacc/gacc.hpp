#pragma once

/// All of gacc except its optional parts, in reading order. The optional parts: gacc/data/gzip.hpp needs zlib;
/// gacc/io/safetensors.hpp, gacc/io/checkpoint.hpp and gacc/io/model_file.hpp need nlohmann-json.

#include <gacc/version.hpp>
#include <gacc/fwd.hpp>

#include <gacc/core/types.hpp>
#include <gacc/core/text.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/printable.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/memory.hpp>
#include <gacc/core/pages.hpp>
#include <gacc/core/buffer.hpp>
#include <gacc/core/clock.hpp>
#include <gacc/core/parallel.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/core/view.hpp>
#include <gacc/core/tensor.hpp>
#include <gacc/core/state.hpp>
#include <gacc/core/checksum.hpp>
#include <gacc/core/random.hpp>

#include <gacc/parameters/parameter_values.hpp>
#include <gacc/parameters/parameter.hpp>
#include <gacc/parameters/model_parameter.hpp>
#include <gacc/parameters/gradient_tally.hpp>
#include <gacc/parameters/parameters.hpp>
#include <gacc/parameters/gradient_buffers.hpp>

#include <gacc/layers/layer_calls.hpp>
#include <gacc/layers/layer_config.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/layers/initialization.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/size2d.hpp>
#include <gacc/layers/convolution_options.hpp>
#include <gacc/layers/convolution_layer.hpp>
#include <gacc/layers/conv2d.hpp>
#include <gacc/layers/conv_transpose2d.hpp>
#include <gacc/layers/conv1d.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/layers/elementwise.hpp>
#include <gacc/layers/leaky_relu.hpp>
#include <gacc/layers/tanh.hpp>
#include <gacc/layers/sigmoid.hpp>
#include <gacc/layers/elu.hpp>
#include <gacc/layers/gelu.hpp>
#include <gacc/layers/silu.hpp>
#include <gacc/layers/softplus.hpp>
#include <gacc/layers/dropout.hpp>
#include <gacc/layers/layer_norm.hpp>
#include <gacc/layers/rms_norm.hpp>
#include <gacc/layers/group_norm.hpp>
#include <gacc/layers/batch_norm.hpp>
#include <gacc/layers/embedding.hpp>
#include <gacc/layers/position_embedding.hpp>
#include <gacc/layers/flatten.hpp>
#include <gacc/layers/windows.hpp>
#include <gacc/layers/max_pool2d.hpp>
#include <gacc/layers/average_pool2d.hpp>
#include <gacc/layers/global_average_pool.hpp>
#include <gacc/layers/upsample.hpp>

#include <gacc/losses/loss.hpp>
#include <gacc/losses/loss_rows.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/losses/target_loss.hpp>
#include <gacc/losses/mean_squared_error.hpp>
#include <gacc/losses/huber.hpp>
#include <gacc/losses/binary_cross_entropy.hpp>

#include <gacc/optim/clip.hpp>
#include <gacc/optim/optimizer.hpp>
#include <gacc/optim/groups.hpp>
#include <gacc/optim/grouped_optimizer.hpp>
#include <gacc/optim/sgd.hpp>
#include <gacc/optim/adam.hpp>
#include <gacc/optim/adamw.hpp>
#include <gacc/optim/schedule.hpp>

#include <gacc/data/dataset.hpp>
#include <gacc/data/regression_dataset.hpp>
#include <gacc/data/subset.hpp>
#include <gacc/data/fingerprint.hpp>
#include <gacc/data/lazy_inputs.hpp>
#include <gacc/data/position.hpp>
#include <gacc/data/batch.hpp>
#include <gacc/data/batches.hpp>
#include <gacc/data/prefetch.hpp>
#include <gacc/data/idx.hpp>
#include <gacc/data/mnist.hpp>
#include <gacc/data/cifar.hpp>
#include <gacc/data/augmentation.hpp>
#include <gacc/data/csv_records.hpp>
#include <gacc/data/csv.hpp>
#include <gacc/data/vocabulary.hpp>
#include <gacc/data/text.hpp>

#include <gacc/model/activation.hpp>
#include <gacc/model/block.hpp>
#include <gacc/model/residual.hpp>
#include <gacc/model/lifetimes.hpp>
#include <gacc/model/operation.hpp>
#include <gacc/model/graph_marks.hpp>
#include <gacc/model/activation_plan.hpp>
#include <gacc/model/graph.hpp>
#include <gacc/model/segments.hpp>
#include <gacc/model/workspace.hpp>
#include <gacc/model/summary.hpp>
#include <gacc/model/backward_plan.hpp>
#include <gacc/model/sample_block.hpp>
#include <gacc/model/branches.hpp>
#include <gacc/model/forward_pass.hpp>
#include <gacc/model/dropped_runs.hpp>
#include <gacc/model/backward_pass.hpp>
#include <gacc/model/prediction.hpp>
#include <gacc/model/owned_body.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/model/recomputation.hpp>

#include <gacc/accumulation/policy.hpp>
#include <gacc/accumulation/accumulator.hpp>
#include <gacc/accumulation/non_finite_guard.hpp>
#include <gacc/accumulation/planned_bytes.hpp>
#include <gacc/accumulation/plan_result.hpp>
#include <gacc/accumulation/plan.hpp>
#include <gacc/accumulation/audit_run.hpp>
#include <gacc/accumulation/audit_layer.hpp>
#include <gacc/accumulation/audit_judge.hpp>
#include <gacc/accumulation/audit_causes.hpp>
#include <gacc/accumulation/audit.hpp>
#include <gacc/accumulation/gradient_check.hpp>

#include <gacc/train/metrics.hpp>
#include <gacc/train/progress.hpp>
