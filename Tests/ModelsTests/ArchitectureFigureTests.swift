import Foundation
import TensorCore
import Testing

#if canImport(FoundationXML)
    import FoundationXML
#endif
@testable import Models

/// Drawings of networks.
struct ArchitectureFigureTests {
    private func figure(_ preset: String) throws -> ArchitectureFigure {
        let preset = try #require(ModelPreset.named(preset))
        return try ArchitectureFigure(preset.definition, title: preset.name, input: preset.input, classes: preset.classes)
    }

    @Test func aChainOfLayersHasABoxForEach() throws {
        let boxes = try figure("alexnet").boxes
        #expect(boxes.map(\.label) == [
            "images", "11×11 convolution", "max-pool", "5×5 convolution", "max-pool", "3×3 convolution", "3×3 convolution", "3×3 convolution", "max-pool",
            "linear", "linear", "linear",
        ])
        #expect(boxes.map(\.sources) == [[]] + (0..<11).map { [$0] })
        #expect(boxes[1].shape == "64×55×55" && boxes[11].shape == "1000")
    }

    /// Two basic blocks a stage, of two convolutions and a sum each, and a convolution past three of them.
    @Test func shortcutsPassTheirBlocks() throws {
        let figure = try figure("resnet18"), boxes = figure.boxes
        #expect(boxes.filter { $0.label == "3×3 convolution" }.count == 16 && boxes.filter { $0.label == "1×1 convolution" }.count == 3)
        let sums = boxes.indices.filter { boxes[$0].label == "+" }
        #expect(sums.count == 8 && sums.allSatisfy { boxes[$0].sources.count == 2 } && figure.frames.isEmpty)
        // The first sum takes the second convolution and what the block began with.
        #expect(boxes[sums[0]].sources == [2, 4] && boxes[2].label == "max-pool")
    }

    @Test func equalBlocksAreDrawnOnce() throws {
        let vit = try figure("vit-b-16")
        #expect(vit.frames.map(\.count) == [12])
        #expect(vit.boxes.filter { $0.frame == 0 }.map(\.label) == ["layer norm", "attention", "+", "layer norm", "linear 768 → 3072 → 768", "+"])
        #expect(try figure("resnet50").frames.map(\.count) == [3, 5])
    }

    @Test func branchesMeetAgain() throws {
        let boxes = try figure("squeezenet1.1").boxes
        let joins = boxes.indices.filter { boxes[$0].label == "concatenate" }
        #expect(joins.count == 8 && joins.allSatisfy { boxes[$0].sources.map { boxes[$0].label } == ["1×1 convolution", "3×3 convolution"] })
        // What only features are made of is not drawn.
        #expect(boxes.indices.dropLast().allSatisfy { index in boxes.contains { $0.sources.contains(index) } })
    }

    @Test func boxesOfARowDoNotOverlap() throws {
        for name in ["squeezenet1.1", "resnet50", "densenet121", "hybrid-28"] {
            let boxes = try figure(name).boxes, layout = FigureLayout(sources: boxes.map(\.sources), width: 100, gap: 10)
            for (index, own) in boxes.map(\.sources).enumerated() { #expect(own.allSatisfy { layout.rows[$0] < layout.rows[index] }) }
            for row in 0..<layout.rowCount {
                let places = boxes.indices.filter { layout.rows[$0] == row }.map { layout.x[$0] }.sorted()
                #expect(zip(places, places.dropFirst()).allSatisfy { $1 - $0 >= 109.999 }, "\(name), row \(row)")
            }
        }
    }

    @Test func namesStayText() throws {
        let preset = try #require(ModelPreset.named("lenet5"))
        let svg = try ArchitectureFigure(preset.definition, title: "<script>&\"", input: preset.input, classes: 10).svg
        #expect(svg.contains(">&lt;script&gt;&amp;&quot;</text>") && !svg.contains("<script"))
        #expect(XMLParser(data: Data(svg.utf8)).parse())
    }

    /// Where Swin merges four neighbours, the map is another one: a step of its own, and not the sum before it.
    @Test func mergedPatchesAreAStep() throws {
        let boxes = try figure("swin-tiny").boxes
        let merges = boxes.indices.filter { boxes[$0].label == "transpose" }
        #expect(merges.map { boxes[$0].shape } == ["384×28×28", "768×14×14", "1536×7×7"])
        #expect(merges.map { boxes[boxes[$0].sources[0]].shape } == ["96×56×56", "192×28×28", "384×14×14"])
    }
}
