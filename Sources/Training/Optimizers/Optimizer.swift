import CKernels
import Foundation
import TensorCore

/// Updates the trained parameters of a store from their gradients: one pass over contiguous memory, cut among the workers.
///
/// Weight decay spares norms, biases, tokens and position embeddings unless `decayAll` or a parameter's treatment says otherwise; the L1
/// penalty concerns weights only. Memory is cut into fixed blocks, so neither the norm nor the update depends on the number of threads.
public final class Optimizer {
    /// Elements in a block: 64 KiB of each array, so that the four arrays of Adam fit a worker's second-level cache.
    static let blockLength = 16_384

    /// A run within a block whose elements are all treated alike.
    private struct Piece {
        let offset: Int
        let count: Int
        let treatment: Treatment
    }

    /// What the update of an element depends on besides its numbers.
    private struct Treatment: Equatable {
        /// The first step in which it is trained.
        let firstStep: Int
        let rateFactor: Double
        let decay: Float
        let l1: Float
    }

    /// Which optimizer, with its options.
    public let configuration: OptimizerConfiguration
    /// The state between steps: PyTorch's names, each array laid out as the gradients.
    public let slots: [(name: String, values: UnsafeMutableBufferPointer<Float>)]
    /// Keeps the memory of `values` and `gradients`.
    private let store: ParameterStore
    private let values: UnsafeMutablePointer<Float>
    private let gradients: UnsafeMutablePointer<Float>
    private let pool: WorkerPool
    private let pieces: [Piece]
    /// For each block its range of `pieces`.
    private let blocks: [Range<Int>]
    private let blockSums: UnsafeMutableBufferPointer<Double>

    /// In the place of the arrays of a model without parameters.
    private nonisolated(unsafe) static let nothing = UnsafeMutablePointer<Float>.allocate(capacity: 1)

    /// The numbers of the update that runs, for the workers.
    private struct Update {
        var step = 0
        var learningRate = 0.0
        var gradientScale: Float = 1
    }

    private var update = Update()
    // What a worker does with a block. Made once: closures made at every step would allocate at every step.
    private lazy var finishBlock: (_ worker: Int, _ block: Int) -> Void = { [unowned self] _, block in finishGradients(ofBlock: block) }
    private lazy var updateBlock: (_ worker: Int, _ block: Int) -> Void = { [unowned self] _, block in
        for piece in pieces[blocks[block]] where piece.treatment.firstStep <= update.step { update(piece) }
    }

    /// An optimizer with its state at the start. `decayAll` decays every parameter and not weights alone; `l1` is the factor of Σ|w| in the loss.
    ///
    /// - Parameters:
    ///   - treatments: one for each trained parameter of the store, in order; nil: all alike.
    ///   - stepsPerEpoch: by which the epochs of the treatments are steps.
    public init(
        _ configuration: OptimizerConfiguration, decayAll: Bool = false, l1: Double = 0, treatments: [ParameterTreatment]? = nil,
        stepsPerEpoch: Int = 1, store: ParameterStore, pool: WorkerPool
    ) {
        let entries = store.trainedEntries, treatments = treatments ?? entries.map { _ in ParameterTreatment() }
        precondition(treatments.count == entries.count, "one treatment for each trained parameter")
        precondition(!entries.isEmpty || store.entries.isEmpty, "an optimizer needs trained parameters, or a model without any, such as a fixed filter")
        self.configuration = configuration
        self.store = store
        values = store.values.baseAddress ?? Self.nothing
        gradients = store.gradients.baseAddress ?? Self.nothing
        self.pool = pool
        slots = configuration.slotNames.map { name in
            // Zeros of which the system makes no page before it is used.
            guard let memory = calloc(store.gradients.count, MemoryLayout<Float>.stride) else { preconditionFailure("memory was asked for before") }
            return (name, UnsafeMutableBufferPointer(start: memory.assumingMemoryBound(to: Float.self), count: store.gradients.count))
        }

        var pieces: [Piece] = [], blocks: [Range<Int>] = []
        let ends = entries.dropFirst().map(\.offset) + [store.gradients.count]
        for ((entry, rules), end) in zip(zip(entries, treatments), ends) {
            precondition(!rules.isFrozen, "\(entry.name) has a gradient, and a treatment that freezes it")
            let treatment = Treatment(
                firstStep: rules.frozenEpochCount * stepsPerEpoch, rateFactor: rules.learningRateFactor,
                decay: Float(rules.weightDecay ?? (decayAll || entry.role == .weight ? configuration.weightDecay : 0)),
                l1: entry.role == .weight ? Float(l1) : 0)
            var start = entry.offset
            while start < end {
                let block = start / Self.blockLength
                let pieceEnd = min(end, (block + 1) * Self.blockLength)
                if block == blocks.count { blocks.append(pieces.count..<pieces.count) }
                if let last = pieces.last, !blocks[block].isEmpty, last.treatment == treatment {
                    pieces[pieces.count - 1] = Piece(offset: last.offset, count: pieceEnd - last.offset, treatment: treatment)
                } else {
                    pieces.append(Piece(offset: start, count: pieceEnd - start, treatment: treatment))
                }
                blocks[block] = blocks[block].lowerBound..<pieces.count
                start = pieceEnd
            }
        }
        self.pieces = pieces
        self.blocks = blocks
        blockSums = .allocate(capacity: blocks.count)
        blockSums.initialize(repeating: 0)
    }

