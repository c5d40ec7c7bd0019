import Configuration
import Foundation
import RunStore

/// What reports need of a run.
struct RunSummary: Sendable {
    enum State: String, Codable, Sendable {
        case finished, running, interrupted, diverged
        /// Its process ended without a word.
        case cutOff = "cut off"
        /// Ended by a sweep, because others did better.
        case stopped
    }

    let folder: RunFolder
    let description: RunDescription
    /// Whether it is another experiment's run, of which the folder is a link.
    let isLink: Bool
    let state: State
    /// nil in a run that did not diverge, where nobody asked for its rows.
    let stepCount: Int?
    let epochCount: Int
    /// The epoch after which its sweep ended it; nil where it did not.
    let stopEpoch: Int?
    /// None where nobody asked for them.
    let epochs: [EpochRecord]
    /// None in runs that do not measure their layers.
    let layers: [LayerRecord]
    /// In the order of the description's measures; nil before the test.
    let testValues: [Double?]?
    let machine: MachineRecord?
    /// What is wrong with `machine.json`, of which nothing but times is read here.
    let machineDamage: String?

    /// - Parameter readsEpochs: whether somebody asks for the rows: what was measured in each epoch, and how many steps there are.
    init(_ folder: RunFolder, readsEpochs: Bool = true) throws {
        self.folder = folder
        let status: RunStatus
        var description: RunDescription
        (status, description, layers, epochCount, stepCount, epochs, testValues) = try RunReader.read(folder) { run in
            let layers = try run.layers()
            return (
                run.status,
                // Only who measured layers is asked for their names.
                layers.isEmpty ? run.description : try run.wholeDescription(), layers, try run.epochCount(),
                readsEpochs || run.status == .diverged ? try run.stepCount() : nil, readsEpochs ? try run.epochs() : [], try run.testValues()
            )
        }
        // A run that experiments share lies in one of them; in the others there is a link to it.
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: folder.path)
        isLink = target != nil
        if let target {
            // It goes up to the folder of results: as far as the experiment's name has parts.
            let count = max(1, target.split(separator: "/").prefix { $0 == ".." }.count)
            description.experiment = URL(filePath: folder.path).standardizedFileURL.pathComponents.dropLast().suffix(count).joined(separator: "/")
        }
        self.description = description
        stopEpoch = SweepFile.epochOfStop(of: folder)
        state =
            switch status {
            // A run that another experiment finished can be stopped in the plan of this one, whose table is that of a sweep alone.
            case .finished: stopEpoch != nil ? .stopped : .finished
            case .interrupted where stopEpoch != nil: .stopped
            case .interrupted: .interrupted
            case .diverged: .diverged
            case .running: folder.isBeingWritten ? .running : .cutOff
            }
        do {
            (machine, machineDamage) = (try MachineRecord(folder), nil)
        } catch let error as UserError {
            (machine, machineDamage) = (nil, "\(error)")
        }
    }

    var name: String { String(folder.path.split(separator: "/").last ?? "") }

    /// Why the run has no result, or nil when it has one.
    var shortcoming: String? {
        switch state {
        case .finished: nil
        case .running: "is still running, in epoch \(epochCount + 1)"
        case .interrupted, .cutOff: "was cut off in epoch \(epochCount + 1)"
        case .stopped: "was stopped after epoch \(stopEpoch ?? epochCount), because others did better"
        case .diverged: "diverged at step \(grouped((stepCount ?? 0) + 1))"
        }
    }
}
