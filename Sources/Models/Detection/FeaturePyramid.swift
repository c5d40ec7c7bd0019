import Layers
import TensorCore

/// A feature pyramid: maps of several stages of a network, each of `width` channels and with what the coarser ones see.
///
///     inner_i = conv1×1(stage_i) + enlarged(inner_{i+1}),   P_i = conv3×3(inner_i);   further levels: conv3×3 of stride 2 of the one before, after the first of them behind a ReLU
///
/// A map is enlarged to the finer one's size by the cell of each place (nearest neighbours). Shapes: stages `[B, h, w, c]`, finest first → maps `[B, h, w, width]`, finest first.
///
/// Parameters as torchvision's: `inner_blocks.i.0`, `layer_blocks.i.0`, `extra_blocks.p6` and so on. Initialization: uniform with variance 1 / fan_in, biases 0.
///
/// Lin, Dollár, Girshick, He, Hariharan and Belongie, "Feature Pyramid Networks for Object Detection", CVPR 2017.
struct FeaturePyramid {
    private let inner: [Convolution2D]
    private let outer: [Convolution2D]
    private let extra: [(convolution: Convolution2D, scope: Scope)]
    private let scope: Scope

    /// - Parameters:
    ///   - channels: those of the stages, finest first.
    ///   - extra: how many levels come behind those of the stages.
    init(channels: [Int], width: Int, extra count: Int, in scope: Scope) {
        self.scope = scope
        func convolution(_ inputs: Int, kernel: Int, stride: Int = 1, in place: Scope) -> Convolution2D {
            Convolution2D(
                inputs, width, kernel: Size2D(kernel, kernel), stride: Size2D(stride, stride), padding: .symmetric(Size2D(kernel / 2, kernel / 2)),
                initialization: .he(distribution: .uniform, fan: .in, gain: 1), in: place)
        }
        inner = channels.enumerated().map { convolution($1, kernel: 1, in: scope["inner_blocks"][$0][0]) }
        outer = channels.indices.map { convolution(width, kernel: 3, in: scope["layer_blocks"][$0][0]) }
        extra = (0..<count).map { number in
            // The levels of the paper's stages are P3 to P5.
            let place = scope["extra_blocks"]["p\(6 + number)"]
            return (convolution(width, kernel: 3, stride: 2, in: place), place)
        }
    }

    func callAsFunction(_ stages: [Tensor]) -> [Tensor] {
        var maps: [Tensor] = [], coarser: Tensor?
        for (number, stage) in stages.enumerated().reversed() {
            let own = inner[number](stage)
            let sum = coarser.map { coarser in scope.record { own + coarser.repeated(to: own, in: scope) } } ?? own
            maps.insert(outer[number](sum), at: 0)
            coarser = sum
        }
        for (number, level) in extra.enumerated() {
            let last = maps[maps.count - 1]
            maps.append(level.convolution(number == 0 ? last : level.scope.record { last.relu() }))
        }
        return maps
    }
}

extension Tensor {
    /// The map in the size of `other`, each cell that of its place, ⌊i · h / H⌋; as it is where that has the same size.
    fileprivate func repeated(to other: Tensor, in scope: Scope) -> Tensor {
        guard isValid, other.isValid else { return self }
        let (batch, height, width, channels) = (shape[0], shape[1], shape[2], shape[3]), rows = other.shape[1], columns = other.shape[2]
        if rows == height, columns == width { return self }
        guard (2 * height - 1...2 * height + 1).contains(rows), (2 * width - 1...2 * width + 1).contains(columns) else {
            return scope.fail("a map of \(rows)×\(columns) follows one of \(height)×\(width), expected stages that halve their maps or keep them")
        }
        let twice = reshaped([batch, height, 1, width, 1, channels]).broadcast(to: [batch, height, 2, width, 2, channels])
            .reshaped([batch, 2 * height, 2 * width, channels])
        return twice.extended(to: rows, axis: 1).extended(to: columns, axis: 2)
    }

    /// Of a map whose cells stand twice: without the last row, or with the first one three times.
    private func extended(to length: Int, axis: Int) -> Tensor {
        length > shape[axis] ? .concatenated([sliced(axis: axis, 0..<1), self], axis: axis) : sliced(axis: axis, 0..<length)
    }
}
