import Configuration
import Foundation
import Models
import TensorCore

/// A definition's value from JSON text, every part of it at `test.yaml:1`.
func node(_ json: String) -> ConfigurationNode {
    do { return try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8)).node } catch {
        preconditionFailure("not JSON: \(json): \(error)")
    }
}

private let mark = SourceMark(file: "test.yaml", line: 1)

private struct JSONValue: Decodable {
    let node: ConfigurationNode

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            node = ConfigurationNode(.null, mark: mark)
        } else if let map = try? container.decode([String: JSONValue].self) {
            let entries = map.sorted { $0.key < $1.key }.map { ConfigurationNode.Entry(key: $0.key, mark: mark, node: $0.value.node) }
            node = ConfigurationNode(.map(entries), mark: mark)
        } else if let list = try? container.decode([JSONValue].self) {
            node = ConfigurationNode(.list(list.map(\.node)), mark: mark)
        } else if let text = try? container.decode(String.self) {
            node = ConfigurationNode(.scalar(text, quoted: false), mark: mark)
        } else if let boolean = try? container.decode(Bool.self) {
            node = ConfigurationNode(.scalar(String(boolean), quoted: false), mark: mark)
        } else if let integer = try? container.decode(Int.self) {
            node = ConfigurationNode(.scalar(String(integer), quoted: false), mark: mark)
        } else {
            node = ConfigurationNode(.scalar(String(try container.decode(Double.self)), quoted: false), mark: mark)
        }
    }
}

/// Reads a definition without errors.
func definition(_ json: String) throws -> ModelDefinition {
    let errors = ConfigurationErrors()
    let definition = ModelRegistry.standard.read(node(json), path: "models.m", errors: errors)
    try errors.throwIfAny()
    return definition!
}

/// What is said about a definition for images of a size, without the place that all messages have in common.
func errors(_ json: String, _ input: ImageShape = ImageShape(height: 28, width: 28, channels: 1)) -> [String] {
    let errors = ConfigurationErrors(), node = node(json)
    if let definition = ModelRegistry.standard.read(node, path: "models.m", errors: errors) {
        definition.validate(input: input, classes: 10, node: node, path: "models.m", errors: errors)
    }
    return errors.messages.map { String($0.trimmingPrefix("test.yaml:1: ")) }
}

