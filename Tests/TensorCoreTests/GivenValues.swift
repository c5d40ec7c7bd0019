import TensorCore

/// Begins a parameter with given numbers.
struct GivenValues: Initializer {
    let values: [Float]

    init(_ values: [Float]) { self.values = values }

    func fill(_ parameter: UnsafeMutableBufferPointer<Float>, shape: Shape, stream: PhiloxStream) { _ = parameter.update(fromContentsOf: values) }
}

/// Numbers of a normal distribution; of another one for each name.
func normalNumbers(_ count: Int, _ name: String, deviation: Float = 1) -> [Float] {
    var draws = PhiloxStream(seed: 5, name: name).draws(time: 0, sample: 0)
    return (0..<count).map { _ in deviation * (0..<12).reduce(-6) { sum, _ in sum + draws.uniform() } }
}
