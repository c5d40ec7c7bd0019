import Configuration

/// An optimizer of a program's own: its options, what it keeps for each parameter, and how it changes parameters.
///
///     struct SignDescent: UpdateRule {
///         static let name = "sign_descent", documentation = "Steps of one length, by the gradient's sign."
///         var learningRate = 1e-3
///         static let options = [Key("learning_rate", \Self.learningRate, .number(in: 0...), "The length of a step.")]
///
///         func update(_ block: UpdatedBlock) {
///             for i in 0..<block.count { block.values[i] -= block.learningRate * (block.gradients[i] > 0 ? 1 : -1) }
///         }
///     }
///
/// The learning rate's schedule, clipping, the L1 penalty and the rules of `train.parameters` are the training's.
public protocol UpdateRule: NamedConfiguration {
    /// The highest learning rate, which the schedule scales.
    var learningRate: Double { get }

    /// The factor of the weight decay; 0 unless it says so.
    var weightDecay: Double { get }

    /// The names of the arrays that it keeps between steps, one number for each trained one; they begin at 0. None unless it says so.
    var slotNames: [String] { get }

    /// Updates some parameters, each by its own numbers alone. Called on several threads at once, for other parameters each.
    func update(_ block: UpdatedBlock)
}

extension UpdateRule {
    public var weightDecay: Double { 0 }
    public var slotNames: [String] { [] }
}

/// Parameters that are updated alike, where they lie; valid during the call.
public struct UpdatedBlock {
    /// What is updated.
    public let values: UnsafeMutablePointer<Float>
    /// The gradient of the loss, before `gradientScale`.
    public let gradients: UnsafeMutablePointer<Float>
    /// How many numbers there are, in `values`, `gradients` and each slot.
    public let count: Int
    /// The number of updates before this one.
    public let step: Int
    /// The step's rate, with the factor of the parameters' rule.
    public let learningRate: Float
    /// The weight decay of these parameters: 0 for norms, biases, tokens and position embeddings unless the definition says otherwise.
    public let weightDecay: Float
    /// What gradients are multiplied by, so that their norm is not above the limit.
    public let gradientScale: Float
    let slots: [(name: String, values: UnsafeMutableBufferPointer<Float>)]
    let offset: Int

    /// What the rule keeps for these parameters, by the place of its name in `slotNames`.
    public func slot(_ index: Int) -> UnsafeMutablePointer<Float> { slots[index].values.baseAddress! + offset }
}

/// An update rule as a value of a configuration.
public struct AddedOptimizer: Sendable, Equatable {
    /// The rule with its options.
    public let rule: any UpdateRule

    /// A rule with its options.
    public init(_ rule: any UpdateRule) { self.rule = rule }

    /// Whether two are of one type and have the same options.
    public static func == (a: AddedOptimizer, b: AddedOptimizer) -> Bool { a.rule.isEqual(to: b.rule) }
}