/// Small models of every family and of their options, as definitions, that take 28×28 images.
let smallDefinitions = [
    #""logistic_regression""#,
    #"{"mlp": {"widths": [32, 16], "activation": "tanh"}}"#,
    #"{"mlp": {"width": 12, "depth": 3, "activation": "silu"}}"#,
    #"{"mlp": {"widths": [], "initialization": {"xavier": {"distribution": "normal"}}}}"#,
    #"{"lenet5": {}}"#,
    #"{"projected": {"backbone": {"resnet": {"depth": 8, "width": 4, "cut_after": "stage3"}}, "hidden": [12]}}"#,
    #"{"lenet5": {"variant": "original"}}"#,
    #"{"lenet5": {"variant": "original", "padding": 0, "initialization": "lecun"}}"#,
    #"{"lenet5": {"padding": 0}}"#,
    #"{"vgg": {"blocks": [1, 2], "width": 4, "hidden": [8], "pool": 2, "dropout": 0}}"#,
    #"{"vgg": {"blocks": [1, 1, 1], "width": 4, "hidden": [], "pool": 1, "norm": "batch", "dropout": 0}}"#,
    #"{"yolo": {"size": "small", "width": 4, "hidden": 16, "norm": "batch"}}"#,
    #"{"squeezenet": {"dropout": 0.5}}"#,
    #"{"squeezenet": {"version": "1.0", "dropout": 0}}"#,
    #"{"densenet": {"depth": 10, "growth": 4}}"#,
    #"{"densenet": {"depth": 16, "growth": 2, "stem": "7x7"}}"#,
    #"{"mobilenet_v2": {"width_multiplier": 0.0625, "small_images": true, "dropout": 0.1}}"#,
    #"{"googlenet": {"width_multiplier": 0.0625, "small_images": true, "dropout": 0.2}}"#,
    #"{"googlenet": {"variant": "original", "width_multiplier": 0.125, "dropout": 0}}"#,
    #"{"inception_v3": {"width_multiplier": 0.0625, "small_images": true, "dropout": 0.5}}"#,
    #"{"inception_resnet_v2": {"blocks": [1, 1, 1], "width_multiplier": 0.0625, "small_images": true, "dropout": 0}}"#,
    #"{"xception": {"middle_blocks": 1, "width_multiplier": 0.0625, "small_images": true, "dropout": 0}}"#,
    #"{"xception": {"middle_blocks": 2, "width_multiplier": 0.0625, "dropout": 0.5}}"#,
    #"{"convnext": {"blocks": [1, 2], "width": 8, "patch": 2, "layer_scale": 0.1, "drop_path": 0.1}}"#,
    #"{"convnext": {"blocks": [1, 1], "width": 8, "drop_path": 0, "layer_scale": 0.1}}"#,
    #"{"efficientnet": {"width_multiplier": 0.0625, "depth_multiplier": 0.3, "small_images": true, "dropout": 0, "drop_path": 0}}"#,
    #"{"efficientnet": {"width_multiplier": 0.25, "depth_multiplier": 0.6, "drop_path": 0.1}}"#,
    #"{"wide_resnet": {"depth": 10, "widening": 1, "dropout": 0.3}}"#,
    #"{"resnet_v2": {"depth": 20, "width_multiplier": 0.25}}"#,
    #"{"resnet_v2": {"depth": 50, "width_multiplier": 0.125}}"#,
    #"{"resnet_v2": {"depth": 18, "stem": "7x7", "width_multiplier": 0.125}}"#,
    #"{"mobilenet": {"width_multiplier": 0.0625, "small_images": true}}"#,
    #"{"mobilenet": {"width_multiplier": 0.125, "activation": "relu", "dropout": 0.1}}"#,
    #"{"mnist_cnn": {}}"#,
    #"{"resnet": {"depth": 8, "width": 4}}"#,
    #"{"resnet": {"depth": 14, "width": 4, "shortcut": "B"}}"#,
    #"{"resnet": {"depth": 18, "width": 4}}"#,
    #"{"resnet": {"depth": 34, "width": 4, "stem": "7x7", "initialization": {"he": {"fan": "average"}}}}"#,
    #"{"resnet": {"depth": 26, "kind": "imagenet", "width": 4, "stem": "3x3"}}"#,
    #"{"resnet": {"depth": 26, "kind": "imagenet", "width": 4, "groups": 4, "width_per_group": 32, "stride_in": "1x1", "zero_init_residual": true}}"#,
    #"{"resnet": {"depth": 8, "width": 8, "reduction": 2, "shortcut": "B"}}"#,
    #"{"plain": {"depth": 8, "width": 4}}"#,
    #"{"resnet": {"depth": 8, "width": 4, "shortcut": "B", "norm": {"group": {"groups": 2}}, "activation": "silu", "zero_init_residual": true}}"#,
    #"{"resnet": {"depth": 8, "width": 4, "shortcut": "B", "norm": "none", "activation": "tanh"}}"#,
    #"{"resnet": {"depth": 8, "width": 4, "activation": "leaky_relu"}}"#,
    #"{"plain": {"depth": 8, "width": 4, "norm": "layer", "activation": "gelu"}}"#,
    #"{"vit": {"patch": 7, "width": 16, "depth": 2, "heads": 2}}"#,
    #"{"vit": {"patch": 4, "width": 16, "depth": 2, "heads": 4, "pool": "mean", "position": "sincos", "mlp_ratio": 2}}"#,
    #"{"vit": {"patch": 14, "width": 24, "depth": 3, "heads": 3, "position": "none", "dropout": 0.1, "drop_path": 0.2}}"#,
    #"{"vit": {"patch": 4, "width": 16, "depth": 1, "heads": 2, "stem": "convolutions", "attention_scale": false}}"#,
    #"{"vit": {"patch": 7, "width": 16, "depth": 2, "heads": 2, "registers": 2, "distillation": true, "qk_norm": "rms", "norm": "rms", "mlp": "swiglu", "layer_scale": 0.1, "qkv_bias": false}}"#,
    #"{"vit": {"patch": 5, "pad": true, "stem": "shifted_patch", "local_attention": true, "width": 16, "depth": 2, "heads": 2, "position": "coordinates", "pool": "sequence", "block": "post"}}"#,
    #"{"vit": {"patch": 4, "width": 16, "depth": 2, "heads": 2, "patch_dropout": 0.5, "position": "relative", "pool": "mean", "block": "residual"}}"#,
    #"{"vit": {"patch": 4, "width": 16, "depth": 2, "heads": 2, "patch_dropout": 0.25, "attention_dropout": 0.1, "position": "rotary", "registers": 1, "pool": "attention", "block": "parallel"}}"#,
    #"{"cct": {"convolutions": 2, "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 1}}"#,
    #"{"swin": {"blocks": [2, 2], "width": 8, "heads": [1, 2], "window": 4, "patch": 2, "drop_path": 0}}"#,
    #"{"backbone": {"resnet": {"depth": 8, "width": 4, "cut_after": "stage3"}}, "tokens": {"patch": 2, "pad": true}, "transformer": {"width": 16, "depth": 1, "heads": 2, "patch_dropout": 0.5, "position": "factorized"}}"#,
    #"{"backbone": {"resnet": {"depth": 8, "width": 4, "cut_after": "stage2"}}, "transformer": {"width": 16, "depth": 2, "heads": 2}, "head": {"pool": "mean"}}"#,
    #"{"backbone": {"resnet": {"depth": 8, "width": 8, "norm": "group", "activation": "sigmoid", "cut_after": "stage1"}}, "tokens": {"patch": 4}, "transformer": {"width": 16, "depth": 1, "heads": 2}}"#,
    #"{"backbone": {"densenet": {"depth": 10, "growth": 4, "cut_after": "stage2"}}, "transformer": {"width": 16, "depth": 1, "heads": 2}}"#,
    #"{"backbone": {"lenet5": {"cut_after": "stage1"}}, "tokens": {"patch": 2}, "transformer": {"width": 16, "depth": 1, "heads": 2, "attention_scale": false}}"#,
    #"{"backbone": {"plain": {"depth": 18, "width": 4, "cut_after": "stem"}}, "tokens": {"patch": 4}, "transformer": {"width": 16, "depth": 1, "heads": 2, "position": "sincos"}}"#,
    #"{"backbone": {"resnet": {"depth": 8, "width": 4, "cut_after": "stage3"}}, "tokens": {"stages": ["stage2", "stage3"], "patches": [2, 1]}, "transformer": {"width": 16, "depth": 1, "heads": 2}, "head": {"pool": "sequence"}}"#,
    #"{"backbone": {"resnet": {"depth": 8, "width": 4, "cut_after": "stage3"}}, "tokens": {"stages": ["stage1", "stage2", "stage3"], "patch": 7}, "transformer": {"width": 16, "depth": 1, "heads": 2, "position": "sincos", "registers": 2}, "head": {"distillation": true}}"#,
    #"{"backbone": {"levit": {"widths": [16, 16], "heads": [1, 2], "blocks": [1, 1], "patch": 4, "cut_after": "stage1"}}, "transformer": {"width": 16, "depth": 1, "heads": 2, "position": "rotary", "mlp": "swiglu", "block": "parallel"}}"#,
    #"{"coatnet": {"blocks": [1, 2], "convolution_stages": 1, "width": 8, "stem_width": 4, "stem_stride": 1, "head_width": 4, "drop_path": 0.1}}"#,
    #"{"coatnet": {"blocks": [2, 1], "width": 8, "stem_width": 4, "expansion": 2, "drop_path": 0}}"#,
    #"{"levit": {"widths": [16, 32], "heads": [1, 2], "blocks": [1, 1], "key_width": 8, "patch": 4, "drop_path": 0.1}}"#,
    #"{"levit": {"size": "128", "widths": [16], "heads": [2], "blocks": [1], "patch": 4, "mlp_ratio": 1, "distillation": false}}"#,
]

extension ModelDefinition {
    /// The logits of the model, recorded in `scope`, the graph's root unless given.
    func logits(_ images: Tensor, classes: Int = 10, in scope: Scope? = nil) -> Tensor {
        let scope = scope ?? images.graph.root
        return record(images, classes: classes, in: scope).required("logits", in: scope)
    }
}
