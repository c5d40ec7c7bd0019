import Configuration
import Foundation
import TensorCore

/// An attention of a model, over tokens that have places.
public struct AttentionLayer {
    /// The module's path.
    public let path: String
    /// How many heads it has.
    public let heads: Int
    /// The places of the queries.
    public let queries: TokenGrid
    /// The places of the keys.
    public let keys: TokenGrid
    /// `[B, H, queries, keys]`.
    public let probabilities: Tensor

    /// Whether all tokens attend to one another.
    var isSquare: Bool { queries == keys }
}

extension ModelProbe {
    /// The attentions whose tokens have places, in the order in which they are computed.
    ///
    /// - Throws: `.usage` where the model has none, or none over whole images.
    public func attentionLayers() throws -> [AttentionLayer] {
        let paths = graph.paths(withOutput: "probabilities"), batch = images.shape[0]
        guard !paths.isEmpty else {
            throw UserError(.usage, "\(trained.definition.family) has no attention; transformers, hybrids and CNNs with attention_after have")
        }
        let taps = paths.compactMap { path in graph.tap("\(path).probabilities").map { (path, $0) } }
        let layers = taps.compactMap { path, probabilities -> AttentionLayer? in
            let shape = probabilities.shape
            guard shape[0] == batch, let keys = grid(ofTokens: shape[3]), let queries = shape[2] == shape[3] ? keys : grid(ofTokens: shape[2]) else { return nil }
            return AttentionLayer(path: path, heads: shape[1], queries: queries, keys: keys, probabilities: probabilities)
        }
        guard layers.isEmpty else { return layers }
        throw UserError(
            .usage, taps.contains { $0.1.shape[0] > batch }
                ? "\(trained.definition.family) attends within windows, of which no map over the image can be made"
                : "the tokens of the model's attention have no common grid, so no map over the image can be made")
    }

    /// The paths of all attentions, also of those over parts of images.
    public var attentionPaths: [String] { graph.paths(withOutput: "probabilities") }

    /// The attention at a module's path, or the last one.
    ///
    /// - Parameter name: a path, with or without `.attn` behind that of a block.
    /// - Throws: `.usage` with the nearest name when there is none.
    public func attentionLayer(_ name: String?) throws -> AttentionLayer {
        let layers = try attentionLayers()
        guard let name else { return layers[layers.count - 1] }
        if let layer = layers.first(where: { $0.path == name || $0.path == "\(name).attn" }) { return layer }
        if attentionPaths.contains(where: { $0 == name || $0 == "\(name).attn" || $0.hasPrefix("\(name).") }), !layers.contains(where: { $0.path.hasPrefix("\(name).") }) {
            throw UserError(.usage, "'\(name.shortened())' attends within windows, of which no map over the image can be made; expected one of \(layers.map(\.path).joined(separator: ", "))")
        }
        throw UserError(.usage, "the model has no attention '\(name.shortened())'\(suggestion(for: name, among: layers.map(\.path)))")
    }

    /// Where an attention looks in one image: for each head the probabilities with which the class token attends to the keys that have places; without a class
    /// token, the mean over all queries.
    ///
    /// - Parameter probabilities: of the image, `[H, queries, keys]`.
    /// - Returns: `[H][rows · columns]`.
    func maps(of layer: AttentionLayer, _ probabilities: ArraySlice<Float>) -> [[Float]] {
        let queries = layer.queries.tokenCount, keys = layer.keys.tokenCount
        return (0..<layer.heads).map { head in
            let start = probabilities.startIndex + head * queries * keys
            let matrix = probabilities[start..<start + queries * keys].map(Double.init)
            return row(ofClassTokenIn: matrix, queries: layer.queries, keys: layer.keys).map(Float.init)
        }
    }

    /// The class token's row of a matrix, or the mean of all rows, for keys that have places.
    fileprivate func row(ofClassTokenIn matrix: [Double], queries: TokenGrid, keys: TokenGrid) -> [Double] {
        let width = keys.tokenCount, first = keys.prefixTokens
        if hasClassToken, queries.prefixTokens > 0 { return Array(matrix[first..<width]) }
        let rows = queries.prefixTokens..<queries.tokenCount
        return (first..<width).map { key in rows.reduce(0) { $0 + matrix[$1 * width + key] } / Double(rows.count) }
    }
}

/// Where a model looks in one image.
public struct AttentionMaps {
    /// The attention whose heads are shown.
    public let layer: AttentionLayer
    /// The places of the keys.
    public let grid: TokenGrid
    /// `[H][rows · columns]`.
    public let heads: [[Float]]
    /// Attention rollout over all layers, `[rows · columns]`; nil where their tokens are not the same.
    ///
    /// Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, section 3.
    public let rollout: [Float]?
}

