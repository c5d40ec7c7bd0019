import Foundation

/// How many processors and how much memory this process may use: of the machine, of what the system or a container leaves it.
///
/// Control groups of both versions are read, each from the process's own group up to the root of the hierarchy: every group above
/// binds too. What cannot be read limits nothing.
public struct MachineLimits: Sendable {
    /// What the machine and the system's calls say, apart from control groups.
    struct Machine: Sendable {
        /// That are switched on.
        var processors: Int
        /// In bytes.
        var physicalMemory: Int
        /// The address space that the process may have (`ulimit -v`), in bytes; nil: no limit.
        var addressSpace: Int?
    }

    /// How many threads can compute at a time; at least 1.
    public let processors: Int
    /// In bytes.
    public let memory: Int

    /// The limits of this process, as they were when first asked for.
    public static let current = MachineLimits(machine: .current)

    /// The bytes that this process may use at most: every check of memory compares with this.
    public static func memory() -> Int { current.memory }

    /// - Parameter root: where `proc`, `sys` and the control groups' file systems are mounted; another one than `/` has the files of a test.
    init(machine: Machine, root: String = "") {
        let groups = ControlGroups(root: root)
        // A quota of 2.5 processors keeps two threads busy; three would wait for each other at the end of every period.
        let quotas = groups.processorQuotas.map { Int($0.rounded(.down)) }
        processors = max(1, ([machine.processors, Self.affinity(root: root)].compactMap(\.self) + quotas).min()!)
        memory = ([machine.physicalMemory, machine.addressSpace].compactMap(\.self) + groups.memoryLimits).min()!
    }
}

extension MachineLimits {
    /// The number of processors on which the process may be scheduled (`taskset`, and the control group's set of processors).
    private static func affinity(root: String) -> Int? {
        let prefix = "Cpus_allowed_list:"
        guard let line = lines("\(root)/proc/self/status").first(where: { $0.hasPrefix(prefix) }) else { return nil }
        // Processors that could be plugged in are allowed, too.
        let allowed = numbers(line.dropFirst(prefix.count))
        let online = lines("\(root)/sys/devices/system/cpu/online").first.map(numbers) ?? allowed
        let count = allowed.intersection(online).count
        return count > 0 ? count : nil
    }

    /// `0-3,8` as the kernel writes it: 0, 1, 2, 3, 8.
    private static func numbers(_ list: Substring) -> Set<Int> {
        var numbers = Set<Int>()
        for part in list.split(separator: ",") {
            let ends = part.split(separator: "-").compactMap { Int($0.filter { !$0.isWhitespace }) }
            guard let first = ends.first, let last = ends.last, first <= last else { continue }
            numbers.formUnion(first...last)
        }
        return numbers
    }

    /// A file of the kernel's; its size is said to be 0, so it is read to its end.
    fileprivate static func lines(_ path: String) -> [Substring] {
        guard let file = FileHandle(forReadingAtPath: path), let data = try? file.readToEnd() else { return [] }
        return String(decoding: data, as: UTF8.self).split(separator: "\n")
    }
}

extension MachineLimits.Machine {
    static var current: Self {
        var limit = rlimit()
        let hasLimit = getrlimit(__rlimit_resource_t(UInt32(RLIMIT_AS.rawValue)), &limit) == 0
        return Self(
            processors: ProcessInfo.processInfo.activeProcessorCount,
            physicalMemory: Int(clamping: ProcessInfo.processInfo.physicalMemory),
            addressSpace: hasLimit ? Int(exactly: limit.rlim_cur) : nil)
    }
}

/// The limits in the control groups of this process.
private struct ControlGroups {
    /// A hierarchy, and the process's place in it.
    private struct Hierarchy {
        /// The file system's type: `cgroup` (version 1) or `cgroup2`.
        let type: String
        /// The controllers that a hierarchy of version 1 has.
        let controllers: Set<String>
        /// The folders of the process's group and of those above it, as far as they can be seen from here.
        let folders: [String]
    }

    private let hierarchies: [Hierarchy]

    init(root: String) {
        // `4:memory:/a/b` of version 1, `0::/a/b` of version 2: the group's path in the hierarchy.
        let groups = MachineLimits.lines("\(root)/proc/self/cgroup").compactMap { line -> (controllers: Set<String>, path: String)? in
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { return nil }
            return (Set(parts[1].split(separator: ",").map(String.init)), String(parts[2]))
        }
        // `35 31 0:32 /root /mount/point rw shared:1 - cgroup cgroup rw,memory`: the part of a hierarchy below `/root`, and where it is seen.
        hierarchies = MachineLimits.lines("\(root)/proc/self/mountinfo").compactMap { line in
            let halves = line.components(separatedBy: " - ")
            guard halves.count == 2 else { return nil }
            let (mount, system) = (halves[0].split(separator: " "), halves[1].split(separator: " "))
            guard mount.count >= 5, system.count >= 3, ["cgroup", "cgroup2"].contains(system[0]) else { return nil }
            let type = String(system[0]), options = Set(system[2].split(separator: ",").map(String.init))
            let group = groups.first { type == "cgroup2" ? $0.controllers.isEmpty : !$0.controllers.isDisjoint(with: options) }
            guard let group else { return nil }
            return Hierarchy(
                type: type, controllers: options,
                folders: Self.folders(of: group.path, below: String(mount[3]), mountedAt: root + Self.unescaped(mount[4])))
        }
    }

    /// A group's folder and those above it, up to the mount point; the mount point alone where the group lies outside what is mounted
    /// there (as in a container that sees its own group as the root).
    private static func folders(of group: String, below mountRoot: String, mountedAt point: String) -> [String] {
        var names = group.split(separator: "/"), root = mountRoot.split(separator: "/")[...]
        if names.starts(with: root) { names.removeFirst(root.count) } else { (names, root) = ([], []) }
        return (0...names.count).reversed().map { ([Substring(point)] + names.prefix($0)).joined(separator: "/") }
    }

    /// In processors.
    var processorQuotas: [Double] {
        values(
            version1: ("cpu", { folder in
                guard let quota = number("\(folder)/cpu.cfs_quota_us"), let period = number("\(folder)/cpu.cfs_period_us") else { return nil }
                return quota > 0 && period > 0 ? Double(quota) / Double(period) : nil
            }),
            version2: { folder in
                // `200000 100000`, or `max 100000`.
                let words = MachineLimits.lines("\(folder)/cpu.max").first?.split(separator: " ") ?? []
                guard words.count == 2, let quota = Double(words[0]), let period = Double(words[1]), quota > 0, period > 0 else { return nil }
                return quota / period
            })
    }

    /// In bytes.
    var memoryLimits: [Int] {
        // Version 1 says that there is no limit by a number near 2⁶³.
        values(version1: ("memory", { number("\($0)/memory.limit_in_bytes") }), version2: { number("\($0)/memory.max") }).filter { $0 >= 0 }
    }

    private func values<Value>(version1: (controller: String, read: (String) -> Value?), version2: (String) -> Value?) -> [Value] {
        hierarchies.flatMap { hierarchy -> [Value] in
            if hierarchy.type == "cgroup2" { return hierarchy.folders.compactMap(version2) }
            return hierarchy.controllers.contains(version1.controller) ? hierarchy.folders.compactMap(version1.read) : []
        }
    }

    private func number(_ path: String) -> Int? { MachineLimits.lines(path).first.flatMap { Int($0) } }

    /// The kernel writes blanks in mount points as `\040`.
    private static func unescaped(_ text: Substring) -> String { String(text).replacing("\\040", with: " ") }
}
