import Foundation
import TensorCore

/// The checksums of all weights of the small trainings of `PinnedTrainingTests` after their last step, by the kind of machine.
///
/// A training's bits depend on the version of the arithmetic and, on one version, on what `kindOfMachine` says. On a kind that is not in the
/// table the test prints a line for it, which belongs here. Where a digest changes on a kind that is in the table, bits changed: either by
/// mistake, or on purpose; then `arithmeticVersion` is raised, and the table is made again: on each kind that can be had, remove its line, run
/// `./harness test --filter PinnedTrainingTests`, and paste what it prints. `ONEDNN_MAX_CPU_ISA=AVX` (or SSE41) before it gives other lines on
/// one machine.
enum PinnedDigests {
    /// The version of the arithmetic that the table is of.
    static let version = 5

    static let table: [String: [String: String]] = [
        "x86-64-v4, oneDNN 2.6.3 avx512_core_bf16, caches 32K/1 1024K/1 32768K/2": [
            "hybrid": "383a3081d6e6ea81", "mlp": "2c131300436d137a", "resnet": "ab4b3f9b8c52baf5", "vit": "a1bff5a3d1b8ee91",
        ],
        "x86-64-v4, oneDNN 2.6.3 avx2, caches 32K/1 1024K/1 32768K/2": [
            "hybrid": "c762d5342ea76238", "mlp": "c82ab4fd2f49d141", "resnet": "e5b78057c75557c5", "vit": "88fb9c1f5c471efd",
        ],
        "x86-64-v4, oneDNN 2.6.3 avx, caches 32K/1 1024K/1 32768K/2": [
            "hybrid": "7cd9cec977f81db4", "mlp": "8e688c12f44b380b", "resnet": "65acfa5e411762c7", "vit": "eca0a2f36064730",
        ],
        "x86-64-v4, oneDNN 2.6.3 sse41, caches 32K/1 1024K/1 32768K/2": [
            "hybrid": "74026341491b484d", "mlp": "97bc36757777f715", "resnet": "fd6bf8e4cf672d03", "vit": "42e081a523f8e504",
        ],
    ]

    /// What decides the bits of a training besides its definition: which of our kernels' compilations runs, which of oneDNN's kernels, and into
    /// what blocks it cuts its sums.
    static let kindOfMachine: String = {
        #if arch(x86_64)
            let architecture = "x86-64-\(microarchitectureLevel)"
        #elseif arch(arm64)
            let architecture = "arm64"
        #else
            let architecture = "other"
        #endif
        return "\(architecture), oneDNN \(OneDNN.version) \(OneDNN.instructionSet), caches \(cacheSizes)"
    }()

    /// The highest level of x86-64 for which our kernels are compiled that this processor has.
    private static var microarchitectureLevel: String {
        let list = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let flags = Set(list.split(separator: "\n").first { $0.hasPrefix("flags") }?.split(separator: " ") ?? [])
        let third: Set<Substring> = ["avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"]
        let fourth: Set<Substring> = ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]
        return !flags.isSuperset(of: third) ? "v1" : flags.isSuperset(of: fourth) ? "v4" : "v3"
    }

    /// Of the first core, from the nearest on, each with the number of cores that share it.
    private static var cacheSizes: String {
        func line(_ index: Int, _ name: String) -> String? {
            (try? String(contentsOfFile: "/sys/devices/system/cpu/cpu0/cache/index\(index)/\(name)", encoding: .utf8))?
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }
        func cores(_ map: String) -> Int { map.compactMap(\.hexDigitValue).reduce(0) { $0 + $1.nonzeroBitCount } }
        let caches = (0..<8).compactMap { index -> String? in
            guard let type = line(index, "type"), type != "Instruction", let size = line(index, "size") else { return nil }
            return "\(size)/\(cores(line(index, "shared_cpu_map") ?? ""))"
        }
        return caches.isEmpty ? "unknown" : caches.joined(separator: " ")
    }
}
