#pragma once

#include <gacc/core/abi.hpp>

/// Declares the classes of gacc ahead of their headers, for headers of your own that only refer to them. The classes
/// lie in an inline namespace, so `namespace gacc { template <class> class Sequential; }` would declare another class.
/// Default template arguments (`= float`) come with the full headers.
namespace gacc::inline GACC_ABI {

template <class Scalar>
class Buffer;
template <class Scalar>
class Tensor;
template <class Scalar>
class ConstMatrixView;
template <class Scalar>
class Parameter;
template <class Scalar>
class ParameterValues;
template <class Scalar>
class Parameters;
class GradientTally;
class Rng;
class BFloat16;

template <class Scalar>
class Layer;
struct LayerConfig;
template <class Scalar>
class Linear;
template <class Scalar>
class Conv2d;
template <class Scalar>
class ConvTranspose2d;
template <class Scalar>
class Conv1d;
struct Size2d;
template <class Scalar>
class ReLU;
template <class Scalar>
class LeakyReLU;
template <class Scalar>
class Tanh;
template <class Scalar>
class Sigmoid;
template <class Scalar>
class ELU;
template <class Scalar>
class GELU;
template <class Scalar>
class SiLU;
template <class Scalar>
class Softplus;
template <class Scalar>
class Dropout;
template <class Scalar>
class LayerNorm;
template <class Scalar>
class RMSNorm;
template <class Scalar>
class GroupNorm;
template <class Scalar>
class FrozenBatchNorm;
template <class Scalar>
class Embedding;
template <class Scalar>
class PositionEmbedding;
template <class Scalar>
class DotProductAttention;
template <class Scalar>
class Flatten;
template <class Scalar>
class MaxPool2d;
template <class Scalar>
class AveragePool2d;
template <class Scalar>
class GlobalAveragePool;
template <class Scalar>
class Upsample;
template <class Scalar>
class Block;
template <class Scalar>
class SoftmaxCrossEntropy;
template <class Scalar>
class LinearCrossEntropy;
template <class Scalar>
class Features;
template <class Scalar>
class OwnFeatures;
template <class Scalar>
class MeanSquaredError;
template <class Scalar>
class Huber;
template <class Scalar>
class BinaryCrossEntropy;
template <class Scalar>
class Sequential;

template <class Scalar>
class Optimizer;
template <class Scalar>
class SGD;
template <class Scalar>
class Adam;
template <class Scalar>
class AdamW;
template <class Scalar>
class Lion;
template <class Scalar>
class RMSprop;
template <class Scalar>
class NAdam;
template <class Scalar>
class Adafactor;
template <class Scalar>
class Muon;
template <class Scalar>
class AdamA;
template <class Scalar>
class FoldedSGD;
template <class Scalar>
class WeightAverage;
template <class Scalar>
class NonFiniteGuard;
template <class Scalar>
class NoiseScale;
template <class Scalar>
class AdaptiveBatch;
template <class Scalar>
class FoldedBackward;
template <class Scalar>
class Lanes;

class LogLine;
class Log;
class CsvLog;
class JsonLinesLog;
class TensorBoardLog;
struct Plan;
struct Audit;
struct GradientCheck;
struct DataPosition;
class ConfigReader;
template <class Scalar>
struct LayerRecipe;
template <class Scalar>
class LayerRegistry;
template <class Scalar>
class TensorDataset;
template <class Scalar>
class ImageDataset;
template <class Scalar>
class RegressionDataset;
template <class Scalar>
class CsvTable;
class Vocabulary;
class Text;
template <class Scalar>
class TextDataset;

}  // namespace gacc
