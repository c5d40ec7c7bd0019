import TensorCore
import Testing

extension Trait where Self == ConditionTrait {
    /// Skips a test on a machine that refuses to compute in bfloat16.
    public static var needsBFloat16Units: Self {
        .enabled(if: OneDNN.hasBFloat16Units, "this CPU has neither AVX-512-BF16 nor AMX: \(OneDNN.instructionSet)")
    }
}
