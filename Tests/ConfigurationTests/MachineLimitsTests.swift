import Foundation
import Testing

@testable import Configuration

/// Trees of control groups made of plain files, as the kernel shows them.
@Suite struct MachineLimitsTests {
    private static let gigabyte = 1 << 30

    /// A case: files by path, and the limits of a machine with 16 processors and 64 GiB.
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        var files: [String: String]
        var processors = 16
        var memory = 64 * MachineLimitsTests.gigabyte
        var testDescription: String { name }
    }

    private static let version2 = "34 23 0:29 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
    private static let version1 = """
        31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory

        """

    static let cases = [
        Case(name: "no control groups", files: [:]),
        Case(
            name: "version 2: the group's own limits",
            files: [
                "proc/self/mountinfo": version2, "proc/self/cgroup": "0::/job\n", "sys/fs/cgroup/job/cpu.max": "250000 100000\n",
                "sys/fs/cgroup/job/memory.max": "\(3 * gigabyte)\n",
            ], processors: 2, memory: 3 * gigabyte),
        Case(
            name: "version 2: a group above is tighter",
            files: [
                "proc/self/mountinfo": version2, "proc/self/cgroup": "0::/slice/job/step\n", "sys/fs/cgroup/slice/cpu.max": "300000 100000\n",
                "sys/fs/cgroup/slice/job/cpu.max": "800000 100000\n", "sys/fs/cgroup/slice/job/step/cpu.max": "max 100000\n",
                "sys/fs/cgroup/slice/memory.max": "\(5 * gigabyte)\n", "sys/fs/cgroup/slice/job/memory.max": "max\n",
                "sys/fs/cgroup/slice/job/step/memory.max": "\(7 * gigabyte)\n",
            ], processors: 3, memory: 5 * gigabyte),
        Case(
            name: "version 2: no limit is written as max",
            files: [
                "proc/self/mountinfo": version2, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n",
                "sys/fs/cgroup/memory.max": "max\n",
            ]),
        Case(
            name: "half a processor is one thread",
            files: ["proc/self/mountinfo": version2, "proc/self/cgroup": "0::/job\n", "sys/fs/cgroup/job/cpu.max": "50000 100000\n"],
            processors: 1),
        Case(
            name: "version 1: two hierarchies",
            files: [
                "proc/self/mountinfo": version1, "proc/self/cgroup": "5:memory:/a/b\n2:cpu,cpuacct:/a\n0::/\n",
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "499999\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "\(2 * gigabyte)\n",
                "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "9223372036854771712\n",
            ], processors: 4, memory: 2 * gigabyte),
        Case(
            name: "version 1: a container that sees the host's paths",
            files: [
                "proc/self/mountinfo": version1.replacing("0:29 / ", with: "0:29 /docker/c0ffee ").replacing("0:32 / ", with: "0:32 /docker/c0ffee "),
                "proc/self/cgroup": "5:memory:/docker/c0ffee\n2:cpu,cpuacct:/docker/c0ffee/inner\n",
                "sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_quota_us": "600000\n",
                "sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_period_us": "100000\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "\(gigabyte)\n",
            ], processors: 6, memory: gigabyte),
        Case(
            name: "version 2: the group lies outside what is mounted",
            files: [
                "proc/self/mountinfo": version2.replacing(" / ", with: " /elsewhere "), "proc/self/cgroup": "0::/../job\n",
                "sys/fs/cgroup/cpu.max": "700000 100000\n",
            ], processors: 7),
        Case(
            name: "affinity",
            files: ["proc/self/status": "Name:\tharness\nCpus_allowed:\tffff\nCpus_allowed_list:\t1,4-6\n"], processors: 4),
        Case(
            name: "affinity to processors that are not switched on, and a quota",
            files: [
                "proc/self/status": "Cpus_allowed_list:\t2-127\n", "sys/devices/system/cpu/online": "0-4,7\n",
                "proc/self/mountinfo": version2, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "800000 100000\n",
            ], processors: 4),
        Case(
            name: "more than the machine has",
            files: [
                "proc/self/mountinfo": version2, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "9900000 100000\n",
                "sys/fs/cgroup/memory.max": "\(900 * gigabyte)\n",
            ]),
        Case(
            name: "files that say nothing",
            files: [
                "proc/self/mountinfo": "x\n" + version2, "proc/self/cgroup": "\n0:\n0::/\n", "sys/fs/cgroup/cpu.max": "\n",
                "sys/fs/cgroup/memory.max": "-1\n",
            ]),
    ]

    @Test(arguments: cases) func obeysControlGroups(_ example: Case) throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "limits-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        for (path, text) in example.files {
            let file = root.appending(path: path)
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        let machine = MachineLimits.Machine(processors: 16, physicalMemory: 64 * Self.gigabyte, addressSpace: nil)
        let limits = MachineLimits(machine: machine, root: root.path)
        #expect(limits.processors == example.processors && limits.memory == example.memory)
    }

    @Test func theLeastLimitCounts() {
        let limits = MachineLimits(
            machine: .init(processors: 3, physicalMemory: 8 * Self.gigabyte, addressSpace: 2 * Self.gigabyte), root: "/nowhere")
        #expect(limits.processors == 3 && limits.memory == 2 * Self.gigabyte)
    }

    @Test func thisMachineHasLimits() {
        #expect(MachineLimits.current.processors >= 1 && MachineLimits.current.processors <= ProcessInfo.processInfo.processorCount)
        #expect(MachineLimits.memory() > 64 << 20 && MachineLimits.memory() <= Int(clamping: ProcessInfo.processInfo.physicalMemory))
    }
}
