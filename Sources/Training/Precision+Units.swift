import Configuration
import TensorCore

extension Precision {
    /// Refuses a precision for which this machine has no units: in software it would be many times slower than float32.
    ///
    /// - Throws: `.usage` with the instruction set that oneDNN found.
    public func requireUnits() throws(UserError) {
        guard self == .fp32 || OneDNN.hasBFloat16Units else {
            throw UserError(
                .usage,
                "precision \(rawValue): this CPU has no units for it: found \(OneDNN.instructionSet), expected AVX-512-BF16 or AMX; use fp32")
        }
    }
}
