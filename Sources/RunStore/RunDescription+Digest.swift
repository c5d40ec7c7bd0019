import Checksums

extension RunDescription {
    /// SHA-256 of all that the description says, in hexadecimal: by it a run file that is not finished, and so not sealed, is known to say
    /// what it said when it was begun.
    var digest: String {
        let digest = SHA256()
        func add(_ text: String) { digest.update("\(text.utf8.count):\(text)") }
        func add(_ texts: [String]) {
            digest.update("\(texts.count)[")
            texts.forEach { add($0) }
        }
        func add(_ number: Int) { digest.update("\(number),") }
        func add(_ numbers: [Double]?) {
            digest.update("\(numbers?.count ?? -1)[")
            // The sign and payload of a NaN depend on the processor; its being one is the content.
            numbers?.forEach { digest.update("\(hexadecimal($0.isNaN ? Double.nan.bitPattern : $0.bitPattern))") }
        }
        add([experiment, model, configuration, trialDigest ?? "", dataDigest ?? ""])
        if let question { add(question) }
        if let identityVersion { add(identityVersion) }
        for number in [seed, parameters, multiplyAdds, classes].compactMap(\.self) { add(number) }
        add(tensors)
        add(layers?.names ?? [])
        add(layers?.predictedActivationVariance)
        add(layers?.predictedGradientVariance)
        for span in arithmetic { [span.fromStep, span.version].forEach { add($0) } }
        guard let data else { return digest.finish() }
        data.imageShape.forEach { add($0) }
        add(data.mean)
        add(data.standardDeviation)
        add(data.classNames)
        if let files = data.files {
            add(files.test)
            add(files.leftOutCount)
        }
        guard let split = data.split else { return digest.finish() }
        add(split.bringsValidation ? 1 : 0)
        for places in [split.training, split.validation, split.test] {
            add(places.count)
            places.map(\.littleEndian).withUnsafeBytes { digest.update($0) }
        }
        if split.testIsFold { add("fold") }
        guard let treatment = split.treatment else { return digest.finish() }
        for numbers in [treatment.classCounts, treatment.classNumbers ?? [], treatment.relabeledImages.map(Int.init), treatment.givenLabels.map(Int.init)] {
            add(numbers.count)
            numbers.forEach { add($0) }
        }
        return digest.finish()
    }
}
