import Configuration
import Foundation
import Layers
import TensorCore
import Testing

@testable import Models

/// Hybrids of networks and transformers, CoAtNet and LeViT: what their stages and names are, and what is said of definitions that do not fit.
struct HybridTests {
    private func hybrid(
        _ network: String = #"{"resnet": {"depth": 8, "width": 4, "cut_after": "stage3"}}"#, tokens: String = "{}", transformer: String = "", head: String = "{}"
    ) -> String {
        #"{"backbone": \#(network), "tokens": \#(tokens), "transformer": {"width": 16, "depth": 2, "heads": 2\#(transformer)}, "head": \#(head)}"#
    }

    private func record(_ json: String, side: Int = 28) throws -> (graph: Graph, outputs: NamedOutputs) {
        let graph = Graph(), images = graph.input("images", [2, side, side, 1])
        let outputs = try definition(json).record(images, classes: 10, in: graph.root)
        try graph.validate()
        return (graph, outputs)
    }

    // MARK: Tokens of several stages

    @Test("Tokens of several stages stand behind one another, and dense tasks have the last one's")
    func severalStages() throws {
        let json = hybrid(tokens: #"{"stages": ["stage1", "stage3"], "patches": [14, 1]}"#)
        let (graph, outputs) = try record(json)
        #expect(outputs["features.tokens"]?.shape == [2, 1 + 4 + 49, 16])
        let own = graph.parameters.filter { $0.name.hasPrefix("patch_embed") || $0.name == "pos_embed" }
        #expect(Dictionary(uniqueKeysWithValues: own.map { ($0.name, $0.shape.dimensions) }) == [
            "patch_embed.stage1.proj.weight": [16, 4, 14, 14], "patch_embed.stage1.proj.bias": [16], "patch_embed.stage1.pos_embed": [1, 4, 16],
            "patch_embed.stage1.level_embed": [1, 1, 16],
            "patch_embed.stage3.proj.weight": [16, 16, 1, 1], "patch_embed.stage3.proj.bias": [16], "patch_embed.stage3.pos_embed": [1, 49, 16],
            "patch_embed.stage3.level_embed": [1, 1, 16],
        ])
        #expect(own.filter { $0.role == .positionEmbedding }.count == 4)
        let again = Graph(), images = again.input("images", [2, 28, 28, 1])
        let encoder = try definition(json).configuration.makeEncoder(input: ImageShape(height: 28, width: 28, channels: 1), in: again.root)
        let stages = encoder(images)
        #expect(encoder.featureMap(stages.last)?.shape == [2, 7, 7, 16])
        #expect(encoder.featureMap(try #require(stages["stage1"]))?.shape == [2, 28, 28, 4])
        #expect(encoder.pooled(stages.last).shape == [2, 16])
    }

    @Test("A hybrid of one stage is the same model with and without its name")
    func oneStage() throws {
        func names(_ tokens: String) throws -> [String] { try record(hybrid(tokens: tokens)).graph.parameters.map { "\($0.name) \($0.shape)" } }
        #expect(try names("{}") == names(#"{"stages": ["stage3"]}"#))
        // What is not written is not in a resolved definition, so that those of earlier runs stay the same.
        #expect(!YAML.line(try definition(hybrid()).node).contains("stages"))
    }

    @Test("A hybrid takes every option of a transformer", arguments: [
        #", "position": "rotary""#, #", "position": "relative""#, #", "position": "sincos_mae""#, #", "position": "factorized""#, #", "position": "coordinates""#,
        #", "registers": 2, "qk_norm": "layer", "norm": "rms", "mlp": "swiglu", "block": "residual", "layer_scale": 0.1, "local_attention": true"#,
    ])
    func everyOption(transformer: String) throws {
        for head in [#"{"pool": "class", "distillation": true}"#, #"{"pool": "attention"}"#, #"{"pool": "sequence"}"#, #"{"pool": "mean"}"#] {
            let (graph, outputs) = try record(hybrid(transformer: transformer, head: head))
            #expect(outputs["logits"]?.shape == [2, 10])
            #expect(graph.parameters.contains { $0.name == "head_dist.weight" } == head.contains("distillation"))
        }
    }

    @Test("Any network can be cut after any of its stages", arguments: smallDefinitions.filter { !$0.contains("backbone") && !$0.contains("auxiliary") })
    func everyCut(json: String) throws {
        guard let network = try definition(json).configuration as? any BackboneConfiguration else { return }
        let transformer = TransformerConfiguration(width: 8, depth: 1, heads: 1)
        for (index, stage) in network.stageNames.enumerated() {
            let hybrid = ModelDefinition(HybridConfiguration(backbone: BackboneDefinition(network, cutAfter: stage), transformer: transformer))
            let graph = Graph(), outputs = hybrid.record(graph.input("images", [1, 28, 28, 1]), classes: 10, in: graph.root)
            try graph.validate()
            #expect(outputs["logits"]?.shape == [1, 10])
            #expect(outputs.names.prefix(index + 1) == network.stageNames.prefix(index + 1).map { "features.\($0)" }[...])
        }
    }

    // MARK: Names

    @Test func namesOfHybrids() {
        let own = ["backbone.stem.conv.weight", "backbone.stages.0.blocks.0.conv1.weight", "patch_embed.proj.weight", "blocks.0.norm1.bias"]
        let timm = ["patch_embed.backbone.stem.conv.weight", "patch_embed.backbone.stages.0.blocks.0.conv1.weight", own[2], own[3]]
        #expect(HybridNames.timm(of: own) == timm)
        #expect(timm.map { HybridNames.own(of: $0).first ?? $0 } == own)
        // A stem alone is the backbone itself.
        #expect(HybridNames.timm(of: [own[0], "backbone.stem.norm.bias", own[2]]) == ["patch_embed.backbone.conv.weight", "patch_embed.backbone.norm.bias", own[2]])
        #expect(HybridNames.own(of: "patch_embed.backbone.norm.bias") == ["backbone.norm.bias", "backbone.stem.norm.bias"])
        #expect(HybridNames.timm(of: ["cls_token", "head.weight"]) == ["cls_token", "head.weight"])
    }

    @Test("timm has names for hybrids of one stage of a network that it has", arguments: [
        (#"{"resnet_standardized": {"cut_after": "stage2"}}"#, "{}", [WeightNames.timm]), (#"{"plain": {"depth": 8, "cut_after": "stage2"}}"#, "{}", []),
        (#"{"resnet_standardized": {"cut_after": "stage2"}}"#, #"{"stages": ["stage1", "stage2"]}"#, []),
    ])
    func namesThatTimmHas(network: String, tokens: String, names: [WeightNames]) throws {
        #expect(try definition(hybrid(network, tokens: tokens)).knownWeightNames == names)
    }

    // MARK: Bad input

    @Test("What does not fit together in a hybrid is said", arguments: [
        (#"{"stages": ["stage2", "stage4"]}"#, "", "{}", ["tokens.stages: resnet has no stage 'stage4'; its stages: stem, stage1, stage2, stage3"]),
        (#"{"stages": ["stage2"]}"#, "", "{}", ["tokens.stages: the network is cut after stage3, of which no tokens are made; cut it after stage2"]),
        (#"{"stages": ["stage3", "stage2", "stage3"]}"#, "", "{}", ["tokens.stages: found stage2 behind stage3, expected each once and in the order of the network"]),
        (#"{"stages": ["stage3", "stage3"]}"#, "", "{}", ["tokens.stages: found stage3 behind stage3, expected each once and in the order of the network"]),
        (#"{"stages": ["stage2", "stage3"], "patches": [1]}"#, "", "{}", ["tokens.patches: found 1 patches, expected 2, one for each of the stages"]),
        (#"{"stages": ["stage2", "stage3"], "patches": [1, 1], "patch": 7}"#, "", "{}", ["tokens.patches: the squares of cells are given twice; expected either patch or patches"]),
        (#"{"stages": ["stage2", "stage3"], "patches": [3, 1]}"#, "", "{}", ["tokens.patches[0]: a patch of 3 does not divide the feature map after stage2 of 14×14; these do: 1, 2, 7, 14; pad: true fills it up with zeros"]),
        (#"{"stages": ["stage2", "stage3"], "patch": 2}"#, "", "{}", ["tokens.patch: a patch of 2 does not divide the feature map after stage3 of 7×7; these do: 1, 7; pad: true fills it up with zeros"]),
        (#"{"stages": ["stage2", "stage3"]}"#, #", "position": "rotary""#, "{}", [
            "transformer.position: rotary positions are those of one grid, but tokens come from several stages; expected one of learned, sincos, sincos_mae, factorized, coordinates, none"
        ]),
        ("{}", #", "swin": {}"#, "{}", ["transformer: found swin, which takes images and not tokens; expected width, depth and heads, or swin as the backbone"]),
        ("{}", #", "cct": {}"#, "{}", [
            "transformer: found cct, whose convolutions make tokens of images; expected width, depth and heads, with block: compact and head: {pool: sequence} as cct has them"
        ]),
        ("{}", #", "vit": {"patch": 1}"#, "{}", ["transformer: found vit, expected its options themselves: width, depth and heads"]),
        ("{}", "", #"{"pool": "mean", "distillation": true}"#, ["head.distillation: goes with pool: class"]),
    ])
    func hybridsThatDoNotFit(tokens: String, transformer: String, head: String, sentences: [String]) {
        #expect(errors(hybrid(tokens: tokens, transformer: transformer, head: head)) == sentences.map { "models.m.\($0)" })
    }

    @Test("A stage behind the cut gives no tokens")
    func stagesBehindTheCut() {
        let json = hybrid(#"{"resnet": {"depth": 8, "width": 4, "cut_after": "stage2"}}"#, tokens: #"{"stages": ["stage1", "stage3"]}"#)
        #expect(errors(json) == ["models.m.tokens.stages: stage3 lies behind stage2, after which the network is cut"])
    }

    @Test("What does not fit together in CoAtNet and LeViT is said", arguments: [
        (#"{"coatnet": {"width": 12}}"#, [
            "coatnet.head_width: heads of 32 channels do not divide the width 48 of stage 3"
        ] as [String], 1),
        (#"{"coatnet": {"blocks": [1, 1, 1], "width": 24, "convolution_stages": 1}}"#, [
            "coatnet.head_width: heads of 32 channels do not divide the width 48 of stage 2"
        ], 1),
        (#"{"coatnet": {"blocks": [1], "convolution_stages": 2}}"#, ["coatnet.convolution_stages: found 2 stages of convolutions, expected at most the 1 that there are"], 1),
        (#"{"coatnet": {"blocks": [1, 1, 1, 1, 1, 1, 1]}}"#, ["coatnet.blocks: found 7 stages, expected 1 to 6"], 1),
        (#"{"levit": {"widths": [24, 32], "heads": [2, 2], "blocks": [1, 1]}}"#, [
            "levit.key_width: keys of 16 channels do not divide the width 24 of stage 1, behind which attention has a head for every 16"
        ], 1),
        (#"{"levit": {"widths": [16, 32], "heads": [2], "blocks": [1, 1, 1]}}"#, [
            "levit.heads: found 1 numbers of heads, expected 2, one for each stage of widths", "levit.blocks: found 3 numbers of blocks, expected 2, one for each stage of widths",
        ], 2),
        (#"{"levit": {"widths": [20], "heads": [2], "blocks": [1]}}"#, [
            "levit.widths: the 4 convolutions of the stem double their channels up to the first width, which must be a multiple of 8, found 20"
        ], 1),
        (#"{"levit": {"patch": 3}}"#, ["levit.patch: expected 1, 2, 4, 8, 16 or 32, found 3"], 1),
        (#"{"levit": {"size": "129"}}"#, ["levit.size: unknown value '129'; did you mean '128'?"], 1),
    ])
    func mixedNetworksThatDoNotFit(json: String, sentences: [String], count: Int) {
        let found = errors(json)
        #expect(found.count == count)
        for sentence in sentences { #expect(found.contains("models.m.\(sentence)"), "\(found)") }
    }

    @Test("CoAtNet and LeViT take images of any size", arguments: [28, 29, 45], [
        #"{"coatnet": {"blocks": [1, 1, 1, 1], "width": 16, "stem_width": 8, "head_width": 16}}"#,
        #"{"levit": {"widths": [16, 32, 48], "heads": [1, 2, 3], "blocks": [1, 1, 1]}}"#,
    ])
    func anySize(side: Int, json: String) throws {
        #expect(errors(json, ImageShape(height: side, width: side + 3, channels: 1)) == [])
    }
}
