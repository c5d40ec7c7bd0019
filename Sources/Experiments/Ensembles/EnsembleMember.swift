import Configuration
import Foundation
import Measures
import RunStore

/// A finished run that is tested as one with others.
struct EnsembleMember {
    let folder: RunFolder
    let description: RunDescription
    /// Of the test.
    let test: EvaluationRecord

    /// - Throws: `.data` when the run is damaged or is not finished.
    init(_ folder: RunFolder) throws {
        let run = try RunReader(folder)
        guard run.status == .finished, let test = try run.evaluation() else { throw UserError(.data, "\(folder.path): is not finished, so it has no test") }
        (self.folder, self.test) = (folder, test)
        description = try run.wholeDescription()
    }

    var name: String { (folder.path as NSString).lastPathComponent }

    /// With the experiment: `vit_vs_resnet/vit-s0-1f0c93ab`.
    var place: String { "\(description.experiment)/\(name)" }

    /// The classes of the test images, and the logits of each `[images, classes]`.
    ///
    /// - Throws: `.data` when the run did not keep them, or its logits are margins.
    func outputs() throws -> (labels: [Int64], logits: [Float]) {
        try requireProbabilities()
        guard let labels = test.tables["labels"]?.integers, let logits = test.tables["logits"]?.reals else {
            throw UserError(.data, "\(name): has no logits of the test images (train.store_outputs: false), from which an ensemble is made")
        }
        guard let classes = description.classes, classes > 0, !labels.isEmpty, logits.count == labels.count * classes,
            labels.allSatisfy({ (0..<Int64(classes)).contains($0) })
        else { throw UserError(.data, "\(name): has \(grouped(logits.count)) logits for \(grouped(labels.count)) test images, which do not go together") }
        return (labels, logits)
    }

    /// What is said of margins in the place of probabilities.
    static let margins = "the margins of a hinge loss, which are no probabilities, whose mean an ensemble is; expected another task.classification.loss, or a soup"

    /// - Throws: `.data` when the run's logits are margins.
    func requireProbabilities() throws {
        if description.measures.areOfMargins { throw UserError(.data, "\(name): answers with \(Self.margins)") }
    }

    /// What a file of the ensemble says of it.
    ///
    /// - Parameter place: the folder of the experiment's runs.
    func entry(in place: URL, isTaken: Bool = true) -> EnsembleFile.Member {
        let here = place.standardizedFileURL.pathComponents, own = URL(filePath: folder.path).standardizedFileURL.pathComponents
        let common = zip(here, own).prefix { $0 == $1 }.count
        let path = [String](repeating: "..", count: here.count - common) + own.dropFirst(common)
        return EnsembleFile.Member(run: path.joined(separator: "/"), trialDigest: description.trialDigest ?? "", evaluationDigest: test.digest, isTaken: isTaken)
    }
}

/// The test of the mean of several models' probabilities, from the logits of each.
///
///     p = 1/M Σ softmax(zₘ), loss = −mean log p[label], accuracy = the share of images whose largest p, of equal ones the first, is that of their class
///
/// All in double precision; the loss by sums of logarithms, so that no probability is too small for it.
struct MeanProbabilities {
    let loss: Double
    let accuracy: Double

    /// - Parameters:
    ///   - members: the logits of each model, `[images, classes]`.
    ///   - labels: the classes of the images.
    init(_ members: [[Float]], labels: [Int64], classes: Int) {
        var loss = 0.0, rightCount = 0
        var mean = [Double](repeating: 0, count: classes), logarithms = [Double](repeating: 0, count: members.count)
        for (image, label) in labels.enumerated() {
            for index in mean.indices { mean[index] = 0 }
            for (index, member) in members.enumerated() {
                let logits = member[image * classes..<(image + 1) * classes], largest = Double(logits.max() ?? 0)
                let sum = logits.reduce(0.0) { $0 + exp(Double($1) - largest) }
                for (place, logit) in logits.enumerated() { mean[place] += exp(Double(logit) - largest) / sum }
                logarithms[index] = Double(logits[logits.startIndex + Int(label)]) - largest - log(sum)
            }
            let largest = logarithms.max() ?? 0
            loss += log(Double(members.count)) - largest - log(logarithms.reduce(0) { $0 + exp($1 - largest) })
            if mean.firstIndex(of: mean.max() ?? 0) == Int(label) { rightCount += 1 }
        }
        self.loss = loss / Double(labels.count)
        accuracy = Double(rightCount) / Double(labels.count)
    }
}
