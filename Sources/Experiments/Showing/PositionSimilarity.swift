import Configuration
import TensorCore

/// How much alike the position embeddings of places are.
public struct PositionSimilarity {
    /// The path of the embeddings.
    public let path: String
    /// The places.
    public let grid: TokenGrid
    /// Whether the vectors were trained.
    public let areTrained: Bool
    /// The cosine of the angle between the vectors of each two places, `[rows · columns][rows · columns]`; 0 where a vector is 0.
    public let cosines: [[Float]]
}

extension ModelProbe {
    /// The similarity of position embeddings, of each grid of tokens that has some.
    ///
    /// Dosovitskiy et al., "An Image Is Worth 16x16 Words", ICLR 2021, figure 7 (centre).
    ///
    /// - Throws: `.usage` where the model has no vectors of positions.
    public func positionSimilarities() throws -> [PositionSimilarity] {
        let places = ["pos_embed"] + graph.parameters.map(\.name).filter { $0.hasSuffix(".level_embed") }.map { $0.replacing("level_embed", with: "pos_embed") }
        let found = places.compactMap { path in graph.fixedValue(path).flatMap { $0.rank == 3 && $0.shape[0] == 1 ? (path, $0) : nil } }
        guard !found.isEmpty else {
            let family = trained.definition.family
            let reason = graph.parameters.contains { $0.name.hasSuffix("relative_position_bias_table") || $0.name.hasSuffix("attention_biases") }
                ? "tells places by a bias of attention for each distance and has no position embeddings" : "has no position embeddings"
            throw UserError(.usage, "\(family) \(reason); transformers with learned, sincos, factorized or coordinates positions have")
        }
        let values = try self.values(of: found.map(\.1), for: [Float](repeating: 0, count: batchSize * trained.input.count))
        return try zip(found, values).map { place, value in
            let count = value.shape[1], width = value.shape[2], known = graph.parameters.first { $0.name == place.0 }?.grid
            guard let grid = known ?? grid(ofTokens: count) else { throw UserError(.usage, "\(place.0): the places of its \(count) vectors are not known") }
            // Planes of a volume lie below one another.
            let vectors = value.floats, first = grid.prefixTokens, flat = TokenGrid(prefixTokens: first, rows: grid.depth * grid.rows, columns: grid.columns)
            return PositionSimilarity(
                path: place.0, grid: flat, areTrained: graph.parameters.contains { $0.name.hasPrefix(place.0) },
                cosines: cosineSimilarities((first..<count).map { vectors[$0 * width..<($0 + 1) * width].map(Double.init) }))
        }
    }
}

/// The cosine of the angle between each two vectors.
func cosineSimilarities(_ vectors: [[Double]]) -> [[Float]] {
    func product(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    let lengths = vectors.map { product($0, $0).squareRoot() }
    return vectors.indices.map { one in
        vectors.indices.map { other in
            let length = lengths[one] * lengths[other]
            return length > 0 ? Float(product(vectors[one], vectors[other]) / length) : 0
        }
    }
}
