/// Into which layers the parameters of a network fall, from the images up to the head: what a learning rate that decays from layer to layer counts.
///
///     LayerOrder()                                                                       // by modules
///     LayerOrder([["patch_embed", "cls_token", "pos_embed"], ["blocks.#"], ["norm+"]])   // by names
///
/// By modules, every module at the top is a layer, and every member of a list (`layer1.0`, `stages.2.blocks.5`), in the order of declaration. A
/// module without weights, such as a norm, is part of the layer before it. What lies in a module called `backbone` is taken apart likewise.
///
/// By names, stages come one after another. A pattern means the names that begin with its parts, and `#` in it stands for a number: the parameters
/// of a stage with the same numbers are one layer, smaller numbers first, and a number that is missing counts as 0. What a pattern with `+` behind it
/// means belongs to the last layer before its place. What no pattern means is the head, the last layer.
public struct LayerOrder: Sendable, Equatable {
    private struct Pattern: Equatable {
        let parts: [Substring]
        let joinsEarlier: Bool

        init(_ text: String) {
            joinsEarlier = text.hasSuffix("+")
            parts = (joinsEarlier ? text.dropLast() : text[...]).split(separator: ".")
        }

        /// The numbers in a name; nil for one that the pattern does not mean.
        func numbers(in name: [Substring]) -> [Int]? {
            guard name.count >= parts.count else { return nil }
            var numbers: [Int] = []
            for (part, found) in zip(parts, name) where part != found {
                guard part.last == "#", found.hasPrefix(part.dropLast()), let number = Int(found.dropFirst(part.count - 1)) else { return nil }
                numbers.append(number)
            }
            return numbers
        }
    }

    /// Where a layer comes: its stage, then its numbers.
    private struct Place: Hashable, Comparable {
        let numbers: [Int]
        let joinsEarlier: Bool

        static func < (a: Place, b: Place) -> Bool { a.numbers.lexicographicallyPrecedes(b.numbers) }
    }

    private let stages: [[Pattern]]

    /// By names; by modules where there are no stages.
    public init(_ stages: [[String]] = []) { self.stages = stages.map { $0.map(Pattern.init) } }

    /// The layer of each parameter, from 0; `parameters` are all of a network in the order of declaration.
    public func layers(of parameters: [Parameter]) -> [Int] {
        stages.isEmpty ? Self.layersOfModules(parameters) : layersByNames(parameters.map { $0.name.split(separator: ".") })
    }

    private func layersByNames(_ names: [[Substring]]) -> [Int] {
        let places = names.map(place), layers = Set(places).sorted()
        var numbers: [Place: Int] = [:], last = -1
        for place in layers {
            if last < 0 || !place.joinsEarlier { last += 1 }
            numbers[place] = last
        }
        return places.map { numbers[$0]! }
    }

    private func place(of name: [Substring]) -> Place {
        for (stage, patterns) in stages.enumerated() {
            for pattern in patterns {
                guard let numbers = pattern.numbers(in: name) else { continue }
                let rest = Array(repeating: pattern.joinsEarlier ? Int.max : 0, count: max(0, 4 - numbers.count))
                return Place(numbers: [stage] + numbers + rest, joinsEarlier: pattern.joinsEarlier)
            }
        }
        return Place(numbers: [.max], joinsEarlier: false)
    }

    private static func layersOfModules(_ parameters: [Parameter]) -> [Int] {
        let modules = parameters.map { module(of: $0.name) }
        let weighty = Set(zip(modules, parameters).filter { $1.role == .weight }.map(\.0))
        var layers: [String: Int] = [:], last = 0, hasWeight = false
        for module in modules where layers[module] == nil {
            if weighty.contains(module) {
                if hasWeight { last += 1 }
                hasWeight = true
            }
            layers[module] = last
        }
        return modules.map { layers[$0]! }
    }

    /// `layer1.0` for `layer1.0.conv1.weight`.
    private static func module(of name: String) -> String {
        let parts = name.split(separator: "."), modules = parts.dropLast(parts.count > 1 ? 1 : 0)
        func isNumber(_ index: Int) -> Bool { index < modules.count && Int(modules[index]) != nil }
        var end = modules.first == "backbone" && modules.count > 1 ? 2 : 1
        while isNumber(end) || end < modules.count && modules[end] == "blocks" && isNumber(end + 1) { end += 1 }
        return modules.prefix(end).joined(separator: ".")
    }
}