extension ModelProbe {
    /// What computes the attention maps of one image.
    ///
    /// - Parameter name: the attention whose heads are shown; nil: the last one.
    public func attentionMaps(layer name: String?) throws -> (_ pixels: [Float]) throws -> AttentionMaps {
        precondition(batchSize == 1, "attention maps are those of one image")
        let layers = try attentionLayers(), shown = try attentionLayer(name)
        let sameTokens = layers.allSatisfy { $0.isSquare && $0.keys == layers[0].keys } ? layers : []
        let evaluate = try evaluator(of: [shown.probabilities] + sameTokens.map(\.probabilities)), nothing = [Float](repeating: 0, count: trained.outputs)
        return { [self] pixels in
            let values = try evaluate(pixels, nothing).map(\.floats)
            let rollout = sameTokens.isEmpty ? nil : attentionRollout(zip(values.dropFirst(), sameTokens).map { ($0, $1.heads) }, tokens: layers[0].keys.tokenCount)
            return AttentionMaps(
                layer: shown, grid: shown.keys, heads: maps(of: shown, values[0][...]),
                rollout: rollout.map { row(ofClassTokenIn: $0, queries: layers[0].queries, keys: layers[0].keys).map(Float.init) })
        }
    }
}

/// How much of each input token every token of the last layer has, `[N, N]`.
///
///     A_l = ½ (mean over heads of P_l) + ½ I,  rows summing to 1;    R = A_L ⋯ A_2 A_1
///
/// Shapes: each layer's probabilities `[H, N, N]`. Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, section 3.
func attentionRollout(_ layers: [(probabilities: [Float], heads: Int)], tokens count: Int) -> [Double] {
    var result = (0..<count * count).map { $0 % (count + 1) == 0 ? 1.0 : 0 }
    for (probabilities, heads) in layers {
        var mixed = (0..<count * count).map { place in
            (0..<heads).reduce(0.0) { $0 + Double(probabilities[$1 * count * count + place]) } / Double(heads) * 0.5 + (place % (count + 1) == 0 ? 0.5 : 0)
        }
        for row in 0..<count {
            let sum = mixed[row * count..<(row + 1) * count].reduce(0, +)
            for column in 0..<count { mixed[row * count + column] /= sum }
        }
        var product = [Double](repeating: 0, count: count * count)
        for row in 0..<count {
            for inner in 0..<count {
                let factor = mixed[row * count + inner]
                for column in 0..<count { product[row * count + column] += factor * result[inner * count + column] }
            }
        }
        result = product
    }
    return result
}

// MARK: Distance

/// How far attention reaches, by layer and head.
public struct AttentionDistances: Equatable {
    /// The attentions' paths.
    public let paths: [String]
    /// Mean distance in pixels between a query and the keys that it attends to, weighted by the probabilities; `[layers][heads]`.
    public let pixels: [[Double]]
    /// Over how many images the mean is.
    public let imageCount: Int
}

extension ModelProbe {
    /// The mean attention distance of every layer and head over images.
    ///
    ///     distance(h) = mean over images and queries of Σ_k p_k · |place(query) − place(k)| / Σ_k p_k
    ///
    /// over the keys that have places: a share that goes to the class token counts nowhere. Distances are those of patches' centres, in pixels.
    ///
    /// Dosovitskiy et al., "An Image Is Worth 16x16 Words", ICLR 2021, section 4.5 and figure 11.
    ///
    /// - Parameter next: the pixels of `batchSize` images and how many of them count; nil after the last.
    public func attentionDistances(_ next: () throws -> (pixels: [Float], count: Int)?) throws -> AttentionDistances {
        let layers = try attentionLayers()
        let distances = layers.map { layer in
            layer.queries.centres(in: trained.input).map { query in
                layer.keys.centres(in: trained.input).map { key in ((query.y - key.y) * (query.y - key.y) + (query.x - key.x) * (query.x - key.x)).squareRoot() }
            }
        }
        var sums = layers.map { [Double](repeating: 0, count: $0.heads) }, total = 0
        let evaluate = try evaluator(of: layers.map(\.probabilities)), nothing = [Float](repeating: 0, count: batchSize * trained.outputs)
        while let (pixels, count) = try next() {
            let values = try evaluate(pixels, nothing).map(\.floats)
            for (index, layer) in layers.enumerated() {
                let queries = layer.queries.tokenCount, keys = layer.keys.tokenCount, places = layer.keys.prefixTokens..<keys
                for image in 0..<count {
                    for head in 0..<layer.heads {
                        var sum = 0.0
                        for (place, row) in distances[index].enumerated() {
                            let start = ((image * layer.heads + head) * queries + layer.queries.prefixTokens + place) * keys
                            var weighted = 0.0, weight = 0.0
                            for key in places {
                                let share = Double(values[index][start + key])
                                weighted += share * row[key - places.lowerBound]
                                weight += share
                            }
                            sum += weight > 0 ? weighted / weight : 0
                        }
                        sums[index][head] += sum / Double(distances[index].count)
                    }
                }
            }
            total += count
        }
        return AttentionDistances(paths: layers.map(\.path), pixels: sums.map { $0.map { $0 / Double(max(total, 1)) } }, imageCount: total)
    }
}

extension TokenGrid {
    /// The centres of the places in an image, in pixels, row by row.
    func centres(in image: ImageShape) -> [(y: Double, x: Double)] {
        let height = Double(image.height) / Double(rows), width = Double(image.width) / Double(columns)
        return (0..<rows).flatMap { row in (0..<columns).map { ((Double(row) + 0.5) * height, (Double($0) + 0.5) * width) } }
    }
}
