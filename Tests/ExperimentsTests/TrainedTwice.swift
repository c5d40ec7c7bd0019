import Foundation
import RunStore
import TensorCore
import Testing

@testable import Experiments

/// Trains a definition's one model on two threads; then on one, cut off after an epoch and gone on with, which has to give the same bytes. Verifies the first.
///
/// - Parameter results: a folder of the caller's.
/// - Returns: the first run, the only one below `results/whole`.
func trainedTwice(_ text: String, in results: String) throws -> RunFolder {
    func run(_ name: String, threads: Int, until limit: Int? = nil) throws -> RunFolder {
        let options = Runner.Options(threads: threads, results: URL(filePath: "\(results)/\(name)"), startsOver: false, command: [], epochLimit: limit)
        return try Runner(Experiment(definition(text), dataDirectory: nil), options: options, terminal: .silent).run { false }.folders[0]
    }
    let whole = try run("whole", threads: 2), epochs = try RunReader(whole).contents().epochs
    #expect(epochs.last!.training[0] < epochs[0].training[0], "it learns")
    let cut = try run("cut", threads: 1, until: 1)
    #expect(try RunReader(cut).status == .interrupted)
    #expect(try run("cut", threads: 1).path == cut.path)
    #expect(FileManager.default.contentsEqual(atPath: whole.runFile, andPath: cut.runFile))
    #expect(FileManager.default.contentsEqual(atPath: whole.weightsFile(.best), andPath: cut.weightsFile(.best)))
    let verification = try Verification(whole, threads: 1, steps: nil, dataDirectory: nil, registry: .standard, command: [], terminal: .silent) { false }
    #expect(verification.failure == nil)
    return whole
}
