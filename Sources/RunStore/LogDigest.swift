import Checksums
import Measures

/// A digest of what a run has recorded, kept up with every row. Checkpoints hold it, so that whoever goes on from one knows the rows before it by it.
final class LogDigest {
    private let steps = SHA256(), epochs = SHA256(), digests = SHA256(), layers = SHA256()

    private let stepColumns: [MetricColumn<StepRecord>]
    private let epochColumns: [MetricColumn<EpochRecord>]

    init(_ contents: RunContents) {
        stepColumns = StepRecord.columns(contents.description.measures)
        epochColumns = EpochRecord.columns(contents.description.measures)
        contents.steps.forEach(add)
        contents.epochs.forEach(add)
        contents.digests.forEach(add)
        contents.layers.forEach(add)
    }

    func add(_ step: StepRecord) { Self.add(step, stepColumns, to: steps) }
    func add(_ epoch: EpochRecord) { Self.add(epoch, epochColumns, to: epochs) }

    func add(_ digest: DigestRecord) {
        Self.update(digests, [UInt64(digest.step), UInt64(digest.checksums.count)] + digest.checksums)
    }

    func add(_ record: LayerRecord) {
        Self.update(layers, [UInt64(record.epoch)])
        for values in [record.activationMean, record.activationVariance, record.gradientVariance] {
            Self.update(layers, values.map(Self.bits))
        }
    }

    /// The digest of all rows so far, in hexadecimal.
    var current: String {
        let digest = SHA256()
        for table in [steps, epochs, digests, layers] { digest.update(table.current) }
        return digest.finish()
    }

    private static func add<Record>(_ record: Record, _ columns: [MetricColumn<Record>], to digest: SHA256) {
        update(digest, columns.map { column in
            switch column.field {
            case .integer(let field): UInt64(bitPattern: Int64(record[keyPath: field]))
            case .real(let field): bits(record[keyPath: field])
            case .optional(let field): bits(record[keyPath: field] ?? .nan)
            }
        })
    }

    /// The sign and payload of a NaN depend on the processor; its being one is the content.
    private static func bits(_ value: Double) -> UInt64 { value.isNaN ? Double.nan.bitPattern : value.bitPattern }

    private static func update(_ digest: SHA256, _ words: [UInt64]) {
        words.map(\.littleEndian).withUnsafeBytes { digest.update($0) }
    }
}

extension RunContents {
    /// The digest of all rows (`LiveRun.logDigest`).
    public var logDigest: String { LogDigest(self).current }
}