    deinit {
        for slot in slots { free(slot.values.baseAddress) }
        blockSums.deallocate()
    }

    /// Adds the gradient of the L1 penalty and returns the Euclidean norm of all gradients, summed in double, but for what is still frozen.
    ///
    /// - Parameter step: the number of updates before this one.
    public func finishGradients(step: Int = 0) -> Double {
        update.step = step
        pool.run(blocks.count, finishBlock)
        return blockSums.reduce(0, +).squareRoot()
    }

    /// Updates the parameters with their gradients times `gradientScale`, but for those that are still frozen.
    ///
    /// - Parameter step: the number of updates before this one, for Adam's corrections.
    public func update(step: Int, learningRate: Double, gradientScale: Double) {
        update = Update(step: step, learningRate: learningRate, gradientScale: Float(gradientScale))
        pool.run(blocks.count, updateBlock)
    }

    private func finishGradients(ofBlock block: Int) {
        blockSums[block] = 0
        for piece in pieces[blocks[block]] where piece.treatment.firstStep <= update.step {
            let g = gradients + piece.offset
            if piece.treatment.l1 > 0 { optimizer_add_l1(g, values + piece.offset, piece.count, piece.treatment.l1) }
            blockSums[block] += optimizer_sum_of_squares(g, piece.count)
        }
    }

    private func update(_ piece: Piece) {
        let w = values + piece.offset, g = gradients + piece.offset
        let scale = update.gradientScale, decay = piece.treatment.decay, rate = Float(learningRate(of: piece))
        switch configuration {
        case .sgd(let options):
            let momentum = Float(options.momentum)
            if slots.isEmpty {
                optimizer_sgd(w, g, piece.count, scale, decay, rate)
            } else if options.nesterov {
                optimizer_sgd_nesterov(w, g, slot(0, at: piece), piece.count, scale, decay, rate, momentum)
            } else {
                optimizer_sgd_momentum(w, g, slot(0, at: piece), piece.count, scale, decay, rate, momentum)
            }
        case .adagrad(let options):
            optimizer_adagrad(w, g, slot(0, at: piece), piece.count, scale, decay, rate, Float(options.epsilon))
        case .adam(let options):
            updateAdam(options, decoupledDecay: false, piece)
        case .adamw(let options):
            updateAdam(options, decoupledDecay: true, piece)
        case .added(let optimizer):
            optimizer.rule.update(UpdatedBlock(
                values: w, gradients: g, count: piece.count, step: update.step, learningRate: rate, weightDecay: decay, gradientScale: scale,
                slots: slots, offset: piece.offset))
        }
    }

    private func updateAdam(_ options: OptimizerConfiguration.Adam, decoupledDecay: Bool, _ piece: Piece) {
        let beta1 = options.betas[0], beta2 = options.betas[1], learningRate = self.learningRate(of: piece), decay = piece.treatment.decay
        // The running means are as old as the parameter is trained.
        let count = Double(update.step - piece.treatment.firstStep + 1)
        let rate = learningRate / (1 - pow(beta1, count))
        let rootScale = 1 / (1 - pow(beta2, count)).squareRoot()
        optimizer_adam(
            values + piece.offset, gradients + piece.offset, slot(0, at: piece), slot(1, at: piece), piece.count, update.gradientScale,
            decoupledDecay ? 0 : decay, decoupledDecay ? Float(1 - learningRate * Double(decay)) : 1, Float(rate),
            Float(beta1), Float(1 - beta1), Float(beta2), Float(1 - beta2), Float(rootScale), Float(options.epsilon))
    }

    private func learningRate(of piece: Piece) -> Double { update.learningRate * piece.treatment.rateFactor }

    private func slot(_ index: Int, at piece: Piece) -> UnsafeMutablePointer<Float> {
        slots[index].values.baseAddress! + piece.offset
    }
}

/// The factor that brings gradients of `norm` to at most `maximum`, as in PyTorch's `clip_grad_norm_` (whose small number saves a norm of 0).
func clippingScale(norm: Double, maximum: Double) -> Double { min(1, maximum / (norm + 1e-6)) }
