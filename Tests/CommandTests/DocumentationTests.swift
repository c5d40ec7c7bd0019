import Foundation
import Testing

/// Every public declaration has a documentation line of its own, or is the witness of a protocol's requirement that has one, which readers and
/// tools then show for it.
@Suite struct DocumentationTests {
    @Test func everyPublicDeclarationIsDocumented() throws {
        let sources = Program.packageRoot.appending(path: "Sources")
        let paths = try FileManager.default.subpathsOfDirectory(atPath: sources.path).filter { $0.hasSuffix(".swift") }.sorted()
        let files = try paths.map { path in
            SourceText(path: path, text: try String(contentsOf: sources.appending(path: path), encoding: .utf8))
        }
        let undocumented = Declarations(files).undocumented
        #expect(files.count > 150 && Declarations(files).publicCount > 500, "the scan sees the sources")
        #expect(undocumented.isEmpty, "\(undocumented.count) public declarations without a documentation line:\n\(undocumented.joined(separator: "\n"))")
    }

    /// What the scan takes for documented, and what not.
    @Test(arguments: [
        ("public struct A {}", ["a.swift:1 struct A"]), ("/// A.\npublic struct A {}", []),
        ("/// A.\n@frozen\npublic struct A {}", []), ("// A.\npublic struct A {}", ["a.swift:2 struct A"]),
        ("/// A.\npublic struct A {\n    public let x = \"{\"\n    /// Y.\n    public var y: Int { 1 }\n    let z = 1\n}", ["a.swift:3 let x"]),
        ("/// P.\npublic protocol P {\n    func f()\n    /// G.\n    func g()\n}", ["a.swift:3 func f"]),
        ("/// P.\npublic protocol P {\n    /// F.\n    func f()\n}\n/// A.\npublic struct A: P {\n    public func f() {}\n    public func g() {}\n}", ["a.swift:9 func g"]),
        ("/// P.\npublic protocol P {\n    /// F.\n    func f()\n}\n/// A.\npublic struct A {\n    public func f() {}\n}\nextension A: Q {}\nprotocol Q: P {}", []),
        ("/// A.\npublic struct A {\n    public func f() {}\n}", ["a.swift:3 func f"]),
        ("extension A {\n    public static func + (a: A, b: A) -> A { a }\n}", ["a.swift:2 func +"]),
        ("/// A.\npublic struct A {\n    public init() {}\n    public subscript(i: Int) -> Int { i }\n    public private(set) var x = 0\n}",
            ["a.swift:3 init", "a.swift:4 subscript", "a.swift:5 var x"]),
        ("let text = \"\"\"\n    public func f()\n    \"\"\"", []),
    ])
    func theScanKnowsWhatIsDocumented(text: String, expected: [String]) {
        #expect(Declarations([SourceText(path: "a.swift", text: text)]).undocumented == expected)
    }
}

private struct SourceText {
    let path: String
    let text: String
}

/// The declarations of Swift sources, as far as lines tell.
private struct Declarations {
    private struct Declaration {
        let place: String
        let kind: String
        let name: String
        /// The type, extended type or protocol around it; nil at the top of a file.
        let owner: String?
        let isRequirement: Bool
        let isPublic: Bool
        let isDocumented: Bool
    }

    private var declarations: [Declaration] = []
    /// The protocols and superclasses that types and protocols name.
    private var parents: [String: Set<String>] = [:]

    init(_ files: [SourceText]) {
        for file in files { read(file) }
    }

    var publicCount: Int { declarations.count(where: \.isPublic) }

    var undocumented: [String] {
        var documentedRequirements: [String: Set<String>] = [:]
        for one in declarations where one.isRequirement && one.isDocumented { documentedRequirements[one.owner!, default: []].insert(one.name) }
        return declarations.filter { one in
            guard one.isPublic, !one.isDocumented else { return false }
            let protocols = one.owner.map { ancestors(of: $0) } ?? []
            return one.isRequirement || !protocols.contains { documentedRequirements[$0]?.contains(one.name) ?? false }
        }.map { "\($0.place) \([$0.kind, $0.name == $0.kind ? "" : $0.name].filter { !$0.isEmpty }.joined(separator: " "))" }
    }

    private func ancestors(of type: String) -> Set<String> {
        var found: Set = [type], open = [type]
        while let next = open.popLast() {
            for parent in parents[next] ?? [] where found.insert(parent).inserted { open.append(parent) }
        }
        return found
    }

