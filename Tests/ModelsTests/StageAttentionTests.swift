import Configuration
import TensorCore
import Testing
@testable import Models

/// Attention between the stages of a convolutional network.
struct StageAttentionTests {
    private func read(_ text: String) throws -> (ModelDefinition?, String) {
        let errors = ConfigurationErrors()
        let model = ModelRegistry.standard.read(try YAML.node(text) { SourceMark(file: "x.yaml", line: $0) }, path: "models.x", errors: errors)
        do { try errors.throwIfAny() } catch { return (model, "\(error)") }
        return (model, "")
    }

    private func parameters(_ text: String) throws -> [Parameter] {
        try #require(try read(text).0).declarations(input: ImageShape(height: 28, width: 28, channels: 1), classes: 10).parameters
    }

    @Test func addsItsParametersAndChangesNoOthers() throws {
        let plain = try parameters("{resnet: {depth: 20}}")
        let attended = try parameters("{resnet: {depth: 20, attention_after: [stage3], attention_bias: relative}}")
        let own = attended.filter { $0.name.hasPrefix("attention.stage3.") }
        // 64 channels on 7×7 cells with 4 heads: two of the norm, 3·64² + 3·64, 64² + 64, and 13² distances by head.
        #expect(own.reduce(0) { $0 + $1.shape.elementCount } == 128 + 12_480 + 4_160 + 676)
        #expect(attended.filter { !$0.name.hasPrefix("attention.") }.map(\.name) == plain.map(\.name))
        #expect(try parameters("{plain: {depth: 20, attention_after: [stem, stage2]}}").filter { $0.name.hasSuffix("attn.proj.weight") }.map(\.shape)
            == [[16, 16], [32, 32]])
    }

    @Test func canBeCutBehind() throws {
        let hybrid = try parameters(
            "{backbone: {resnet: {depth: 20, attention_after: [stage2, stage3], cut_after: stage2}}, transformer: {width: 64, depth: 1, heads: 4}}")
        #expect(hybrid.contains { $0.name.hasPrefix("backbone.attention.stage2.") } && !hybrid.contains { $0.name.contains("attention.stage3") })
    }

    @Test(arguments: [
        ("{resnet: {depth: 20, attention_after: [stage4]}}", "models.x.resnet.attention_after: there is no stage 'stage4'; did you mean 'stage1'?"),
        ("{resnet: {depth: 20, attention_after: [stage2, stage2]}}", "models.x.resnet.attention_after: found stage2 twice"),
        ("{resnet: {depth: 20, attention_heads: 2}}", "models.x.resnet.attention_heads: no stage has attention; add attention_after, such as [stage3]"),
    ])
    func whatDoesNotFitIsSaid(definition: String, sentence: String) throws {
        #expect(try read(definition).1.contains(sentence))
    }

    @Test func withoutItTheIdentityIsAsBefore() throws {
        let model = try #require(try read("{resnet: {depth: 20, attention_after: []}}").0)
        #expect(model.identity == ModelDefinition(ResNetConfiguration(depth: 20)).identity)
        #expect(model.node == ModelDefinition(ResNetConfiguration(depth: 20)).node)
    }
}
