import Configuration
import Foundation
import Layers
import Models
import TensorCore
import Testing

/// Definitions of models: what they mean, how they are written back, and what is said when they are wrong.
struct ReadingTests {
    @Test func aHybrid() throws {
        let read = try definition(
            """
            {"backbone": {"resnet": {"depth": 20, "width": 16, "cut_after": "stage2"}}, "tokens": {"patch": 1},
             "transformer": {"width": 96, "depth": 4, "heads": 3}, "head": {"pool": "mean"}}
            """)
        let expected = HybridConfiguration(
            backbone: BackboneDefinition(ResNetConfiguration(depth: 20), cutAfter: "stage2"),
            transformer: TransformerConfiguration(width: 96, depth: 4, heads: 3), pool: .mean)
        #expect(read == ModelDefinition(expected))
    }

    @Test func defaultsAreThePublishedOnes() throws {
        var small = ResNetConfiguration(depth: 20)
        #expect((small.width, small.shortcut, small.stem) == (16, .a, .small))
        #expect(try definition(#"{"resnet": {"depth": 20}}"#) == ModelDefinition(small))
        let large = ResNetConfiguration(depth: 34)
        #expect((large.width, large.shortcut, large.stem) == (64, .b, .auto))
        #expect(try definition(#"{"resnet": {"depth": 34}}"#) == ModelDefinition(large))
        small.zeroInitializesResidual = true
        #expect(try definition(#"{"resnet": {"depth": 20, "zero_init_residual": true}}"#) == ModelDefinition(small))
        let vit = VisionTransformerConfiguration(patch: 4, TransformerConfiguration(width: 96, depth: 6, heads: 3))
        #expect(try definition(#"{"vit": {"patch": 4, "width": 96, "depth": 6, "heads": 3}}"#) == ModelDefinition(vit))
        #expect(try definition(#""lenet5""#) == ModelDefinition(LeNet5Configuration()))
        #expect(try definition(#"{"mlp": {}}"#) == ModelDefinition(MLPConfiguration(widths: [256, 128])))
        #expect(try definition(#""vit-28""#) == ModelPreset.named("vit-28")!.definition)
    }