    private static let modifiers: Set<String> = [
        "public", "package", "internal", "fileprivate", "private", "open", "static", "final", "mutating", "nonmutating", "indirect", "nonisolated",
        "prefix", "lazy", "override", "convenience", "private(set)", "fileprivate(set)", "internal(set)",
    ]
    private static let types: Set<String> = ["struct", "class", "enum", "protocol", "actor", "extension"]
    private static let members: Set<String> = ["func", "var", "let", "init", "subscript", "typealias"]

    private mutating func read(_ file: SourceText) {
        // The types around a line, each with the depth of braces inside it.
        var around: [(name: String, depth: Int, isPublicProtocol: Bool)] = []
        var depth = 0, isDocumented = false, isInText = false
        for (index, line) in file.text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let trimmed = line.drop { $0 == " " }
            defer { if line.contains("\"\"\""), line.components(separatedBy: "\"\"\"").count % 2 == 0 { isInText.toggle() } }
            if isInText { continue }
            if trimmed.hasPrefix("///") {
                isDocumented = true
                continue
            }
            let code = Self.code(trimmed)
            // An attribute on a line of its own stands between the documentation and what it documents.
            if trimmed.hasPrefix("@"), !code.contains(where: { $0 == " " }) { continue }
            if depth == (around.last?.depth ?? 0), let (words, kind, rest) = Self.declaration(code) {
                let owner = around.last, isPublic = words.contains("public") || words.contains("open")
                let name = kind == "init" || kind == "subscript" ? kind : Self.name(rest)
                if kind != "extension" {
                    declarations.append(Declaration(
                        place: "\(file.path):\(index + 1)", kind: kind, name: name, owner: owner?.name,
                        isRequirement: owner?.isPublicProtocol ?? false, isPublic: isPublic || (owner?.isPublicProtocol ?? false),
                        isDocumented: isDocumented))
                }
                if Self.types.contains(kind) {
                    let simple = name.split(separator: ".").last.map(String.init) ?? name
                    // `Name: A, B where … {`
                    let clause = rest.dropFirst(name.count).prefix { $0 != "{" }.components(separatedBy: " where ")[0]
                    if let colon = clause.firstIndex(of: ":"), !clause[..<colon].contains("(") {
                        let names = clause[clause.index(after: colon)...].split(separator: ",").compactMap { $0.split(separator: " ").last.map(String.init) }
                        parents[simple, default: []].formUnion(names)
                    }
                    if code.contains("{") { around.append((simple, depth + 1, kind == "protocol" && isPublic)) }
                }
            }
            for character in code.utf8 {
                if character == UInt8(ascii: "{") { depth += 1 } else if character == UInt8(ascii: "}") { depth -= 1 }
            }
            while let last = around.last, depth < last.depth { around.removeLast() }
            isDocumented = false
        }
    }

    /// The line without texts and comments, whose braces are none.
    private static func code(_ line: Substring) -> String {
        var bytes: [UInt8] = [], isInText = false, isEscaped = false
        for byte in line.utf8 {
            if isInText {
                if isEscaped { isEscaped = false } else if byte == UInt8(ascii: "\\") { isEscaped = true } else if byte == UInt8(ascii: "\"") { isInText = false }
            } else if byte == UInt8(ascii: "\"") {
                isInText = true
            } else if byte == UInt8(ascii: "/"), bytes.last == byte {
                bytes.removeLast()
                break
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The modifiers, the keyword and what is behind it, where a line begins a declaration.
    private static func declaration(_ code: String) -> (words: [String], kind: String, rest: Substring)? {
        var words: [String] = [], rest = code[...]
        while true {
            let word = String(rest.prefix { $0 != " " }), next = rest.dropFirst(word.count).drop { $0 == " " }
            // `init(…)`, `init?(…)` and `subscript(…)` have no space behind them.
            let bare = word.prefix { $0.isLetter }
            if bare == "init" || bare == "subscript" { return (words, String(bare), next) }
            if types.contains(word) || members.contains(word) { return (words, word, next) }
            guard modifiers.contains(word) || word.hasPrefix("@"), !next.isEmpty else { return nil }
            words.append(word)
            rest = next
        }
    }

    private static func name(_ rest: Substring) -> String {
        let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." }
        return String(word.isEmpty ? rest.prefix { $0 != " " && $0 != "(" && $0 != "<" || rest.first == $0 } : word)
    }
}
