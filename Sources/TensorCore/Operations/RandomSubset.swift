/// Which tokens of each sample are kept: all of the first `prefix`, and `count` of the others, drawn without replacement, in their order.
///
/// Outputs are int32 `[B, prefix + count]`: the tokens' places among the N of their sample, and among the B · N of all samples. The draws of a sample
/// depend on the stream, the step and the sample's place in the batch alone.
///
/// Knuth, "The Art of Computer Programming", volume 2, section 3.4.2, algorithm S.
struct RandomSubset: Operation {
    let prefix: Int, count: Int
    let stream: PhiloxStream

    var name: String { "random subset" }
    var outputCount: Int { 2 }
    var isPerShard: Bool { true }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        let shape = inputs[0].shape
        guard shape.rank == 3, prefix >= 0, count > 0, prefix + count <= shape[1] else {
            throw ShapeError("of \(count) tokens behind \(prefix) of \(shape): expected as many in [batch, tokens, width]")
        }
        return [TensorType([shape[0], prefix + count], .int32), TensorType([shape[0], prefix + count], .int32)]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] { [nil] }

    func lower(_ context: LoweringContext) {
        let places = context.output(0), rows = context.output(1), samples = context.inputTypes[0].shape[0], tokens = context.inputTypes[0].shape[1]
        context.emit(reads: [], writes: [places, rows]) { [prefix, count, stream] c in
            var (place, row) = (c.integers(places), c.integers(rows))
            for sample in 0..<samples {
                var draws = stream.draws(time: c.step, sample: UInt64(c.shard * samples + sample)), wanted = count
                for token in 0..<tokens where token < prefix || draws.integer(below: tokens - token) < wanted {
                    if token >= prefix { wanted -= 1 }
                    (place.pointee, row.pointee) = (Int32(token), Int32(sample * tokens + token))
                    (place, row) = (place + 1, row + 1)
                }
            }
        }
    }
}

/// Where each token of a sample is among those that are kept: places int32 `[B, K]` → rows int32 `[B, N]`, of B · K kept tokens, or B · K for one
/// that is not; and whether it is kept, 1 or 0, float32 `[B, N]`.
private struct SubsetInverse: Operation {
    let count: Int
    var name: String { "subset inverse" }
    var outputCount: Int { 2 }

    func outputTypes(_ inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
        guard inputs[0].dtype == .int32, inputs[0].shape.rank == 2, inputs[0].shape[1] <= count else {
            throw ShapeError("of \(inputs[0]) among \(count) tokens: expected int32 [batch, at most \(count)]")
        }
        return [TensorType([inputs[0].shape[0], count], .int32), TensorType([inputs[0].shape[0], count])]
    }

    func gradients(_ node: NodeReference, _ upstream: [Tensor?]) -> [Tensor?] { [nil] }

    func lower(_ context: LoweringContext) {
        let places = context.input(0), rows = context.output(0), kept = context.output(1)
        let samples = context.inputTypes[0].shape[0], chosen = context.inputTypes[0].shape[1]
        context.emit(reads: [places], writes: [rows, kept]) { [count] c in
            let (place, row, flag) = (c.integers(places), c.integers(rows), c.floats(kept))
            row.update(repeating: Int32(samples * chosen), count: samples * count)
            flag.update(repeating: 0, count: samples * count)
            for index in 0..<samples * chosen {
                let token = index / chosen * count + Int(place[index])
                (row[token], flag[token]) = (Int32(index), 1)
            }
        }
    }
}

/// The tokens of each sample of a shard that are kept, as indices.
public struct TokenSubset {
    /// Among the tokens of a sample, int32 `[B, K]`, ascending.
    public let places: Tensor
    /// Among the tokens of all samples, int32 `[B, K]`.
    public let rows: Tensor

    /// These tokens of `[B, N, D]`: `[B, K, D]`.
    public func taken(of x: Tensor) -> Tensor {
        x.isValid ? x.reshaped([x.shape[0] * x.shape[1], x.shape[2]]).gathered(rows) : x
    }

    /// Kept tokens `[B, K, D]` back at their places among N tokens, with `filling` `[D]` at all others: `[B, N, D]`; and 1 for each token that was
    /// kept, else 0, `[B, N]`.
    public func restored(_ tokens: Tensor, among count: Int, filling: Tensor) -> (tokens: Tensor, isKept: Tensor) {
        guard tokens.isValid, filling.isValid, places.isValid else { return (tokens, tokens) }
        let (batch, kept, width) = (tokens.shape[0], tokens.shape[1], tokens.shape[2])
        let inverse = tokens.graph.record(SubsetInverse(count: count), [places])
        let table = Tensor.concatenated([tokens.reshaped([batch * kept, width]), filling.reshaped([1, width]).cast(to: tokens.dtype).inEachShard()], axis: 0)
        return (table.gathered(inverse[0]), inverse[1])
    }

    /// What `[1, H, N, N]` has for each pair of these tokens: `[B, H, K, K]`.
    public func taken(ofPairs x: Tensor) -> Tensor {
        guard x.isValid, places.isValid else { return x }
        let (heads, tokens, batch, count) = (x.shape[1], x.shape[3], places.shape[0], places.shape[1])
        let first = x.reshaped([heads, tokens, tokens]).transposed([1, 2, 0]).reshaped([tokens, tokens * heads]).gathered(places)  // [B, K, N · H]
        let second = first.reshaped([batch, count, tokens, heads]).transposed([0, 2, 1, 3]).reshaped([batch * tokens, count * heads]).gathered(rows)
        return second.reshaped([batch, count, count, heads]).transposed([0, 3, 2, 1])
    }
}

extension Tensor {
    /// Of the tokens of each sample `[B, N, D]` all of the first `prefix` and `count` others, drawn at random.
    public func randomTokens(_ count: Int, behind prefix: Int, stream: PhiloxStream) -> TokenSubset {
        let indices = graph.record(RandomSubset(prefix: prefix, count: count, stream: stream), [self])
        return TokenSubset(places: indices[0], rows: indices[1])
    }
}
