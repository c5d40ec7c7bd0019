import Configuration
import Foundation
import Models
import RunStore
import TensorCore
import TestSupport
import Testing
import Training
import VisionData

@testable import Experiments

/// Trainings without a definition, recorded.
@Suite struct RunRecordingTests {
    private func loop() throws -> TrainingLoop {
        var configuration = TrainConfiguration()
        (configuration.epochs, configuration.batchSize) = (2, 128)
        let model = MLPConfiguration(widths: [8])
        return try TrainingLoop(
            { scope, images in ModelDefinition(model).record(images, classes: 10, in: scope) }, configuration: configuration,
            dataset: ImageDataset.load(DataConfiguration(.digits)), augmentations: [], seed: 3, pool: WorkerPool(threads: 1))
    }

    private func record(_ loop: TrainingLoop, in results: String, width: Int = 8) throws -> RunRecording {
        try RunRecording(of: loop, experiment: "lessons/first", model: "small", seed: 3, settings: .map([("width", .scalar(width))]), in: results)
    }

    @Test("A run that was interrupted is resumed to the same bytes, and a finished one is not trained again")
    func resumes() throws {
        try withTemporaryFolder { folder in
            let whole = try record(loop(), in: "\(folder)/whole")
            guard case .completed(let test) = try whole.run() else { Issue.record("the training did not end"); return }
            let contents = try RunReader(whole.folder).contents(), description = contents.description
            #expect(contents.status == .finished && contents.steps.count == 20 && whole.folder.missingWeights(averages: []).isEmpty)
            #expect(contents.evaluations[.test]?.values == test.values.values)
            #expect(description.parameters == 64 * 8 + 8 + 8 * 10 + 10 && description.multiplyAdds == 64 * 8 + 8 * 10)
            #expect(description.experiment == "lessons/first" && description.classes == 10 && description.data?.imageShape == [8, 8, 1])
            #expect(description.configuration.contains("\"small\": {\"width\": 8}"))

            var steps = 0
            let cut = try record(loop(), in: "\(folder)/cut")
            #expect(try cut.run { steps += 1; return steps == 13 } == .interrupted)
            guard case .completed = try record(loop(), in: "\(folder)/cut").run() else { Issue.record("the training did not end"); return }
            #expect(FileManager.default.contentsEqual(atPath: whole.folder.runFile, andPath: cut.folder.runFile))
            #expect(FileManager.default.contentsEqual(atPath: whole.folder.weightsFile(.best), andPath: cut.folder.weightsFile(.best)))

            let error = #expect(throws: UserError.self) { _ = try record(loop(), in: "\(folder)/whole").run() }
            #expect(error?.message.hasSuffix("has a run that is finished; remove it, or record under another name") == true)
            #expect(try record(loop(), in: folder, width: 9).folder.path != record(loop(), in: folder).folder.path)
            let diagnosis = Diagnosis(whole.folder)
            #expect(diagnosis.state == .whole, "\(diagnosis.findings)")
        }
    }

    @Test(arguments: ["", "a/../b", "two words", "lessons/"])
    func refusesWhatIsNoName(name: String) throws {
        let loop = try loop()
        let error = #expect(throws: UserError.self) { try RunRecording(of: loop, experiment: name, model: "small", seed: 0, in: "Results") }
        #expect(error?.kind == .usage && error?.message.contains("expected a name of letters, digits, '_', '-' and '+'") == true)
    }
}
