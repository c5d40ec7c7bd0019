import Foundation
import TensorCore
import Testing

/// Records an issue unless every element of `actual` is within `tolerance` · magnitude of what PyTorch found.
///
/// The magnitude belongs to the whole array: float32's rounding is relative to the terms of a sum, not to what remains of them.
/// With 1e-5, an error of 84 units in the last place of the largest value passes.
public func assertClose(
    _ actual: HostTensor, _ expected: Expectation, tolerance: Double = 1e-5, _ what: @autoclosure () -> String = "",
    fileID: String = #fileID, filePath: String = #filePath, line: Int = #line, column: Int = #column
) {
    let location = SourceLocation(fileID: fileID, filePath: filePath, line: line, column: column)
    let prefix = what().isEmpty ? "" : "\(what()): "
    guard actual.shape == expected.tensor.shape else {
        Issue.record("\(prefix)the shape is \(actual.shape), expected \(expected.tensor.shape)", sourceLocation: location)
        return
    }
    let found = actual.doubles, reference = expected.tensor.doubles
    let errors = zip(found, reference).map { abs($0 - $1) }
    // Not `error > …`: a NaN must not pass.
    let failures = errors.indices.filter { !(errors[$0] <= tolerance * expected.magnitude) }
    guard let worst = failures.first(where: { errors[$0].isNaN }) ?? failures.max(by: { errors[$0] < errors[$1] }) else { return }
    Issue.record(
        """
        \(prefix)\(failures.count) of \(errors.count) elements of \(actual.shape) differ; the worst is \(index(worst, in: actual.shape)): \
        \(found[worst]), expected \(reference[worst]), an error of \(short(errors[worst] / expected.magnitude)) relative to \
        \(short(expected.magnitude)), tolerated \(short(tolerance))
        """, sourceLocation: location)
}

/// The same for an array whose magnitude is its largest absolute value. Where all of `expected` is zero, nothing else passes.
public func assertClose(
    _ actual: HostTensor, _ expected: HostTensor, tolerance: Double = 1e-5, _ what: @autoclosure () -> String = "",
    fileID: String = #fileID, filePath: String = #filePath, line: Int = #line, column: Int = #column
) {
    assertClose(
        actual, Expectation(tensor: expected, magnitude: expected.largestMagnitude), tolerance: tolerance, what(),
        fileID: fileID, filePath: filePath, line: line, column: column)
}

/// Records an issue unless the numbers differ by at most `tolerance` · |expected|.
public func assertClose(
    _ actual: Double, _ expected: Double, tolerance: Double, _ what: @autoclosure () -> String = "",
    fileID: String = #fileID, filePath: String = #filePath, line: Int = #line, column: Int = #column
) {
    assertClose(
        HostTensor([], [actual]), HostTensor([], [expected]), tolerance: tolerance, what(),
        fileID: fileID, filePath: filePath, line: line, column: column)
}

private func index(_ position: Int, in shape: Shape) -> [Int] {
    zip(shape.strides, shape.dimensions).map { stride, length in position / stride % length }
}

/// Three significant digits are enough to judge an error.
private func short(_ value: Double) -> String { String(format: "%.2e", value) }

extension HostTensor {
    /// The elements, whatever their type.
    public var doubles: [Double] {
        switch dtype {
        case .float32: elements(as: Float.self).map(Double.init)
        case .float64: elements(as: Double.self)
        case .bfloat16: bytes.withUnsafeBytes { $0.bindMemory(to: UInt16.self).map { Double(Float(bitPattern: UInt32($0) << 16)) } }
        case .int32: elements(as: Int32.self).map(Double.init)
        }
    }

    var largestMagnitude: Double { doubles.map(abs).max() ?? 0 }
}