    /// 50 and 152 are 6n + 2, and ImageNet's.
    @Test(arguments: [
        ("50", nil, ["models.m.resnet.depth: 50 layers have one ResNet for CIFAR (6n + 2) and another one for ImageNet; say kind: cifar or kind: imagenet"]),
        ("152", nil, ["models.m.resnet.depth: 152 layers have one ResNet for CIFAR (6n + 2) and another one for ImageNet; say kind: cifar or kind: imagenet"]),
        ("102", nil, ["models.m.resnet.depth: expected 18, 34, 50, 101, 152 or 6n + 2 (8, 14, 20, 32, 44, 56, 110, …), found 102"]),
        ("20", "imagenet", ["models.m.resnet.kind: found imagenet with depth 20, expected depth 18, 26, 34, 50, 101 or 152"]),
        ("101", "cifar", ["models.m.resnet.kind: found cifar with depth 101, expected a depth of 6n + 2 (8, 14, 20, 32, 44, 56, 110, …)"]),
        ("18", "cifar", ["models.m.resnet.kind: found cifar with depth 18, expected a depth of 6n + 2 (8, 14, 20, 32, 44, 56, 110, …)"]),
        ("50", "cifr", [
            "models.m.resnet.kind: unknown value 'cifr'; did you mean 'cifar'?",
            "models.m.resnet.depth: 50 layers have one ResNet for CIFAR (6n + 2) and another one for ImageNet; say kind: cifar or kind: imagenet",
        ]),
        ("50", "cifar", []), ("152", "cifar", []), ("20", "cifar", []), ("34", "imagenet", []), ("20", nil, []), ("34", nil, []),
    ] as [(String, String?, [String])])
    func aDepthThatNamesTwoNetworksNeedsAKind(depth: String, kind: String?, sentences: [String]) {
        let options = #"{"depth": \#(depth), "width": 2\#(kind.map { #", "kind": "\#($0)""# } ?? "")}"#
        #expect(errors(#"{"resnet": \#(options)}"#) == sentences)
        let hybrid = errors(#"{"backbone": {"resnet": \#(options.dropLast()), "cut_after": "stage1"}}, "transformer": {"width": 8, "depth": 1, "heads": 1}}"#)
        #expect(hybrid == sentences.map { $0.replacing("models.m.resnet", with: "models.m.backbone.resnet") })
    }

    @Test func theKindIsWrittenWhereItIsNeeded() throws {
        let deep = try definition(#"{"resnet": {"depth": 50, "kind": "cifar"}}"#)
        #expect(deep == ModelDefinition(ResNetConfiguration(depth: 50)))
        let text = YAML.line(deep.node, .json)
        #expect(text.contains(#""kind": "cifar""#))
        #expect(try definition(text) == deep)
        // It only makes the definition clear.
        #expect(!YAML.line(deep.identity).contains("kind"))
        let bottlenecks = try definition(#"{"resnet": {"depth": 50, "kind": "imagenet"}}"#)
        #expect(bottlenecks.identity != deep.identity && bottlenecks != deep)
        #expect(try definition(YAML.line(bottlenecks.node, .json)) == bottlenecks)
        let plain = try definition(#"{"resnet": {"depth": 20, "kind": "cifar"}}"#)
        #expect(try plain == definition(#"{"resnet": {"depth": 20}}"#))
        #expect(!YAML.line(plain.node).contains("kind"))
        // There is one plain network of 50 layers.
        #expect(try definition(#"{"plain": {"depth": 50}}"#) == ModelDefinition(PlainConfiguration(depth: 50)))
    }

    @Test(arguments: [
        (#"{"he": {"gain": 1e-60}}"#, "he.gain: found 1e-60, expected 0 or a magnitude from 1.18e-38 to 3.40e+38, which single precision can hold"),
        (#"{"normal": {"deviation": 1e-50}}"#, "normal.deviation: found 1e-50, expected 0 or a magnitude from 1.18e-38 to 3.40e+38, which single precision can hold"),
    ])
    func numbersOfAnInitialization(json: String, sentence: String) {
        #expect(errors(#"{"mlp": {"initialization": \#(json)}}"#) == ["models.m.mlp.initialization.\(sentence)"])
    }

    @Test(arguments: [
        (#""zeros""#, Initialization.zeros),
        (#"{"constant": {"value": 0.5}}"#, .constant(value: 0.5)),
        (#"{"normal": {"deviation": 1}}"#, .normal(deviation: 1)),
        (#"{"uniform": {"bound": 0.1}}"#, .uniform(bound: 0.1)),
        (#"{"truncated_normal": {"deviation": 0.1, "bound": 0.2}}"#, .truncatedNormal(deviation: 0.1, bound: 0.2)),
        (#""truncated_normal""#, .transformer),
        (#"{"xavier": {"distribution": "normal", "gain": "tanh"}}"#, .xavier(distribution: .normal, gain: 5.0 / 3)),
        (#""xavier""#, .xavier(distribution: .uniform, gain: 1)),
        (#"{"he": {"fan": "out", "gain": 1.5}}"#, .he(distribution: .normal, fan: .out, gain: 1.5)),
        (#""he""#, .he(distribution: .normal, fan: .in, gain: 2.0.squareRoot())),
        (#"{"lecun": {"distribution": "uniform"}}"#, .leCun(distribution: .uniform)),
    ])
    func initializations(json: String, expected: Initialization) throws {
        let read = try definition(#"{"mlp": {"initialization": \#(json)}}"#)
        #expect(read == ModelDefinition(MLPConfiguration(widths: [256, 128], initialization: expected)))
    }

    @Test(arguments: [
        (#""batch""#, NormalizationKind.batch), (#""layer""#, .oneGroup), (#""none""#, .none), (#""group""#, .group(groups: 8)),
        (#"{"group": {"groups": 4}}"#, .group(groups: 4)), (#"{"layer": {}}"#, .oneGroup),
    ])
    func norms(json: String, expected: NormalizationKind) throws {
        let read = try definition(#"{"resnet": {"depth": 20, "norm": \#(json), "activation": "silu"}}"#)
        #expect(read == ModelDefinition(ResNetConfiguration(depth: 20, norm: expected, activation: .silu)))
    }

    /// What is written is a definition of the same model, with every default written out.
    @Test(arguments: smallDefinitions)
    func whatIsWrittenReadsBack(json: String) throws {
        let read = try definition(json)
        #expect(try definition(YAML.line(read.node, .json)) == read)
    }

    @Test func whatIsWrittenHasTheKeysOfDefinitions() throws {
        let hybrid = try definition(
            #"{"backbone": {"plain": {"depth": 8, "cut_after": "stem"}}, "transformer": {"width": 8, "depth": 1, "heads": 1}}"#)
        #expect(
            YAML.line(hybrid.node, .json)
                == #"{"backbone": {"plain": {"activation": "relu", "cut_after": "stem", "depth": 8, "initialization": {"he": {"distribution": "normal", "fan": "out", "gain": 1.4142135623730951}}, "norm": "batch", "stem": "3x3", "width": 16}}, "#
                + #""head": {"pool": "class"}, "tokens": {"patch": 1}, "transformer": {"attention_dropout": 0, "attention_scale": true, "block": "pre", "depth": 1, "drop_path": 0, "dropout": 0, "heads": 1, "#
                + #""initialization": {"truncated_normal": {"bound": 2, "deviation": 0.02}}, "local_attention": false, "mlp": "gelu", "mlp_ratio": 4, "norm": "layer", "#
                + #""norm_epsilon": 1e-06, "position": "learned", "qk_norm": "none", "qkv_bias": true, "registers": 0, "width": 8}}"#)
    }

    @Test(arguments: [
        (#"{"resnt": {"depth": 20}}"#, ["models.m: unknown model 'resnt'; did you mean 'resnet'?"]),
        (#""vit-29""#, ["models.m: unknown model 'vit-29'; did you mean 'vit-28'?"]),
        (#"{"resnet": {"depth": 20}, "vit": {}}"#, ["models.m: found resnet and vit, expected one family"]),
        (#"{"vit": {}, "trian": {}}"#, ["models.m.trian: unknown key 'trian' beside vit; did you mean 'train'?"]),
        (#"{"vit": {}, "width": 8}"#, ["models.m.width: unknown key 'width' beside vit; it is one of vit's: vit: {width: …}"]),
        (#"[1]"#, ["models.m: expected a name or a map with one key, found a list"]),
        (
            #"{"resnet": {"depth": 21, "widht": 16}}"#,
            [
                "models.m.resnet.depth: expected 18, 34, 50, 101, 152 or 6n + 2 (8, 14, 20, 32, 44, 56, 110, …), found 21",
                "models.m.resnet.widht: unknown key 'widht'; did you mean 'width'?",
            ]
        ),
        (#"{"resnet": {}}"#, ["models.m.resnet.depth: missing; expected an integer of at least 1"]),
        (#"{"resnet": {"depth": "twenty"}}"#, ["models.m.resnet.depth: expected an integer, found twenty"]),
        (
            #"{"resnet": {"depth": 101, "groups": 65536, "width_per_group": 65536, "width": 65536}}"#,
            ["models.m.resnet.groups: found 35,184,372,088,832 channels inside the last bottlenecks, expected at most 1,048,576"]
        ),
        (#"{"resnet": {"depth": 18, "groups": 32}}"#, [
            "models.m.resnet.groups: found with basic blocks, expected it with the bottlenecks of 50, 101 or 152 layers alone"
        ]),
        (#"{"resnet": {"depth": 101, "shortcut": "A"}}"#, ["models.m.resnet.shortcut: found A with bottlenecks, expected B"]),
        (#"{"plain": {"depth": 101}}"#, ["models.m.plain.depth: there is no plain network of 101 layers, expected 18, 34 or 6n + 2 (8, 14, 20, …)"]),
        (#"{"vgg": {"depth": 12, "blocks": [1]}}"#, ["models.m.vgg.depth: expected 11, 13, 16 or 19, found 12"]),
        (#"{"vgg": {"blocks": []}}"#, ["models.m.vgg.blocks: found 0 blocks, expected 1 to 16"]),
        (#"{"densenet": {"depth": 120}}"#, ["models.m.densenet.depth: expected 121, 161, 169, 201 or 6n + 4 (40, 100, 190, …), found 120"]),
        (#"{"mobilenet_v2": {"width_multiplier": 0}}"#, ["models.m.mobilenet_v2.width_multiplier: expected a value from 0.0625 to 16.0, found 0.0"]),
        (#"{"resnet": {"depth": 20, "norm": "bacth"}}"#, ["models.m.resnet.norm: unknown normalization 'bacth'; did you mean 'batch'?"]),
        (#"{"resnet": {"depth": 20, "norm": ["batch"]}}"#, ["models.m.resnet.norm: expected a name or a map with one key, found a list"]),
        (
            #"{"plain": {"depth": 20, "norm": {"group": {"groups": 0, "group": 4}}, "activation": "rleu"}}"#,
            [
                "models.m.plain.norm.group.groups: expected a value from 1 to 65536, found 0",
                "models.m.plain.norm.group.group: unknown key 'group'; did you mean 'groups'?",
                "models.m.plain.activation: unknown value 'rleu'; did you mean 'relu'?",
            ]
        ),
        (#"{"resnet": {"depth": 20, "norm": {"layer": {"groups": 2}}}}"#, ["models.m.resnet.norm.layer.groups: unknown key 'groups'"]),
        (
            #"{"resnet": {"depth": 20, "width": 12, "norm": "group"}}"#,
            ["models.m.resnet.norm: 8 groups do not divide the 12 channels of the first stage"]
        ),
        (
            #"{"resnet": {"depth": 20, "norm": "none", "zero_init_residual": true}}"#,
            ["models.m.resnet.zero_init_residual: found true with the norm none, expected a norm, whose scale can start at 0"]
        ),
        (
            #"{"backbone": {"plain": {"depth": 20, "norm": {"group": {"groups": 5}}, "cut_after": "stage1"}}, "transformer": {"width": 8, "depth": 1, "heads": 1}}"#,
            ["models.m.backbone.plain.norm: 5 groups do not divide the 16 channels of the first stage"]
        ),
        (#"{"resnet": {"depth": 20, "cut_after": "stage2"}}"#, ["models.m.resnet.cut_after: unknown key 'cut_after'; known: activation, attention_after, attention_bias, attention_heads, depth, dilated_stages, groups, initialization, kind, norm, reduction, shortcut, stem, stride_in, width, width_per_group, zero_init_residual"]),
        (
            #"{"vit": {"patch": 4, "width": 64, "depth": 6, "heads": 3}}"#,
            ["models.m.vit.heads: 3 heads do not divide the width 64"]
        ),
        (
            #"{"vit": {"patch": 4, "width": 66, "depth": 6, "heads": 3, "position": "sincos"}}"#,
            ["models.m.vit.position: sincos positions need a width that is a multiple of 4 and at least 8, found 66"]
        ),
        (
            #"{"vit": {"patch": 5, "width": 64, "depth": 6, "heads": 4}}"#,
            ["models.m.vit.patch: a patch of 5 does not divide the image of 28×28; these do: 1, 2, 4, 7, 14, 28; pad: true fills it up with zeros"]
        ),
        (
            #"{"vit": {"patch": 7, "width": 64, "depth": 6, "heads": 4, "stem": "convolutions"}}"#,
            ["models.m.vit.stem: convolutions halve the image one after another, which takes a patch of 2, 4, 8 or a higher power of two, found 7"]
        ),
        (
            #"{"vit": {"patch": 1, "width": 64, "depth": 6, "heads": 4, "stem": "convolutions"}}"#,
            ["models.m.vit.stem: convolutions halve the image one after another, which takes a patch of 2, 4, 8 or a higher power of two, found 1"]
        ),
        (
            #"{"vit": {"patch": 4, "width": 63, "depth": 6, "heads": 3, "stem": "convolutions"}}"#,
            ["models.m.vit.stem: convolutions for a patch of 4 double their channels up to the width, which must be a multiple of 2, found 63"]
        ),
        (
            #"{"vit": {"patch": 8, "width": 64, "depth": 6, "heads": 4, "stem": "convolutions"}}"#,
            ["models.m.vit.patch: a patch of 8 does not divide the image of 28×28; these powers of two do: 2, 4; pad: true fills it up with zeros"]
        ),
        // No word about the stem where its patch or width is not known.
        (
            #"{"vit": {"width": "wide", "depth": 6, "heads": 4, "stem": "convolutions"}}"#,
            [
                "models.m.vit.patch: missing; expected an integer of at least 1",
                "models.m.vit.width: expected an integer, found wide",
            ]
        ),
        (
            #"{"vit": {"patch": 4, "width": 64, "depth": 6, "heads": 4, "stem": "conv", "attention_scale": 0.5}}"#,
            [
                "models.m.vit.stem: unknown value 'conv'; known: convolutions, patchify, shifted_patch",
                "models.m.vit.attention_scale: expected true or false, found 0.5",
            ]
        ),
        (#"{"vit": {"patch": 4, "width": 64, "depth": 0, "heads": 4}}"#, ["models.m.vit.depth: expected a value from 1 to 2048, found 0"]),
        (
            #"{"mlp": {"widths": [10000000000, 16]}}"#,
            ["models.m.mlp.widths[0]: expected a value from 1 to 65536, found 10000000000"]
        ),
        (
            #"{"mlp": {"widths": [8, 8], "depth": 2}}"#,
            ["models.m.mlp.widths: the hidden layers are given twice; expected either widths, or width and depth"]
        ),
        (#"{"mlp": {"width": 8}}"#, ["models.m.mlp.depth: missing; expected an integer of at least 1"]),
        (#"{"mlp": {"depth": 8}}"#, ["models.m.mlp.width: missing; expected an integer of at least 1"]),
        (#"{"mlp": {"width": 8, "depth": 0}}"#, ["models.m.mlp.depth: expected a value from 1 to 2048, found 0"]),
        (#"{"mlp": {"width": 8, "dept": 2}}"#, [
            "models.m.mlp.depth: missing; expected an integer of at least 1", "models.m.mlp.dept: unknown key 'dept'; did you mean 'depth'?",
        ]),
        (
            #"{"vit": {"patch": 4, "width": 64, "depth": 2, "heads": 4, "dropout": 1, "pool": "max"}}"#,
            [
                "models.m.vit.dropout: expected a value from 0.0 up to but not 1.0, found 1.0",
                "models.m.vit.pool: unknown value 'max'; known: attention, class, mean, sequence",
            ]
        ),
        (
            #"{"mlp": {"initialization": {"he": {"fan": "inn", "gain": "gelu"}}}}"#,
            [
                "models.m.mlp.initialization.he.fan: unknown value 'inn'; did you mean 'in'?",
                "models.m.mlp.initialization.he.gain: expected a positive number or one of identity, relu, leaky_relu, tanh, sigmoid, found gelu",
            ]
        ),
        (#"{"mlp": {"initialization": "xavir"}}"#, ["models.m.mlp.initialization: unknown initialization 'xavir'; did you mean 'xavier'?"]),
        (
            #"{"backbone": {"resnet": {"depth": 8, "attention_after": ["stage1", "stage3"], "cut_after": "stage2"}}, "transformer": {"width": 8, "depth": 1, "heads": 1}}"#,
            ["models.m.backbone.resnet.attention_after: stage3 lies behind stage2, after which the network is cut"]
        ),
        (
            #"{"backbone": {"googlenet": {"auxiliary": true, "cut_after": "inception3a"}}, "transformer": {"width": 8, "depth": 1, "heads": 1}}"#,
            ["models.m.backbone.googlenet.auxiliary: a network that is cut has no auxiliary heads"]
        ),
        (
            #"{"backbone": {"resnet": {"depth": 20, "cut_after": "stage5"}}, "transformer": {"width": 8, "depth": 1, "heads": 1}}"#,
            ["models.m.backbone.resnet.cut_after: resnet has no stage 'stage5'; its stages: stem, stage1, stage2, stage3"]
        ),
        (
            #"{"backbone": {"lenet5": {}}, "transformer": {"width": 8, "depth": 1, "heads": 1}}"#,
            ["models.m.backbone.lenet5.cut_after: missing; expected one of the stages stage1, stage2"]
        ),
        (
            #"{"backbone": {"vit": {}}, "transformer": {"width": 8, "depth": 1, "heads": 1}}"#,
            ["models.m.backbone: unknown convolutional network 'vit'; known: alexnet, coatnet, convnext, densenet, efficientnet, googlenet, inception_resnet_v2, inception_v3, lenet5, levit, mnist_cnn, mobilenet, mobilenet_v2, plain, resnet, resnet_standardized, resnet_v2, squeezenet, swin, vgg, wide_resnet, xception, yolo"]
        ),
        (#"{"backbone": {"lenet5": {"cut_after": "stage1"}}}"#, ["models.m.transformer: missing; expected width, depth and heads"]),
        (
            #"{"tokens": {"patch": 1}, "transformer": {"width": 8, "depth": 1, "heads": 1}}"#,
            ["models.m.backbone: missing; expected a convolutional network and the stage after which it is cut"]
        ),
        (
            #"{"backbone": {"resnet": {"depth": 20, "cut_after": "stage3"}}, "tokens": {"patch": 2}, "transformer": {"width": 8, "depth": 1, "heads": 1}}"#,
            ["models.m.tokens.patch: a patch of 2 does not divide the feature map after stage3 of 7×7; these do: 1, 7; pad: true fills it up with zeros"]
        ),
        (#"{"vit": {"patch": 5, "pad": true, "width": 64, "depth": 6, "heads": 4}}"#, []),
        (
            #"{"vit": {"patch": 1, "width": 64, "depth": 6, "heads": 4, "stem": "shifted_patch", "patch_dropout": 1}}"#,
            [
                "models.m.vit.stem: patches move by half of their side, which takes a patch of at least 2, found 1",
                "models.m.vit.patch_dropout: expected a value from 0.0 up to but not 1.0, found 1.0",
            ]
        ),
        (
            #"{"vit": {"patch": 4, "width": 36, "depth": 6, "heads": 6, "position": "rotary"}}"#,
            ["models.m.vit.position: rotary positions need a multiple of 4 channels a head, found 6"]
        ),
        (#"{"cct": {"width": 64, "depth": 1, "heads": 3}}"#, ["models.m.cct.heads: 3 heads do not divide the width 64"]),
        (
            #"{"backbone": {"resnet": {"depth": 20, "cut_after": "stage3"}}, "transformer": {"width": 8, "depth": 1, "heads": 3}}"#,
            ["models.m.transformer.heads: 3 heads do not divide the width 8"]
        ),
        (
            #"{"navit": {"width": 64, "depth": 1, "heads": 3, "position": "learned"}}"#,
            [
                "models.m.navit.position: unknown value 'learned'; known: coordinates, factorized, none", "models.m.navit.heads: 3 heads do not divide the width 64",
                "models.m.navit: navit takes images in their own sizes, packed into sequences as data.size: native gives them; found images of 28×28×1",
            ]
        ),
        (
            #"{"swin": {"width": 64, "heads": [2, 4, 8, 3]}}"#,
            ["models.m.swin.heads: 3 heads do not divide the width 512 of stage 4"]
        ),
        (#"{"swin": {"blocks": [2, 2]}}"#, ["models.m.swin.heads: found 4 numbers of heads, expected 2, one for each stage"]),
        (#"{"swin": {"window": 8}}"#, ["models.m.swin.window: a window of 8 cells does not fit the 7×7 cells of the image, expected at most 7"]),
        (#"{"swin": {"patch": 3}}"#, ["models.m.swin.patch: a patch of 3 does not divide the image of 28×28; these do: 1, 2, 4, 7, 14, 28"]),
    ])
    func errorsSayWhatIsWrong(json: String, expected: [String]) {
        #expect(Set(errors(json)) == Set(expected))
    }

    /// A model that is a word of the command line has no path before its family.
    @Test func aModelByItself() {
        let errors = ConfigurationErrors()
        _ = ModelRegistry.standard.read(node(#"{"resnet": {"depth": 21}}"#), path: "", errors: errors)
        #expect(errors.messages == ["test.yaml:1: resnet.depth: expected 18, 34, 50, 101, 152 or 6n + 2 (8, 14, 20, 32, 44, 56, 110, …), found 21"])
        #expect(errors.hasAny(under: "") && errors.hasAny(under: "resnet") && !errors.hasAny(under: "res"))
    }

    @Test func smallImages() {
        #expect(errors(#"{"lenet5": {}}"#, ImageShape(height: 8, width: 8, channels: 1)) == ["models.m.lenet5: lenet5 needs images of at least 12×12 pixels, found 8×8"])
        #expect(errors(#"{"lenet5": {}}"#, ImageShape(height: 12, width: 12, channels: 1)).isEmpty)
        #expect(errors(#"{"resnet": {"depth": 20}}"#, ImageShape(height: 8, width: 8, channels: 1)).isEmpty)
        let hybrid = #"{"backbone": {"lenet5": {"cut_after": "stage2"}}, "transformer": {"width": 8, "depth": 1, "heads": 1}}"#
        #expect(
            errors(hybrid, ImageShape(height: 8, width: 8, channels: 1))
                == ["models.m.backbone.lenet5: lenet5 needs images of at least 12×12 pixels, found 8×8"])
    }

    /// What would take longer to plan than to train is refused at once.
    @Test(arguments: [
        (#"{"vit": {"patch": 65536, "pad": true, "width": 32, "depth": 1, "heads": 2}}"#, "patch_embed.proj.weight: parameter of [32, 1, 65536, 65536]: more than 17179869184 elements"),
        (#"{"vit": {"patch": 1, "width": 8, "depth": 1, "heads": 2, "position": "relative"}}"#, "blocks.0.attn: relative positions of 16384 × 16384 tokens: more than 67108864 pairs"),
        (#"{"levit": {"patch": 1, "widths": [16], "heads": [2], "blocks": [1]}}"#, "stages.0.blocks.0.attn: relative positions of 16384 × 16384 tokens: more than 67108864 pairs"),
    ])
    func whatIsTooLarge(json: String, sentence: String) {
        let messages = errors(json, ImageShape(height: 128, width: 128, channels: 1))
        #expect(messages.count == 1 && messages[0].hasSuffix(": does not fit images of 128×128×1: \(sentence)"), "\(messages)")
    }

    @Test func packedImagesAreNoImages() {
        let messages = errors(#"{"navit": {"width": 16, "depth": 1, "heads": 2}}"#, ImageShape(height: 28, width: 28, channels: 1))
        #expect(messages == ["models.m.navit: navit takes images in their own sizes, packed into sequences as data.size: native gives them; found images of 28×28×1"])
    }

    @Test func noPatchForConvolutions() {
        let vit = #"{"vit": {"patch": 2, "width": 64, "depth": 6, "heads": 4, "stem": "convolutions"}}"#
        #expect(
            errors(vit, ImageShape(height: 27, width: 28, channels: 1))
                == ["models.m.vit.patch: a patch of 2 does not divide the image of 27×28; no power of two does; pad: true fills it up with zeros"])
    }

    @Test(arguments: smallDefinitions)
    func goodDefinitionsHaveNoErrors(json: String) {
        #expect(errors(json) == [])
    }
}
