import Configuration
import Layers
import TensorCore
import Testing

@testable import Models

/// The families that answer for every pixel, beside U-Net (`UNetTests`); `Tests/Reference/segmentation_models.py` made the fixture.
@Suite struct SegmentationModelTests {
    struct Fixture: Decodable, Sendable {
        let cases: [PixelGradients], trainings: [PixelTraining], parameters: [Int]
    }

    static let fixture: Fixture = try! PixelGradients.decoded(from: "segmentation_models.json")

    /// Small forms of torchvision's FCN and DeepLab v3, of FCN-8s and of SETR: loss and gradients, parameter by parameter.
    @Test(arguments: fixture.cases) func gradientsAgreeWithPyTorch(_ reference: PixelGradients) throws { try reference.compare() }

    @Test(arguments: fixture.trainings, [(1, 1), (4, 2)])
    func tenLossesAgreeWithPyTorch(_ reference: PixelTraining, division: (shards: Int, threads: Int)) throws {
        try reference.compare(shards: division.shards, threads: division.threads)
    }

    private static let dilated =
        #""backbone": {"resnet": {"depth": 50, "kind": "imagenet", "stem": "7x7", "dilated_stages": ["stage3", "stage4"], "cut_after": "stage4"}}"#
    private static func parameters(_ json: String, side: Int = 224, channels: Int = 3, classes: Int = 21) throws -> Int {
        try ModelSummary(definition(json), input: ImageShape(height: side, width: side, channels: channels), classes: classes).parameters
    }

    /// torchvision's numbers of parameters, as it counts them itself.
    @Test func haveTheParametersOfTorchvision() throws {
        let found = try ["fcn", "deeplab"].flatMap { family in
            try ["", #", "auxiliary": "stage3""#].map { try Self.parameters(#"{"\#(family)": {\#(Self.dilated)\#($0)}}"#) }
        }
        #expect(found == Self.fixture.parameters && found[0] == 32_957_013 && found[1] == 35_322_218)
        #expect(try Self.parameters(#""fcn-resnet50""#) == 32_957_013)
    }

    /// Caffe's VGG-16 with 4096, 4096 and 21 channels has 134,346,581 and the interpolation to 32 times the size 21² · 64².
    @Test func theNetworkOfThePaperHasItsParameters() throws {
        let vgg = #""backbone": {"vgg": {"depth": 16, "cut_after": "stage5"}}, "head": "classifier""#
        #expect(try Self.parameters(#"{"fcn": {\#(vgg)}}"#) == 134_346_581)
        #expect(try Self.parameters(#"{"fcn": {\#(vgg), "up": "transposed"}}"#) == 134_346_581 + 21 * 21 * 64 * 64)
        // Scores of pool4 and pool3, and three interpolations.
        #expect(try Self.parameters(#"{"fcn": {\#(vgg), "up": "transposed", "fuse": ["stage4", "stage3"]}}"#)
            == 134_346_581 + 513 * 21 + 257 * 21 + 21 * 21 * (4 * 4 + 4 * 4 + 16 * 16))
    }

    /// The counts of the paper, 318.31 M and 305.67 M, without the convolutions of 76,950 that each head of the authors' code has and does not use.
    @Test(arguments: [("pup", "[10, 15, 20, 24]", 317_922_542, 318.31), ("naive", "[10, 15, 20]", 305_361_496, 305.67)])
    func setrHasThePublishedParameters(decoder: String, blocks: String, count: Int, millions: Double) throws {
        let json = #"{"setr": {"patch": 16, "width": 1024, "depth": 24, "heads": 16, "decoder": "\#(decoder)", "auxiliary": \#(blocks), "auxiliary_decoder": "published", "decoder_bias": true, "class_token": true}}"#
        #expect(try Self.parameters(json, side: 512, classes: 150) == count)
        let heads = decoder == "pup" ? 5 : 4, unused = heads * (512 * 150 + 150)
        #expect((Double(count + unused) / 1e4).rounded() / 100 == millions)
    }

    /// Whatever the size is, every pixel has an answer, and every parameter a gradient.
    @Test(arguments: [
        #"{"fcn": {"backbone": {"resnet": {"depth": 8, "width": 4, "cut_after": "stage3"}}, "dropout": 0}}"#,
        #"{"fcn": {"backbone": {"resnet": {"depth": 8, "width": 4, "cut_after": "stage3"}}, "fuse": ["stage2", "stage1"], "head": "scores", "up": "transposed", "auxiliary": "stage2"}}"#,
        #"{"fcn": {"backbone": {"densenet": {"depth": 10, "growth": 4, "cut_after": "stage2"}}, "up": "transposed", "dropout": 0.2}}"#,
        #"{"fcn": {"backbone": {"swin": {"blocks": [2, 2], "width": 8, "heads": [1, 2], "window": 4, "patch": 2, "drop_path": 0, "cut_after": "stage2"}}, "fuse": ["stage1"]}}"#,
        #"{"deeplab": {"backbone": {"resnet": {"depth": 8, "width": 4, "dilated_stages": ["stage3"], "cut_after": "stage3"}}, "width": 8, "dilations": [2, 4], "auxiliary": "stage2"}}"#,
        #"{"setr": {"patch": 8, "pad": true, "width": 16, "depth": 4, "heads": 2, "decoder": "naive", "decoder_channels": 8}}"#,
        #"{"setr": {"patch": 5, "pad": true, "width": 16, "depth": 2, "heads": 2, "decoder_channels": 8, "auxiliary": [1], "position": "rotary", "registers": 1}}"#,
        #"{"setr": {"patch": 4, "pad": true, "width": 16, "depth": 2, "heads": 2, "decoder_channels": 8, "auxiliary": [1, 2], "auxiliary_decoder": "published", "class_token": true, "dropout": 0}}"#,
        #"{"setr": {"patch": 2, "pad": true, "width": 16, "depth": 4, "heads": 2, "decoder": "mla", "decoder_channels": 8, "decoder_norm": "layer", "norm": "rms"}}"#,
    ], [(32, 32), (29, 37)])
    func answersForEachPixel(json: String, size: (Int, Int)) throws {
        let (graph, images, labels, loss) = try PixelGradients.record(json, size: [2, size.0, size.1], channels: 2)
        try graph.validate()
        let found = try evaluate(
            gradients(of: loss, withRespectTo: graph.parameterTensors),
            feeding: [(images, HostTensor(images.shape, FormulaValues.values("images", images.shape))), (labels, PixelGradients.classes([2, size.0, size.1]))],
            store: ParameterStore(graph, seed: 5))
        for (parameter, gradient) in zip(graph.parameters, found) {
            #expect(gradient.floats.allSatisfy(\.isFinite) && gradient.floats.contains { $0 != 0 }, "\(parameter.name) gets no gradient")
        }
    }

