import Configuration
import RunStore

/// What reports need of a run.
struct RunSummary {
    enum State: String, Codable {
        case finished, running, interrupted, diverged
        /// Its process ended without a word.
        case cutOff = "cut off"
    }

    let folder: RunFolder
    let description: RunDescription
    let state: State
    let stepCount: Int
    let epochs: [EpochRecord]
    let evaluation: TestEvaluation?
    let machine: MachineRecord?

    init(_ folder: RunFolder) throws {
        let reader = try RunReader(folder)
        self.folder = folder
        description = reader.description
        state =
            switch reader.status {
            case .finished: .finished
            case .interrupted: .interrupted
            case .diverged: .diverged
            case .running: folder.isBeingWritten ? .running : .cutOff
            }
        stepCount = try reader.stepCount()
        epochs = try reader.epochs()
        evaluation = try reader.evaluation()
        machine = try MachineRecord(folder)
    }

    var name: String { String(folder.path.split(separator: "/").last ?? "") }

    /// Why the run has no result, or nil when it has one.
    var shortcoming: String? {
        switch state {
        case .finished: nil
        case .running: "is still running, in epoch \(epochs.count + 1)"
        case .interrupted, .cutOff: "was cut off in epoch \(epochs.count + 1)"
        case .diverged: "diverged at step \(grouped(stepCount + 1))"
        }
    }
}