    /// Away from the border a transposed convolution starts as interpolation, and a network with fused scores as the one without.
    @Test(arguments: [2, 3, 4, 8]) func upsamplingStartsAsInterpolation(factor: Int) throws {
        let graph = Graph(), x = graph.input("x", [1, 6, 7, 2]), size = Size2D(6 * factor, 7 * factor)
        let enlarging = ScoreUpsampling(.transposed, channels: 2, from: Size2D(6, 7), to: size, in: graph.root)
        let found = try evaluate(
            [enlarging(x), x.resized(to: size, .bilinear)], feeding: [(x, HostTensor(x.shape, FormulaValues.values("x", x.shape)))],
            store: ParameterStore(graph, seed: 0))
        #expect(found[0].shape == found[1].shape)
        for row in factor..<size.height - factor {
            for column in factor..<size.width - factor {
                for channel in 0..<2 {
                    let index = (row * size.width + column) * 2 + channel
                    #expect(abs(found[0].floats[index] - found[1].floats[index]) < 1e-6)
                }
            }
        }
    }

    @Test(arguments: [
        (#"{"fcn": {}}"#, "missing; expected a convolutional network and the stage after which it is cut"),
        (#"{"fcn": {"backbone": {"resnet": {"depth": 8, "cut_after": "stage3"}}, "fuse": ["stage3"]}}"#, "there is no stage 'stage3' before stage3; it has stem, stage1, stage2"),
        (#"{"fcn": {"backbone": {"resnet": {"depth": 8, "cut_after": "stage3"}}, "fuse": ["stage1", "stage2"]}}"#, "found stage2 behind stage1, expected each stage once and the later ones first"),
        (#"{"fcn": {"backbone": {"resnet": {"depth": 8, "cut_after": "stage3"}}, "hidden": [8]}}"#, "goes with head: classifier"),
        (#"{"deeplab": {"backbone": {"resnet": {"depth": 8, "cut_after": "stage2"}}, "auxiliary": "stage3"}}"#, "there is no stage 'stage3' up to stage2; it has stem, stage1, stage2"),
        (#"{"fcn": {"backbone": {"resnet": {"depth": 8, "dilated_stages": ["stage1"], "cut_after": "stage3"}}}}"#, "found 'stage1', expected stages that halve their maps: stage2, stage3"),
        (#"{"fcn": {"backbone": {"resnet": {"depth": 8, "dilated_stages": ["stage3"], "cut_after": "stage2"}}}}"#, "stage3 lies behind stage2, after which the network is cut"),
        (#"{"fcn": {"backbone": {"vgg": {"cut_after": "stage5"}}}}"#, "5 blocks, each of which halves the image, need at least 32×32 pixels, found 28×28"),
        (#"{"setr": {"patch": 5, "width": 16, "depth": 2, "heads": 2}}"#, "a patch of 5 does not divide the image of 28×28; these do: 1, 2, 4, 7, 14, 28; pad: true fills it up with zeros"),
        (#"{"setr": {"patch": 4, "width": 16, "depth": 3, "heads": 2, "decoder": "mla"}}"#, "mla takes the tokens of four blocks, found a depth of 3"),
        (#"{"setr": {"patch": 4, "width": 16, "depth": 3, "heads": 2, "auxiliary": [4]}}"#, "found block 4 of 3"),
        (#"{"setr": {"patch": 4, "width": 16, "depth": 3, "heads": 2, "pool": "mean"}}"#, "unknown key"),
        (#"{"setr": {"patch": 4, "width": 16, "depth": 3, "heads": 2, "auxiliary_decoder": "published"}}"#, "goes with auxiliary, the blocks that have such decoders"),
        (#"{"setr": {"patch": 4, "width": 16, "depth": 4, "heads": 2, "decoder": "mla", "auxiliary": [1], "auxiliary_decoder": "published"}}"#, "published goes with decoder: naive or pup"),
    ])
    func misfitsAreSaid(json: String, sentence: String) {
        let found = errors(json)
        #expect(found.contains { $0.contains(sentence) }, "\(found)")
    }
}
